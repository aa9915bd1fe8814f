# Evaluation with policy tables.
from libc.stdint cimport uint8_t

from senderid_fast._core.asking cimport CheckData

cdef int evaluate(CheckData *check, uint8_t *explanation) noexcept nogil
cdef void policy_settle(CheckData *check) noexcept nogil
