# The Purported Responsible Address as Python sees it.
from libc.stdint cimport uint8_t

from senderid_fast._core.headers cimport PraData

cdef class Pra:
    cdef PraData data
    cdef bytes ascii_domain   # with A-labels, in lower case; None if there is no PRA
    cdef bint mismatched      # with SUBMITTER (RFC 4405 4.2)

cdef Pra pra_of(bytes section, a_labels)
cdef bytes section_of(headers)

cdef enum:
    PRA_NOT_ASCII = -1        # instead of a length: the domain has U-labels

cdef int pra_domain(PraData *data, uint8_t *name) noexcept nogil
cdef int pra_converted(PraData *data, a_labels, uint8_t *name) except -1
