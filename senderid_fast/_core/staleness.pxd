# Answers that are over and stand in for errors.
from libc.stdint cimport int64_t, uint8_t, uint64_t

from senderid_fast._core.answerdata cimport AnswerData
from senderid_fast._core.answers cimport StoreData

cdef inline int64_t ended(const AnswerData *answer) noexcept nogil:
    """When the answer's own time to live ended, or will end."""
    return answer.expires - answer.over

cdef AnswerData *store_kept(StoreData *store, uint64_t hash, int rrtype, const uint8_t *name, int length,
                            int *area) noexcept nogil
cdef bint stale_ages(StoreData *store, AnswerData *answer, int *area, int64_t now) noexcept nogil
