"""The open questions of a batch, answered from a cache that lies in memory.

What may live here: the way from the questions of a batch to a CacheReader and back, without an object
for each but its key and its octets. Checks have their own (Check.supply).
"""

from libc.stdint cimport int64_t, uint8_t

from senderid_fast._core.answerdata cimport AnswerData, answer_release
from senderid_fast._core.answers cimport AnswerStore
from senderid_fast._core.cachereader cimport CacheReader
from senderid_fast._core.columns cimport Batch, Part
from senderid_fast._core.fetched cimport fetched_add, fetched_find
from senderid_fast._core.waiting cimport QUESTION_ANSWERED, QUESTION_NEW, Wanted


def supply_batch(Batch batch not None, CacheReader reader not None, get, double unix, int64_t now,
                 AnswerStore keep):
    """Ask a cache what came up since the last call. How many answers it had.

    What is found is answered, and is not handed out by Batch.questions(). It counts as having taken no
    time: it was in memory.
    get, unix, now   as for CacheReader.take
    keep             the store in which others find the answers, too; None: there is none
    """
    cdef AnswerData *answer = NULL
    cdef Part *part
    cdef Wanted *wanted
    cdef const uint8_t *name
    cdef int i, number, found = 0
    cdef bint several = batch.part_count > 1, kept
    for i in range(batch.part_count):
        part = &batch.parts[i]
        for number in range(part.questions.looked, part.questions.count):
            wanted = &part.questions.wanted[number]
            part.questions.looked = number + 1
            if wanted.state != QUESTION_NEW:
                continue
            name = part.questions.names + wanted.name
            # Another part may have asked the same.
            if not several or fetched_find(&batch.fetched, wanted.hash, wanted.rrtype, name, wanted.length) == NULL:
                if not reader.take(get, name, wanted.length, wanted.rrtype, unix, now, &answer):
                    continue
                found += 1
                kept = fetched_add(&batch.fetched, answer)
                if kept and keep is not None and answer.expires > now:
                    keep.keep(answer, wanted.area, now)
                answer_release(answer)
                if not kept:
                    raise MemoryError
            part.questions.open -= 1
            wanted.state = QUESTION_ANSWERED
    return found
