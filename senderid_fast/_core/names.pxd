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
    /* The same for eight octets at once; octets above 0x7F stay. */
    static inline uint64_t sf_lower8(uint64_t word) {
        uint64_t low = word & UINT64_C(0x7F7F7F7F7F7F7F7F);
        uint64_t from_a = low + UINT64_C(0x3F3F3F3F3F3F3F3F);    /* bit 7: at least "A" */
        uint64_t past_z = low + UINT64_C(0x2525252525252525);    /* bit 7: above "Z" */
        uint64_t upper = (from_a & ~past_z & ~word) & UINT64_C(0x8080808080808080);
        return word + (upper >> 2);
    }
    static inline void sf_lower_copy(uint8_t *out, const uint8_t *text, size_t n) {
        size_t i = 0;
        for (; i + 8 <= n; i += 8) {
            uint64_t word;
            memcpy(&word, text + i, 8);
            word = sf_lower8(word);
            memcpy(out + i, &word, 8);
        }
        for (; i < n; i++) out[i] = sf_lower(text[i]);
    }
    static inline int sf_is_ascii(const uint8_t *text, size_t n) {
        uint8_t all = 0;
        for (size_t i = 0; i < n; i++) all |= text[i];
        return all < 0x80;
    }
    /* What octets may be: of atext or a dot, lower case (RFC 5322 3.2.3); of a top label. */
    enum { SF_ATOM = 1, SF_LABEL = 2, SF_DIGIT = 4 };
    __attribute__((unused)) static const uint8_t sf_class[256] = {
        ['a' ... 'z'] = SF_ATOM | SF_LABEL, ['A' ... 'Z'] = SF_ATOM | SF_LABEL,
        ['0' ... '9'] = SF_ATOM | SF_LABEL | SF_DIGIT, ['-'] = SF_ATOM | SF_LABEL,
        ['.'] = SF_ATOM, ['!'] = SF_ATOM, ['#'] = SF_ATOM, ['$'] = SF_ATOM, ['%'] = SF_ATOM, ['&'] = SF_ATOM,
        [39] = SF_ATOM, ['*'] = SF_ATOM, ['+'] = SF_ATOM, ['/'] = SF_ATOM, ['='] = SF_ATOM, ['?'] = SF_ATOM,
        ['^'] = SF_ATOM, ['_'] = SF_ATOM, ['`'] = SF_ATOM, ['{'] = SF_ATOM, ['|'] = SF_ATOM, ['}'] = SF_ATOM,
        ['~'] = SF_ATOM,
    };
    #endif
    """
    uint64_t sf_fold(uint64_t a, uint64_t b) noexcept nogil
    uint64_t sf_hash(const uint8_t *p, size_t n, uint64_t key) noexcept nogil
    uint8_t sf_lower(uint8_t c) noexcept nogil
    void sf_lower_copy(uint8_t *out, const uint8_t *text, size_t n) noexcept nogil
    bint sf_is_ascii(const uint8_t *text, size_t n) noexcept nogil
    const uint8_t *sf_class
    enum:
        SF_ATOM
        SF_LABEL
        SF_DIGIT

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
