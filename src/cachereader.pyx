"""CacheReader: answers to questions, taken from a cache that lies in memory.

What may live here: what of a cache is believed, and for how long, as codec.py and CacheTier have it. No
opening, no clock, no waiting: the cache comes as a function.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memcpy

from senderid_fast._core.answerdata cimport (
    STATUS_NXDOMAIN, AnswerData, answer_compile, question_object,
)
from senderid_fast._core.packed cimport KEY_BUFFER, SKEW, Packed, key_write, packed_compile, packed_read

cdef enum:
    CRC_SIZE = 4

cdef int64_t SECOND = 1000000000


cdef class CacheReader:
    """Takes answers to questions from a cache that lies in memory, for the checks of one engine.

    head         octets before each value in the cache: the first four are the CRC 32 of the key and of
                 all that follows them. 0: there are none
    max_ttl      seconds from when an answer came
    failure_ttl  the same for an error of DNS
    decode       function (question, key, octets, now) -> questions.Answer, or None: what is made of
                 octets that are not read here; ttl is what is left of it
    """

    def __init__(self, Py_ssize_t head, double max_ttl, double failure_ttl, decode not None):
        from zlib import crc32                           # not before there is a cache

        if head and head < CRC_SIZE:
            raise ValueError("head: there is no room for the CRC")
        self.head = head
        self.max_ttl = max_ttl
        self.failure_ttl = failure_ttl
        self.decode = decode
        self.crc32 = crc32

    cdef int take(self, object get, const uint8_t *name, int length, int rrtype, double unix, int64_t now,
                  AnswerData **out) except -1:
        """Whether the cache has an answer. If so it is in out, and the reference belongs to the caller.

        get   function: the octets of a key (bytes), or None
        unix  seconds of Unix time; now  nanoseconds, on the clock of the store
        """
        cdef uint8_t[KEY_BUFFER] key_octets
        cdef Packed packed
        cdef double left
        cdef int64_t expires
        cdef bytes key, raw
        cdef bint is_sure
        key = PyBytes_FromStringAndSize(<char *>key_octets, key_write(name, length, rrtype, key_octets))
        found = get(key)
        if found is None:
            return 0
        if type(found) is bytes:
            raw = found
            if self.is_sound(key, raw) and packed_read(
                    <const uint8_t *>PyBytes_AS_STRING(raw) + self.head, PyBytes_GET_SIZE(raw) - self.head, rrtype,
                    &packed) and packed.milliseconds <= (unix + SKEW) * 1000.0:
                left = left_of(&packed, self.failure_ttl if packed.status > STATUS_NXDOMAIN else self.max_ttl,
                               unix)
                if left < 0:
                    return 0
                expires = self.expiry(<int64_t>left, packed.status, now)
                out[0] = packed_compile(&packed, name, length, rrtype, expires, &is_sure)
                if out[0] != NULL:
                    return 1
                if is_sure:
                    raise MemoryError
        question = question_object(name, length, rrtype)
        answer = self.decode(question, key, found, unix)
        if answer is None:
            return 0
        out[0] = self.compiled(question, answer, now)
        return 1

    cdef AnswerData *compiled(self, question, answer, int64_t now) except NULL:
        cdef AnswerData *data = answer_compile(question, answer, 0)
        data.expires = self.expiry(answer.ttl, data.status, now)
        return data

    cdef bint is_sound(self, bytes key, bytes raw) except -1:
        """Whether the CRC before a value is that of the rest and of the key it stands under."""
        cdef Py_ssize_t key_length = PyBytes_GET_SIZE(key), length = PyBytes_GET_SIZE(raw) - CRC_SIZE
        cdef const uint8_t *at = <const uint8_t *>PyBytes_AS_STRING(raw)
        cdef bytes all_of_it
        cdef uint32_t value
        if self.head == 0:
            return True
        if PyBytes_GET_SIZE(raw) < self.head:
            return False
        all_of_it = PyBytes_FromStringAndSize(NULL, key_length + length)
        memcpy(PyBytes_AS_STRING(all_of_it), PyBytes_AS_STRING(key), key_length)
        memcpy(PyBytes_AS_STRING(all_of_it) + key_length, at + CRC_SIZE, length)
        value = self.crc32(all_of_it)
        return value == (<uint32_t>at[0] << 24 | <uint32_t>at[1] << 16 | <uint32_t>at[2] << 8 | at[3])

    cdef int64_t expiry(self, int64_t ttl, int status, int64_t now) noexcept:
        if status > STATUS_NXDOMAIN and ttl > self.failure_ttl:
            return now + <int64_t>(self.failure_ttl * SECOND)
        return now + ttl * SECOND


cdef inline double left_of(const Packed *packed, double most, double unix) noexcept nogil:
    """The seconds for which an answer may still be used; below 0: it is over. As codec.py and CacheTier
    have it."""
    cdef double fetched_at = <double>packed.milliseconds / 1000.0
    cdef double left = fetched_at + min(<double>packed.ttl, most) - unix
    if packed.ttl == 0 or fetched_at + packed.ttl <= unix or not 0 < left <= most + SKEW:
        return -1
    # No more than it had, where this clock is behind the one of the machine that asked.
    return min(left, most)
