# What a policy table says in place of an evaluation.
from senderid_fast._core.answerdata cimport AnswerData
from senderid_fast._core.asking cimport CheckData, Target
from senderid_fast._core.policydata cimport PolicyKey
from senderid_fast._core.records cimport RecordData

cdef enum:
    UNDECIDED = -2          # neither a result nor MISSING: evaluate, or go on

cdef int table_decides(CheckData *check, AnswerData *answer, RecordData *record, const Target *host,
                       int depth) noexcept nogil
cdef void set_policy_key(const CheckData *check, PolicyKey *key) noexcept nogil
