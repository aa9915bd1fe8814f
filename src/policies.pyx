"""Evaluation with policy tables: the lock, what is kept of an outcome, and how a table is made.

What may live here: evaluate(), which takes the lock of the store around one evaluation, and the walk
that makes a table. No rule of SPF.

A walk evaluates the policy for the lowest address, with the evaluator that evaluates every check. On
its way, each comparison of addresses tells up to which address it would come out the same; the least
of these is the end of a range that has one outcome. Then it goes on behind that, until the last
address. So a table cannot say anything else than the evaluator does. Where an evaluation comes to
what depends on the message (ptr, a macro of the sender) or to an answer that is not known, the range
is marked as one for the evaluator. A walk asks nothing.
"""

from libc.stdint cimport INT64_MAX, int16_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

from senderid_fast._core.answerdata cimport AnswerData, answer_name, answer_record, answer_release, answer_retain
from senderid_fast._core.answers cimport policy_keep, sf_read_lock, sf_read_unlock
from senderid_fast._core.asking cimport (
    MISSING, NAME_ROOM, RESULT_FAIL, RESULT_NONE, RESULT_TEMPERROR, CheckData, Target, Walk,
)
from senderid_fast._core.cidr cimport FAMILY_IP4, u128
from senderid_fast._core.evaluator cimport begin_evaluation, check_host, evaluate_held
from senderid_fast._core.names cimport name_key, sf_hash
from senderid_fast._core.policydata cimport (
    POLICY_DEPENDS, POLICY_NO_RECORD, POLICY_OWN_RECORD, PolicyData, PolicyOutcome,
)
from senderid_fast._core.records cimport RECORD_BOUND, RecordData, record_release, record_retain
from senderid_fast._core.tabled cimport set_policy_key
from senderid_fast._core.tables cimport NO_TERM

cdef enum:
    RANGES_MOST = 8192        # of one table: a policy of more ranges is evaluated each time
    OUTCOMES_MOST = 1024
    RECORDS_MOST = 64         # redirects lead to few
    NAMES_MOST = 16384        # octets of names in outcomes
    STEPS_MOST = 100000       # of one walk, which bounds its time
    NAME_STEP = 256           # octets of names, and
    OUTCOME_STEP = 128        # outcomes, that are looked through in one step

# A table while it is made.
ctypedef struct Making:
    u128 *starts
    uint16_t *places
    PolicyOutcome *outcomes
    uint8_t *names
    int count
    int room
    int outcome_count
    int names_length
    int record_count
    bint decides              # some range has an outcome
    RecordData *own
    RecordData *records[RECORDS_MOST]


cdef int evaluate(CheckData *check, uint8_t *explanation) noexcept nogil:
    """Evaluate one check: its result, or MISSING.

    explanation has room for EXPLANATION_MAX octets. check.record and check.trouble, if set, are
    references that belong to the caller.
    """
    cdef int result
    sf_read_lock(&check.store.lock)
    result = evaluate_held(check, explanation)
    if check.record != NULL:
        record_retain(check.record)
    if check.trouble != NULL:
        answer_retain(check.trouble)
    sf_read_unlock(&check.store.lock)
    if check.hot != NULL:
        policy_settle(check)
    return result


cdef void policy_settle(CheckData *check) noexcept nogil:
    """Make the table that is due after an evaluation, and let check.hot go. The caller holds no lock.

    check is otherwise left as it is.
    """
    cdef AnswerData *answer = check.hot
    cdef RecordData *record = answer_record(answer, check.scope)
    cdef PolicyData *policy
    cdef Walk walk
    cdef Making making
    check.hot = NULL
    if record != NULL:
        memset(&making, 0, sizeof(Making))
        memset(&walk, 0, sizeof(Walk))
        walk.expires = INT64_MAX
        walk.bound = record.uses & RECORD_BOUND
        making.own = record
        if walk_addresses(check, answer, &walk, &making) and making.decides:
            policy = policy_block(check, &walk, &making)
            if policy != NULL:
                if policy_keep(check.store, answer, check.scope, walk.bound, policy, check.now):
                    making.record_count = 0          # they are the table's now
                else:
                    free(policy)
        making_free(&making)
    answer_release(answer)


