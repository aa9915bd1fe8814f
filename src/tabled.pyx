"""What a policy table says in place of an evaluation (RFC 7208 4.6.4 counts included).

What may live here: when a table may stand for an evaluation, what it then comes to, and when a policy
has been evaluated often enough to get one. How a table is made is in policies.pyx.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcmp, memcpy

from senderid_fast._core.answerdata cimport AnswerData, answer_retain
from senderid_fast._core.asking cimport RESULT_PERMERROR, CheckData, Target, Walk, set_place, walk_ground
from senderid_fast._core.cidr cimport FAMILY_IP4, Address, u128
from senderid_fast._core.policydata cimport (
    POLICY_DEPENDS, POLICY_NO_RECORD, POLICY_OWN_RECORD, PolicyData, PolicyKey, PolicyOutcome, policy_outcome,
)
from senderid_fast._core.records cimport RECORD_BOUND, RecordData
from senderid_fast._core.sharing cimport policy_is_good

cdef enum:
    TRIES = 6                 # to make a table: after 32 evaluations, 64, ... 2,048


cdef PolicyData *table_of(CheckData *check, const AnswerData *answer, const RecordData *record) noexcept nogil:
    """The table that is good for this check, or NULL."""
    cdef PolicyKey key
    cdef PolicyData *policy = <PolicyData *>record.policies
    cdef PolicyData *own = <PolicyData *>answer.policies
    if policy == NULL and own == NULL:
        return NULL
    set_policy_key(check, &key)
    while policy != NULL or own != NULL:
        if policy == NULL:
            policy = own
            own = NULL
        if memcmp(&policy.key, &key, sizeof(PolicyKey)) == 0:
            if policy.checked == check.store.changes and policy.expires >= check.now:
                return policy
            if policy_is_good(check.store, policy, check.now):
                return policy
        policy = policy.next
    return NULL


cdef void set_policy_key(const CheckData *check, PolicyKey *key) noexcept nogil:
    key.lookups = check.limits.lookups
    key.void_lookups = check.limits.void_lookups
    key.mx_names = check.limits.mx_names
    key.ptr_names = check.limits.ptr_names
    key.scope = <uint8_t>check.scope
    key.family = check.ip.family
    key.plain_for_pra = check.plain_for_pra
    key.reserved = 0


cdef int table_decides(CheckData *check, AnswerData *answer, RecordData *record, const Target *host,
                       int depth) noexcept nogil:
    """What the table of a policy says, which is what evaluating it would come to; or UNDECIDED.

    As a part of another policy (include, redirect), a table stands for a result that counts what it
    counts when asked by itself, if both counts stay within their limits.
    """
    cdef PolicyData *policy
    cdef const PolicyOutcome *outcome
    cdef Address last
    cdef bint part = check.lookups > 0 or check.void_lookups > 0
    if check.walk != NULL:
        if not part:
            return UNDECIDED                      # the table that is being made
        if host.length == check.domain_length and memcmp(host.name, check.domain, host.length) == 0:
            check.walk.bound = True               # a loop: whose record it is does matter
            return UNDECIDED
    policy = table_of(check, answer, record)
    if policy == NULL:
        return warmed(check, answer, record)
    outcome = policy_outcome(policy, &check.ip, &last if check.walk != NULL else NULL)
    if outcome.result == POLICY_DEPENDS:
        if outcome.unknown and check.walk == NULL:
            policy.misses += 1
            if policy.misses >= check.store.heat_for_table and policy.misses & (policy.misses - 1) == 0:
                return heated(check, answer)
        return UNDECIDED
    # The text of exp= is for the one policy that was asked for (6.2), redirects included.
    if outcome.explains and not check.no_explanation and (not part or depth > 1):
        return UNDECIDED
    if part:
        if outcome.result == RESULT_PERMERROR or (
                check.lookups + outcome.lookups > check.limits.lookups
                or check.void_lookups + outcome.void_lookups > check.limits.void_lookups):
            return UNDECIDED                      # whose fault it is, the evaluator tells
        if check.walk != NULL:
            table_narrows(check, policy, &last)
    if not policy.used:
        policy.used = 1
    check.lookups += outcome.lookups
    check.void_lookups += outcome.void_lookups
    check.result = outcome.result
    check.reason = outcome.reason
    check.term = outcome.term
    check.record = record
    if outcome.record != POLICY_OWN_RECORD:
        check.record = NULL if outcome.record == POLICY_NO_RECORD else policy.records[outcome.record]
    if check.brief:
        check.place_length = check.target_length = 0
        return outcome.result
    if outcome.place_is_host:
        set_place(check, host.name, host.length)
    else:
        set_place(check, policy.names + outcome.place, outcome.place_length)
    check.target_length = outcome.target_length
    memcpy(check.target, policy.names + outcome.target, outcome.target_length)
    return outcome.result


cdef void table_narrows(CheckData *check, const PolicyData *policy, const Address *last) noexcept nogil:
    """A walk goes through the table of a part: what that stands on, the whole stands on."""
    cdef Walk *walk = check.walk
    cdef int i
    walk.last = min(walk.last, <u128>last.ip4 if check.ip.family == FAMILY_IP4 else last.ip6)
    walk.expires = min(walk.expires, policy.expires)
    for i in range(policy.ground_count):
        walk_ground(check, policy.grounds[i])


cdef int warmed(CheckData *check, AnswerData *answer, RecordData *record) noexcept nogil:
    """A policy is evaluated without a table. Often enough, it gets one: after heat_for_table
    evaluations, which is a power of two; if that came to nothing, after twice as many, and so on up to
    TRIES times. Then nothing is counted any more: a counter that many threads write costs them more
    than they count. UNDECIDED."""
    cdef uint32_t *heat = &answer.heat if record.uses & RECORD_BOUND else &record.heat
    if check.walk == NULL and heat[0] < check.store.heat_for_table << TRIES:
        heat[0] += 1
        if heat[0] >= check.store.heat_for_table and heat[0] & (heat[0] - 1) == 0:
            return heated(check, answer)
    return UNDECIDED


cdef int heated(CheckData *check, AnswerData *answer) noexcept nogil:
    if check.hot == NULL:
        answer_retain(answer)
        check.hot = answer
    return UNDECIDED
