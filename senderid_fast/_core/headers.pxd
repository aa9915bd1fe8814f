# Header sections (RFC 5322 2.2, 3.6; RFC 6532) and the Purported Responsible Address (RFC 4407 2).
from libc.stdint cimport uint8_t

from senderid_fast._core.mailboxes cimport MailboxData

# A header field; its octets are those of the header section.
ctypedef struct FieldData:
    const uint8_t *name
    size_t name_length
    const uint8_t *body       # behind the colon, line ends within it included, the last one not
    size_t body_length

# What walks over a header section, field by field.
ctypedef struct Scanner:
    const uint8_t *at         # the next line
    const uint8_t *end
    const uint8_t *begin

cdef enum PraHeader:
    PRA_RESENT_SENDER
    PRA_RESENT_FROM
    PRA_SENDER
    PRA_FROM
    PRA_NO_HEADER

# The positions of results.PraFailure, behind PRA_FOUND.
cdef enum PraOutcome:
    PRA_FOUND
    PRA_FAIL_NO_HEADER
    PRA_FAIL_MULTIPLE_SENDER
    PRA_FAIL_MULTIPLE_FROM
    PRA_FAIL_MULTIPLE_MAILBOXES
    PRA_FAIL_NO_DOMAIN
    PRA_FAIL_GROUP
    PRA_FAIL_MALFORMED

ctypedef struct PraData:
    int outcome               # PraOutcome
    int header                # PraHeader
    int index                 # of the field that was taken, among all fields
    MailboxData mailbox       # if the outcome is PRA_FOUND

cdef void scanner_begin(Scanner *scanner, const uint8_t *text, size_t length) noexcept nogil
cdef bint scanner_next(Scanner *scanner, FieldData *field) noexcept nogil
cdef void pra_select(const uint8_t *text, size_t length, PraData *out) noexcept nogil
