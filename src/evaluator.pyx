"""check_host(): the whole evaluation of a check (RFC 7208 4 to 7, RFC 4406 4), written once.

What may live here: the rules, in C, without the GIL. No memory is taken, no clock read, nothing
asked: a check either ends with a result, or stops at the first answer that the store does not hold
(MISSING, with the question). Then the caller gets the answer and evaluates again from the top.
Who keeps the lock of the store meanwhile, and what is kept of the outcome, is policies.pyx.

Theory of operation. Each run counts afresh and the same way, so there is no state between runs.
Asking and counting stand in asking.pyx, each in one place. Terms answer match, no match or throws
(4.6.2).
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memchr, memcmp, memcpy

from senderid_fast._core.answerdata cimport (
    STATUS_NXDOMAIN, STATUS_OK, TYPE_A, TYPE_AAAA, TYPE_MX, TYPE_TXT, AnswerData, answer_record, answer_retain,
)
from senderid_fast._core.answers cimport policy_is_good
from senderid_fast._core.asking cimport (
    ASK_ERROR, ASK_MISSING, MISSING, NAME_ROOM, REASON_DEFAULT, REASON_INCLUDE_NONE, REASON_INVALID_DOMAIN,
    REASON_INVALID_TARGET, REASON_MATCHED, REASON_MULTIPLE_RECORDS, REASON_MX_LIMIT,
    REASON_NO_DOMAIN, REASON_NO_RECORD, REASON_REDIRECT_NONE, REASON_SYNTAX_ERROR, RESULT_FAIL,
    RESULT_NEUTRAL, RESULT_NONE, RESULT_PASS, RESULT_PERMERROR, RESULT_SOFTFAIL, RESULT_TEMPERROR,
    SCOPE_NUMBER_PRA,
    TARGET_MISSING, TARGET_NAME, TARGET_NONE, TERM_MATCH, TERM_MISSING, TERM_NO_MATCH, TERM_THROWS,
    CheckData, Target, Walk, ask, holds, note, set_validated, spend_lookup, spend_void, target_of, throw,
    throw_dns_error, validate_name, walk_ground,
)
from senderid_fast._core.cidr cimport FAMILY_IP4, Address, u128
from senderid_fast._core.tables cimport NO_TERM, range_of4, range_of6
from senderid_fast._core.macros cimport USES_P, USES_SENDER, macro_expand_text, text_uses
from senderid_fast._core.recorder cimport (
    EVENT_EXPLANATION, EVENT_HOST, EVENT_MATCH, EVENT_RECORD, EVENT_RESULT, EVENT_RUN, EVENT_TERM, EVENT_TEXT,
    Event, recorder_note,
)
from senderid_fast._core.policydata cimport (
    POLICY_DEPENDS, POLICY_NO_RECORD, POLICY_OWN_RECORD, PolicyData, PolicyKey, PolicyOutcome, policy_outcome,
)
from senderid_fast._core.records cimport (
    RECORD_ASKS, RECORD_BOUND, SELECT_MULTIPLE_PLAIN, SELECT_NONE, RecordData,
)
from senderid_fast._core.tokenizer cimport (
    SCOPE_SPF, TERM_EXISTS, TERM_INCLUDE, TERM_IP4, TERM_IP6, TERM_MX, TERM_PTR, TERM_REDIRECT, Table, Term,
)

cdef enum:
    UNDECIDED = -2          # neither a result nor MISSING: go on


# --- the mechanisms (RFC 7208 5) -----------------------------------------------------------------

cdef int a_matches(CheckData *check, RecordData *record, int index, const Target *host,
                   const Target *target) noexcept nogil:
    # 5.3. The client's family decides what is asked; 5.7: exists asks A whatever the family.
    cdef const Term *term = &record.terms[index]
    cdef AnswerData *answer = NULL
    cdef bint exists = term.kind == TERM_EXISTS
    cdef int rrtype = TYPE_A if exists or check.ip.family == FAMILY_IP4 else TYPE_AAAA
    cdef int outcome = ask(check, rrtype, target, &answer)
    if outcome == ASK_MISSING:
        return TERM_MISSING
    if outcome == ASK_ERROR:
        return throw_dns_error(check, answer, record, index, host)
    if answer.status != STATUS_OK:
        return spend_void(check, record, index, host)
    if exists:
        return TERM_MATCH
    return TERM_MATCH if holds(check, answer, term.prefix4, term.prefix6) else TERM_NO_MATCH


cdef int mx_matches(CheckData *check, RecordData *record, int index, const Target *host,
                    const Target *target) noexcept nogil:
    # 5.4
    cdef const Term *term = &record.terms[index]
    cdef AnswerData *answer = NULL
    cdef AnswerData *addresses = NULL
    cdef Target exchange
    cdef int i, asked = 0
    cdef bint answered = False
    cdef int rrtype = TYPE_A if check.ip.family == FAMILY_IP4 else TYPE_AAAA
    cdef int outcome = ask(check, TYPE_MX, target, &answer)
    if outcome == ASK_MISSING:
        return TERM_MISSING
    if outcome == ASK_ERROR:
        return throw_dns_error(check, answer, record, index, host)
    if answer.status != STATUS_OK:
        return spend_void(check, record, index, host)     # no implicit MX: never the name's own address
    # 4.6.4: more than ten exchanges is permerror, whichever of them would match.
    if <int>answer.count > check.limits.mx_names:
        return throw(check, RESULT_PERMERROR, REASON_MX_LIMIT, record, index, host)
    for i in range(<int>answer.count):
        if answer.payload.names[i].length == 0:
            continue                                      # RFC 7505: a null MX has no host to ask for
        exchange.name = answer.payload.names[i].octets
        exchange.length = answer.payload.names[i].length
        exchange.hash = answer.payload.names[i].hash
        exchange.area = target.area
        outcome = ask(check, rrtype, &exchange, &addresses)
        if outcome == ASK_MISSING:
            return TERM_MISSING
        if outcome == ASK_ERROR:
            return throw_dns_error(check, addresses, record, index, host)
        asked += 1
        if addresses.status == STATUS_OK:
            answered = True
            if holds(check, addresses, term.prefix4, term.prefix6):
                return TERM_MATCH
    if asked and not answered:
        return spend_void(check, record, index, host)
    return TERM_NO_MATCH


cdef int ptr_matches(CheckData *check, RecordData *record, int index, const Target *host,
                     const Target *target) noexcept nogil:
    # 5.5. A kept name matches when it is the target-name or lies within it (the last sentence of
    # 5.5 has it the wrong way round; its text and RFC 4408 have it so).
    cdef Target validated
    cdef AnswerData *pointers = NULL
    cdef int empty
    if validate_name(check, target, False, &validated, &pointers, &empty) == ASK_MISSING:
        return TERM_MISSING
    if validated.length:
        return TERM_MATCH
    if (pointers != NULL and pointers.status != STATUS_OK) or empty > 0:
        return spend_void(check, record, index, host)
    return TERM_NO_MATCH


cdef void blame(CheckData *check, RecordData *record, int index, const Target *host) noexcept nogil:
    """The record of another domain could not be had: that was the fault of the term that led there."""
    if check.record == NULL:
        check.record = record
        check.term = index
        if check.result == RESULT_TEMPERROR:
            check.place_length = host.length
            memcpy(check.place, host.name, host.length)


cdef int include_matches(CheckData *check, RecordData *record, int index, const Target *host,
                         const Target *target) noexcept nogil:
    # 5.2. The recursive check_host() changes <domain> only.
    cdef uint8_t[NAME_ROOM] room
    cdef Target inner = target[0]
    cdef int result = check_host(check, &inner, room)
    if result == MISSING:
        return TERM_MISSING
    if result == RESULT_PASS:
        return TERM_MATCH
    if result == RESULT_TEMPERROR or result == RESULT_PERMERROR:
        blame(check, record, index, host)
        return TERM_THROWS
    if result == RESULT_NONE:
        check.target_length = target.length
        memcpy(check.target, target.name, target.length)
        return throw(check, RESULT_PERMERROR, REASON_INCLUDE_NONE, record, index, host)
    if result == RESULT_FAIL and check.reason == REASON_NO_DOMAIN:
        # RFC 4406 4.3 makes NXDOMAIN fail under pra, here no match: a term without an answer.
        return spend_void(check, record, index, host)
    return TERM_NO_MATCH


cdef int term_matches(CheckData *check, RecordData *record, int index, const Target *host) noexcept nogil:
    """A mechanism that asks DNS. A TermOutcome."""
    cdef uint8_t[NAME_ROOM] room
    cdef const Term *term = &record.terms[index]
    cdef Target target
    cdef int outcome = spend_lookup(check, record, index, host)
    if outcome == TERM_THROWS:
        return outcome
    outcome = target_of(check, record, term, host, room, &target)
    if outcome == TARGET_MISSING:
        return TERM_MISSING
    if outcome == TARGET_NONE:
        return TERM_NO_MATCH
    if term.kind == TERM_INCLUDE:
        return include_matches(check, record, index, host, &target)
    if term.kind == TERM_MX:
        return mx_matches(check, record, index, host, &target)
    if term.kind == TERM_PTR:
        return ptr_matches(check, record, index, host, &target)
    return a_matches(check, record, index, host, &target)


# --- the record (RFC 7208 4.3 to 4.7, 6) ---------------------------------------------------------

cdef int ended(CheckData *check, int result, int reason) noexcept nogil:
    """check_host() ends without a record that could say anything."""
    check.result = result
    check.reason = reason
    check.record = NULL
    check.term = -1
    check.place_length = 0
    return result


cdef inline bint plain_applies(const CheckData *check) noexcept nogil:
    # RFC 4406 4.4 lets v=spf1 stand in for scope pra; whoever publishes it never agreed to that.
    return check.plain_for_pra or check.scope != SCOPE_NUMBER_PRA


cdef int record_of_host(CheckData *check, const Target *host, RecordData **record,
                        AnswerData **found) noexcept nogil:
    """Look the record up and select it (4.3 to 4.5, RFC 4406 4.3 and 4.4); UNDECIDED if there is
    one to evaluate, else a result or MISSING."""
    cdef AnswerData *answer = NULL
    cdef RecordData *selected
    cdef int selection
    cdef int outcome
    if memchr(host.name, c'.', host.length) == NULL:
        return ended(check, RESULT_NONE, REASON_INVALID_DOMAIN)         # 4.3: not multi-label
    outcome = ask(check, TYPE_TXT, host, &answer)
    if outcome == ASK_MISSING:
        return MISSING
    if outcome == ASK_ERROR:
        throw_dns_error(check, answer, NULL, -1, host)
        return RESULT_TEMPERROR
    if answer.status == STATUS_NXDOMAIN:
        # RFC 4406 4.3: under pra a domain that does not exist is fail.
        outcome = RESULT_FAIL if check.scope == SCOPE_NUMBER_PRA else <int>RESULT_NONE
        ended(check, outcome, REASON_NO_DOMAIN)
        check.place_length = host.length
        memcpy(check.place, host.name, host.length)
        return outcome
    if answer.status != STATUS_OK:
        return ended(check, RESULT_NONE, REASON_NO_RECORD)
    selected = answer_record(answer, check.scope)
    if selected == NULL:
        selection = answer.selected[check.scope]
        if selection == SELECT_NONE or (selection == SELECT_MULTIPLE_PLAIN and not plain_applies(check)):
            return ended(check, RESULT_NONE, REASON_NO_RECORD)
        throw(check, RESULT_PERMERROR, REASON_MULTIPLE_RECORDS, NULL, -1, host)
        return RESULT_PERMERROR
    if selected.scopes == SCOPE_SPF and not plain_applies(check):
        return ended(check, RESULT_NONE, REASON_NO_RECORD)
    if selected.error:
        # 4.6: a syntax error anywhere, before anything is evaluated.
        throw(check, RESULT_PERMERROR, REASON_SYNTAX_ERROR, selected, -1, host)
        return RESULT_PERMERROR
    record[0] = selected
    found[0] = answer
    return UNDECIDED


cdef int qualified(CheckData *check, RecordData *record, int index, const Target *host) noexcept nogil:
    """A mechanism matched: its qualifier is the result (4.6.2)."""
    cdef uint8_t qualifier = record.terms[index].qualifier
    cdef int result = RESULT_PASS
    if qualifier == c'-':
        result = RESULT_FAIL
    elif qualifier == c'~':
        result = RESULT_SOFTFAIL
    elif qualifier == c'?':
        result = RESULT_NEUTRAL
    throw(check, result, REASON_MATCHED, record, index, host)
    return result


cdef int mechanisms_decide(CheckData *check, RecordData *record, const Target *host) noexcept nogil:
    """Each mechanism from left to right (4.6.2): a result, MISSING, or UNDECIDED if none
    matched."""
    cdef const Term *term
    cdef const Table *table
    cdef Event *event
    cdef int index = 0, outcome, kind, hit
    while index < record.term_count:
        term = &record.terms[index]
        kind = term.kind
        if kind == TERM_IP4 or kind == TERM_IP6:
            # 5.6, for all neighbouring networks at once: the first of them that matches.
            table = &record.tables[term.table]
            if check.ip.family == FAMILY_IP4:
                hit = range_of4(table.starts4, table.count4, check.ip.ip4)
                if check.walk != NULL and hit + 1 < table.count4:
                    check.walk.last = min(check.walk.last, <u128>(table.starts4[hit + 1] - 1))
                hit = table.terms4[hit]
            else:
                hit = range_of6(table.starts6, table.count6, check.ip.ip6)
                if check.walk != NULL and hit + 1 < table.count6:
                    check.walk.last = min(check.walk.last, table.starts6[hit + 1] - 1)
                hit = table.terms6[hit]
            if check.recorder != NULL:
                event = note(check, EVENT_RUN, record, index)
                if event != NULL:
                    event.value = table.end
                    event.extra = hit
            if hit != NO_TERM:
                return qualified(check, record, hit, host)
            index = table.end
            continue
        if kind >= TERM_REDIRECT:
            index += 1
            continue
        if check.recorder != NULL:
            note(check, EVENT_TERM, record, index)
        outcome = TERM_MATCH                       # 5.1: all always matches
        if kind:
            outcome = term_matches(check, record, index, host)
            if outcome == TERM_MISSING:
                return MISSING
        if check.recorder != NULL:
            event = note(check, EVENT_MATCH, record, index)
            if event != NULL:
                event.value = outcome
        if outcome == TERM_THROWS:
            return check.result
        if outcome == TERM_MATCH:
            return qualified(check, record, index, host)
        index += 1
    return UNDECIDED


cdef int finish(CheckData *check, int result, int depth) noexcept nogil:
    """End a check_host() and those that redirected to it: for the recorder, depth of them."""
    cdef Event *event
    if check.recorder != NULL:
        for _ in range(depth):
            event = recorder_note(check.recorder, EVENT_RESULT, NULL, 0, check.lookups, check.void_lookups)
            if event != NULL:
                event.value = result
                event.extra = check.reason
    return result


cdef int redirect_target(CheckData *check, RecordData *record, const Target *host, uint8_t *room,
                         Target *target) noexcept nogil:
    """Where redirect= leads (6.1): a TermOutcome, TERM_MATCH if there is a name to go on with."""
    cdef int outcome
    if check.recorder != NULL:
        note(check, EVENT_TERM, record, record.redirect)
    if spend_lookup(check, record, record.redirect, host) == TERM_THROWS:
        return TERM_THROWS
    outcome = target_of(check, record, &record.terms[record.redirect], host, room, target)
    if outcome == TARGET_MISSING:
        return TERM_MISSING
    if outcome == TARGET_NAME:
        return TERM_MATCH
    # 6.1: "if the target-name is malformed, the result is a permerror".
    return throw(check, RESULT_PERMERROR, REASON_INVALID_TARGET, record, record.redirect, host)


# --- policy tables ---------------------------------------------------------------------------------

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
            return policy if policy_is_good(check.store, policy, check.now) else NULL
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
    if outcome.place_is_host:
        check.place_length = host.length
        memcpy(check.place, host.name, host.length)
    else:
        check.place_length = outcome.place_length
        memcpy(check.place, policy.names + outcome.place, outcome.place_length)
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
    evaluations, which is a power of two; if that came to nothing, after twice as many, and so on.
    UNDECIDED."""
    cdef uint32_t *heat = &answer.heat if record.uses & RECORD_BOUND else &record.heat
    if check.walk == NULL:
        heat[0] += 1
        if heat[0] >= check.store.heat_for_table and heat[0] & (heat[0] - 1) == 0:
            return heated(check, answer)
    return UNDECIDED


