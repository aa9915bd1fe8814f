# The tables of the store.
from libc.stdint cimport int64_t

from senderid_fast._core.answerdata cimport AnswerData
from senderid_fast._core.answers cimport Area, StoreData

cdef enum:
    ANSWER_COST = 48          # octets beside its block: malloc's own, and its slots, half of them empty

cdef inline size_t answer_cost(const AnswerData *answer) noexcept nogil:
    """Octets of an answer; records that it shares with others are counted once for all of them."""
    return answer.size + <size_t>ANSWER_COST

cdef void area_drop(StoreData *store, Area *table, AnswerData *answer) noexcept nogil
cdef void area_remove(StoreData *store, Area *table, size_t at) noexcept nogil
cdef bint area_grow(Area *table) noexcept nogil
cdef void area_shrink(StoreData *store, Area *table, int64_t now) noexcept nogil
