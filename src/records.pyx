"""A record as a whole (RFC 7208 4.5, 4.6): read once, checked once, never changed after.

What may live here: the block of memory that holds a record with what can be worked out from it
once and for all (names of literal domain-specs, tables of neighbouring networks), which record of
several applies, and the record's Python face. Nothing is evaluated and nothing asked.

The whole record is read before anything of it counts (RFC 7208 4.6). A fault is kept with the
record, so that a broken record costs its parse once.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from senderid_fast._core.cidr cimport NO_TERM, Network, table_build, u128
from senderid_fast._core.macros cimport Piece
from senderid_fast._core.tokenizer cimport (
    FAULT_NONE, FAULT_TOO_LONG, FAULT_VERSION, SCOPE_MFROM, SCOPE_PRA, SCOPE_SPF, TERM_IP4, TERM_IP6,
    TERM_A, TERM_MX, TERM_REDIRECT, TERM_UNKNOWN, Parse, Spec, Table, term_parse, version_parse,
)
from senderid_fast._core.tokenizer cimport Term as TermData

from senderid_fast.errors import InputError, RecordSelectionError, RecordSyntaxError
from senderid_fast.results import Scope


cdef inline size_t aligned(size_t size) noexcept nogil:
    return (size + 15) & ~<size_t>15


cdef void networks_of_run(const Network *all, int count, int *at, int end, Network *out, int *n) noexcept nogil:
    n[0] = 0
    while at[0] < count and all[at[0]].term < end:
        out[n[0]] = all[at[0]]
        at[0] += 1
        n[0] += 1


cdef RecordData *record_build(Parse *parse, size_t length, size_t table_count, char *scratch) noexcept nogil:
    """One block with all that the parse found. NULL if there is no memory."""
    cdef size_t networks = parse.network4_count + parse.network6_count
    cdef size_t header = aligned(sizeof(RecordData))
    cdef size_t tables = aligned(table_count * sizeof(Table))
    cdef size_t wide = (2 * parse.network6_count + table_count) * sizeof(u128)
    cdef size_t narrow = (2 * parse.network4_count + table_count) * sizeof(uint32_t)
    cdef size_t specs = aligned(parse.spec_count * sizeof(Spec))
    cdef size_t terms = parse.term_count * sizeof(TermData)
    cdef size_t pieces = parse.piece_count * sizeof(Piece)
    cdef size_t indexes = (2 * networks + 2 * table_count) * sizeof(uint16_t)
    cdef size_t size = (header + tables + aligned(wide) + aligned(narrow) + specs + aligned(terms)
                        + aligned(pieces) + aligned(indexes) + parse.names_length + length)
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
    memset(block, 0, header)
    record.refs = 1
    record.size = <uint32_t>size
    at = block + header
    record.tables = <const Table *>at
    at += tables
    starts6 = <u128 *>at
    at += aligned(wide)
    starts4 = <uint32_t *>at
    at += aligned(narrow)
    record.specs = <const Spec *>at
    memcpy(at, parse.specs, parse.spec_count * sizeof(Spec))
    at += specs
    record.terms = <const TermData *>at
    memcpy(at, parse.terms, terms)
    at += aligned(terms)
    record.pieces = <const Piece *>at
    memcpy(at, parse.pieces, pieces)
    at += aligned(pieces)
    places = <uint16_t *>at
    at += aligned(indexes)
    memcpy(at, parse.names, parse.names_length)
    spec = <Spec *>record.specs
    for i in range(parse.spec_count):
        if spec[i].piece_count == 0:
            spec[i].name = <const uint8_t *>at + (spec[i].name - parse.names)
    at += parse.names_length
    record.text = <const uint8_t *>at
    memcpy(at, parse.text, length)
    record.text_length = <uint32_t>length
    record.term_count = <uint16_t>parse.term_count
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
        networks_of_run(parse.networks4, parse.network4_count, &next4, i, run, &n)
        table.count4 = table_build(run, n, 0xFFFFFFFF, starts, places, ends)
        table.terms4 = places
        places += table.count4
        table.starts4 = starts4
        for n in range(table.count4):
            starts4[n] = <uint32_t>starts[n]
        starts4 += table.count4
        networks_of_run(parse.networks6, parse.network6_count, &next6, i, run, &n)
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
    memset(block, 0, sizeof(RecordData))
    record.refs = 1
    record.size = <uint32_t>(sizeof(RecordData) + length)
    record.redirect = record.explanation = record.all = NO_TERM
    record.text = <const uint8_t *>(block + sizeof(RecordData))
    memcpy(block + sizeof(RecordData), text, length)
    record.text_length = <uint32_t>length
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
            record.error_offset = <uint32_t>parse.error_offset
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
    """Which of the TXT records at a name applies to one scope (a ScopeBit): its index, SELECT_NONE
    or SELECT_MULTIPLE. The order of the records is of no matter."""
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
    if scope == SCOPE_SPF or own == SELECT_NONE:
        return plain
    return own


# What a SyntaxFault means: the section that is broken, and a sentence that says what to do.
cdef list FAULTS = [
    ("", ""),
    ("RFC 7208 4.5", 'a record begins with "v=spf1" and a space, or with "spf2.0/" and scopes'),
    ("RFC 7208 3.4", "a record of more than 65535 octets cannot stand in DNS"),
    ("RFC 7208 12", "only visible ASCII characters may stand in a term, and only spaces between terms"),
    ("RFC 7208 4.6.1", "a modifier takes no qualifier: remove the sign before its name"),
    ("RFC 7208 4.6.1", "a modifier's name begins with a letter, and letters, digits, hyphens, "
                       "underscores and dots follow"),
    ("RFC 7208 4.6.1", "there is no such mechanism"),
    ("RFC 7208 5", "this mechanism does not take what follows its name"),
    ("RFC 7208 5", 'this mechanism needs a ":" and an argument'),
    ("RFC 7208 7.1", "the domain name is missing"),
    ("RFC 7208 7.1", "a domain name ends in a dot and a top-level label that is not all digits, or in a macro"),
    ("RFC 7208 5.6", 'after "/" comes a number from 0 to 32 without leading zeros'),
    ("RFC 7208 5.6", 'the length of an IPv6 network is a number from 0 to 128 without leading zeros'),
    ("RFC 7208 5.6", "this is no IPv4 address: four numbers from 0 to 255 without leading zeros"),
    ("RFC 7208 5.6", "this is no IPv6 address"),
    ("RFC 7208 6", "redirect= and exp= may stand once each in a record"),
    ("RFC 7208 7.1", 'a "%" is followed by "{", "%", "_" or "-"'),
    ("RFC 7208 7.2", "there is no such macro letter"),
    ("RFC 7208 7.2", "the macro letters c, r and t may stand only in the text of an explanation"),
    ("RFC 7208 7.3", "the number of parts in a macro is not zero"),
    ("RFC 7208 7.1", 'a macro is "%{", a letter, digits, "r", delimiters and "}", in this order'),
]

cdef tuple NAMES = ("all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists", "redirect", "exp", "")


cdef tuple fault_of(const RecordData *record):
    """(section, problem, offset, text of the term) of a record that has a fault."""
    cdef int start = record.error_offset, end
    cdef int length = <int>record.text_length
    start = min(start, length)
    end = start
    while start > 0 and record.text[start - 1] != c' ':
        start -= 1
    while end < length and record.text[end] != c' ':
        end += 1
    section, problem = FAULTS[record.error]
    return (section, problem, <int>record.error_offset,
            (<const char *>record.text)[start:end].decode("latin-1"))


cdef class Term:
    """One term of a record (RFC 7208 4.6.1).

    text         as it stands in the record
    offset       of its first octet in the record
    name         "ip4", "redirect", ... in lower case
    qualifier    "+", "-", "~" or "?" of a mechanism ("+" if none is written); None for a modifier
    domain_spec  the domain-spec as written (a, mx, include, ptr, exists, redirect, exp), or None
    network      of ip4 and ip6: address and length as written, or None
    value        of an unknown modifier: what stands behind the "=", or None
    prefix4, prefix6   CIDR lengths of a, mx, ip4 (0 to 32) and a, mx, ip6 (0 to 128), or None

    str(term) is its shortest form; terms are equal if these are.
    """

    cdef readonly str text
    cdef readonly int offset
    cdef readonly str name
    cdef readonly object qualifier
    cdef readonly object domain_spec
    cdef readonly object network
    cdef readonly object value
    cdef readonly object prefix4
    cdef readonly object prefix6

    @property
    def is_modifier(self):
        """Whether it is a modifier (RFC 7208 6), not a mechanism."""
        return self.qualifier is None

    def __str__(self):
        if self.value is not None:
            return f"{self.name}={self.value}"
        if self.qualifier is None:
            return f"{self.name}={self.domain_spec}"
        text = ("" if self.qualifier == "+" else self.qualifier) + self.name
        if self.network is not None:
            return f"{text}:{self.network}"
        if self.domain_spec is not None:
            text += f":{self.domain_spec}"
        if self.prefix4 is not None and self.prefix4 != 32:
            text += f"/{self.prefix4}"
        if self.prefix6 is not None and self.prefix6 != 128:
            text += f"//{self.prefix6}"
        return text

    def __repr__(self):
        return f"<Term {self.text!r} at {self.offset}>"

    def __eq__(self, other):
        return str(self) == str(other) if isinstance(other, Term) else NotImplemented

    def __hash__(self):
        return hash(str(self))


cdef Term term_of(const RecordData *record, const uint8_t *text, int index):
    cdef const TermData *data = &record.terms[index]
    cdef Term term = Term.__new__(Term)
    cdef bint modifier = data.kind >= TERM_REDIRECT
    term.text = (<const char *>text)[data.offset:data.offset + data.length].decode("ascii")
    term.offset = data.offset
    body = term.text
    if not modifier:
        term.qualifier = chr(data.qualifier)
        body = body[1:] if body[0] in "+-~?" else body
    if data.kind == TERM_UNKNOWN:
        term.name, _, term.value = body.partition("=")
        return term
    term.name = NAMES[data.kind]
    argument = body[len(term.name) + 1:] if len(body) > len(term.name) and body[len(term.name)] in ":=" else None
    if data.kind == TERM_IP4:
        term.network, term.prefix4 = argument, data.prefix4
        return term
    if data.kind == TERM_IP6:
        term.network, term.prefix6 = argument.lower(), data.prefix6
        return term
    if data.kind == TERM_A or data.kind == TERM_MX:
        term.prefix4, term.prefix6 = data.prefix4, data.prefix6
        if argument is not None:
            # What the grammar took off the right-hand end: "/" digits and "//" digits.
            cut = argument.rstrip("0123456789")
            if cut.endswith("//"):
                argument = cut[:-2]
                cut = argument.rstrip("0123456789")
            if cut.endswith("/") and cut != argument:
                argument = cut[:-1]
    term.domain_spec = argument
    return term


cdef class Record:
    """A record whose syntax is right, from parse_record.

    bytes(record) are its octets as given; str(record) is its shortest form. Records are equal if
    they say the same, that is if their shortest forms are equal.
    """

    def __init__(self):
        raise TypeError("records come from parse_record()")

    def __dealloc__(self):
        record_release(self.data)

    @property
    def version(self):
        """The version section in lower case: "v=spf1", or "spf2.0/" with its scopes."""
        return bytes(self).split(b" ", 1)[0].decode("ascii").lower()

    @property
    def scopes(self):
        """The scopes it serves: of RFC 7208 for v=spf1, else those of its version section that
        RFC 4406 3.1 knows."""
        names = ((SCOPE_SPF, Scope.SPF), (SCOPE_MFROM, Scope.MFROM), (SCOPE_PRA, Scope.PRA))
        return tuple([scope for bit, scope in names if self.data.scopes & bit])

    @property
    def terms(self):
        """All terms from left to right, as a tuple of Term."""
        return tuple([term_of(self.data, self.data.text, index) for index in range(self.data.term_count)])

    def __bytes__(self):
        return (<const char *>self.data.text)[:self.data.text_length]

    def __str__(self):
        return " ".join([self.version, *map(str, self.terms)])

    def __repr__(self):
        return f"<Record {bytes(self)!r}>"

    def __eq__(self, other):
        return str(self) == str(other) if isinstance(other, Record) else NotImplemented

    def __hash__(self):
        return hash(str(self))

    def __reduce__(self):
        return parse_record, (bytes(self),)


cdef Record record_of(RecordData *data):
    """The Python face of a record that has no fault; it takes a reference of its own."""
    cdef Record record = Record.__new__(Record)
    record_retain(data)
    record.data = data
    return record


cdef bytes octets_of(octets, str field):
    if isinstance(octets, str):
        return (<str>octets).encode("utf-8", "surrogatepass")
    if isinstance(octets, (bytes, bytearray, memoryview)):
        return bytes(octets)
    raise InputError(field, f"must be bytes or str, is {type(octets).__name__}")


def parse_record(octets, scope=None):
    """The record in the octets of one TXT record (RFC 7208 4.5, 12; RFC 4406 3).

    octets  bytes, or text; strings of one TXT record are to be joined with nothing between (3.3)
    scope   if given, the record must be one that can apply to it: v=spf1, or spf2.0 with the scope

    Raises RecordSyntaxError, which tells where and which section, and InputError for other types.
    """
    cdef bytes text = octets_of(octets, "octets")
    cdef RecordData *data = record_parse(<const uint8_t *><const char *>text, len(text))
    cdef Record record
    if data == NULL:
        raise MemoryError
    record = Record.__new__(Record)
    record.data = data
    if data.error:
        section, problem, offset, term = fault_of(data)
        raise RecordSyntaxError(text, offset, term, section, problem)
    if scope is not None and data.scopes != SCOPE_SPF and Scope(scope) not in record.scopes:
        raise RecordSyntaxError(text, 0, record.version, "RFC 4406 3.1", f"this record has no scope {scope}")
    return record


def select_record(txt_rrset, scope=Scope.SPF):
    """Which record of those at a name applies to the scope (RFC 7208 4.5, RFC 4406 4.4).

    txt_rrset  the TXT records as bytes, each joined from its strings
    The octets of the record, or None. Raises RecordSelectionError if more than one applies. The
    terms of the record are not looked at, nor does the order of the records matter.
    """
    cdef list texts = [octets_of(text, "txt_rrset") for text in txt_rrset]
    cdef int index, count = <int>len(texts)
    cdef const uint8_t **pointers = <const uint8_t **>malloc((count + 1) * sizeof(void *))
    cdef size_t *lengths = <size_t *>malloc((count + 1) * sizeof(size_t))
    try:
        if not pointers or not lengths:
            raise MemoryError
        for index in range(count):
            pointers[index] = <const uint8_t *><const char *><bytes>texts[index]
            lengths[index] = len(<bytes>texts[index])
        index = select_index(pointers, lengths, count, scope_bit(scope))
    finally:
        free(pointers)
        free(lengths)
    if index == SELECT_MULTIPLE:
        ours = tuple([text for text in texts if version_of(text)])
        raise RecordSelectionError(ours, "RFC 7208 4.5" if Scope(scope) is Scope.SPF else "RFC 4406 4.4")
    return None if index == SELECT_NONE else texts[index]


cdef bint version_of(bytes text):
    cdef int scopes
    return version_parse(<const uint8_t *><const char *>text, len(text), &scopes) != 0


cdef int scope_bit(scope) except -1:
    """The ScopeBit of a Scope. Raises InputError."""
    if scope == "spf":
        return SCOPE_SPF
    if scope == "mfrom":
        return SCOPE_MFROM
    if scope == "pra":
        return SCOPE_PRA
    raise InputError("scope", f"must be one of spf, mfrom and pra, is {scope!r}")
