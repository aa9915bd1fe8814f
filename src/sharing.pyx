"""What the answers of a store share: records with the same text, and the policy tables that stand on them.

What may live here: holding a record once, and knowing when a table is over. The caller holds the lock
of the store, for writing where something changes.

A policy table dies with the first answer it stands on: with its time to live, or when that answer
goes. For the latter each answer that tables stand on has one of 1,024 counters, by its hash, that
grows when it goes; a table has the sum of its counters at the time it was made, which cannot stay the
same if one of them grew.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp

from senderid_fast._core.answerdata cimport AnswerData
from senderid_fast._core.answers cimport Area, StoreData
from senderid_fast._core.policydata cimport PolicyData, policies_free
from senderid_fast._core.records cimport RecordData, record_release, record_retain

cdef enum:
    RECORDS_LEAST = 64
    RECORD_COST = 32          # octets beside its block: malloc's own, and its slots, half of them empty


# --- records by their text -----------------------------------------------------------------------

cdef inline size_t record_cost(const RecordData *record) noexcept nogil:
    return record.size + <size_t>RECORD_COST


cdef size_t records_cost(const AnswerData *answer) noexcept nogil:
    """Octets of the records of an answer, were they its own."""
    cdef size_t octets = 0
    cdef int i
    for i in range(answer.record_count):
        octets += record_cost(answer.payload.records[i])
    return octets


cdef bint records_room(StoreData *store) noexcept nogil:
    """Make room for the records of one more answer. False: there is no memory."""
    if store.records != NULL and (store.record_count + 3) * 3 <= (store.record_mask + 1) * 2:
        return True
    return records_grow(store)


cdef bint records_grow(StoreData *store) noexcept nogil:
    cdef size_t size = 2 * (store.record_mask + 1) if store.records != NULL else RECORDS_LEAST
    cdef RecordData **records = <RecordData **>calloc(size, sizeof(void *))
    cdef size_t i, at
    if records == NULL:
        return False
    if store.records != NULL:
        for i in range(store.record_mask + 1):
            if store.records[i] != NULL:
                at = store.records[i].hash & (size - 1)
                while records[at] != NULL:
                    at = (at + 1) & (size - 1)
                records[at] = store.records[i]
        free(store.records)
    store.records = records
    store.record_mask = size - 1
    return True


cdef size_t records_share(StoreData *store, AnswerData *answer) noexcept nogil:
    """Put the records that the store has already in place of the answer's own; octets of the others."""
    cdef size_t octets = 0, at
    cdef RecordData *record
    cdef RecordData *held
    cdef int i
    for i in range(answer.record_count):
        record = answer.payload.records[i]
        at = record.hash & store.record_mask
        held = store.records[at]
        while held != NULL:
            if held.hash == record.hash and held.text_length == record.text_length and (
                    held.error == record.error and memcmp(held.text, record.text, held.text_length) == 0):
                break
            at = (at + 1) & store.record_mask
            held = store.records[at]
        if held == NULL:
            store.records[at] = held = record
            store.record_count += 1
            octets += record_cost(record)
        elif held != record:
            record_retain(held)
            answer.payload.records[i] = held
            if answer.text == record.text:
                answer.text = held.text           # the only record of a name may be read as exp= text
            record_release(record)
        held.holders += 1
    answer.interned = 1
    return octets


cdef size_t records_leave(StoreData *store, AnswerData *answer) noexcept nogil:
    """The answer goes: forget the records that no other answer has. Their octets, tables included."""
    cdef size_t octets = 0, at, next, home
    cdef RecordData *record
    cdef int i
    for i in range(answer.record_count):
        record = answer.payload.records[i]
        record.holders -= 1
        if record.holders:
            continue
        octets += record_cost(record) + tables_free(store, &record.policies)
        at = record.hash & store.record_mask
        while store.records[at] != record:
            at = (at + 1) & store.record_mask
        next = at
        while True:
            next = (next + 1) & store.record_mask
            if store.records[next] == NULL:
                break
            home = store.records[next].hash & store.record_mask
            if ((next - home) & store.record_mask) >= ((next - at) & store.record_mask):
                store.records[at] = store.records[next]
                at = next
        store.records[at] = NULL
        store.record_count -= 1
    answer.interned = 0
    return octets


# --- policy tables -------------------------------------------------------------------------------

cdef size_t tables_free(StoreData *store, void **policies) noexcept nogil:
    cdef size_t octets = 0
    if policies[0] != NULL:
        octets = policies_free(policies, &store.tables)
        store.table_octets -= octets
    return octets


cdef uint32_t ground_of(const StoreData *store, uint64_t hash) noexcept nogil:
    """The counter of an answer that a table stands on. The caller holds the lock."""
    return store.grounds[hash >> 54]


cdef uint32_t stamp_of(const StoreData *store, const PolicyData *policy) noexcept nogil:
    cdef uint32_t stamp = 0
    cdef int i
    for i in range(policy.ground_count):
        stamp += store.grounds[policy.grounds[i] >> 54]
    return stamp


cdef bint policy_is_good(const StoreData *store, PolicyData *policy, int64_t now) noexcept nogil:
    """Whether every answer the table stands on is still there and good. The caller holds the lock."""
    if policy.expires < now:
        return False
    if policy.checked != store.changes:
        if stamp_of(store, policy) != policy.stamp:
            return False
        policy.checked = store.changes
    return True


cdef void touch_grounds(StoreData *store, PolicyData *policy) noexcept nogil:
    """A table that is used keeps the answers it stands on, which nobody looks up any more."""
    cdef Area *area = &store.areas[0]
    cdef size_t at
    cdef int i
    while policy != NULL:
        if policy.used:
            policy.used = 0
            for i in range(policy.ground_count):
                at = policy.grounds[i] & area.mask
                while area.slots[at].hash:
                    if area.slots[at].hash == policy.grounds[i]:
                        area.slots[at].answer.used = 1
                    at = (at + 1) & area.mask
        policy = policy.next
