"""The questions that the rows of a batch wait for, each once.

What may live here: the set of questions of one part of a batch. Many rows wait for few questions:
they are united here, without Python.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcmp, memcpy

from senderid_fast._core.answerdata cimport question_hash
from senderid_fast._core.asking cimport QuestionData

cdef enum:
    WANTED_LEAST = 64


cdef bint slots_grow(QuestionSet *questions) noexcept nogil:
    cdef size_t size = 2 * (questions.mask + 1) if questions.slots != NULL else 2 * WANTED_LEAST
    cdef uint32_t *slots = <uint32_t *>calloc(size, sizeof(uint32_t))
    cdef size_t at
    cdef int i
    if slots == NULL:
        return False
    for i in range(questions.count):
        at = questions.wanted[i].hash & (size - 1)
        while slots[at]:
            at = (at + 1) & (size - 1)
        slots[at] = i + 1
    free(questions.slots)
    questions.slots = slots
    questions.mask = size - 1
    return True


cdef bint make_room(QuestionSet *questions, int length) noexcept nogil:
    """Room for one more question. False: there is no memory."""
    cdef void *more
    cdef size_t room
    cdef int count
    if questions.count == questions.room:
        count = 2 * questions.room if questions.room else <int>WANTED_LEAST
        more = realloc(questions.wanted, count * sizeof(Wanted))
        if more == NULL:
            return False
        questions.wanted = <Wanted *>more
        questions.room = count
    if questions.names_used + length > questions.names_room:
        room = max(2 * questions.names_room, <size_t>4096)
        more = realloc(questions.names, room)
        if more == NULL:
            return False
        questions.names = <uint8_t *>more
        questions.names_room = room
    if questions.slots == NULL or 2 * <size_t>questions.count > questions.mask:
        return slots_grow(questions)
    return True


cdef int questions_add(QuestionSet *questions, const QuestionData *question) noexcept nogil:
    """The position of the question, which is put in if it is new. NO_QUESTION if too many are open;
    NO_MEMORY."""
    cdef uint64_t hash = question_hash(question.hash, question.rrtype)
    cdef Wanted *wanted
    cdef size_t at
    if not make_room(questions, question.length):
        return NO_MEMORY
    at = hash & questions.mask
    while questions.slots[at]:
        wanted = &questions.wanted[questions.slots[at] - 1]
        if (wanted.hash == hash and wanted.rrtype == question.rrtype and wanted.length == question.length
                and memcmp(questions.names + wanted.name, question.name, question.length) == 0):
            if question.area == 0:
                wanted.area = 0           # a record names it too: it is not of one message alone
            return <int>questions.slots[at] - 1
        at = (at + 1) & questions.mask
    if questions.open >= QUESTIONS_MOST:
        return NO_QUESTION
    wanted = &questions.wanted[questions.count]
    wanted.hash = hash
    wanted.took = 0
    wanted.name = questions.names_used
    wanted.length = <uint8_t>question.length
    wanted.rrtype = <uint8_t>question.rrtype
    wanted.area = <uint8_t>question.area
    wanted.state = QUESTION_NEW
    memcpy(questions.names + questions.names_used, question.name, question.length)
    questions.names_used += question.length
    questions.count += 1
    questions.open += 1
    questions.slots[at] = questions.count
    return questions.count - 1


cdef void questions_free(QuestionSet *questions) noexcept nogil:
    free(questions.wanted)
    free(questions.names)
    free(questions.slots)