cdef int heated(CheckData *check, AnswerData *answer) noexcept nogil:
    if check.hot == NULL:
        answer_retain(answer)
        check.hot = answer
    return UNDECIDED


cdef int check_host(CheckData *check, Target *host, uint8_t *current) noexcept nogil:
    """check_host() (4.1) for host, which it moves on at a redirect (into current): a result, or MISSING."""
    cdef uint8_t[NAME_ROOM] room
    cdef uint8_t[NAME_ROOM] previous_name
    cdef RecordData *record = NULL
    cdef RecordData *previous = NULL
    cdef AnswerData *answer = NULL
    cdef Target target
    cdef Target previous_host = host[0]
    cdef Event *event
    cdef int result, outcome, depth = 0
    while True:
        depth += 1
        if check.recorder != NULL:
            recorder_note(check.recorder, EVENT_HOST, host.name, host.length, check.lookups, check.void_lookups)
        result = record_of_host(check, host, &record, &answer)
        if result == RESULT_NONE and depth > 1:
            # 6.1: a redirect to a domain without a record is permerror.
            finish(check, result, 1)
            check.target_length = host.length
            memcpy(check.target, host.name, host.length)
            throw(check, RESULT_PERMERROR, REASON_REDIRECT_NONE, previous, previous.redirect, &previous_host)
            return finish(check, RESULT_PERMERROR, depth - 1)
        if result == UNDECIDED:
            if check.recorder != NULL:
                note(check, EVENT_RECORD, record, 0)
            elif record.uses & RECORD_ASKS and check.store.heat_for_table:
                result = table_decides(check, answer, record, host, depth)
                if result != UNDECIDED:
                    return result
            result = mechanisms_decide(check, record, host)
        if result == UNDECIDED and (record.redirect == NO_TERM or record.all != NO_TERM):
            # 5.1, 6.1: redirect counts only if there is no "all" anywhere. 4.7: else neutral.
            throw(check, RESULT_NEUTRAL, REASON_DEFAULT, record, -1, host)
            result = RESULT_NEUTRAL
        if result == MISSING:
            return MISSING
        if result != UNDECIDED:
            if depth > 1 and (result == RESULT_TEMPERROR or result == RESULT_PERMERROR):
                blame(check, previous, previous.redirect, &previous_host)
            return finish(check, result, depth)
        outcome = redirect_target(check, record, host, room, &target)
        if outcome == TERM_MISSING:
            return MISSING
        if outcome == TERM_THROWS:
            if check.recorder != NULL:
                event = note(check, EVENT_MATCH, record, record.redirect)
                if event != NULL:
                    event.value = outcome
            return finish(check, check.result, depth)
        previous = record
        previous_host = host[0]
        memcpy(previous_name, host.name, host.length)
        previous_host.name = previous_name
        host[0] = target
        memcpy(current, target.name, target.length)
        host.name = current


