"""From the octets of a TXT record to a record: version, scopes, terms (RFC 7208 4.5, 12; RFC 4406 3).

What may live here: the grammar. It writes terms, domain-specs and networks into the arrays of a
Parse, which records.pyx makes and turns into a record. Nothing is evaluated and nothing asked.

All lengths are explicit: NUL is an octet like any other, and no function looks past the end it is
given.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset

from senderid_fast._core.cidr cimport ip4_mask, ip4_parse, ip6_mask, ip6_parse, prefix_parse, u128
from senderid_fast._core.tables cimport NO_TERM, Network
from senderid_fast._core.macros cimport (
    MACRO_BAD_LETTER, MACRO_OK, MACRO_STRAY_PERCENT, MACRO_UNCLOSED, MACRO_ZERO_DIGITS, USES_EXPLAIN,
    Piece, macro_expand_name, macro_parse,
)
from senderid_fast._core.names cimport (
    NAME_BUFFER, name_key, octets_equal_folded, sf_hash, sf_lower, toplabel_is_valid,
)


cdef inline bint is_alpha(uint8_t c) noexcept nogil:
    return <uint8_t>((c | 32) - c'a') < 26


cdef inline bint is_digit(uint8_t c) noexcept nogil:
    return <uint8_t>(c - c'0') < 10


cdef inline bint is_name_character(uint8_t c) noexcept nogil:
    return is_alpha(c) or is_digit(c) or c == c'-' or c == c'_' or c == c'.'


# version = "v=spf1"                                                              RFC 7208 4.5
# version = "v=spf1" / ( "spf2." ver-minor scope ), ver-minor = 1*DIGIT           RFC 4406 3.1
# scope   = "/" scope-id *( "," scope-id ), scope-id = "mfrom" / "pra" / name
cdef int version_parse(const uint8_t *text, size_t length, int *scopes) noexcept nogil:
    """The length of the version section, or 0 if the text does not begin with one.

    scopes is set to the ScopeBits that the section can serve by itself: SCOPE_SPF for "v=spf1".
    The section ends at a space or at the end of the record.
    """
    cdef size_t at = 6, start
    scopes[0] = 0
    if length >= 6 and octets_equal_folded(text, <const uint8_t *>b"v=spf1", 6):
        if length > 6 and text[6] != c' ':
            return 0
        scopes[0] = SCOPE_SPF
        return 6
    if length < 8 or not octets_equal_folded(text, <const uint8_t *>b"spf2.", 5):
        return 0
    at = start = 5
    while at < length and is_digit(text[at]):
        at += 1
    if at == start or at == length or text[at] != c'/':
        return 0
    while True:
        at += 1
        start = at
        while at < length and is_name_character(text[at]):
            at += 1
        if at == start or not is_alpha(text[start]):
            return 0
        if at - start == 3 and octets_equal_folded(text + start, <const uint8_t *>b"pra", 3):
            scopes[0] |= SCOPE_PRA
        elif at - start == 5 and octets_equal_folded(text + start, <const uint8_t *>b"mfrom", 5):
            scopes[0] |= SCOPE_MFROM
        if at == length or text[at] == c' ':
            return <int>at
        if text[at] != c',':
            return 0


cdef inline int fail(Parse *parse, int offset, int error) noexcept nogil:
    parse.error_offset = offset
    return error


# domain-spec = macro-string domain-end                                           RFC 7208 7.1
# domain-end  = ( "." toplabel [ "." ] ) / macro-expand
cdef int domain_spec(Parse *parse, int start, int end) noexcept nogil:
    """Read text[start:end] as a domain-spec and add it to the specs. A SyntaxFault."""
    cdef Spec *spec = &parse.specs[parse.spec_count]
    cdef Piece *pieces = parse.pieces + parse.piece_count
    cdef int count = 0, uses = 0, at = start, error, last, dot
    if start == end:
        return fail(parse, start, FAULT_EMPTY_DOMAIN)
    error = macro_string(parse, start, end, pieces, &count, &uses)
    if error:
        return error
    if uses & USES_EXPLAIN:                      # 7.2: c, r and t only in the text of an explanation
        for last in range(count):
            if pieces[last].letter == c'c' or pieces[last].letter == c'r' or pieces[last].letter == c't':
                at = pieces[last].offset
                break
        return fail(parse, at, FAULT_EXPLAIN_LETTER)
    if pieces[count - 1].letter == 0:
        last = end - 1 if text_at(parse, end - 1) == c'.' else end
        dot = last - 1
        while dot >= pieces[count - 1].offset and text_at(parse, dot) != c'.':
            dot -= 1
        if dot < pieces[count - 1].offset:
            return fail(parse, pieces[count - 1].offset, FAULT_TOPLABEL)
        if not toplabel_is_valid(parse.text + dot + 1, last - dot - 1):
            return fail(parse, dot + 1, FAULT_TOPLABEL)
    memset(spec, 0, sizeof(Spec))
    spec.uses = <uint8_t>uses
    spec.first_piece = <uint16_t>parse.piece_count
    if count == 1 and pieces[0].letter == 0:
        # Nothing in it depends on a check: the name is made here, once.
        spec.name_length = literal_name(parse, pieces)
        spec.name = parse.names + parse.names_length
        spec.hash = sf_hash(spec.name, spec.name_length, name_key)
        parse.names_length += spec.name_length
    else:
        spec.piece_count = <uint16_t>count
        parse.piece_count += count
    parse.spec_count += 1
    return FAULT_NONE


cdef uint8_t literal_name(Parse *parse, const Piece *piece) noexcept nogil:
    cdef uint8_t[NAME_BUFFER] out
    cdef int length = macro_expand_name(parse.text, piece, 1, NULL, NULL, 0, out)
    memcpy(parse.names + parse.names_length, out, length)
    return <uint8_t>length


cdef inline uint8_t text_at(Parse *parse, int at) noexcept nogil:
    return parse.text[at]


cdef int macro_string(Parse *parse, int start, int end, Piece *pieces, int *count, int *uses) noexcept nogil:
    cdef int at = start
    cdef int error = macro_parse(parse.text, start, end, False, pieces, count, uses, &at)
    if error == MACRO_OK:
        return FAULT_NONE
    if error == MACRO_STRAY_PERCENT:
        return fail(parse, at, FAULT_STRAY_PERCENT)
    if error == MACRO_BAD_LETTER:
        return fail(parse, at, FAULT_MACRO_LETTER)
    if error == MACRO_ZERO_DIGITS:
        return fail(parse, at, FAULT_ZERO_DIGITS)
    if error == MACRO_UNCLOSED:
        return fail(parse, at, FAULT_UNCLOSED)
    return fail(parse, at, FAULT_CHARACTER)


# dual-cidr-length = [ ip4-cidr-length ] [ "/" ip6-cidr-length ]                  RFC 7208 5.6
cdef int dual_cidr_length(Parse *parse, Term *term, int start, int *end) noexcept nogil:
    """Take a dual-cidr-length off the right-hand end of text[start:end]. A SyntaxFault.

    From the right, since a domain-spec may hold "/" itself.
    """
    cdef int at = end[0], digits
    cdef int prefix
    while at > start and is_digit(text_at(parse, at - 1)):
        at -= 1
    digits = end[0] - at
    if at - 2 >= start and text_at(parse, at - 1) == c'/' and text_at(parse, at - 2) == c'/':
        prefix = prefix_parse(parse.text + at, digits, 128)
        if prefix < 0:
            return fail(parse, at, FAULT_PREFIX6)
        term.prefix6 = <uint8_t>prefix
        end[0] = at - 2
        at = end[0]
        while at > start and is_digit(text_at(parse, at - 1)):
            at -= 1
        digits = end[0] - at
        if digits == 0:
            return FAULT_NONE
    if at - 1 >= start and text_at(parse, at - 1) == c'/':
        prefix = prefix_parse(parse.text + at, digits, 32)
        if prefix < 0:
            return fail(parse, at, FAULT_PREFIX4)
        term.prefix4 = <uint8_t>prefix
        end[0] = at - 1
    return FAULT_NONE


# ip4 = "ip4" ":" ip4-network [ ip4-cidr-length ]                                 RFC 7208 5.6
# ip6 = "ip6" ":" ip6-network [ ip6-cidr-length ]
cdef int network(Parse *parse, Term *term, int start, int end) noexcept nogil:
    cdef int slash = start, prefix
    cdef bint wide = term.kind == TERM_IP6
    cdef Network *entry
    cdef u128 mask, most
    cdef uint32_t ip4
    while slash < end and text_at(parse, slash) != c'/':
        slash += 1
    prefix = 128 if wide else 32
    if slash < end:
        prefix = prefix_parse(parse.text + slash + 1, end - slash - 1, prefix)
        if prefix < 0:
            return fail(parse, slash + 1, FAULT_PREFIX6 if wide else FAULT_PREFIX4)
    if wide:
        entry = &parse.networks6[parse.network6_count]
        if not ip6_parse(parse.text + start, slash - start, &entry.first):
            return fail(parse, start, FAULT_IP6)
        term.prefix6 = <uint8_t>prefix
        mask = ip6_mask(prefix)
        most = ~<u128>0
        parse.network6_count += 1
    else:
        entry = &parse.networks4[parse.network4_count]
        if not ip4_parse(parse.text + start, slash - start, &ip4):
            return fail(parse, start, FAULT_IP4)
        term.prefix4 = <uint8_t>prefix
        entry.first = ip4
        mask = ip4_mask(prefix)
        most = 0xFFFFFFFF
        parse.network4_count += 1
    entry.first &= mask                          # host bits may be set: only the high-order ones count
    entry.last = (entry.first | ~mask) & most
    entry.term = <uint16_t>parse.term_count
    return FAULT_NONE


cdef int mechanism_kind(const uint8_t *name, int length) noexcept nogil:
    if length == 1 and sf_lower(name[0]) == c'a':
        return TERM_A
    if length == 2 and octets_equal_folded(name, <const uint8_t *>b"mx", 2):
        return TERM_MX
    if length == 3:
        if octets_equal_folded(name, <const uint8_t *>b"ip4", 3):
            return TERM_IP4
        if octets_equal_folded(name, <const uint8_t *>b"ip6", 3):
            return TERM_IP6
        if octets_equal_folded(name, <const uint8_t *>b"all", 3):
            return TERM_ALL
        if octets_equal_folded(name, <const uint8_t *>b"ptr", 3):
            return TERM_PTR
    if length == 7 and octets_equal_folded(name, <const uint8_t *>b"include", 7):
        return TERM_INCLUDE
    if length == 6 and octets_equal_folded(name, <const uint8_t *>b"exists", 6):
        return TERM_EXISTS
    return -1


# directive = [ qualifier ] mechanism                                             RFC 7208 4.6.1
# mechanism = all / include / a / mx / ptr / ip4 / ip6 / exists
# all     = "all"                                                                 5.1
# include = "include" ":" domain-spec                                             5.2
# a       = "a" [ ":" domain-spec ] [ dual-cidr-length ]                          5.3
# mx      = "mx" [ ":" domain-spec ] [ dual-cidr-length ]                         5.4
# ptr     = "ptr" [ ":" domain-spec ]                                             5.5
# exists  = "exists" ":" domain-spec                                              5.7
cdef int mechanism(Parse *parse, Term *term, int name, int at, int end) noexcept nogil:
    """Read the mechanism whose name is text[name:at] and whose argument is text[at:end]."""
    cdef int kind = mechanism_kind(parse.text + name, at - name), error
    if kind < 0:
        return fail(parse, name, FAULT_UNKNOWN_MECHANISM)
    term.kind = <uint8_t>kind
    if kind == TERM_ALL:
        if parse.all == NO_TERM:
            parse.all = parse.term_count
        return FAULT_NONE if at == end else fail(parse, at, FAULT_ARGUMENT)
    if kind == TERM_A or kind == TERM_MX:
        error = dual_cidr_length(parse, term, at, &end)
        if error:
            return error
    if at == end:
        if kind == TERM_A or kind == TERM_MX or kind == TERM_PTR:
            return FAULT_NONE
        return fail(parse, at, FAULT_NO_ARGUMENT)
    if text_at(parse, at) != c':':
        return fail(parse, at, FAULT_ARGUMENT)
    if kind == TERM_IP4 or kind == TERM_IP6:
        return network(parse, term, at + 1, end)
    term.spec = <uint16_t>parse.spec_count
    return domain_spec(parse, at + 1, end)


# modifier         = redirect / explanation / unknown-modifier                    RFC 7208 4.6.1
# redirect         = "redirect" "=" domain-spec                                   6.1
# explanation      = "exp" "=" domain-spec                                        6.2
# unknown-modifier = name "=" macro-string
cdef int modifier(Parse *parse, Term *term, int name, int at, int end) noexcept nogil:
    cdef int count = 0, uses = 0
    cdef int *once
    if at - name == 8 and octets_equal_folded(parse.text + name, <const uint8_t *>b"redirect", 8):
        term.kind = TERM_REDIRECT
        once = &parse.redirect
    elif at - name == 3 and octets_equal_folded(parse.text + name, <const uint8_t *>b"exp", 3):
        term.kind = TERM_EXP
        once = &parse.explanation
    else:
        term.kind = TERM_UNKNOWN
        return macro_string(parse, at + 1, end, NULL, &count, &uses)
    if once[0] != NO_TERM:
        return fail(parse, name, FAULT_DUPLICATE)     # 6: each of the two at most once
    once[0] = parse.term_count
    term.spec = <uint16_t>parse.spec_count
    return domain_spec(parse, at + 1, end)


# terms = *( 1*SP ( directive / modifier ) )                                      RFC 7208 4.6.1
# name  = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." )
cdef int term_parse(Parse *parse, int start, int end) noexcept nogil:
    cdef Term *term = &parse.terms[parse.term_count]
    cdef int at, name = start, error
    for at in range(start, end):
        if parse.text[at] < 0x21 or parse.text[at] > 0x7E:
            return fail(parse, at, FAULT_CHARACTER)
    memset(term, 0, sizeof(Term))
    term.offset = <uint16_t>start
    term.length = <uint16_t>(end - start)
    term.spec = NO_SPEC
    term.prefix4 = 32
    term.prefix6 = 128
    term.qualifier = c'+'                             # 4.6.2: the default
    # qualifier = "+" / "-" / "?" / "~"
    if parse.text[start] in (c'+', c'-', c'?', c'~'):
        term.qualifier = parse.text[start]
        name += 1
    at = name
    while at < end and is_name_character(text_at(parse, at)):
        at += 1
    # A term is a modifier when "=" follows its name, before any ":" or "/".
    if at < end and text_at(parse, at) == c'=':
        if name != start:
            return fail(parse, start, FAULT_QUALIFIED_MODIFIER)
        if at == name or not is_alpha(text_at(parse, name)):
            return fail(parse, name, FAULT_NO_NAME)
        error = modifier(parse, term, name, at, end)
    else:
        error = mechanism(parse, term, name, at, end)
    if error:
        return error
    parse.term_count += 1
    return FAULT_NONE
