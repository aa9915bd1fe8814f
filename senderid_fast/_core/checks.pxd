# The evaluator as Python calls it, and as the rows of a batch do.
from libc.stdint cimport int64_t

from senderid_fast._core.answers cimport AnswerStore
from senderid_fast._core.preparing cimport Common

cdef class Evaluator:
    cdef readonly AnswerStore store
    cdef Common common
    cdef readonly tuple limits
    cdef bytes receiver            # common.receiver points into it
    cdef public int64_t epoch
    cdef object a_labels
