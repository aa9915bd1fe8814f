# What came of the rows of a batch, as columns.
from libc.stdint cimport int8_t, int64_t, uint8_t, uint16_t, uint32_t

from senderid_fast._core.asking cimport CheckData

# The columns of text that an identity has.
cdef enum:
    TEXT_DOMAIN
    TEXT_MECHANISM
    TEXT_EXPLANATION
    TEXT_COUNT

cdef enum:
    TEXT_NULL = 0xFFFF        # instead of a length
    MECHANISM_MOST = 512      # octets of a term that are kept: a name has 253 at most

# Text of many rows, one after the other.
ctypedef struct Arena:
    uint8_t *octets
    size_t used
    size_t room

cdef class Octets:
    cdef void *at
    cdef Py_ssize_t size

# The columns of one identity, as the kernel writes them.
ctypedef struct OutcomeData:
    int8_t *results           # positions of results.Result; MISSING: not known
    int8_t *reasons
    uint16_t *lookups         # NULL unless they are wanted
    uint16_t *void_lookups
    int8_t *stale             # likewise
    uint32_t *starts[3]       # of each text, in the arena of the row's part; NULL: not wanted
    uint16_t *lengths[3]

cdef class Outcomes:
    cdef OutcomeData data
    cdef int64_t rows
    cdef Octets results
    cdef Octets reasons
    cdef Octets lookups
    cdef Octets void_lookups
    cdef Octets stale

# What came of writing: a caller that holds a lock must let it go before it raises.
cdef enum PutOutcome:
    PUT_DONE
    PUT_NO_MEMORY
    PUT_TOO_MUCH              # text of one batch

cdef Octets octets_of_size(size_t size, int fill)
cdef int outcome_put(OutcomeData *out, Arena *arenas, int64_t row, const CheckData *check, const uint8_t *domain,
                     int domain_length, const uint8_t *explanation) noexcept nogil
cdef int outcome_copy(OutcomeData *out, Arena *arenas, const OutcomeData *other, const Arena *others,
                      int64_t row) noexcept nogil
cdef int put_raise(int outcome) except -1 with gil
cdef void outcome_gather(const OutcomeData *data, int column, const Arena *arena, int64_t first, int64_t last,
                         bint in_order, uint8_t *out) noexcept nogil
cdef void outcome_lengths(const OutcomeData *data, int column, int64_t rows, uint32_t *offsets,
                          uint8_t *bits) noexcept nogil
cdef tuple bits_of(const int8_t *results, const int8_t *codes, int64_t rows)
