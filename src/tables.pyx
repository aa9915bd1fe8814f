"""Which network holds an address: sorted tables (RFC 7208 5, 5.6).

What may live here: functions on numbers, without the GIL. "Comparing the high-order bits" is done in
two ways that a property test holds together: by a table of address ranges for neighbouring ip4 and
ip6 terms, and by a search in sorted addresses for the answers of a and mx.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free, malloc, qsort

from senderid_fast._core.cidr cimport ip4_mask, ip6_mask, u128


cdef int network_order(const void *left, const void *right) noexcept nogil:
    # Wider networks first, then earlier terms: so that a network always comes after what holds it.
    cdef const Network *a = <const Network *>left
    cdef const Network *b = <const Network *>right
    if a.first != b.first:
        return -1 if a.first < b.first else 1
    if a.last != b.last:
        return -1 if a.last > b.last else 1
    return <int>a.term - <int>b.term


cdef inline void emit(u128 *starts, uint16_t *terms, int *count, u128 start, uint16_t term) noexcept nogil:
    if count[0] and starts[count[0] - 1] == start:
        count[0] -= 1
    if count[0] and terms[count[0] - 1] == term:
        return
    starts[count[0]] = start
    terms[count[0]] = term
    count[0] += 1


cdef int table_build(Network *networks, int count, u128 most, u128 *starts, uint16_t *terms,
                     u128 *ends) noexcept nogil:
    """Turn networks into ranges, each with the first term that holds it, or NO_TERM.

    Two networks are either apart or one lies in the other, so one pass with a stack does it.
    starts and terms take 2 * count + 1 entries, ends takes count and terms of the stack are kept
    in networks itself. Returns how many ranges there are; the first starts at 0.
    """
    cdef int n = 0, i, depth = 0
    cdef uint16_t term
    qsort(networks, count, sizeof(Network), network_order)
    emit(starts, terms, &n, 0, NO_TERM)
    for i in range(count):
        while depth and ends[depth - 1] < networks[i].first:
            depth -= 1
            emit(starts, terms, &n, ends[depth] + 1, networks[depth - 1].term if depth else <uint16_t>NO_TERM)
        term = networks[i].term
        if depth and networks[depth - 1].term < term:
            term = networks[depth - 1].term        # 4.6.2: the first match, from left to right
        emit(starts, terms, &n, networks[i].first, term)
        ends[depth] = networks[i].last
        networks[depth].term = term                # depth <= i: this entry has been read
        depth += 1
    while depth:
        depth -= 1
        if ends[depth] != most:
            emit(starts, terms, &n, ends[depth] + 1, networks[depth - 1].term if depth else <uint16_t>NO_TERM)
    return n


cdef int sorted4_first(const uint32_t *addresses, int count, uint32_t first) noexcept nogil:
    """The index of the first of the sorted addresses that is not below first; count if there is none."""
    cdef int low = 0, high = count, middle
    while low < high:
        middle = (low + high) >> 1
        if addresses[middle] < first:
            low = middle + 1
        else:
            high = middle
    return low


cdef int sorted6_first(const u128 *addresses, int count, u128 first) noexcept nogil:
    cdef int low = 0, high = count, middle
    while low < high:
        middle = (low + high) >> 1
        if addresses[middle] < first:
            low = middle + 1
        else:
            high = middle
    return low


cdef bint sorted4_match(const uint32_t *addresses, int count, uint32_t ip, int prefix) noexcept nogil:
    """Whether one of the sorted addresses has the same first prefix bits as ip (RFC 7208 5)."""
    cdef uint32_t mask = ip4_mask(prefix)
    cdef int at = sorted4_first(addresses, count, ip & mask)
    return at < count and (addresses[at] & mask) == (ip & mask)


cdef bint sorted6_match(const u128 *addresses, int count, u128 ip, int prefix) noexcept nogil:
    cdef u128 mask = ip6_mask(prefix)
    cdef int at = sorted6_first(addresses, count, ip & mask)
    return at < count and (addresses[at] & mask) == (ip & mask)


cdef u128 sorted4_last(const uint32_t *addresses, int count, uint32_t ip, int prefix) noexcept nogil:
    """The last address behind ip for which sorted4_match says the same, if all between do."""
    cdef uint32_t mask = ip4_mask(prefix)
    cdef int at = sorted4_first(addresses, count, ip & mask)
    if at == count:
        return <u128><uint32_t>0xFFFFFFFF
    if (addresses[at] & mask) == (ip & mask):
        return <u128>(ip | ~mask)
    return <u128>((addresses[at] & mask) - 1)


cdef u128 sorted6_last(const u128 *addresses, int count, u128 ip, int prefix) noexcept nogil:
    cdef u128 mask = ip6_mask(prefix)
    cdef int at = sorted6_first(addresses, count, ip & mask)
    if at == count:
        return ~<u128>0
    if (addresses[at] & mask) == (ip & mask):
        return ip | ~mask
    return (addresses[at] & mask) - 1


def first_match(list networks not None, ip):
    """Which of the networks [(address, prefix), ...] holds ip first, by its place; None if none.

    Addresses are numbers of one family: below 2**32 with prefixes to 32, or as 16 octets with
    prefixes to 128. For tests and benchmarks of the table that records use.
    """
    cdef int count = len(networks), i, n, term = NO_TERM
    cdef bint wide = isinstance(ip, bytes)
    cdef u128 mask
    if count >= NO_TERM:
        raise ValueError("networks: more than 65534")
    cdef Network *entries = <Network *>malloc((count + 1) * sizeof(Network))
    cdef u128 *starts = <u128 *>malloc((3 * count + 2) * sizeof(u128))
    cdef uint16_t *terms = <uint16_t *>malloc((2 * count + 2) * sizeof(uint16_t))
    cdef u128 most = ~<u128>0 if wide else <u128>0xFFFFFFFF
    try:
        if not entries or not starts or not terms:
            raise MemoryError
        for i in range(count):
            octets, prefix = networks[i]
            entries[i].first = whole(octets, wide)
            mask = ip6_mask(prefix if wide else prefix + 96)
            entries[i].first &= mask
            entries[i].last = (entries[i].first | ~mask) & most
            entries[i].term = <uint16_t>i
        n = table_build(entries, count, most, starts, terms, starts + 2 * count + 1)
        term = terms[range_of6(starts, n, whole(ip, wide))]
        return None if term == NO_TERM else term
    finally:
        free(entries)
        free(starts)
        free(terms)


cdef u128 whole(value, bint wide):
    cdef u128 result = 0
    cdef uint8_t octet
    if not wide:
        return <u128><uint32_t>value
    for octet in <bytes>value:
        result = result << 8 | octet
    return result
