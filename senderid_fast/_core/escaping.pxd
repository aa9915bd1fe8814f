# Text of strangers as it may stand in a header field (RFC 5322 3.2; RFC 2045 5.1).
from libc.stdint cimport uint8_t, uint32_t

cdef enum:
    WRITING_ROOM = 1024       # a field within one line fits, and most lines of a log

# Octets that are being written: ASCII or UTF-8. It must not be copied.
ctypedef struct Writing:
    uint8_t *octets
    size_t length
    size_t room
    uint8_t[WRITING_ROOM] first

# How text is written.
cdef enum Form:
    AS_IT_IS
    IN_COMMENT                # RFC 5322 3.2.2, without the parentheses
    IN_QUOTES                 # RFC 5322 3.2.4: quoted-string
    ATOM_OR_QUOTED            # RFC 7208 9.1: dot-atom / quoted-string
    TOKEN_OR_QUOTED           # RFC 8601 2.2, RFC 2045 5.1: token / quoted-string

cdef void writing_begin(Writing *out) noexcept
cdef void writing_end(Writing *out) noexcept
cdef str writing_text(Writing *out)
cdef int reserve(Writing *out, size_t more) except -1
cdef int put(Writing *out, const void *octets, size_t length) except -1
cdef int put_word(Writing *out, const char *word) except -1
cdef int utf8_write(uint32_t c, uint8_t *octets) noexcept
cdef int put_form(Writing *out, const uint8_t *octets, size_t length, Form form) except -1
cdef int put_value(Writing *out, value, Py_ssize_t limit, bint eai, Form form) except -1
cdef int put_mailbox(Writing *out, value, Py_ssize_t limit, bint eai, a_labels) except -1
cdef object made_visible(value, Py_ssize_t limit, bint eai)
