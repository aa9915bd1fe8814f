"""Stale answers (RFC 8767): for how long an answer has been over, and whether it may go on.

What may live here: what the store does with an answer that stands in for an error. When one is used is
senderid_fast.stale's matter. The caller holds the lock of the store.

A stale answer says what the one that is over said, and takes its place in the store, for as long as DNS
is not to be asked again. By how much it will be over then stands in it (AnswerData.over): so it is known
when the time to live ended, however often that is done.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t

from senderid_fast._core.answerdata cimport STATUS_NXDOMAIN, AnswerData, answer_is_for, answer_name
from senderid_fast._core.answers cimport Area, StoreData


cdef AnswerData *store_kept(StoreData *store, uint64_t hash, int rrtype, const uint8_t *name, int length,
                            int *area) noexcept nogil:
    """What is kept for a question, good or over, and in which area; NULL if nothing or an error is. The
    caller holds the lock."""
    cdef AnswerData *found = NULL
    cdef AnswerData *answer
    cdef Area *table
    cdef size_t at
    cdef int i
    for i in range(2):
        table = &store.areas[i]
        at = hash & table.mask
        while table.slots != NULL and table.slots[at].hash:
            answer = table.slots[at].answer
            if answer_is_for(answer, hash, rrtype, name, length):
                if answer.status <= STATUS_NXDOMAIN and (found == NULL or ended(answer) > ended(found)):
                    found = answer
                    area[0] = i
                break
            at = (at + 1) & table.mask
    return found


cdef bint stale_ages(StoreData *store, AnswerData *answer, int *area, int64_t now) noexcept nogil:
    """Find out for how long a stale answer has been over: it goes on where the one it was read from stands,
    and not for longer than it may. False: there is nothing to go on with, or DNS gave another meanwhile."""
    cdef AnswerData *kept = store_kept(store, answer.hash, answer.rrtype, answer_name(answer),
                                       answer.name_length, area)
    if kept == NULL or ended(kept) >= now:
        return False
    answer.expires = min(answer.expires, ended(kept) + store.stale)
    answer.over = answer.expires - ended(kept)
    return answer.expires > now
