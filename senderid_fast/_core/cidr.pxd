# Addresses and networks. Everything here is plain C and may run without the GIL.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef extern from *:
    """
    typedef unsigned __int128 sf_u128;
    """
    ctypedef unsigned long long u128 "sf_u128"

# Which family an Address is of; 0 is no address.
cdef enum Family:
    FAMILY_NONE = 0
    FAMILY_IP4 = 4
    FAMILY_IP6 = 6

ctypedef struct Address:
    u128 ip6              # of FAMILY_IP6, in host order
    uint32_t ip4          # of FAMILY_IP4, in host order
    uint8_t family

cdef enum:
    ADDRESS_TEXT = 64     # room for any address as text: 32 nibbles with dots

cdef bint ip4_parse(const uint8_t *text, size_t length, uint32_t *out) noexcept nogil
cdef bint ip6_parse(const uint8_t *text, size_t length, u128 *out) noexcept nogil
cdef bint address_parse(const uint8_t *text, size_t length, Address *out) noexcept nogil
cdef void address_from_octets(const uint8_t *octets, size_t length, Address *out) noexcept nogil
cdef int prefix_parse(const uint8_t *text, size_t length, int most) noexcept nogil
cdef u128 ip6_mask(int prefix) noexcept nogil
cdef uint32_t ip4_mask(int prefix) noexcept nogil
cdef int address_write_dotted(const Address *address, uint8_t *out) noexcept nogil
cdef int address_write_readable(const Address *address, uint8_t *out) noexcept nogil
cdef int address_write_reverse(const Address *address, uint8_t *out) noexcept nogil