# --- the explanation (RFC 7208 6.2) --------------------------------------------------------------

cdef int explain(CheckData *check, RecordData *record, const Target *host, uint8_t *text) noexcept nogil:
    """Fetch and expand the text of exp= of the record that said fail. MISSING or 0; the length goes
    to check.explanation_length, -1 for every kind of trouble: none of it may change the result."""
    cdef uint8_t[NAME_ROOM] room
    cdef Target target
    cdef AnswerData *answer = NULL
    cdef int outcome
    if check.recorder != NULL:
        note(check, EVENT_EXPLANATION, record, record.explanation)
    outcome = target_of(check, record, &record.terms[record.explanation], host, room, &target)
    if outcome == TARGET_MISSING:
        return MISSING
    if outcome == TARGET_NONE:
        return 0
    outcome = ask(check, TYPE_TXT, &target, &answer)
    if outcome == ASK_MISSING:
        return MISSING
    # No record, an error, more than one record, or a text that is too long: as if there were no exp=.
    if outcome == ASK_ERROR or answer.status != STATUS_OK or answer.text == NULL:
        return 0
    outcome = text_uses(answer.text, <int>answer.text_length)
    if outcome < 0:
        return 0                                          # 6.2: nothing of a broken text is expanded
    if outcome & USES_SENDER and not check.local_is_ascii:
        return 0                                          # RFC 8616 4, and 6.2: ASCII only
    if outcome & USES_P and set_validated(check, host) == ASK_MISSING:
        return MISSING
    check.explanation_length = macro_expand_text(answer.text, <int>answer.text_length, &check.values, host.name,
                                                 host.length, text)
    return 0


