"""Addresses: parse, mask, write (RFC 7208 5, 5.6).

What may live here: functions on numbers and octets. All of the C part runs without the GIL and
touches no Python object. Tables of networks are in tables.pyx.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset


cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #if defined(__SSE2__)
    #include <emmintrin.h>
    /* A dotted quad of 7 to 15 octets. Which octets are digits is seen at once, and each number is
       taken from the four octets that end with it: how many digits it has makes no difference to
       the way through this, which a processor could not guess. */
    static inline int sf_ip4(const uint8_t *text, size_t n, uint32_t *out) {
        static const uint32_t least[4] = {0, 0, 10, 100};    /* no leading zeros */
        uint8_t room[20] = {0};                               /* four octets before the first number */
        uint32_t value = 0, all = (1u << n) - 1, dots, digits, ends[4];
        uint32_t i, start = 0, width, word, number, bad = 0;
        if (n == 7) {
            memcpy(room + 4, text, 7);
        } else {
            memcpy(room + 4, text, 8);
            memcpy(room + 4 + n - 8, text + n - 8, 8);
        }
        __m128i c = _mm_loadu_si128((const __m128i *)(room + 4)), d;
        d = _mm_sub_epi8(c, _mm_set1_epi8('0'));
        digits = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(d, _mm_set1_epi8(9)), d));
        dots = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(c, _mm_set1_epi8('.')));
        if ((digits | dots) != all) return 0;
        for (i = 0; i < 3; i++) {
            if (!dots) return 0;
            ends[i] = (uint32_t)__builtin_ctz(dots);
            dots &= dots - 1;
        }
        if (dots) return 0;
        ends[3] = (uint32_t)n;
        for (i = 0; i < 4; i++) {
            width = ends[i] - start;
            if (width - 1 > 2) return 0;
            memcpy(&word, room + ends[i], 4);                 /* that is 4 + ends[i] - 4 */
            word &= 0x0F0F0F0Fu << (32 - 8 * width);
            number = (word >> 24) + 10 * (word >> 16 & 15) + 100 * (word >> 8 & 15);
            bad |= (number > 255) | (number < least[width]);
            value = value << 8 | number;
            start = ends[i] + 1;
        }
        *out = value;
        return !bad;
    }
    #else
    static inline int sf_ip4(const uint8_t *text, size_t n, uint32_t *out) {
        const uint8_t *end = text + n;
        uint32_t value = 0, number, width;
        int i;
        for (i = 0; i < 4; i++) {
            if (i && (text == end || *text++ != '.')) return 0;
            for (number = width = 0; text < end && (uint8_t)(*text - '0') < 10 && width < 3; width++)
                number = 10 * number + (uint32_t)(*text++ - '0');
            if (width == 0 || number > 255 || number < (width == 3 ? 100u : width == 2 ? 10u : 0u)) return 0;
            value = value << 8 | number;
        }
        *out = value;
        return text == end;
    }
    #endif
    /* The value of a hex digit, 16 for another octet. */
    static const uint8_t sf_hex[256] = {
        [0 ... 255] = 16,
        ['0'] = 0, ['1'] = 1, ['2'] = 2, ['3'] = 3, ['4'] = 4,
        ['5'] = 5, ['6'] = 6, ['7'] = 7, ['8'] = 8, ['9'] = 9,
        ['a'] = 10, ['b'] = 11, ['c'] = 12, ['d'] = 13, ['e'] = 14, ['f'] = 15,
        ['A'] = 10, ['B'] = 11, ['C'] = 12, ['D'] = 13, ['E'] = 14, ['F'] = 15,
    };
    """
    bint sf_ip4(const uint8_t *text, size_t n, uint32_t *out) noexcept nogil
    const uint8_t *sf_hex


# ip4-network = qnum "." qnum "." qnum "." qnum                                   RFC 7208 5.6
# qnum        = DIGIT / %x31-39 DIGIT / "1" 2DIGIT / "2" %x30-34 DIGIT / "25" %x30-35
cdef bint ip4_parse(const uint8_t *text, size_t length, uint32_t *out) noexcept nogil:
    """Exactly four decimal numbers from 0 to 255 without leading zeros."""
    if length < 7 or length > 15:
        return False
    return sf_ip4(text, length, out)


