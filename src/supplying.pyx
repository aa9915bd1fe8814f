"""The open questions of a batch, answered from a cache that lies in memory.

What may live here: the way from the questions of a batch to a CacheReader and back, without an object
for each but its key and its octets. Checks have their own (Check.supply).
"""

from libc.stdint cimport INT64_MIN, int64_t, uint8_t

from senderid_fast._core.answerdata cimport AnswerData, answer_release
from senderid_fast._core.answers cimport AnswerStore, store_find
from senderid_fast._core.columns cimport Batch, Part
from senderid_fast._core.cachereader cimport CacheReader
from senderid_fast._core.waiting cimport QUESTION_ANSWERED, QUESTION_NEW, Wanted


def supply_batch(Batch batch not None, CacheReader reader not None, get, double unix, int64_t now,
                 AnswerStore keep):
    """Ask a cache what came up since the last call. How many answers it had.

    What is found is answered, and is not handed out by Batch.questions(). It counts as having taken no
    time: it was in memory.
    get, unix, now   as for CacheReader.take
    keep             the store in which others find the answers, too; None: there is none
    """
    cdef AnswerData *fetched = NULL
    cdef AnswerData *kept = NULL
    cdef Part *part
    cdef Wanted *wanted
    cdef const uint8_t *name
    cdef int i, number, found = 0
    cdef bint several = batch.part_count > 1
    for i in range(batch.part_count):
        part = &batch.parts[i]
        for number in range(part.questions.looked, part.questions.count):
            wanted = &part.questions.wanted[number]
            part.questions.looked = number + 1
            if wanted.state != QUESTION_NEW:
                continue
            name = part.questions.names + wanted.name
            if several and store_find(&batch.fetched.data, 0, wanted.hash, wanted.rrtype, name, wanted.length,
                                      INT64_MIN) != NULL:
                wanted.state = QUESTION_ANSWERED         # another part asked the same
                part.questions.open -= 1
                continue
            if not reader.take(get, name, wanted.length, wanted.rrtype, unix, now, &fetched,
                               NULL if keep is None else &kept):
                continue
            found += 1
            wanted.state = QUESTION_ANSWERED
            part.questions.open -= 1
            batch.fetched.keep(fetched, 0, now)
            answer_release(fetched)
            if keep is not None:
                if kept.expires > now:
                    keep.keep(kept, wanted.area, now)
                answer_release(kept)
    return found