cdef void begin_evaluation(CheckData *check, Target *host) noexcept nogil:
    """Count from nothing, and begin at the domain of the check."""
    check.lookups = check.void_lookups = 0
    check.record = NULL
    check.trouble = NULL
    check.hot = NULL
    check.term = -1
    check.place_length = check.target_length = 0
    check.explanation_length = -1
    host.name = check.domain
    host.length = check.domain_length
    host.hash = check.domain_hash
    host.area = 0


cdef int evaluate_held(CheckData *check, uint8_t *explanation) noexcept nogil:
    """Evaluate the check over what its stores and its pins hold: its result, or MISSING.

    The caller holds the lock of the store for reading. explanation has room for EXPLANATION_MAX
    octets. check.record and check.trouble, if set, are borrowed: they live while the lock is held.
    check.hot, if set, is a reference that belongs to the caller (policies.policy_settle takes it).
    """
    cdef uint8_t[NAME_ROOM] current
    cdef Target host
    cdef Event *event
    cdef int result
    begin_evaluation(check, &host)
    result = check_host(check, &host, current)
    if result == RESULT_FAIL and not check.no_explanation and check.record != NULL and (
            check.record.explanation != NO_TERM):
        result = explain(check, check.record, &host, explanation)
        if result != MISSING:
            result = RESULT_FAIL
            if check.recorder != NULL:
                event = note(check, EVENT_TEXT, check.record, 0)
                if event != NULL:
                    event.value = check.explanation_length >= 0
    if result == MISSING:
        check.record = NULL
        check.trouble = NULL
    return result
