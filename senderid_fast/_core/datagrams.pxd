# Datagrams in batches, over sockets that are open and connected.
from libc.stdint cimport uint8_t, uint32_t

cdef enum:
    BATCH = 64                # datagrams
    DATAGRAM_MOST = 4096      # octets of one that is taken; we announce 1,232

cdef class Datagrams:
    cdef readonly int count   # of those that are there
    cdef bint plain
    cdef uint8_t *octets      # BATCH times DATAGRAM_MOST
    cdef uint32_t[BATCH] lengths

cdef inline uint8_t *datagram(Datagrams datagrams, int number) noexcept:
    return datagrams.octets + <size_t>number * DATAGRAM_MOST
