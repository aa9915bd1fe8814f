# The grammar of a record (RFC 7208 4.5, 12; RFC 4406 3) and the forms of its parts.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from senderid_fast._core.cidr cimport u128
from senderid_fast._core.tables cimport Network
from senderid_fast._core.macros cimport Piece

cdef enum TermKind:
    TERM_ALL
    TERM_INCLUDE
    TERM_A
    TERM_MX
    TERM_PTR
    TERM_IP4
    TERM_IP6
    TERM_EXISTS
    TERM_REDIRECT       # from here on: modifiers
    TERM_EXP
    TERM_UNKNOWN

cdef enum:
    NO_SPEC = 0xFFFF

# Sets of scopes, and the version sections that give them.
cdef enum ScopeBit:
    SCOPE_SPF = 1
    SCOPE_MFROM = 2
    SCOPE_PRA = 4

# A domain-spec. A literal one is a name, ready to be asked; else it has pieces.
ctypedef struct Spec:
    uint64_t hash           # of the name
    const uint8_t *name     # normalised
    uint16_t first_piece
    uint16_t piece_count    # 0: literal
    uint8_t name_length     # of a literal; 0: no DNS name (RFC 7208 4.8)
    uint8_t uses            # MacroUse

ctypedef struct Term:
    uint16_t offset         # in the text, its qualifier included
    uint16_t length
    uint16_t spec           # NO_SPEC: none given
    uint16_t table          # of ip4 and ip6: the table of the run it is in
    uint8_t kind            # TermKind
    uint8_t qualifier       # of a mechanism: "+", "-", "~" or "?"
    uint8_t prefix4
    uint8_t prefix6

# ip4 and ip6 terms that stand next to each other: ranges of addresses, each with its first match.
ctypedef struct Table:
    const uint32_t *starts4
    const u128 *starts6
    const uint16_t *terms4  # index of the term, or NO_TERM
    const uint16_t *terms6
    int count4
    int count6
    uint16_t end            # the first term behind the run

# What a parse works on; the arrays are large enough for any record of this length.
ctypedef struct Parse:
    const uint8_t *text
    Term *terms
    Spec *specs
    Piece *pieces
    uint8_t *names
    Network *networks4
    Network *networks6
    int term_count
    int spec_count
    int piece_count
    int names_length
    int network4_count
    int network6_count
    int redirect
    int explanation
    int all
    int error_offset


cdef enum SyntaxFault:
    FAULT_NONE
    FAULT_VERSION
    FAULT_TOO_LONG
    FAULT_CHARACTER
    FAULT_QUALIFIED_MODIFIER
    FAULT_NO_NAME
    FAULT_UNKNOWN_MECHANISM
    FAULT_ARGUMENT
    FAULT_NO_ARGUMENT
    FAULT_EMPTY_DOMAIN
    FAULT_TOPLABEL
    FAULT_PREFIX4
    FAULT_PREFIX6
    FAULT_IP4
    FAULT_IP6
    FAULT_DUPLICATE
    FAULT_STRAY_PERCENT
    FAULT_MACRO_LETTER
    FAULT_EXPLAIN_LETTER
    FAULT_ZERO_DIGITS
    FAULT_UNCLOSED

cdef int version_parse(const uint8_t *text, size_t length, int *scopes) noexcept nogil
cdef int term_parse(Parse *parse, int start, int end) noexcept nogil
