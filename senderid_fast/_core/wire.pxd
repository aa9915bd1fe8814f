# DNS messages: queries written, answers read. No input or output, no clock.
from libc.stdint cimport uint8_t

from senderid_fast._core.wireform cimport Reading

cdef enum:
    QUERY_BUFFER = 288        # room for any query: header, name, type, class, OPT

# What octets that came for a query are.
cdef enum Outcome:
    READ_STRAY                # no answer to this query
    READ_ODD                  # an answer that this module does not read
    READ_TRUNCATED            # RFC 2181 9: nothing of it is used
    READ_SERVFAIL
    READ_REFUSED
    READ_OK
    READ_NODATA
    READ_NXDOMAIN

cdef int question_name(str name, uint8_t *out)
cdef int query_write(const uint8_t *name, int name_length, int rrtype, int id, uint8_t *out) noexcept nogil
cdef Outcome answer_read(const uint8_t *octets, size_t length, const uint8_t *name, int name_length, int rrtype,
                         int id, Reading *reading) noexcept nogil
cdef object answer_object(const uint8_t *octets, const Reading *reading, Outcome outcome)
