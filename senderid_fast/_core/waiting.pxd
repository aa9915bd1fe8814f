# The rows of a batch that wait for answers, and the questions they wait for.
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from senderid_fast._core.asking cimport QuestionData

cdef enum QuestionState:
    QUESTION_NEW              # not handed out yet
    QUESTION_OPEN
    QUESTION_ANSWERED
    QUESTION_OVER             # asked for as long as a check may take, without an answer

cdef enum:
    QUESTIONS_MOST = 65536    # that may be open in one part; more rows than that wait for their turn
    NO_QUESTION = -1
    NO_MEMORY = -2

ctypedef struct Wanted:
    uint64_t hash             # of name and type
    int64_t took              # nanoseconds that the answer took
    size_t name               # where its name is
    uint8_t length
    uint8_t rrtype
    uint8_t area              # of the store
    uint8_t state             # QuestionState

ctypedef struct QuestionSet:
    Wanted *wanted
    uint8_t *names
    uint32_t *slots           # position in wanted plus one; 0: empty
    size_t names_used
    size_t names_room
    size_t mask
    int count
    int room
    int handed                # how many were handed out, or had their answer before
    int looked                # how many a cache was asked for (supplying.pyx)
    int open                  # new or open

# One check of one row.
ctypedef struct Item:
    int64_t row
    int64_t spent             # nanoseconds that its questions took so far
    int kind                  # IdentityKind
    int question              # it waits for; NO_QUESTION: it found no room for it

cdef int questions_add(QuestionSet *questions, const QuestionData *question) noexcept nogil
cdef void questions_free(QuestionSet *questions) noexcept nogil
