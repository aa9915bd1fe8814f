# Answers to questions, taken from a cache that lies in memory.
from libc.stdint cimport int64_t, uint8_t

from senderid_fast._core.answerdata cimport AnswerData

cdef class CacheReader:
    cdef Py_ssize_t head
    cdef double max_ttl
    cdef double failure_ttl
    cdef object decode
    cdef object crc32
    cdef int take(self, object get, const uint8_t *name, int length, int rrtype, double unix, int64_t now,
                  AnswerData **out) except -1
    cdef AnswerData *compiled(self, question, answer, int64_t now) except NULL
    cdef bint is_sound(self, bytes key, bytes raw) except -1
    cdef int64_t expiry(self, int64_t ttl, int status, int64_t now) noexcept
