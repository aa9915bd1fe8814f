"""check_host(): the whole evaluation of a check (RFC 7208 4 to 7, RFC 4406 4), written once.

What may live here: the rules, in C, without the GIL. No memory is taken, no clock read, nothing
asked: a check either ends with a result, or stops at the first answer that the store does not hold
(MISSING, with the question). Then the caller gets the answer and evaluates again from the top.
Who keeps the lock of the store meanwhile, and what is kept of the outcome, is policies.pyx.

Theory of operation. Each run counts afresh and the same way, so there is no state between runs.
Asking and counting stand in asking.pyx, each in one place. Terms answer match, no match or throws
(4.6.2).
"""

from libc.stdint cimport uint8_t
from libc.string cimport memchr, memcpy

from senderid_fast._core.answerdata cimport STATUS_NXDOMAIN, STATUS_OK, TYPE_TXT, AnswerData, answer_record
from senderid_fast._core.asking cimport (
    ASK_ERROR, ASK_MISSING, MISSING, NAME_ROOM, REASON_DEFAULT, REASON_INCLUDE_NONE, REASON_INVALID_DOMAIN,
    REASON_INVALID_TARGET, REASON_MATCHED, REASON_MULTIPLE_RECORDS, REASON_NO_DOMAIN, REASON_NO_RECORD,
    REASON_REDIRECT_NONE, REASON_SYNTAX_ERROR, RESULT_FAIL, RESULT_NEUTRAL, RESULT_NONE, RESULT_PASS,
    RESULT_PERMERROR, RESULT_SOFTFAIL, RESULT_TEMPERROR, SCOPE_NUMBER_PRA, TARGET_MISSING, TARGET_NAME,
    TARGET_NONE, TERM_MATCH, TERM_MISSING, TERM_NO_MATCH, TERM_THROWS, VISITS_MOST, CheckData, Target, ask,
    closes, closure_term, note, set_place, set_validated, spend_lookup, spend_void, target_of, throw,
    throw_dns_error,
)
from senderid_fast._core.cidr cimport FAMILY_IP4, u128
from senderid_fast._core.macros cimport USES_MESSAGE, USES_P, USES_SENDER, macro_expand_text, text_uses
from senderid_fast._core.mechanisms cimport a_matches, mx_matches, ptr_matches
from senderid_fast._core.recorder cimport (
    EVENT_EXPLANATION, EVENT_HOST, EVENT_MATCH, EVENT_RECORD, EVENT_RESULT, EVENT_RUN, EVENT_TERM, EVENT_TEXT,
    Event, recorder_note,
)
from senderid_fast._core.records cimport RECORD_ASKS, SELECT_MULTIPLE_PLAIN, SELECT_NONE, RecordData
from senderid_fast._core.tabled cimport UNDECIDED, table_decides
from senderid_fast._core.tables cimport NO_TERM, range_of4, range_of6
from senderid_fast._core.tokenizer cimport (
    NO_SPEC, SCOPE_SPF, TERM_INCLUDE, TERM_IP4, TERM_IP6, TERM_MX, TERM_PTR, TERM_REDIRECT, Table, Term,
)


# --- the mechanisms (RFC 7208 5) -----------------------------------------------------------------

cdef void blame(CheckData *check, RecordData *record, int index, const Target *host) noexcept nogil:
    """The record of another domain could not be had: that was the fault of the term that led there."""
    if check.record == NULL:
        check.record = record
        check.term = index
        if check.result == RESULT_TEMPERROR:
            set_place(check, host.name, host.length)


cdef int include_matches(CheckData *check, RecordData *record, int index, const Target *host,
                         const Target *target) noexcept nogil:
    # 5.2. The recursive check_host() changes <domain> only.
    cdef uint8_t[NAME_ROOM] room
    cdef Target inner = target[0]
    cdef int result
    if check.closure != NULL:
        check.closure.visits += 1
        if check.closure.visits > VISITS_MOST:
            check.closure.full = True
            return TERM_NO_MATCH
        check.closure.depth += 1
        result = check_host(check, &inner, room)
        check.closure.depth -= 1
        return TERM_MATCH if check.closure.ahead and result == RESULT_PASS else TERM_NO_MATCH
    result = check_host(check, &inner, room)
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


