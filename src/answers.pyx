"""The AnswerStore: question -> answer, kept for its time to live within a bound of octets.

What may live here: what is kept, found and told. The tables and eviction are in areas.pyx; records
that answers share, and what policy tables stand on, in sharing.pyx; what an answer says in answerdata.pyx.

An answer lives while someone holds a reference. The store holds one, a running check holds one for
each answer that was fetched for it: so neither expiry nor eviction takes what a check still needs.
Time comes in as nanoseconds; there is no clock here.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memset

from senderid_fast._core.answerdata cimport (
    STATUS_NXDOMAIN, AnswerData, answer_compile, answer_is_for, answer_name, answer_record, answer_records,
    answer_release, answer_retain, question_hash,
)
from senderid_fast._core.areas cimport answer_cost, area_drop, area_grow, area_remove, area_shrink
from senderid_fast._core.names cimport name_key, sf_hash
from senderid_fast._core.policydata cimport PolicyData
from senderid_fast._core.records cimport RecordData
from senderid_fast._core.sharing cimport records_cost, records_room, records_share, stamp_of, tables_free
from senderid_fast._core.staleness cimport ended, stale_ages, store_kept

from senderid_fast.questions import RRType, StaleAnswer, Status

cdef tuple STATUSES = tuple(Status)


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


# --- policy tables -------------------------------------------------------------------------------

cdef bint policy_keep(StoreData *store, AnswerData *answer, int scope, bint bound, PolicyData *policy,
                      int64_t now) noexcept nogil:
    """Keep a table for the answer's host, in place of an older one of its kind; for all hosts with the
    same record unless it is bound to this one. False: it is not kept, and still the caller's."""
    cdef Area *area = &store.areas[0]
    cdef RecordData *record = answer_record(answer, scope)
    cdef void **place
    cdef void **link
    cdef void *rest
    cdef size_t at
    if policy.size > area.limit // 8 or record == NULL:
        return False
    sf_write_lock(&store.lock)
    if area.slots == NULL or not answer.interned or stamp_of(store, policy) != policy.stamp:
        sf_write_unlock(&store.lock)
        return False
    at = answer.hash & area.mask
    while area.slots[at].answer != answer:
        if area.slots[at].hash == 0:
            sf_write_unlock(&store.lock)          # it went meanwhile
            return False
        at = (at + 1) & area.mask
    place = &answer.policies if bound else &record.policies
    link = place
    while link[0] != NULL:
        if memcmp(&(<PolicyData *>link[0]).key, &policy.key, sizeof(policy.key)) == 0:
            rest = (<PolicyData *>link[0]).next
            (<PolicyData *>link[0]).next = NULL
            area.octets -= tables_free(store, link)
            link[0] = rest
            break
        link = <void **>&(<PolicyData *>link[0]).next
    policy.next = <PolicyData *>place[0]
    policy.checked = store.changes
    place[0] = policy
    answer.heat = record.heat = 0
    area.octets += policy.size
    store.table_octets += policy.size
    store.tables += 1
    store.tables_made += 1
    area_shrink(store, area, now)
    sf_write_unlock(&store.lock)
    return True


cdef void store_forget(StoreData *store, const AnswerData *answer) noexcept nogil:
    """DNS gave an answer that is not kept: the one before it is not to stand in for an error (RFC 8767 4: it
    refreshes what is known). The caller holds the lock for writing."""
    cdef AnswerData *other
    cdef Area *table
    cdef size_t at
    cdef int i
    for i in range(2 if store.stale else 0):
        table = &store.areas[i]
        at = answer.hash & table.mask
        while table.slots != NULL and table.slots[at].hash:
            other = table.slots[at].answer
            if answer_is_for(other, answer.hash, answer.rrtype, answer_name(answer), answer.name_length):
                area_remove(store, table, at)
                break
            at = (at + 1) & table.mask


