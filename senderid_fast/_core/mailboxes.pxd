# Mailboxes in header fields (RFC 5322 3.4 with 4.4, RFC 6532, RFC 6854).
from libc.stdint cimport uint8_t

# Why a field gives no mailbox; the numbers are those of headers.PraOutcome.
cdef enum MailboxOutcome:
    MAILBOX_FOUND = 0
    MAILBOX_SEVERAL = 4
    MAILBOX_NO_DOMAIN = 5
    MAILBOX_GROUP = 6
    MAILBOX_MALFORMED = 7

cdef enum:
    MAILBOX_ROOM = 1024       # octets of a mailbox; RFC 5321 4.5.3.1.3 wants 256
    FIELD_MAX = 1 << 20       # octets of a field that is read as addresses

ctypedef struct MailboxData:
    int length                # of text: local part, "@", domain, as written but for comments and folding
    int local_length          # of the local part in text
    int unquoted_length       # of unquoted: the text of the local part
    uint8_t[MAILBOX_ROOM] text
    uint8_t[MAILBOX_ROOM] unquoted

cdef int mailbox_parse(const uint8_t *body, size_t length, bint one, MailboxData *out) noexcept nogil
