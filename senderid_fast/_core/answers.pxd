# Answers in compiled form, and the store that keeps them.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from senderid_fast._core.cidr cimport u128
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

# The positions of questions.Status.
cdef enum AnswerStatus:
    STATUS_OK
    STATUS_NODATA
    STATUS_NXDOMAIN
    STATUS_SERVFAIL       # from here on: errors
    STATUS_REFUSED
    STATUS_TIMEOUT
    STATUS_MALFORMED
    STATUS_ERROR

# DNS's numbers, as in questions.RRType.
cdef enum QuestionType:
    TYPE_A = 1
    TYPE_PTR = 12
    TYPE_MX = 15
    TYPE_TXT = 16
    TYPE_AAAA = 28

# An exchange of MX, or a name of PTR.
ctypedef struct NameData:
    uint64_t hash
    const uint8_t *octets     # normalised
    uint8_t length            # 0: a null MX (RFC 7505), or no DNS name

# Which record applies to a scope: a record, or a Selection.
ctypedef struct ScopeData:
    RecordData *record        # NULL: none or several
    int selection

# One block of memory, never changed but for refs and used.
ctypedef struct AnswerData:
    int refs
    uint32_t size             # octets of the block and of the records that came with it
    uint64_t hash             # of name and type
    int64_t expires           # nanoseconds, on the clock of whoever calls
    const uint8_t *name
    const uint32_t *ip4       # A: sorted
    const u128 *ip6           # AAAA: sorted
    const NameData *names     # MX by preference and name, PTR as they came
    const ScopeData *scopes   # TXT: spf, mfrom, pra
    const uint8_t *text       # TXT: the only record there is; errors: the sentence for people
    uint32_t text_length
    uint32_t count            # records
    uint16_t rrtype
    uint8_t name_length
    uint8_t status            # AnswerStatus
    uint8_t used              # since the hand of the clock passed

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

ctypedef struct StoreData:
    sf_lock lock
    Area[2] areas             # 0: policies and what they name; 1: names made for one message
    uint64_t evicted
    uint64_t expired
    uint64_t stored

cdef uint64_t question_hash(uint64_t name_hash, int rrtype) noexcept nogil
cdef AnswerData *store_find(StoreData *store, int area, uint64_t hash, int rrtype, const uint8_t *name,
                            int length, int64_t now) noexcept nogil
cdef bint answer_is_for(const AnswerData *answer, uint64_t hash, int rrtype, const uint8_t *name,
                        int length) noexcept nogil
cdef void answer_retain(AnswerData *answer) noexcept nogil
cdef void answer_release(AnswerData *answer) noexcept nogil
cdef AnswerData *answer_compile(question, answer, int64_t expires) except NULL

cdef class AnswerStore:
    cdef StoreData data
    cdef void empty(self) noexcept nogil
    cdef void keep(self, AnswerData *answer, int area, int64_t now) noexcept nogil
