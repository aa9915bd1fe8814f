"""The AnswerStore: question -> answer, kept for its time to live within a bound of octets.

What may live here: the tables, expiry and eviction. What an answer says is in answerdata.pyx.

An answer lives while someone holds a reference. The store holds one, a running check holds one for
each answer that was fetched for it: so neither expiry nor eviction takes what a check still needs.
Time comes in as nanoseconds; there is no clock here.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from senderid_fast._core.answerdata cimport (
    AnswerData, answer_compile, answer_is_for, answer_release, answer_retain,
)

cdef enum:
    SLOTS_LEAST = 64


cdef AnswerData *store_find(StoreData *store, int area, uint64_t hash, int rrtype, const uint8_t *name,
                            int length, int64_t now) noexcept nogil:
    """The answer that is good at now, or NULL. The caller holds the lock for reading, and uses the
    answer only while it does, or retains it."""
    cdef Area *table = &store.areas[area]
    cdef size_t at
    cdef AnswerData *answer
    if table.slots == NULL:
        return NULL
    at = hash & table.mask
    while table.slots[at].hash:
        if table.slots[at].hash == hash:
            answer = table.slots[at].answer
            if answer_is_for(answer, hash, rrtype, name, length):
                if answer.expires < now:
                    return NULL
                if not answer.used:
                    answer.used = 1
                return answer
        at = (at + 1) & table.mask
    return NULL


cdef void area_remove(Area *table, size_t at) noexcept nogil:
    """Empty a slot and close the gap, so that every search still ends at an empty slot."""
    cdef size_t next = at, home
    table.octets -= table.slots[at].answer.size
    table.count -= 1
    answer_release(table.slots[at].answer)
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
    while table.octets > table.limit and table.count:
        slot = &table.slots[table.hand]
        if slot.hash == 0:
            table.hand = (table.hand + 1) & table.mask
        elif slot.answer.expires < now:
            store.expired += 1
            area_remove(table, table.hand)
        elif slot.answer.used:
            slot.answer.used = 0
            table.hand = (table.hand + 1) & table.mask
        else:
            store.evicted += 1
            area_remove(table, table.hand)


cdef class AnswerStore:
    """Question -> answer, in compiled form, bounded in octets. Safe under threads.

    limit  octets for all answers; a sixteenth of it is for names that a macro made for one message
    """

    def __cinit__(self, size_t limit=64 << 20):
        memset(&self.data, 0, sizeof(StoreData))
        sf_lock_init(&self.data.lock)
        self.data.areas[1].limit = limit // 16
        self.data.areas[0].limit = limit - limit // 16

    def __dealloc__(self):
        self.empty()

    cdef void empty(self) noexcept nogil:
        cdef int area
        cdef size_t i
        cdef Area *table
        for area in range(2):
            table = &self.data.areas[area]
            if table.slots != NULL:
                for i in range(table.mask + 1):
                    answer_release(table.slots[i].answer)
                free(table.slots)
            table.slots = NULL
            table.mask = table.count = table.hand = table.octets = 0

    cdef void keep(self, AnswerData *answer, int area, int64_t now) noexcept nogil:
        """Put the answer in, in place of an older one; the store takes a reference of its own.

        One that is larger than an eighth of its area is not kept: the check that asked has it, and a
        stranger's giant must not push a thousand others out.
        """
        cdef Area *table = &self.data.areas[area]
        cdef size_t at
        if answer.size > table.limit // 8:
            self.data.refused += 1
            return
        sf_write_lock(&self.data.lock)
        if table.slots == NULL or (table.count + 1) * 3 > (table.mask + 1) * 2:
            if not area_grow(table):
                sf_write_unlock(&self.data.lock)
                return
        at = answer.hash & table.mask
        while table.slots[at].hash:
            if answer_is_for(table.slots[at].answer, answer.hash, answer.rrtype, answer.name,
                             answer.name_length):
                table.octets -= table.slots[at].answer.size
                answer_release(table.slots[at].answer)
                table.count -= 1
                break
            at = (at + 1) & table.mask
        answer_retain(answer)
        table.slots[at].hash = answer.hash
        table.slots[at].answer = answer
        table.count += 1
        table.octets += answer.size
        self.data.stored += 1
        area_shrink(&self.data, table, now)
        sf_write_unlock(&self.data.lock)

    def put(self, question, answer, expires, now):
        """Keep an answer (questions.Answer) until expires; both times in nanoseconds."""
        cdef AnswerData *data = answer_compile(question, answer, expires)
        self.keep(data, 0, now)
        answer_release(data)

    def clear(self):
        """Forget every answer. Checks under way keep those they fetched."""
        sf_write_lock(&self.data.lock)
        self.empty()
        sf_write_unlock(&self.data.lock)

    def after_fork(self):
        """Make the store usable in the child of a fork, whatever other threads did at that moment."""
        if sf_lock_is_written(&self.data.lock):
            # A writer that is not here any more was at work: what it left cannot be trusted, nor freed.
            memset(&self.data.areas[0], 0, sizeof(Area) - sizeof(size_t))
            memset(&self.data.areas[1], 0, sizeof(Area) - sizeof(size_t))
        sf_lock_init(&self.data.lock)

    def __len__(self):
        return self.data.areas[0].count + self.data.areas[1].count

    def statistics(self):
        """Counts and octets since the store was made, by name."""
        cdef Area *areas = self.data.areas
        return {
            "answers": areas[0].count + areas[1].count,
            "octets": areas[0].octets + areas[1].octets,
            "limit": areas[0].limit + areas[1].limit,
            "stored": self.data.stored,
            "refused": self.data.refused,
            "evicted": self.data.evicted,
            "expired": self.data.expired,
        }
