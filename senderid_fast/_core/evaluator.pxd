# check_host(): one evaluation of one check (RFC 7208 4 to 7, RFC 4406 4).
from libc.stdint cimport uint8_t

from senderid_fast._core.asking cimport CheckData, Target

cdef int evaluate_held(CheckData *check, uint8_t *explanation) noexcept nogil
cdef int check_host(CheckData *check, Target *host, uint8_t *current) noexcept nogil
cdef void begin_evaluation(CheckData *check, Target *host) noexcept nogil
