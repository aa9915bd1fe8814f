# The rows of a batch, checked without the GIL and without an object for each.
from libc.stdint cimport int8_t, int64_t, uint8_t, uint64_t

from senderid_fast._core.answerdata cimport AnswerData
from senderid_fast._core.answers cimport AnswerStore, StoreData
from senderid_fast._core.arrow cimport Column
from senderid_fast._core.asking cimport CheckData
from senderid_fast._core.checks cimport Evaluator
from senderid_fast._core.headers cimport PraData
from senderid_fast._core.fetched cimport Fetched
from senderid_fast._core.identities cimport Identity
from senderid_fast._core.macros cimport EXPLANATION_MAX
from senderid_fast._core.outcomes cimport Arena, Octets, OutcomeData
from senderid_fast._core.records cimport RecordData
from senderid_fast._core.waiting cimport Item, QuestionSet

cdef enum:
    BLOCK_ROWS = 32           # that are prepared together, so that their answers come from memory together

cdef enum RowState:
    ROW_READY                 # to be evaluated
    ROW_REFUSED
    ROW_SAME                  # HELO stood in for MAIL FROM, and its outcome is known

# One check that is under way.
ctypedef struct Row:
    Item item
    CheckData check
    Identity identity
    const uint8_t *helo
    size_t helo_length
    int state                 # RowState
    uint64_t hash             # of the first question
    const AnswerData *answer  # to it, as far as is known; looked at for prefetching only
    const RecordData *record
    bint loaded               # the address and helo are of item.row

# The rows from first to before last, which one thread checks.
ctypedef struct Part:
    int64_t first
    int64_t last
    int64_t reached           # the first whose turn has not come
    int number
    bint in_order             # every row was decided when its turn came
    Item *waiting
    int64_t waiting_count
    int64_t waiting_room
    QuestionSet questions
    Arena[4][3] arenas        # by IdentityKind and column of text
    Row[BLOCK_ROWS] rows
    PraData pra
    uint8_t[EXPLANATION_MAX] explanation

cdef class Batch:
    cdef Evaluator evaluator
    cdef AnswerStore store
    cdef Fetched fetched           # answers, of all parts
    cdef Column ip
    cdef Column mail_from
    cdef Column helo
    cdef Column headers
    cdef tuple owned               # the Outcomes that outcomes points into
    cdef OutcomeData *outcomes[4]  # by IdentityKind; NULL: not wanted
    cdef int8_t *as_mail_from      # of each row: 0 if HELO stood in for MAIL FROM
    cdef Octets scopes
    cdef Part *parts
    cdef readonly int part_count
    cdef readonly int64_t rows

    cdef dict routes               # Question -> list of (part, its number there)
    cdef list kept                 # of each part: octets that its rows point into
    cdef int64_t limit             # nanoseconds that the questions of a row may take
    cdef bint expiring
    cdef bint explanations
    cdef Octets pra_headers        # positions of pra.HEADERS
    cdef Octets pra_failures       # positions of results.PraFailure
    cdef int run_first(self, Part *part, int64_t most) except -1 nogil
    cdef int run_kind(self, Part *part, int kind, int64_t first, int count) except -1 nogil
    cdef int run_again(self, Part *part) except -1 nogil
    cdef int run_block(self, Part *part, int count) except -1 nogil
    cdef int wait(self, Part *part, Row *row) noexcept nogil
    cdef int put(self, Part *part, Row *row) noexcept nogil
    cdef int load(self, Row *row) except -1 nogil
    cdef int prepare(self, Part *part, int i) except -1 nogil
    cdef int select(self, Part *part, Row *row) except -1 nogil
    cdef int convert(self, Part *part, int i, const uint8_t **at, size_t *length) except -1 with gil
    cdef int convert_pra(self, Part *part, uint8_t *name) except -2 with gil

cdef extern from *:
    """
    #define sf_prefetch(at) __builtin_prefetch(at)
    """
    void sf_prefetch(const void *at) noexcept nogil
