# The store that keeps answers.
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from senderid_fast._core.answerdata cimport AnswerData
from senderid_fast._core.policydata cimport PolicyData
from senderid_fast._core.records cimport RecordData

cdef extern from *:
    """
    #ifndef SENDERID_FAST_LOCK
    #define SENDERID_FAST_LOCK
    #include <sched.h>
    /* Many readers or one writer. Held for one evaluation or one change, never while Python runs, so
       spinning is short. A waiting writer keeps new readers out. */
    typedef struct { int readers; int writer; } sf_lock;
    static inline void sf_lock_init(sf_lock *lock) { lock->readers = 0; lock->writer = 0; }
    static inline void sf_read_lock(sf_lock *lock) {
        for (;;) {
            __atomic_add_fetch(&lock->readers, 1, __ATOMIC_SEQ_CST);
            if (__builtin_expect(!__atomic_load_n(&lock->writer, __ATOMIC_SEQ_CST), 1)) return;
            __atomic_sub_fetch(&lock->readers, 1, __ATOMIC_SEQ_CST);
            while (__atomic_load_n(&lock->writer, __ATOMIC_RELAXED)) sched_yield();
        }
    }
    static inline void sf_read_unlock(sf_lock *lock) {
        __atomic_sub_fetch(&lock->readers, 1, __ATOMIC_RELEASE);
    }
    static inline void sf_write_lock(sf_lock *lock) {
        while (__atomic_exchange_n(&lock->writer, 1, __ATOMIC_SEQ_CST)) sched_yield();
        while (__atomic_load_n(&lock->readers, __ATOMIC_SEQ_CST)) sched_yield();
    }
    static inline void sf_write_unlock(sf_lock *lock) {
        __atomic_store_n(&lock->writer, 0, __ATOMIC_SEQ_CST);
    }
    static inline int sf_lock_is_written(sf_lock *lock) { return lock->writer; }
    #endif
    """
    ctypedef struct sf_lock:
        pass
    void sf_lock_init(sf_lock *lock) noexcept nogil
    void sf_read_lock(sf_lock *lock) noexcept nogil
    void sf_read_unlock(sf_lock *lock) noexcept nogil
    void sf_write_lock(sf_lock *lock) noexcept nogil
    void sf_write_unlock(sf_lock *lock) noexcept nogil
    bint sf_lock_is_written(sf_lock *lock) noexcept nogil

ctypedef struct Slot:
    uint64_t hash             # 0: empty
    AnswerData *answer

# One table with a bound in octets. Answers whose names a macro made for one message have a small
# area of their own, so that they cannot push policies out.
ctypedef struct Area:
    Slot *slots
    size_t mask
    size_t count
    size_t hand
    size_t octets
    size_t limit

cdef enum:
    GROUNDS = 1024            # counters of what policy tables stand on

ctypedef struct StoreData:
    sf_lock lock
    Area[2] areas             # 0: policies and what they name; 1: names made for one message
    RecordData **records      # by their text: held once, however many names have them
    size_t record_mask
    size_t record_count
    int64_t stale             # nanoseconds after its end in which an answer may stand in for an error; 0: none
    uint64_t evicted
    uint64_t expired
    uint64_t stored
    uint64_t refused          # for their size
    uint32_t heat_for_table   # evaluations after which a table is made; 0: never
    size_t tables             # policy tables, and their octets
    size_t table_octets
    uint64_t tables_made
    uint32_t changes          # of the counters below, all together
    uint32_t[GROUNDS] grounds  # how often an answer that tables stand on went, by its hash

cdef AnswerData *store_find(StoreData *store, int area, uint64_t hash, int rrtype, const uint8_t *name,
                            int length, int64_t now) noexcept nogil
cdef bint policy_keep(StoreData *store, AnswerData *answer, int scope, bint bound, PolicyData *policy,
                      int64_t now) noexcept nogil

cdef class AnswerStore:
    cdef StoreData data
    cdef void empty(self) noexcept nogil
    cdef void keep(self, AnswerData *answer, int area, int64_t now) noexcept nogil
    cdef void take(self, AnswerData *answer, int area, int64_t now) noexcept nogil
