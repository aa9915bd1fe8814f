"""The open questions of a batch, answered from a cache that lies in memory.

What may live here: the way from the questions of a batch to a CacheReader and back, without an object
for each but its key and its octets. Checks have their own (Check.supply).
"""

from libc.stdint cimport INT64_MIN, int64_t, uint8_t

from senderid_fast._core.answerdata cimport AnswerData, answer_release
from senderid_fast._core.answers cimport AnswerStore, sf_read_lock, sf_read_unlock, store_find
from senderid_fast._core.columns cimport Batch, Part
from senderid_fast._core.cachereader cimport CacheReader
from senderid_fast._core.waiting cimport QUESTION_ANSWERED, QUESTION_LENT, QUESTION_NEW, Wanted


def supply_batch(Batch batch not None, CacheReader reader not None, get, double unix, int64_t now,
                 AnswerStore keep):
    """Ask a cache what came up since the last call. How many answers it had.

    What is found is answered, and is not handed out by Batch.questions(). It counts as having taken no
    time: it was in memory. An answer that the store keeps is not kept twice: should the store lose it
    before the batch ends, it is taken once more, and then stays with the batch.
    get, unix, now   as for CacheReader.take
    keep             the store in which others find the answers, too; None: there is none
    """
    cdef AnswerData *answer = NULL
    cdef AnswerData *kept = NULL
    cdef Part *part
    cdef Wanted *wanted
    cdef const uint8_t *name
    cdef int i, number, found = 0
    cdef bint several = batch.part_count > 1, twice
    for i in range(batch.part_count):
        part = &batch.parts[i]
        for number in range(part.questions.looked, part.questions.count):
            wanted = &part.questions.wanted[number]
            part.questions.looked = number + 1
            if wanted.state != QUESTION_NEW:
                continue
            name = part.questions.names + wanted.name
            if several and not wanted.lost and is_there(batch, keep, wanted, name, now):
                wanted.state = QUESTION_LENT             # another part asked the same
                part.questions.open -= 1
                continue
            twice = keep is not None and wanted.lost
            if not reader.take(get, name, wanted.length, wanted.rrtype, unix, now, &answer,
                               &kept if twice else NULL):
                continue
            found += 1
            part.questions.open -= 1
            if keep is None or wanted.lost or answer.expires <= now:
                wanted.state = QUESTION_ANSWERED
                batch.fetched.keep(answer, 0, now)
            else:
                wanted.state = QUESTION_LENT
                keep.keep(answer, wanted.area, now)
            answer_release(answer)
            if twice:
                if kept.expires > now:
                    keep.keep(kept, wanted.area, now)
                answer_release(kept)
    return found


cdef bint is_there(Batch batch, AnswerStore keep, const Wanted *wanted, const uint8_t *name, int64_t now) noexcept:
    """Whether an answer is known already."""
    cdef bint found
    if store_find(&batch.fetched.data, 0, wanted.hash, wanted.rrtype, name, wanted.length, INT64_MIN) != NULL:
        return True
    if keep is None:
        return False
    sf_read_lock(&keep.data.lock)
    found = store_find(&keep.data, wanted.area, wanted.hash, wanted.rrtype, name, wanted.length, now) != NULL
    sf_read_unlock(&keep.data.lock)
    return found
