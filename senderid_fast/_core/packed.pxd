# Answers as octets in a shared cache, read without an object for each.
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from senderid_fast._core.answerdata cimport AnswerData

cdef enum:
    KEY_BUFFER = 256          # room for the key of any question
    RECORDS_READ = 32         # of one answer; more are left to codec.py
    SKEW = 60                 # seconds that the clocks of machines may differ

# A record, or a name: octets of the value.
ctypedef struct Span:
    const uint8_t *at
    uint32_t length
    uint32_t preference       # of MX

# A value that has the form of codec.py; its pointers are into the octets.
ctypedef struct Packed:
    uint64_t milliseconds     # of Unix time, when it came
    uint32_t ttl              # seconds
    int status                # AnswerStatus
    int count                 # of records
    Span[RECORDS_READ] records
    Span detail

cdef int key_write(const uint8_t *name, int length, int rrtype, uint8_t *out) noexcept nogil
cdef bint packed_read(const uint8_t *octets, size_t length, int rrtype, Packed *packed) noexcept nogil
cdef AnswerData *packed_compile(Packed *packed, const uint8_t *name, int length, int rrtype, int64_t expires,
                                bint *is_sure) noexcept nogil
