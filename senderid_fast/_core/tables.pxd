# Which network holds an address. Everything here is plain C and may run without the GIL.
from libc.stdint cimport uint16_t, uint32_t

from senderid_fast._core.cidr cimport u128

# One network of a run of ip4 and ip6 terms: first and last address, and which term it is.
ctypedef struct Network:
    u128 first
    u128 last
    uint16_t term

cdef enum:
    NO_TERM = 0xFFFF

cdef int table_build(Network *networks, int count, u128 most, u128 *starts, uint16_t *terms,
                     u128 *ends) noexcept nogil
cdef inline int range_of4(const uint32_t *starts, int count, uint32_t ip) noexcept nogil:
    """Which range ip is in; the first starts at 0."""
    cdef const uint32_t *base = starts
    cdef int half
    while count > 1:
        half = count >> 1
        base += half if base[half] <= ip else 0
        count -= half
    return <int>(base - starts)

cdef inline int range_of6(const u128 *starts, int count, u128 ip) noexcept nogil:
    cdef const u128 *base = starts
    cdef int half
    while count > 1:
        half = count >> 1
        base += half if base[half] <= ip else 0
        count -= half
    return <int>(base - starts)

cdef bint sorted4_match(const uint32_t *addresses, int count, uint32_t ip, int prefix) noexcept nogil
cdef bint sorted6_match(const u128 *addresses, int count, u128 ip, int prefix) noexcept nogil
cdef u128 sorted4_last(const uint32_t *addresses, int count, uint32_t ip, int prefix) noexcept nogil
cdef u128 sorted6_last(const u128 *addresses, int count, u128 ip, int prefix) noexcept nogil