cdef inline bint needs_message(const RecordData *record, const Term *term) noexcept nogil:
    """Whether what a term asks is of one message: its client, sender or HELO name."""
    return term.kind == TERM_PTR or (term.spec != NO_SPEC and record.specs[term.spec].uses & USES_MESSAGE)


cdef int term_matches(CheckData *check, RecordData *record, int index, const Target *host) noexcept nogil:
    """A mechanism that asks DNS. A TermOutcome."""
    cdef uint8_t[NAME_ROOM] room
    cdef const Term *term = &record.terms[index]
    cdef Target target
    cdef int outcome = spend_lookup(check, record, index, host)
    if outcome == TERM_THROWS:
        return outcome
    if closes(check) and needs_message(record, term):
        closure_term(check, record, index, host)
        return TERM_NO_MATCH
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
    # 4.3: not multi-label. What was asked for has been tested (identities.pyx); where terms lead, not.
    if check.lookups and memchr(host.name, c'.', host.length) == NULL:
        return ended(check, RESULT_NONE, REASON_INVALID_DOMAIN)
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
        set_place(check, host.name, host.length)
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
    cdef int index = 0, outcome, kind, hit, lookups
    while index < record.term_count:
        term = &record.terms[index]
        kind = term.kind
        if kind == TERM_IP4 or kind == TERM_IP6:
            # 5.6, for all neighbouring networks at once: the first of them that matches.
            table = &record.tables[term.table]
            if check.walk != NULL:
                check.walk.steps += 1
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
            if hit != NO_TERM and not closes(check):
                return qualified(check, record, hit, host)
            index = table.end
            continue
        if kind >= TERM_REDIRECT:
            if check.walk != NULL:
                check.walk.steps += 1
            index += 1
            continue
        if check.recorder != NULL:
            note(check, EVENT_TERM, record, index)
        outcome = TERM_MATCH                       # 5.1: all always matches
        if kind:
            lookups = check.lookups
            if check.closure != NULL and lookups >= check.limits.lookups:
                return UNDECIDED                   # no check can come to this term
            if check.closure != NULL and check.closure.ahead and (
                    check.closure.question_count >= check.closure.ahead):
                return UNDECIDED                   # so many are enough
            outcome = term_matches(check, record, index, host)
            if check.closure != NULL and not (check.closure.ahead and outcome == TERM_MATCH):
                # Whatever stands in an included record, it may cost no look-up: the include alone does.
                check.lookups = lookups + 1
                check.void_lookups = 0
                index += 1
                continue
            if outcome == TERM_MISSING:
                return MISSING
        elif closes(check):
            return UNDECIDED                       # nothing behind "all" is ever looked at
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
    if closes(check) and needs_message(record, &record.terms[record.redirect]):
        closure_term(check, record, record.redirect, host)
        return TERM_THROWS
    outcome = target_of(check, record, &record.terms[record.redirect], host, room, target)
    if outcome == TARGET_MISSING:
        return TERM_MISSING
    if outcome == TARGET_NAME:
        return TERM_MATCH
    # 6.1: "if the target-name is malformed, the result is a permerror".
    return throw(check, RESULT_PERMERROR, REASON_INVALID_TARGET, record, record.redirect, host)


cdef void closure_explanation(CheckData *check, RecordData *record, const Target *host) noexcept nogil:
    """Collect what exp= of a record asks (6.2), unless the record is an included one."""
    cdef uint8_t[NAME_ROOM] room
    cdef Target target
    cdef AnswerData *answer = NULL
    cdef const Term *term
    if check.closure.depth or check.no_explanation or record.explanation == NO_TERM:
        return
    term = &record.terms[record.explanation]
    if needs_message(record, term):
        closure_term(check, record, record.explanation, host)
    elif target_of(check, record, term, host, room, &target) == TARGET_NAME:
        ask(check, TYPE_TXT, &target, &answer)


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
            elif record.uses & RECORD_ASKS and check.store.heat_for_table and check.closure == NULL:
                result = table_decides(check, answer, record, host, depth)
                if result != UNDECIDED:
                    return result
            result = mechanisms_decide(check, record, host)
        if closes(check) and result == UNDECIDED:
            closure_explanation(check, record, host)
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
    check.stale = False
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