# ip6-network = <as per Section 2.2 of RFC 4291>                                  RFC 7208 5.6
cdef bint ip6_parse(const uint8_t *text, size_t length, u128 *out) noexcept nogil:
    """Eight groups of one to four hex digits; "::" once for any number of zero groups; the last
    two groups may be a dotted quad. No zone, no brackets."""
    cdef uint64_t[8] groups
    cdef uint64_t[8] whole
    cdef int count = 0, gap = -1, i
    cdef size_t at = 0, start
    cdef uint64_t value
    cdef uint32_t quad
    if length < 2 or length > 45:
        return False
    if text[0] == c':':
        if text[1] != c':':
            return False
        gap = 0
        at = 2
    while at < length:
        if count == 8:
            return False
        start = at
        value = 0
        while at < length and sf_hex[text[at]] < 16:
            value = value << 4 | sf_hex[text[at]]
            at += 1
        if at < length and text[at] == c'.':
            if count > 6 or not ip4_parse(text + start, length - start, &quad):
                return False
            groups[count] = quad >> 16
            groups[count + 1] = quad & 0xFFFF
            count += 2
            break
        if at == start or at > start + 4:
            return False
        groups[count] = value
        count += 1
        if at == length:
            break
        if text[at] != c':':
            return False
        at += 1
        if at == length:
            return False                # a single colon at the end
        if text[at] == c':':
            if gap >= 0:
                return False
            gap = count
            at += 1
    if gap < 0:
        if count != 8:
            return False
        gap = 8
    elif count > 7:
        return False                    # "::" stands for at least one group
    memset(whole, 0, sizeof(whole))
    for i in range(gap):
        whole[i] = groups[i]
    for i in range(gap, count):
        whole[8 - count + i] = groups[i]
    out[0] = <u128>(whole[0] << 48 | whole[1] << 32 | whole[2] << 16 | whole[3]) << 64 | (
        whole[4] << 48 | whole[5] << 32 | whole[6] << 16 | whole[7])
    return True


cdef inline void unmap(u128 ip6, Address *out) noexcept nogil:
    # RFC 7208 5: a client of ::ffff:0:0/96 (RFC 4291 2.5.5.2) is an IPv4 client, everywhere.
    if (ip6 >> 32) == 0xFFFF:
        out.ip4 = <uint32_t>ip6
        out.ip6 = 0
        out.family = FAMILY_IP4
    else:
        out.ip6 = ip6
        out.ip4 = 0
        out.family = FAMILY_IP6


cdef bint zone_is_valid(const uint8_t *zone, size_t length) noexcept nogil:
    # ZoneID = 1*( unreserved / pct-encoded )                                        RFC 6874 2
    cdef size_t i
    cdef uint8_t c
    for i in range(length):
        c = zone[i]
        if not (sf_hex[c] < 16 or <uint8_t>((c | 32) - c'a') < 26 or c in (c'-', c'.', c'_', c'~', c'%')):
            return False
    return length > 0


cdef bint address_parse(const uint8_t *text, size_t length, Address *out) noexcept nogil:
    """The address of a client, IPv4-mapped ones as IPv4. A zone ("%eth0") is of no meaning here."""
    cdef u128 ip6
    cdef size_t i
    if ip4_parse(text, length, &out.ip4):
        out.ip6 = 0
        out.family = FAMILY_IP4
        return True
    if ip6_parse(text, length, &ip6):
        unmap(ip6, out)
        return True
    for i in range(min(length, <size_t>46)):         # an address is shorter; what follows is bounded below
        if text[i] == c'%':
            if length <= 256 and zone_is_valid(text + i + 1, length - i - 1) and ip6_parse(text, i, &ip6):
                unmap(ip6, out)
                return True
            break
    out.family = FAMILY_NONE
    return False


cdef void address_from_octets(const uint8_t *octets, size_t length, Address *out) noexcept nogil:
    """The address in network order: 4 or 16 octets, else FAMILY_NONE."""
    cdef u128 value = 0
    cdef size_t i
    out.family = FAMILY_NONE
    if length != 4 and length != 16:
        return
    for i in range(length):
        value = value << 8 | octets[i]
    if length == 16:
        unmap(value, out)
    else:
        out.ip4 = <uint32_t>value
        out.ip6 = 0
        out.family = FAMILY_IP4


# ip4-cidr-length = "/" ("0" / %x31-39 0*1DIGIT)                                  RFC 7208 5.6
# ip6-cidr-length = "/" ("0" / %x31-39 0*2DIGIT)
cdef int prefix_parse(const uint8_t *text, size_t length, int most) noexcept nogil:
    """The number of a CIDR length from 0 to most, or -1."""
    cdef int value = 0
    cdef size_t i
    if length == 0 or length > 3 or (length > 1 and text[0] == c'0'):
        return -1
    for i in range(length):
        if <uint8_t>(text[i] - c'0') > 9:
            return -1
        value = value * 10 + text[i] - c'0'
    return value if value <= most else -1


