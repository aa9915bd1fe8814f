"""A record as a whole (RFC 7208 4.5, 4.6): read once, checked once, never changed after.

What may live here: the block of memory that holds a record with what can be worked out from it
once and for all (names of literal domain-specs, tables of neighbouring networks), and which record
of several applies. Its Python face is in terms.pyx. Nothing is evaluated and nothing asked.

The whole record is read before anything of it counts (RFC 7208 4.6). A fault is kept with the
record, so that a broken record costs its parse once.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset

from senderid_fast._core.cidr cimport u128
from senderid_fast._core.tables cimport NO_TERM, Network, table_build
from senderid_fast._core.macros cimport Piece
from senderid_fast._core.names cimport name_key, sf_hash
from senderid_fast._core.tokenizer cimport (
    FAULT_NONE, FAULT_TOO_LONG, FAULT_VERSION, NO_SPEC, SCOPE_SPF, TERM_ALL, TERM_EXP, TERM_IP4, TERM_IP6,
    Parse, Spec, Table, term_parse, version_parse,
)
from senderid_fast._core.tokenizer cimport Term as TermData


# The table of a family of which a run names no network: one range, no term.
cdef uint32_t NOWHERE4 = 0
cdef u128 NOWHERE6 = 0
cdef uint16_t NOTHING = NO_TERM


cdef inline size_t aligned(size_t size) noexcept nogil:
    return (size + 15) & ~<size_t>15


cdef void networks_of_run(const Network *all, int count, int *at, int end, Network *out, int *n) noexcept nogil:
    n[0] = 0
    while at[0] < count and all[at[0]].term < end:
        out[n[0]] = all[at[0]]
        at[0] += 1
        n[0] += 1


cdef int name_in_text(const Parse *parse, int index) noexcept nogil:
    """Where the name of a term's literal domain-spec stands in the text as it is; -1: it has capitals,
    or is none."""
    cdef const TermData *term = &parse.terms[index]
    cdef const Spec *spec = &parse.specs[term.spec]
    cdef const uint8_t *start = parse.text + term.offset
    cdef int i
    if spec.name_length == 0:
        return -1
    for i in range(term.length - spec.name_length, 0, -1):
        if memcmp(start + i, spec.name, spec.name_length) == 0:
            return term.offset + i
    return -1


cdef size_t names_apart(const Parse *parse) noexcept nogil:
    """Octets of the names that have to be kept beside the text."""
    cdef size_t octets = 0
    cdef int i
    for i in range(parse.term_count):
        if parse.terms[i].spec != NO_SPEC and parse.specs[parse.terms[i].spec].piece_count == 0:
            if name_in_text(parse, i) < 0:
                octets += parse.specs[parse.terms[i].spec].name_length
    return octets


cdef uint8_t uses_of(const RecordData *record) noexcept nogil:
    cdef const TermData *term
    cdef int i, uses = 0
    for i in range(record.term_count):
        term = &record.terms[i]
        if term.kind == TERM_ALL or term.kind == TERM_IP4 or term.kind == TERM_IP6 or term.kind >= TERM_EXP:
            continue
        uses |= RECORD_ASKS
        if term.spec == NO_SPEC or record.specs[term.spec].piece_count:
            uses |= RECORD_BOUND
    return <uint8_t>uses


cdef void record_begin(RecordData *record, size_t size) noexcept nogil:
    memset(record, 0, sizeof(RecordData))
    record.refs = 1
    record.size = <uint32_t>size


cdef void record_set_text(RecordData *record, uint8_t *at, const uint8_t *text, size_t length) noexcept nogil:
    memcpy(at, text, length)
    record.text = at
    record.text_length = <uint16_t>length
    record.hash = sf_hash(at, length, name_key)


cdef RecordData *record_build(Parse *parse, size_t length, size_t table_count, char *scratch) noexcept nogil:
    """One block with all that the parse found. NULL if there is no memory."""
    cdef size_t networks = parse.network4_count + parse.network6_count
    cdef size_t header = sizeof(RecordData)
    cdef size_t tables = table_count * sizeof(Table)
    cdef size_t specs = parse.spec_count * sizeof(Spec)
    # A family that no term names needs no table of its own, and nothing wide no alignment.
    cdef size_t wide = (2 * parse.network6_count + table_count) * sizeof(u128) if parse.network6_count else 0
    cdef size_t narrow = (2 * parse.network4_count + table_count) * sizeof(uint32_t) if parse.network4_count else 0
    cdef size_t wide_at = header + tables + specs
    cdef size_t terms = parse.term_count * sizeof(TermData)
    cdef size_t pieces = parse.piece_count * sizeof(Piece)
    cdef size_t indexes = (2 * networks + 2 * table_count) * sizeof(uint16_t)
    cdef size_t names = names_apart(parse)
    cdef size_t size
    if wide:
        wide_at = aligned(wide_at)
    size = wide_at + wide + narrow + terms + pieces + indexes + names + length
    cdef char *block = <char *>malloc(size)
    cdef RecordData *record = <RecordData *>block
    cdef Table *table
    cdef u128 *starts6
    cdef uint32_t *starts4
    cdef uint16_t *places
    cdef Network *run = <Network *>scratch
    cdef u128 *starts = <u128 *>(run + networks + 1)
    cdef u128 *ends = starts + 2 * networks + 2
    cdef Spec *spec
    cdef char *at
    cdef int i, k, n, next4 = 0, next6 = 0
    if block == NULL:
        return NULL
    record_begin(record, size)
    at = block + header
    record.tables = <const Table *>at
    at += tables
    record.specs = <const Spec *>at
    memcpy(at, parse.specs, specs)
    at = block + wide_at
    starts6 = <u128 *>at
    at += wide
    starts4 = <uint32_t *>at
    at += narrow
    record.terms = <const TermData *>at
    memcpy(at, parse.terms, terms)
    at += terms
    record.pieces = <const Piece *>at
    memcpy(at, parse.pieces, pieces)
    at += pieces
    places = <uint16_t *>at
    at += indexes
    record_set_text(record, <uint8_t *>at + names, parse.text, length)
    for i in range(parse.term_count):
        if record.terms[i].spec == NO_SPEC:
            continue
        spec = <Spec *>record.specs + record.terms[i].spec
        if spec.piece_count == 0:
            k = name_in_text(parse, i)
            if k >= 0:
                spec.name = record.text + k
                continue
            memcpy(at, spec.name, spec.name_length)
            spec.name = <const uint8_t *>at
            at += spec.name_length
    record.term_count = <uint16_t>parse.term_count
    record.uses = uses_of(record)
    record.redirect = <uint16_t>parse.redirect
    record.explanation = <uint16_t>parse.explanation
    record.all = <uint16_t>parse.all
    # Runs in their order: term_parse's caller numbered the tables the same way.
    i = k = 0
    while i < parse.term_count:
        if record.terms[i].kind != TERM_IP4 and record.terms[i].kind != TERM_IP6:
            i += 1
            continue
        table = <Table *>record.tables + k
        k += 1
        while i < parse.term_count and (record.terms[i].kind == TERM_IP4 or record.terms[i].kind == TERM_IP6):
            i += 1
        table.end = <uint16_t>i
        table.count4 = table.count6 = 1
        table.starts4, table.terms4 = &NOWHERE4, &NOTHING
        table.starts6, table.terms6 = &NOWHERE6, &NOTHING
        networks_of_run(parse.networks4, parse.network4_count, &next4, i, run, &n)
        if n:
            table.count4 = table_build(run, n, 0xFFFFFFFF, starts, places, ends)
            table.terms4 = places
            places += table.count4
            table.starts4 = starts4
            for n in range(table.count4):
                starts4[n] = <uint32_t>starts[n]
            starts4 += table.count4
        networks_of_run(parse.networks6, parse.network6_count, &next6, i, run, &n)
        if n:
            table.count6 = table_build(run, n, ~<u128>0, starts6, places, ends)
            table.terms6 = places
            places += table.count6
            table.starts6 = starts6
            starts6 += table.count6
    return record


cdef RecordData *record_broken(const uint8_t *text, size_t length) noexcept nogil:
    cdef char *block = <char *>malloc(sizeof(RecordData) + length)
    cdef RecordData *record = <RecordData *>block
    if block == NULL:
        return NULL
    record_begin(record, sizeof(RecordData) + length)
    record.redirect = record.explanation = record.all = NO_TERM
    record_set_text(record, <uint8_t *>(block + sizeof(RecordData)), text, length)
    return record


# record = version terms *SP                                                      RFC 7208 4.5
cdef RecordData *record_parse(const uint8_t *text, size_t length) noexcept nogil:
    """Read a record. Its own reference belongs to the caller; NULL only if there is no memory.

    A fault is in record.error and record.error_offset; the rest is then only the text.
    """
    cdef Parse parse
    cdef int scopes = 0, at, end, start, error = FAULT_NONE
    cdef size_t most = length // 2 + 2, networks = length // 7 + 2, tables = 0
    cdef size_t terms_size, specs_size, pieces_size, networks_size, tables_size
    cdef char *scratch
    cdef RecordData *record
    cdef bint in_run = False, is_network
    if length > RECORD_MAX:
        record = record_broken(text, RECORD_MAX)
        if record != NULL:
            record.error = FAULT_TOO_LONG
            record.error_offset = RECORD_MAX
        return record
    at = version_parse(text, length, &scopes)
    memset(&parse, 0, sizeof(Parse))
    parse.text = text
    parse.redirect = parse.explanation = parse.all = NO_TERM
    terms_size = aligned(most * sizeof(TermData))
    specs_size = aligned(most * sizeof(Spec))
    pieces_size = aligned((length + 1) * sizeof(Piece))
    networks_size = aligned(networks * sizeof(Network))
    tables_size = aligned((2 * networks + 1) * sizeof(Network) + (4 * networks + 4) * 2 * sizeof(u128))
    scratch = <char *>malloc(terms_size + specs_size + pieces_size + 2 * networks_size + tables_size + length)
    if scratch == NULL:
        return NULL
    parse.networks4 = <Network *>scratch
    parse.networks6 = <Network *>(scratch + networks_size)
    parse.specs = <Spec *>(scratch + 2 * networks_size + tables_size)
    parse.terms = <TermData *>(<char *>parse.specs + specs_size)
    parse.pieces = <Piece *>(<char *>parse.terms + terms_size)
    parse.names = <uint8_t *>parse.pieces + pieces_size
    end = <int>length
    if at == 0:
        error = FAULT_VERSION
    while error == FAULT_NONE:
        while at < end and text[at] == c' ':     # 4.6.1: only SP is between terms
            at += 1
        if at == end:
            break
        start = at
        while at < end and text[at] != c' ':
            at += 1
        error = term_parse(&parse, start, at)
        if error == FAULT_NONE:
            is_network = (parse.terms[parse.term_count - 1].kind == TERM_IP4
                          or parse.terms[parse.term_count - 1].kind == TERM_IP6)
            if is_network and not in_run:
                tables += 1
            if is_network:
                parse.terms[parse.term_count - 1].table = <uint16_t>(tables - 1)
            in_run = is_network
    if error:
        record = record_broken(text, length)
        if record != NULL:
            record.error = <uint8_t>error
            record.error_offset = <uint16_t>parse.error_offset
    else:
        record = record_build(&parse, length, tables, scratch + 2 * networks_size)
    if record != NULL:
        record.scopes = <uint8_t>scopes
        record.version = 0 if scopes == 0 and error == FAULT_VERSION else 1 if scopes == SCOPE_SPF else 2
    free(scratch)
    return record


cdef void record_retain(RecordData *record) noexcept nogil:
    sf_retain(&record.refs)


cdef void record_release(RecordData *record) noexcept nogil:
    if record != NULL and sf_release(&record.refs) == 0:
        free(record)


# RFC 7208 4.5; RFC 4406 4.4
cdef int select_index(const uint8_t **texts, const size_t *lengths, int count, int scope) noexcept nogil:
    """Which of the TXT records at a name applies to one scope (a ScopeBit): its index, or a
    Selection. The order of the records is of no matter."""
    cdef int i, scopes, plain = SELECT_NONE, own = SELECT_NONE
    for i in range(count):
        # Step 2: what has no proper version section is not ours. Step 3: nor is another scope.
        if version_parse(texts[i], lengths[i], &scopes) == 0:
            continue
        if scopes == SCOPE_SPF:
            plain = i if plain == SELECT_NONE else <int>SELECT_MULTIPLE
        elif scopes & scope:
            own = i if own == SELECT_NONE else <int>SELECT_MULTIPLE
    # Step 4: an spf2.0 record with the scope goes before v=spf1. Plain SPF knows only the latter.
    if scope == SCOPE_SPF:
        return plain
    if own == SELECT_NONE:
        return <int>SELECT_MULTIPLE_PLAIN if plain == SELECT_MULTIPLE else plain
    return own
