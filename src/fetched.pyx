"""The answers that were fetched for the checks of a batch: good until it ends, whatever their time to live.

What may live here: a hash table of references. The store of an engine may hold the same answers, and may
let them go: what is here stays.
"""

from libc.stdint cimport uint64_t, uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from senderid_fast._core.answerdata cimport AnswerData, answer_is_for, answer_name, answer_release, answer_retain

cdef enum:
    SLOTS_LEAST = 64


cdef bint grow(Fetched *fetched) noexcept nogil:
    cdef size_t size = 2 * (fetched.mask + 1) if fetched.slots != NULL else <size_t>SLOTS_LEAST
    cdef AnswerData **slots = <AnswerData **>calloc(size, sizeof(AnswerData *))
    cdef AnswerData *answer
    cdef size_t i, at
    if slots == NULL:
        return False
    if fetched.slots != NULL:
        for i in range(fetched.mask + 1):
            answer = fetched.slots[i]
            if answer != NULL:
                at = answer.hash & (size - 1)
                while slots[at] != NULL:
                    at = (at + 1) & (size - 1)
                slots[at] = answer
    free(fetched.slots)
    fetched.slots = slots
    fetched.mask = size - 1
    return True


cdef bint fetched_add(Fetched *fetched, AnswerData *answer) noexcept nogil:
    """Take a reference to an answer, in place of an older one to its question. False: there is no memory."""
    cdef size_t at
    cdef AnswerData *other
    if (fetched.slots == NULL or 2 * fetched.count > fetched.mask) and not grow(fetched):
        return False
    at = answer.hash & fetched.mask
    while fetched.slots[at] != NULL:
        other = fetched.slots[at]
        if answer_is_for(other, answer.hash, answer.rrtype, answer_name(answer), answer.name_length):
            answer_retain(answer)
            fetched.slots[at] = answer
            answer_release(other)
            return True
        at = (at + 1) & fetched.mask
    answer_retain(answer)
    fetched.slots[at] = answer
    fetched.count += 1
    return True


cdef AnswerData *fetched_find(const Fetched *fetched, uint64_t hash, int rrtype, const uint8_t *name,
                              int length) noexcept nogil:
    """The answer to a question, borrowed; NULL: there is none."""
    cdef size_t at
    if fetched.slots == NULL:
        return NULL
    at = hash & fetched.mask
    while fetched.slots[at] != NULL:
        if answer_is_for(fetched.slots[at], hash, rrtype, name, length):
            return fetched.slots[at]
        at = (at + 1) & fetched.mask
    return NULL


cdef void fetched_free(Fetched *fetched) noexcept nogil:
    cdef size_t i
    if fetched.slots != NULL:
        for i in range(fetched.mask + 1):
            answer_release(fetched.slots[i])
        free(fetched.slots)
    memset(fetched, 0, sizeof(Fetched))
