# check_host(): one evaluation of one check (RFC 7208 4 to 7, RFC 4406 4).
from libc.stdint cimport uint8_t

from senderid_fast._core.asking cimport CheckData

cdef int evaluate_held(CheckData *check, uint8_t *explanation) noexcept nogil
