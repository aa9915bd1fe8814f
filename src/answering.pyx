"""The open questions of a batch, answered by a resolver.

What may live here: the way from answers (questions.Answer) to the rows that wait for them. What a cache in
memory has comes another way (supplying.pyx).
"""

from libc.stdint cimport int64_t, uint8_t

from senderid_fast._core.answerdata cimport (
    STATUS_NXDOMAIN, AnswerData, answer_compile, answer_release, expiry_of,
)
from senderid_fast._core.answers cimport AnswerStore
from senderid_fast._core.columns cimport Batch
from senderid_fast._core.fetched cimport fetched_add
from senderid_fast._core.waiting cimport QUESTION_ANSWERED, QUESTION_OVER, Wanted

from senderid_fast.questions import Answer


def answer_one(Batch batch not None, question, answer, int64_t expires, int64_t failure_expires, int64_t now,
               int64_t took, AnswerStore keep=None):
    """Take the answer (questions.Answer) to an open question; None: there was no time for one.

    expires, failure_expires   as for Check.answer
    took   nanoseconds from when it was asked; an answer that took all the time comes too late
    keep   the store in which others find it
    """
    take(batch, question, answer, expires, failure_expires, now, took, keep)


def answer_all(Batch batch not None, questions, answers, double min_ttl, double max_ttl, int64_t failure_ttl,
               int64_t now, int64_t took, AnswerStore keep, other):
    """Take the answers to open questions, which were asked together.

    min_ttl, max_ttl   seconds; failure_ttl: nanoseconds (Settings)
    other   called with the question, an answer that is no plain questions.Answer, and took
    """
    cdef int64_t failure_expires = now + failure_ttl
    for question, answer in zip(questions, answers, strict=True):
        if type(answer) is Answer and type((<tuple>answer)[2]) is int and 0 <= (<tuple>answer)[2] <= 0xFFFFFFFF:
            take(batch, question, answer, expiry_of(<double>(<tuple>answer)[2], min_ttl, max_ttl, now),
                 failure_expires, now, took, keep)
        else:
            other(question, answer, took)


cdef int take(Batch batch, question, answer, int64_t expires, int64_t failure_expires, int64_t now,
              int64_t took, AnswerStore keep) except -1:
    cdef AnswerData *data
    cdef int area = 1, state = QUESTION_OVER
    cdef bint kept
    cdef Wanted *wanted
    routes = batch.routes.pop(question, None)
    if routes is None:
        raise ValueError(f"answer: {question} is not open")
    for i, number in <list>routes:
        area = min(area, <int>batch.parts[<int>i].questions.wanted[<int>number].area)
    if answer is not None and took < batch.limit:
        data = answer_compile(question, answer, expires)
        if data.status > STATUS_NXDOMAIN:
            data.expires = failure_expires
        kept = fetched_add(&batch.fetched, data)
        if kept and keep is not None:
            keep.take(data, area, now)
        answer_release(data)
        if not kept:
            raise MemoryError
        state = QUESTION_ANSWERED
    for i, number in <list>routes:
        wanted = &batch.parts[<int>i].questions.wanted[<int>number]
        wanted.state = <uint8_t>state
        wanted.took = took
        batch.parts[<int>i].questions.open -= 1
    return 0
