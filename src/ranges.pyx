"""Ranges of addresses, as administrators list them: is a client on the list?

What may live here: that search, and an address as a number. How a list is written is known in
receiver/networks.py; the terms of a record have tables of their own, in tables.pyx.
"""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport uint8_t, uint64_t

from senderid_fast._core.cidr cimport FAMILY_IP4, Address, address_parse, u128

cdef dict MOST = {4: (1 << 32) - 1, 6: (1 << 128) - 1}  # the highest address of each version


cdef bint text_parse(str text, Address *out) except -1:
    """The address that a text is, with blanks around it or without; an IPv4-mapped one is IPv4."""
    cdef Py_ssize_t length
    cdef const char *octets
    if not text.isascii():
        return False
    octets = PyUnicode_AsUTF8AndSize(text, &length)
    if address_parse(<const uint8_t *>octets, length, out):
        return True
    stripped = text.strip()
    if len(stripped) == length:
        return False
    octets = PyUnicode_AsUTF8AndSize(stripped, &length)
    return address_parse(<const uint8_t *>octets, length, out)


def address_number(str text not None):
    """The version and the number of an address; None if the text is none."""
    cdef Address address
    if not text_parse(text, &address):
        return None
    if address.family == FAMILY_IP4:
        return 4, <object>address.ip4
    return 6, (<object><uint64_t>(address.ip6 >> 64) << 64) | <object><uint64_t>address.ip6


cdef class AddressRanges:
    """Ranges that neither touch nor overlap.

    ranges  (version, first, last) each, in order. Raises ValueError if they are not.
    """

    cdef u128 *_bounds         # first and last of each range, in turns: of IPv4, then of IPv6
    cdef size_t _ip4, _ip6     # how many ranges there are of each

    def __cinit__(self, tuple ranges not None):
        cdef size_t count = len(ranges), at = 0
        self._bounds = <u128 *>PyMem_Malloc(2 * count * sizeof(u128) if count else 1)
        if self._bounds == NULL:
            raise MemoryError
        before = (0, 0, -1)
        for version, first, last in ranges:
            touches = version == before[0] and first <= before[2] + 1
            most = MOST.get(version, -1)
            if version < before[0] or touches or not 0 <= first <= last <= most:
                raise ValueError("the ranges are not in order")
            before = version, first, last
            self._bounds[at] = number_of(first)
            self._bounds[at + 1] = number_of(last)
            at += 2
            if version == 4:
                self._ip4 += 1
            else:
                self._ip6 += 1

    def __dealloc__(self):
        PyMem_Free(self._bounds)

    def __contains__(self, str text not None):
        """Whether an address, as text, is in one of them. What is no address is in none."""
        cdef Address address
        if self._ip4 + self._ip6 == 0 or not text_parse(text, &address):
            return False
        if address.family == FAMILY_IP4:
            return holds(self._bounds, self._ip4, address.ip4)
        return holds(self._bounds + 2 * self._ip4, self._ip6, address.ip6)


cdef u128 number_of(number) except? 1:
    return (<u128><uint64_t>(number >> 64)) << 64 | <uint64_t>(number & 0xFFFFFFFFFFFFFFFF)


cdef bint holds(const u128 *bounds, size_t count, u128 number) noexcept nogil:
    """The last range that begins before a number, or at it, is the only one that can hold it."""
    cdef size_t low = 0, high = count, middle
    while low < high:
        middle = low + (high - low) // 2
        if bounds[2 * middle] <= number:
            low = middle + 1
        else:
            high = middle
    return low > 0 and number <= bounds[2 * low - 1]