cdef bint walk_addresses(const CheckData *check, AnswerData *answer, Walk *walk, Making *making) noexcept nogil:
    """Evaluate the policy of the answer's host for every address of the check's family. False: there is
    too much of it."""
    cdef CheckData walker = check[0]
    cdef uint8_t[NAME_ROOM] current
    cdef Target host
    cdef u128 most = <u128><uint32_t>0xFFFFFFFF if check.ip.family == FAMILY_IP4 else ~<u128>0
    cdef u128 at = 0
    cdef int result
    cdef bint goes_on
    walker.walk = walk
    walker.closure = NULL
    walker.recorder = NULL
    walker.pins = NULL
    walker.pin_count = 0
    walker.fetched = NULL
    walker.domain_length = answer.name_length
    walker.domain = answer_name(answer)
    walker.brief = False
    walker.domain_hash = sf_hash(walker.domain, walker.domain_length, name_key)
    walker.values.ip = &walker.ip
    while True:
        walk.last = most
        walk.unknown = False
        walker.ip.ip4 = <uint32_t>at
        walker.ip.ip6 = at
        sf_read_lock(&check.store.lock)
        begin_evaluation(&walker, &host)
        result = check_host(&walker, &host, current)
        goes_on = add_range(making, at, result, &walker)
        sf_read_unlock(&check.store.lock)
        if not goes_on or walk.full or walk.steps > STEPS_MOST:
            return False
        if walk.last == most:
            return True
        at = walk.last + 1


cdef bint add_range(Making *making, u128 start, int result, CheckData *walker) noexcept nogil:
    cdef PolicyOutcome outcome
    cdef void *more
    cdef int place
    walker.walk.steps += making.names_length // NAME_STEP + making.outcome_count // OUTCOME_STEP
    memset(&outcome, 0, sizeof(PolicyOutcome))
    if result == MISSING or result == RESULT_NONE or result == RESULT_TEMPERROR:
        outcome.result = POLICY_DEPENDS
        outcome.unknown = walker.walk.unknown
        outcome.record = POLICY_NO_RECORD
    else:
        making.decides = True
        if not set_outcome(making, &outcome, result, walker):
            return False
    place = place_of(making, &outcome)
    if place < 0:
        return False
    if making.count and making.places[making.count - 1] == place:
        return True                                  # the same on both sides of a border
    if making.count == RANGES_MOST:
        return False
    if making.count == making.room:
        making.room = 2 * making.room + 32
        more = realloc(making.starts, making.room * sizeof(u128))
        if more == NULL:
            return False
        making.starts = <u128 *>more
        more = realloc(making.places, making.room * sizeof(uint16_t))
        if more == NULL:
            return False
        making.places = <uint16_t *>more
    making.starts[making.count] = start
    making.places[making.count] = <uint16_t>place
    making.count += 1
    return True


cdef bint set_outcome(Making *making, PolicyOutcome *outcome, int result, const CheckData *walker) noexcept nogil:
    cdef int i, name
    outcome.result = <uint8_t>result
    outcome.reason = <uint8_t>walker.reason
    outcome.lookups = <uint8_t>walker.lookups
    outcome.void_lookups = <uint8_t>walker.void_lookups
    outcome.term = <int16_t>walker.term
    if walker.record == NULL:
        outcome.record = POLICY_NO_RECORD
    elif walker.record == making.own:
        outcome.record = POLICY_OWN_RECORD
    else:
        for i in range(making.record_count):
            if making.records[i] == walker.record:
                break
        else:
            i = making.record_count
            if i == RECORDS_MOST:
                return False
            record_retain(walker.record)
            making.records[i] = walker.record
            making.record_count += 1
        outcome.record = <uint16_t>i
    if result == RESULT_FAIL and walker.record != NULL and walker.record.explanation != NO_TERM:
        outcome.explains = 1
    if walker.place_length == walker.domain_length and (
            memcmp(walker.place, walker.domain, walker.domain_length) == 0):
        outcome.place_is_host = 1
    else:
        name = name_kept(making, walker.place, walker.place_length)
        if name < 0:
            return False
        outcome.place = <uint32_t>name
        outcome.place_length = <uint8_t>walker.place_length
    name = name_kept(making, walker.target, walker.target_length)
    if name < 0:
        return False
    outcome.target = <uint32_t>name
    outcome.target_length = <uint8_t>walker.target_length
    return True


