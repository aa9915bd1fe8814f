# A record, read once and never changed: the form in which the store keeps it.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from senderid_fast._core.macros cimport Piece
from senderid_fast._core.tokenizer cimport Spec, Table
from senderid_fast._core.tokenizer cimport Term as TermData

cdef extern from *:
    """
    #ifndef SENDERID_FAST_REFS
    #define SENDERID_FAST_REFS
    static inline void sf_retain(int *refs) { __atomic_add_fetch(refs, 1, __ATOMIC_RELAXED); }
    static inline int sf_release(int *refs) { return __atomic_sub_fetch(refs, 1, __ATOMIC_ACQ_REL); }
    #endif
    """
    void sf_retain(int *refs) noexcept nogil
    int sf_release(int *refs) noexcept nogil

# One block of memory. Its first part belongs to the store that holds it (answers.pyx), and changes;
# the rest never does after it is made.
ctypedef struct RecordData:
    int refs
    uint32_t holders        # answers of the store that have this record; changed under its lock
    void *policies          # PolicyData of every host with this record, changed under the lock
    uint32_t heat           # evaluations without a table
    uint8_t error           # SyntaxFault; FAULT_NONE: the record can be used
    uint8_t version         # 1: v=spf1, 2: spf2.x, 0: none of them (only by record_parse of a stranger's text)
    uint8_t scopes          # ScopeBit
    uint8_t uses            # RecordUse
    uint16_t term_count
    uint16_t redirect       # index of the term, or NO_TERM
    uint16_t explanation
    uint16_t all            # the first "all"
    const TermData *terms
    const Table *tables
    const uint8_t *text
    # From here on what a check seldom needs: the first 64 octets come into the cache together.
    const Spec *specs
    const Piece *pieces
    uint64_t hash           # of the text
    uint32_t size           # octets of the block
    uint16_t text_length
    uint16_t error_offset

cdef enum RecordUse:
    RECORD_ASKS = 1         # has terms that ask DNS
    RECORD_BOUND = 2        # says something else for another host: a or mx without a name, macros

cdef enum:
    RECORD_MAX = 0xFFFF     # octets: what a DNS message can hold

cdef RecordData *record_parse(const uint8_t *text, size_t length) noexcept nogil
cdef void record_retain(RecordData *record) noexcept nogil
cdef void record_release(RecordData *record) noexcept nogil
cdef int select_index(const uint8_t **texts, const size_t *lengths, int count, int scope) noexcept nogil

cdef enum Selection:        # select_index, besides an index
    SELECT_NONE = -1
    SELECT_MULTIPLE = -2
    SELECT_MULTIPLE_PLAIN = -3    # of v=spf1, where another version would go before
