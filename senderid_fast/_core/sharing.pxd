# Records that answers share, and what policy tables stand on.
from libc.stdint cimport int64_t, uint32_t, uint64_t

from senderid_fast._core.answerdata cimport AnswerData
from senderid_fast._core.answers cimport StoreData
from senderid_fast._core.policydata cimport PolicyData

cdef size_t records_cost(const AnswerData *answer) noexcept nogil
cdef bint records_room(StoreData *store) noexcept nogil
cdef size_t records_share(StoreData *store, AnswerData *answer) noexcept nogil
cdef size_t records_leave(StoreData *store, AnswerData *answer) noexcept nogil
cdef size_t tables_free(StoreData *store, void **policies) noexcept nogil
cdef uint32_t ground_of(const StoreData *store, uint64_t hash) noexcept nogil
cdef uint32_t stamp_of(const StoreData *store, const PolicyData *policy) noexcept nogil
cdef bint policy_is_good(const StoreData *store, PolicyData *policy, int64_t now) noexcept nogil
cdef void touch_grounds(StoreData *store, PolicyData *policy) noexcept nogil
