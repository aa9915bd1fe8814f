"""Evaluation with policy tables: the lock, what is kept of an outcome, and when a table is made.

What may live here: evaluate(), which takes the lock of the store around one evaluation, and making
tables from walks of the evaluator. No rule of SPF.
"""

from libc.stdint cimport uint8_t

from senderid_fast._core.answerdata cimport answer_release, answer_retain
from senderid_fast._core.answers cimport sf_read_lock, sf_read_unlock
from senderid_fast._core.asking cimport CheckData
from senderid_fast._core.evaluator cimport evaluate_held
from senderid_fast._core.records cimport record_retain


cdef int evaluate(CheckData *check, uint8_t *explanation) noexcept nogil:
    """Evaluate one check: its result, or MISSING.

    explanation has room for EXPLANATION_MAX octets. check.record and check.trouble, if set, are
    references that belong to the caller.
    """
    cdef int result
    sf_read_lock(&check.store.lock)
    result = evaluate_held(check, explanation)
    if check.record != NULL:
        record_retain(check.record)
    if check.trouble != NULL:
        answer_retain(check.trouble)
    sf_read_unlock(&check.store.lock)
    if check.hot != NULL:
        policy_settle(check)
    return result


cdef void policy_settle(CheckData *check) noexcept nogil:
    """Make the table that is due after an evaluation, and let check.hot go. The caller holds no lock."""
    answer_release(check.hot)
    check.hot = NULL