cdef int name_kept(Making *making, const uint8_t *name, int length) noexcept nogil:
    """Where the name is among the names of the table, each of which stands there once; -1: no room."""
    cdef int i
    if length == 0:
        return 0
    if making.names == NULL:
        making.names = <uint8_t *>malloc(NAMES_MOST)
        if making.names == NULL:
            return -1
    for i in range(making.names_length - length + 1):
        if memcmp(making.names + i, name, length) == 0:
            return i
    if making.names_length + length > NAMES_MOST:
        return -1
    memcpy(making.names + making.names_length, name, length)
    making.names_length += length
    return making.names_length - length


cdef int place_of(Making *making, const PolicyOutcome *outcome) noexcept nogil:
    cdef int i
    if making.outcomes == NULL:
        making.outcomes = <PolicyOutcome *>calloc(OUTCOMES_MOST, sizeof(PolicyOutcome))
        if making.outcomes == NULL:
            return -1
    for i in range(making.outcome_count):
        if memcmp(&making.outcomes[i], outcome, sizeof(PolicyOutcome)) == 0:
            return i
    if making.outcome_count == OUTCOMES_MOST:
        return -1
    making.outcomes[making.outcome_count] = outcome[0]
    making.outcome_count += 1
    return making.outcome_count - 1


cdef inline size_t aligned(size_t size) noexcept nogil:
    return (size + 15) & ~<size_t>15


cdef PolicyData *policy_block(const CheckData *check, const Walk *walk, const Making *making) noexcept nogil:
    """One block with all that was found; NULL if there is no memory."""
    cdef bint wide = check.ip.family != FAMILY_IP4
    cdef size_t header = aligned(sizeof(PolicyData))
    cdef size_t starts = aligned(making.count * (sizeof(u128) if wide else sizeof(uint32_t)))
    cdef size_t places = aligned(making.count * sizeof(uint16_t))
    cdef size_t outcomes = aligned(making.outcome_count * sizeof(PolicyOutcome))
    cdef size_t grounds = aligned(walk.ground_count * sizeof(uint64_t))
    cdef size_t records = aligned(making.record_count * sizeof(void *))
    cdef size_t size = header + starts + places + outcomes + grounds + records + making.names_length
    cdef char *at = <char *>malloc(size)
    cdef PolicyData *policy = <PolicyData *>at
    cdef int i
    if policy == NULL:
        return NULL
    memset(policy, 0, header)
    policy.expires = walk.expires
    set_policy_key(check, &policy.key)
    policy.size = <uint32_t>size
    policy.stamp = walk.stamp
    policy.count = making.count
    policy.ground_count = walk.ground_count
    policy.record_count = making.record_count
    at += header
    for i in range(making.count):
        if wide:
            (<u128 *>at)[i] = making.starts[i]
        else:
            (<uint32_t *>at)[i] = <uint32_t>making.starts[i]
    at += starts
    policy.places = <const uint16_t *>at
    memcpy(at, making.places, making.count * sizeof(uint16_t))
    at += places
    policy.outcomes = <const PolicyOutcome *>at
    memcpy(at, making.outcomes, making.outcome_count * sizeof(PolicyOutcome))
    at += outcomes
    policy.grounds = <const uint64_t *>at
    memcpy(at, walk.grounds, walk.ground_count * sizeof(uint64_t))
    at += grounds
    policy.records = <RecordData **>at
    memcpy(at, making.records, making.record_count * sizeof(void *))
    at += records
    policy.names = <const uint8_t *>at
    if making.names_length:
        memcpy(at, making.names, making.names_length)
    return policy


cdef void making_free(Making *making) noexcept nogil:
    cdef int i
    for i in range(making.record_count):
        record_release(making.records[i])
    free(making.starts)
    free(making.places)
    free(making.outcomes)
    free(making.names)
