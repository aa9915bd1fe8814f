# Domain names as octets: lower case, labels joined by dots, no final dot, 1 to 253 octets.
from libc.stdint cimport uint8_t, uint64_t

cdef extern from *:
    """
    #ifndef SENDERID_FAST_NAMES
    #define SENDERID_FAST_NAMES
    #include <stdint.h>
    #include <string.h>

    /* A keyed hash by folded multiplication. Names are chosen by strangers, so the key is secret. */
    static inline uint64_t sf_fold(uint64_t a, uint64_t b) {
        unsigned __int128 product = (unsigned __int128)a * b;
        return (uint64_t)product ^ (uint64_t)(product >> 64);
    }
    static inline uint64_t sf_read(const uint8_t *p, size_t n) {
        uint64_t word = 0;
        memcpy(&word, p, n);
        return word;
    }
    static inline uint64_t sf_hash(const uint8_t *p, size_t n, uint64_t key) {
        uint64_t state = key ^ (n * UINT64_C(0x9E3779B97F4A7C15)), word;
        while (n > 16) {
            uint64_t left, right;
            memcpy(&left, p, 8);
            memcpy(&right, p + 8, 8);
            state = sf_fold(left ^ state, right ^ UINT64_C(0xD6E8FEB86659FD93));
            p += 16;
            n -= 16;
        }
        if (n > 8) {
            uint64_t right;
            memcpy(&word, p, 8);
            memcpy(&right, p + n - 8, 8);
            state = sf_fold(word ^ state, right ^ UINT64_C(0xA0761D6478BD642F));
        } else {
            state = sf_fold(sf_read(p, n) ^ state, UINT64_C(0xE7037ED1A0B428DB));
        }
        return sf_fold(state, key ^ UINT64_C(0x8EBC6AF09C88C6E3)) | 1;  /* 0 marks an empty slot */
    }
    static inline uint8_t sf_lower(uint8_t c) {
        return c + (((uint8_t)(c - 'A') < 26) << 5);
    }
    #endif
    """
    uint64_t sf_fold(uint64_t a, uint64_t b) noexcept nogil
    uint64_t sf_hash(const uint8_t *p, size_t n, uint64_t key) noexcept nogil
    uint8_t sf_lower(uint8_t c) noexcept nogil

cdef enum:
    NAME_MAX = 253       # RFC 7208 7.3: octets of a name, without a final dot
    LABEL_MAX = 63       # RFC 1035 2.3.4
    NAME_BUFFER = 256    # room for any name

cdef uint64_t name_key   # of sf_hash, the process's own

cdef int name_normalise(const uint8_t *text, size_t length, uint8_t *out) noexcept nogil
cdef bint name_is_domain(const uint8_t *name, int length) noexcept nogil
cdef bint toplabel_is_valid(const uint8_t *label, size_t length) noexcept nogil
cdef bint name_is_within(const uint8_t *name, int length, const uint8_t *parent, int parent_length) noexcept nogil
cdef bint octets_equal_folded(const uint8_t *left, const uint8_t *right, size_t length) noexcept nogil