cdef class AnswerStore:
    """Question -> answer, in compiled form, bounded in octets. Safe under threads.

    limit           octets for all answers; a sixteenth of it is for names that a macro made for one
                    message
    heat_for_table  evaluations of a policy after which a table of it is made; 0: never
    stale           nanoseconds after the end of its time to live in which an answer may stand in for an
                    error (RFC 8767); 0: none does
    """

    def __cinit__(self, size_t limit=64 << 20, uint32_t heat_for_table=0, int64_t stale=0):
        memset(&self.data, 0, sizeof(StoreData))
        sf_lock_init(&self.data.lock)
        self.data.areas[1].limit = limit // 16
        self.data.areas[0].limit = limit - limit // 16
        self.data.heat_for_table = heat_for_table
        self.data.stale = stale

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
                    if table.slots[i].answer != NULL:
                        area_drop(&self.data, table, table.slots[i].answer)
                free(table.slots)
            table.slots = NULL
            table.mask = table.count = table.hand = table.octets = 0
        free(self.data.records)
        self.data.records = NULL
        self.data.record_mask = self.data.record_count = 0

    cdef void keep(self, AnswerData *answer, int area, int64_t now) noexcept nogil:
        """Put the answer in, in place of an older one; the store takes a reference of its own.

        One that is larger than an eighth of its area is not kept: the check that asked has it, and a
        stranger's giant must not push a thousand others out. An answer is kept in one store that
        shares records, and in any number of those that do not. A stale one takes the place of the one
        that is over, and of no other.
        """
        cdef StoreData *data = &self.data
        cdef Area *table
        cdef bint shares
        cdef size_t at
        sf_write_lock(&data.lock)
        if answer.over and data.stale and not stale_ages(data, answer, &area, now):
            sf_write_unlock(&data.lock)
            return
        table = &data.areas[area]
        shares = area == 0 and answer.record_count
        if answer_cost(answer) + records_cost(answer) > table.limit // 8 or (shares and answer.interned):
            data.refused += 1
            store_forget(data, answer)
            sf_write_unlock(&data.lock)
            return
        if ((table.slots == NULL or (table.count + 1) * 3 > (table.mask + 1) * 2) and not area_grow(table)) or (
                shares and not records_room(data)):
            sf_write_unlock(&data.lock)
            return
        at = answer.hash & table.mask
        while table.slots[at].hash:
            if answer_is_for(table.slots[at].answer, answer.hash, answer.rrtype, answer_name(answer),
                             answer.name_length):
                area_drop(data, table, table.slots[at].answer)
                break
            at = (at + 1) & table.mask
        answer_retain(answer)
        if answer.ttl == 0 and answer.expires > now and answer.expires != INT64_MAX:
            answer.ttl = <uint32_t>min((answer.expires - now + 500000000) // 1000000000, <int64_t>0xFFFFFFFF)
        table.octets += answer_cost(answer)
        table.octets += records_share(data, answer) if shares else records_cost(answer)
        table.slots[at].hash = answer.hash
        table.slots[at].answer = answer
        table.count += 1
        data.stored += 1
        area_shrink(data, table, now)
        sf_write_unlock(&data.lock)

    cdef void take(self, AnswerData *answer, int area, int64_t now) noexcept nogil:
        """Keep what DNS said, unless it is over by now: then it is of the one who asked."""
        if answer.expires > now:
            self.keep(answer, area, now)
        elif self.data.stale and answer.status <= STATUS_NXDOMAIN and not answer.over:
            sf_write_lock(&self.data.lock)
            store_forget(&self.data, answer)
            sf_write_unlock(&self.data.lock)

    def put(self, question, answer, int64_t expires, int64_t now, failure_expires=None):
        """Keep an answer (questions.Answer) until expires, times in nanoseconds; if it is an error and
        failure_expires is given, until then. One that is over by now is not kept."""
        cdef AnswerData *data = answer_compile(question, answer, expires)
        if failure_expires is not None and data.status > STATUS_NXDOMAIN:
            data.expires = failure_expires
        if failure_expires is None:
            self.keep(data, 0, now)
        else:
            self.take(data, 0, now)
        answer_release(data)

    def put_over(self, question, answer, int64_t over):
        """Keep an answer (questions.Answer) whose time to live ended at over, in nanoseconds, for
        find_stale() alone; unless there is one already that ended no earlier."""
        cdef AnswerData *data = answer_compile(question, answer, over)
        cdef AnswerData *kept
        cdef int area = 0
        sf_read_lock(&self.data.lock)
        kept = store_kept(&self.data, data.hash, data.rrtype, answer_name(data), data.name_length, &area)
        if data.status > STATUS_NXDOMAIN or (kept != NULL and ended(kept) >= over):
            kept = data
        sf_read_unlock(&self.data.lock)
        if kept != data:
            self.keep(data, area, over)
        answer_release(data)

    def find_stale(self, question, int64_t now):
        """The answer to a question that is over at now, but not for longer than stale (RFC 8767), as a
        questions.StaleAnswer; None if there is none."""
        cdef int rrtype = question.rrtype, area = 0
        cdef bytes name = question.name.encode("latin-1")
        cdef const uint8_t *octets = <const uint8_t *><const char *>name
        cdef uint64_t hash = question_hash(sf_hash(octets, len(name), name_key), rrtype)
        cdef AnswerData *kept
        sf_read_lock(&self.data.lock)
        kept = store_kept(&self.data, hash, rrtype, octets, <int>len(name), &area)
        if kept != NULL and ended(kept) < now <= ended(kept) + self.data.stale:
            answer_retain(kept)
        else:
            kept = NULL
        sf_read_unlock(&self.data.lock)
        if kept == NULL:
            return None
        try:
            return StaleAnswer(STATUSES[kept.status], answer_records(kept))
        finally:
            answer_release(kept)

    def export(self, int64_t now):
        """Every answer that is good at now, but for stale ones: (name, type, status, expires, ttl, records), as
        questions.Answer has them as far as they matter to a check (see answerdata.answer_records);
        expires in nanoseconds, ttl the seconds for which it was kept."""
        cdef size_t room = 0, count = 0, i
        cdef int area
        cdef AnswerData **answers = NULL
        cdef AnswerData *answer
        cdef Area *table
        cdef list rows = []
        sf_read_lock(&self.data.lock)
        room = self.data.areas[0].count + self.data.areas[1].count
        answers = <AnswerData **>malloc((room + 1) * sizeof(void *))
        if answers != NULL:
            for area in range(2):
                table = &self.data.areas[area]
                for i in range(table.mask + 1 if table.slots != NULL else 0):
                    answer = table.slots[i].answer
                    if answer != NULL and answer.expires >= now and not answer.over:
                        answer_retain(answer)
                        answers[count] = answer
                        count += 1
        sf_read_unlock(&self.data.lock)
        if answers == NULL:
            raise MemoryError
        try:
            for i in range(count):
                answer = answers[i]
                name = (<const char *>answer_name(answer))[:answer.name_length].decode("latin-1")
                rows.append((name, RRType(answer.rrtype), STATUSES[answer.status], answer.expires, answer.ttl,
                             answer_records(answer)))
        finally:
            for i in range(count):
                answer_release(answers[i])
            free(answers)
        return rows

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
            self.data.records = NULL
            self.data.record_mask = self.data.record_count = 0
            self.data.tables = self.data.table_octets = 0
        sf_lock_init(&self.data.lock)

    def __len__(self):
        return self.data.areas[0].count + self.data.areas[1].count

    def statistics(self):
        """Counts and octets since the store was made, by name."""
        cdef Area *areas = self.data.areas
        return {
            "answers": areas[0].count + areas[1].count,
            "records": self.data.record_count,
            "octets": areas[0].octets + areas[1].octets,
            "limit": areas[0].limit + areas[1].limit,
            "stored": self.data.stored,
            "refused": self.data.refused,
            "evicted": self.data.evicted,
            "expired": self.data.expired,
            "tables": self.data.tables,
            "table_octets": self.data.table_octets,
            "tables_made": self.data.tables_made,
        }
