"""Areas: the tables of an AnswerStore, each with a bound in octets.

What may live here: slots, growth, and which answer goes when there is no room. When an answer is kept is
said in answers.pyx; the caller holds the lock of the store for writing.
"""

from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free

from senderid_fast._core.answerdata cimport AnswerData, answer_release
from senderid_fast._core.answers cimport Area, Slot, StoreData
from senderid_fast._core.policydata cimport PolicyData
from senderid_fast._core.sharing cimport records_cost, records_leave, tables_free, touch_grounds

cdef enum:
    SLOTS_LEAST = 64


cdef void area_drop(StoreData *store, Area *table, AnswerData *answer) noexcept nogil:
    """An answer leaves its slot."""
    table.count -= 1
    table.octets -= answer_cost(answer) + tables_free(store, &answer.policies)
    if answer.interned:
        table.octets -= records_leave(store, answer)
    else:
        table.octets -= records_cost(answer)
    if answer.stood:
        answer.stood = 0
        store.grounds[answer.hash >> 54] += 1
        store.changes += 1
    answer_release(answer)


cdef void area_remove(StoreData *store, Area *table, size_t at) noexcept nogil:
    """Empty a slot and close the gap, so that every search still ends at an empty slot."""
    cdef size_t next = at, home
    area_drop(store, table, table.slots[at].answer)
    while True:
        next = (next + 1) & table.mask
        if table.slots[next].hash == 0:
            break
        home = table.slots[next].hash & table.mask
        # May the entry at next move to at? Only if its home is not between the two.
        if ((next - home) & table.mask) >= ((next - at) & table.mask):
            table.slots[at] = table.slots[next]
            at = next
    table.slots[at].hash = 0
    table.slots[at].answer = NULL


cdef bint area_grow(Area *table) noexcept nogil:
    cdef size_t size = 2 * (table.mask + 1) if table.slots != NULL else SLOTS_LEAST
    cdef Slot *slots = <Slot *>calloc(size, sizeof(Slot))
    cdef size_t i, at
    if slots == NULL:
        return False
    if table.slots != NULL:
        for i in range(table.mask + 1):
            if table.slots[i].hash:
                at = table.slots[i].hash & (size - 1)
                while slots[at].hash:
                    at = (at + 1) & (size - 1)
                slots[at] = table.slots[i]
        free(table.slots)
    table.slots = slots
    table.mask = size - 1
    table.hand = 0
    return True


cdef void area_shrink(StoreData *store, Area *table, int64_t now) noexcept nogil:
    """Let answers go until the area is within its limit: those that are over, then those not used
    since the hand passed last (a clock, which is nearly least-recently-used)."""
    cdef Slot *slot
    cdef int i
    while table.octets > table.limit and table.count:
        slot = &table.slots[table.hand]
        if slot.hash == 0:
            table.hand = (table.hand + 1) & table.mask
        elif slot.answer.expires < now:
            store.expired += 1
            area_remove(store, table, table.hand)
        elif slot.answer.used:
            slot.answer.used = 0
            touch_grounds(store, <PolicyData *>slot.answer.policies)
            for i in range(slot.answer.record_count):
                touch_grounds(store, <PolicyData *>slot.answer.payload.records[i].policies)
            table.hand = (table.hand + 1) & table.mask
        else:
            store.evicted += 1
            area_remove(store, table, table.hand)
