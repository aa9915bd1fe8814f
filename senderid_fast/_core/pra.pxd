# The Purported Responsible Address as Python sees it.
from senderid_fast._core.headers cimport PraData

cdef class Pra:
    cdef PraData data
    cdef bytes ascii_domain   # with A-labels, in lower case; None if there is no PRA
    cdef bint mismatched      # with SUBMITTER (RFC 4405 4.2)

cdef Pra pra_of(bytes section, a_labels)
cdef bytes section_of(headers)
