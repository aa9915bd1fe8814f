# Domain names as octets: lower case, labels joined by dots, no final dot, 1 to 253 octets.
from libc.stdint cimport uint8_t, uint64_t

cdef extern from *:
    """
    #ifndef SENDERID_FAST_NAMES
    #define SENDERID_FAST_NAMES
    #include <stdint.h>
    #include <string.h>
    #if defined(__SSE2__)
    #include <emmintrin.h>
    #endif

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
        uint64_t all = 0, word;
        size_t i = 0;
        if (n >= 8) {
            for (; i + 8 < n; i += 8) {
                memcpy(&word, text + i, 8);
                all |= word;
            }
            memcpy(&word, text + n - 8, 8);
            all |= word;
        } else {
            for (; i < n; i++) all |= text[i];
        }
        return (all & UINT64_C(0x8080808080808080)) == 0;
    }
    /* Whether two names of the same length are the same; most are too short for a call of memcmp(). */
    static inline int sf_same(const uint8_t *a, const uint8_t *b, size_t n) {
        uint64_t left, right;
        size_t i;
        if (n < 8) return memcmp(a, b, n) == 0;
        for (i = 0; i + 8 < n; i += 8) {
            memcpy(&left, a + i, 8);
            memcpy(&right, b + i, 8);
            if (left != right) return 0;
        }
        memcpy(&left, a + n - 8, 8);
        memcpy(&right, b + n - 8, 8);
        return left == right;
    }
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    #define SF_WORDS 1                 /* the first octet is the lowest of a word */
    #else
    #define SF_WORDS 0
    #endif
    /* Where what follows the last "@" begins; 0 if there is none. */
    static inline size_t sf_behind_at(const uint8_t *text, size_t n) {
        while (SF_WORDS && n >= 8) {
            uint64_t word, found;
            memcpy(&word, text + n - 8, 8);
            word ^= UINT64_C(0x4040404040404040);
            found = ~(((word & UINT64_C(0x7F7F7F7F7F7F7F7F)) + UINT64_C(0x7F7F7F7F7F7F7F7F)) | word
                      | UINT64_C(0x7F7F7F7F7F7F7F7F));         /* bit 7: the octet is "@" */
            if (found) return n - (size_t)(__builtin_clzll(found) >> 3);
            n -= 8;
        }
        while (n > 0 && text[n - 1] != '@') n--;
        return n;
    }
    /* Octets of a word that are at least c: bit 7 of each. All octets are below 0x80. */
    #define SF_FROM(word, c) ((word) + (UINT64_C(0x0101010101010101) * (uint64_t)(0x80 - (c))))
    #if defined(__SSE2__)
    #define SF_BETWEEN(c, from, count) _mm_cmpeq_epi8( \
        _mm_min_epu8(_mm_sub_epi8(c, _mm_set1_epi8(from)), _mm_set1_epi8((count) - 1)), \
        _mm_sub_epi8(c, _mm_set1_epi8(from)))
    /* What sf_plain_domain() does with 16 octets: whether they are of a usual name, and where dots are. */
    static inline int sf_plain16(const uint8_t *text, uint8_t *out, uint64_t *dots) {
        __m128i c = _mm_loadu_si128((const __m128i *)text), dot, good;
        c = _mm_add_epi8(c, _mm_and_si128(SF_BETWEEN(c, 'A', 26), _mm_set1_epi8(32)));
        _mm_storeu_si128((__m128i *)out, c);
        dot = _mm_cmpeq_epi8(c, _mm_set1_epi8('.'));
        good = _mm_or_si128(SF_BETWEEN(c, 'a', 26), SF_BETWEEN(c, '0', 10));
        good = _mm_or_si128(good, _mm_or_si128(dot, _mm_cmpeq_epi8(c, _mm_set1_epi8('-'))));
        *dots = (uint32_t)_mm_movemask_epi8(dot);
        return _mm_movemask_epi8(good) == 0xFFFF;
    }
    #endif
    /* Normalise a name as name_normalise() does and test it as name_is_domain() does, if it is one that
       nearly all are like: 8 to 63 letters, digits, hyphens and dots, the last a letter. 0: look closer. */
    static inline int sf_plain_domain(const uint8_t *text, size_t n, uint8_t *out) {
        const uint64_t high = UINT64_C(0x8080808080808080);
        uint64_t dots = 0, odd = 0, word, dot, other;
        size_t i = 0;
        if (!SF_WORDS || n < 8 || n > 63) return 0;
        #if defined(__SSE2__)
        if (n >= 16) {
            for (;;) {
                if (!sf_plain16(text + i, out + i, &dot)) return 0;
                dots |= dot << i;
                if (i + 16 == n) break;
                i = i + 32 > n ? n - 16 : i + 16;
            }
        } else
        #endif
        for (;;) {
            memcpy(&word, text + i, 8);
            odd |= word & high;
            word = sf_lower8(word);
            memcpy(out + i, &word, 8);
            word &= ~high;
            dot = SF_FROM(word, '.') & ~SF_FROM(word, '/') & high;
            other = (SF_FROM(word, '-') & ~SF_FROM(word, '.')) | (SF_FROM(word, '0') & ~SF_FROM(word, ':'))
                    | (SF_FROM(word, 'a') & ~SF_FROM(word, '{'));
            odd |= ~(dot | other) & high;
            dots |= ((dot * UINT64_C(0x0002040810204081)) >> 56) << i;
            if (i + 8 == n) break;
            i = i + 16 > n ? n - 8 : i + 8;
        }
        if (odd || !dots || (dots & 1) || (dots & (dots << 1)) || (uint8_t)(out[n - 1] - 'a') > 25) return 0;
        return out[64 - __builtin_clzll(dots)] != '-';
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
    bint sf_same(const uint8_t *a, const uint8_t *b, size_t n) noexcept nogil
    size_t sf_behind_at(const uint8_t *text, size_t n) noexcept nogil
    bint sf_plain_domain(const uint8_t *text, size_t n, uint8_t *out) noexcept nogil
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
