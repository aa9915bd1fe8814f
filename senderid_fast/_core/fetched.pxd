# The answers that were fetched for the checks of a batch.
from libc.stdint cimport uint64_t, uint8_t

from senderid_fast._core.answerdata cimport AnswerData

ctypedef struct Fetched:
    AnswerData **slots        # by the hash of name and type; each retained
    size_t mask
    size_t count

cdef bint fetched_add(Fetched *fetched, AnswerData *answer) noexcept nogil
cdef AnswerData *fetched_find(const Fetched *fetched, uint64_t hash, int rrtype, const uint8_t *name,
                              int length) noexcept nogil
cdef void fetched_free(Fetched *fetched) noexcept nogil