cdef uint32_t ip4_mask(int prefix) noexcept nogil:
    # Shifting by the whole width is undefined in C: /0 needs its own case.
    return 0 if prefix == 0 else <uint32_t>0xFFFFFFFF << (32 - prefix)


cdef u128 ip6_mask(int prefix) noexcept nogil:
    return <u128>0 if prefix == 0 else ~<u128>0 << (128 - prefix)


cdef int decimal_write(int value, uint8_t *out) noexcept nogil:
    cdef int n = 0
    if value >= 100:
        out[n] = c'0' + value // 100
        n += 1
    if value >= 10:
        out[n] = c'0' + value // 10 % 10
        n += 1
    out[n] = c'0' + value % 10
    return n + 1


cdef int nibble_write(int nibble, uint8_t letters, uint8_t *out) noexcept nogil:
    out[0] = (c'0' + nibble) if nibble < 10 else (letters + nibble - 10)
    return 1


cdef int quad_write(uint32_t ip4, bint backwards, uint8_t *out) noexcept nogil:
    cdef int i, n = 0
    for i in range(4):
        n += decimal_write(ip4 >> (8 * i if backwards else 24 - 8 * i) & 255, out + n)
        if i < 3:
            out[n] = c'.'
            n += 1
    return n


cdef int nibbles_write(u128 ip6, bint backwards, uint8_t letters, uint8_t *out) noexcept nogil:
    cdef int i, n = 0
    for i in range(32):
        n += nibble_write(<int>(ip6 >> (4 * i if backwards else 124 - 4 * i) & 15), letters, out + n)
        if i < 31:
            out[n] = c'.'
            n += 1
    return n


cdef int address_write_dotted(const Address *address, uint8_t *out) noexcept nogil:
    """%{i}: a dotted quad, or 32 nibbles with dots (RFC 7208 7.3). The number of octets.

    Nibbles are in capitals, as the OpenSPF suite has them in an explanation; a name is put in lower
    case in any event, which gives the names of 7.4.
    """
    if address.family == FAMILY_IP4:
        return quad_write(address.ip4, False, out)
    return nibbles_write(address.ip6, False, c'A', out)


cdef int address_write_reverse(const Address *address, uint8_t *out) noexcept nogil:
    """The start of the name that holds the PTR records (RFC 1035 3.5, RFC 3596 2.5)."""
    if address.family == FAMILY_IP4:
        return quad_write(address.ip4, True, out)
    return nibbles_write(address.ip6, True, c'a', out)


cdef int address_write_readable(const Address *address, uint8_t *out) noexcept nogil:
    """%{c}: the address as people write it, IPv6 as RFC 5952 4 wants it."""
    cdef uint16_t[8] groups
    cdef int i = 0, n = 0, run = 0, best = 0, at = 8, shift, digit
    cdef bint begun
    if address.family == FAMILY_IP4:
        return quad_write(address.ip4, False, out)
    for i in range(8):
        groups[i] = <uint16_t>(address.ip6 >> (112 - 16 * i))
    for i in range(8):                  # the longest run of at least two zero groups, the first such
        run = run + 1 if groups[i] == 0 else 0
        if run > 1 and run > best:
            best, at = run, i - run + 1
    i = 0
    while i < 8:
        if i == at:
            out[n] = out[n + 1] = c':'
            n += 2
            i += best
            continue
        if i > 0 and i != at + best:
            out[n] = c':'
            n += 1
        begun = False
        for digit in range(4):
            shift = 12 - 4 * digit
            if begun or groups[i] >> shift or shift == 0:
                n += nibble_write(groups[i] >> shift & 15, c'a', out + n)
                begun = True
        i += 1
    return n


def parse_address(str text not None):
    """The client address in its shortest form ("192.0.2.1", "2001:db8::1"), or None.

    An IPv4-mapped address comes back as IPv4 (RFC 7208 5).
    """
    cdef Address address
    cdef uint8_t[ADDRESS_TEXT] out
    octets = text.encode("utf-8", "surrogatepass")
    if not address_parse(<const uint8_t *><const char *>octets, len(octets), &address):
        return None
    return (<char *>out)[:address_write_readable(&address, out)].decode("ascii")
