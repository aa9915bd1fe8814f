# Memory that the rows of a block will need.
from senderid_fast._core.answers cimport Area
from senderid_fast._core.columns cimport Part

cdef void prefetch_block(Part *part, const Area *area, int count) noexcept nogil
