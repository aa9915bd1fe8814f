"""Asking and counting, and the names that are asked about (RFC 7208 4.6.4, 4.8, 5.5, 7).

What may live here: the one function that asks, the two that count, how a term ends a check, and
what a term's target-name is. What a mechanism makes of an answer is in evaluator.pyx.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport realloc
from libc.string cimport memcmp, memcpy

from senderid_fast._core.answerdata cimport (
    STATUS_ERROR, STATUS_NODATA, STATUS_NXDOMAIN, STATUS_OK, STATUS_TIMEOUT, TYPE_A, TYPE_AAAA, TYPE_PTR,
    AnswerData, NameData, answer_is_for, answer_retain, question_hash,
)
from senderid_fast._core.answers cimport store_find
from senderid_fast._core.cidr cimport FAMILY_IP4, address_write_reverse, u128
from senderid_fast._core.tables cimport sorted4_last, sorted4_match, sorted6_last, sorted6_match
from senderid_fast._core.macros cimport USES_MESSAGE, USES_P, USES_SENDER, macro_expand_name
from senderid_fast._core.fetched cimport fetched_find
from senderid_fast._core.names cimport name_is_within, name_key, sf_hash
from senderid_fast._core.recorder cimport EVENT_QUESTION, EVENT_TARGET, Event, recorder_note
from senderid_fast._core.records cimport RecordData, record_retain
from senderid_fast._core.sharing cimport ground_of
from senderid_fast._core.tokenizer cimport NO_SPEC, Spec, Term


# What a closure takes for every answer that it does not have.
cdef AnswerData UNKNOWN
UNKNOWN.status = STATUS_NODATA


cdef Event *note(CheckData *check, int kind, RecordData *record, int term) noexcept nogil:
    cdef Event *event = recorder_note(check.recorder, kind, NULL, 0, check.lookups, check.void_lookups)
    if event != NULL:
        record_retain(record)
        event.record = record
        event.term = term
    return event


cdef int ask(CheckData *check, int rrtype, const Target *target, AnswerData **answer) noexcept nogil:
    """The one place where a question is asked. An AskOutcome."""
    cdef uint64_t hash = question_hash(target.hash, rrtype)
    cdef AnswerData *found = store_find(check.store, target.area, hash, rrtype, target.name, target.length,
                                        check.now)
    cdef Event *event
    cdef int i
    if found == NULL:
        # A name that a macro made here may be spelled out in another record, and the other way round.
        found = store_find(check.store, 1 - target.area, hash, rrtype, target.name, target.length, check.now)
    if found == NULL:
        for i in range(check.pin_count):
            if answer_is_for(check.pins[i], hash, rrtype, target.name, target.length):
                found = check.pins[i]
                break
    if found == NULL and check.fetched != NULL:
        found = fetched_find(check.fetched, hash, rrtype, target.name, target.length)
    if check.recorder != NULL:
        event = recorder_note(check.recorder, EVENT_QUESTION, target.name, target.length, check.lookups,
                              check.void_lookups)
        if event != NULL:
            event.value = rrtype
            if found != NULL:
                answer_retain(found)
                event.answer = found
    if check.walk != NULL and not stand_on(check, found):
        return ASK_MISSING
    if check.closure != NULL:
        if found == NULL:
            closure_question(check.closure, rrtype, target)
        if found == NULL or found.status > STATUS_NXDOMAIN:
            found = &UNKNOWN                      # so that the terms behind it are looked at, too
    if found == NULL:
        set_question(&check.question, rrtype, target)
        return ASK_MISSING
    answer[0] = found
    if found.over:
        check.stale = True
    return ASK_ERROR if found.status > STATUS_NXDOMAIN else ASK_ANSWERED


cdef void set_question(QuestionData *question, int rrtype, const Target *target) noexcept nogil:
    question.rrtype = rrtype
    question.hash = target.hash
    question.area = target.area
    question.length = target.length
    memcpy(question.name, target.name, target.length)


cdef bint has_room(Closure *closure, void **array, int count, int *room, size_t size) noexcept nogil:
    """Whether one more can be collected; the array grows for it."""
    cdef void *more
    if count < room[0]:
        return True
    more = realloc(array[0], (2 * room[0] + 8) * size) if room[0] < CLOSURE_MOST else NULL
    if more == NULL:
        closure.full = True
        return False
    array[0] = more
    room[0] = 2 * room[0] + 8
    return True


cdef void closure_question(Closure *closure, int rrtype, const Target *target) noexcept nogil:
    """Collect a question that has no answer yet, once."""
    cdef QuestionData *question
    cdef int i
    for i in range(closure.question_count):
        question = &closure.questions[i]
        if question.hash == target.hash and question.rrtype == rrtype and question.length == target.length and (
                memcmp(question.name, target.name, target.length) == 0):
            return
    if not has_room(closure, <void **>&closure.questions, closure.question_count, &closure.question_room,
                    sizeof(QuestionData)):
        return
    set_question(&closure.questions[closure.question_count], rrtype, target)
    closure.question_count += 1


cdef bint closes(const CheckData *check) noexcept nogil:
    """Whether the questions of every check are collected: each term counts as if none matched."""
    return check.closure != NULL and not check.closure.ahead


cdef void closure_term(CheckData *check, RecordData *record, int term, const Target *host) noexcept nogil:
    """Collect a term whose questions depend on the message, once for each host."""
    cdef Closure *closure = check.closure
    cdef OpenTerm *open
    cdef int i
    for i in range(closure.term_count):
        open = &closure.terms[i]
        if open.record == record and open.term == term and open.host_length == host.length and (
                memcmp(open.host, host.name, host.length) == 0):
            return
    if not has_room(closure, <void **>&closure.terms, closure.term_count, &closure.term_room, sizeof(OpenTerm)):
        return
    open = &closure.terms[closure.term_count]
    record_retain(record)
    open.record = record
    open.term = term
    open.host_length = host.length
    memcpy(open.host, host.name, host.length)
    closure.term_count += 1


cdef void walk_ground(CheckData *check, uint64_t hash) noexcept nogil:
    """The table that a walk makes will stand on the answer with this hash."""
    cdef Walk *walk = check.walk
    cdef int i
    for i in range(walk.ground_count):
        if walk.grounds[i] == hash:
            return
    if walk.ground_count == WALK_GROUNDS:
        walk.full = True
        return
    walk.stamp += ground_of(check.store, hash)
    walk.grounds[walk.ground_count] = hash
    walk.ground_count += 1


cdef bint stand_on(CheckData *check, AnswerData *answer) noexcept nogil:
    """A walk uses an answer. False: no table can stand on it, as it is not known, or is an error or stale,
    which is soon another."""
    cdef Walk *walk = check.walk
    walk.steps += 1
    if answer == NULL or answer.status > STATUS_NXDOMAIN or answer.over:
        walk.unknown = True
        return False
    answer.stood = 1
    walk.expires = min(walk.expires, answer.expires)
    walk_ground(check, answer.hash)
    return True


cdef void set_place(CheckData *check, const uint8_t *name, int length) noexcept nogil:
    """Note the domain whose record was being evaluated when the check was decided."""
    check.place_length = 0
    if not check.brief:
        check.place_length = length
        memcpy(check.place, name, length)


cdef int throw(CheckData *check, int result, int reason, RecordData *record, int term,
               const Target *host) noexcept nogil:
    """A term ends the whole check (4.6.2): say with what, why and where."""
    check.result = result
    check.reason = reason
    check.record = record
    check.term = term
    set_place(check, host.name, host.length)
    return TERM_THROWS


cdef int throw_dns_error(CheckData *check, AnswerData *answer, RecordData *record, int term,
                         const Target *host) noexcept nogil:
    # RFC 7208 4.4, 5: RCODE other than 0 and 3, or no answer: the top check_host() is temperror.
    cdef int reason = REASON_DNS_ERROR
    if answer.status == STATUS_TIMEOUT:
        reason = REASON_DNS_TIMEOUT
    elif answer.status == STATUS_ERROR:
        reason = REASON_RESOLVER_FAILED
    check.trouble = answer
    return throw(check, RESULT_TEMPERROR, reason, record, term, host)


cdef int spend_lookup(CheckData *check, RecordData *record, int term, const Target *host) noexcept nogil:
    # RFC 7208 4.6.4: include, a, mx, ptr, exists and redirect, over the whole check.
    check.lookups += 1
    if check.lookups > check.limits.lookups:
        return throw(check, RESULT_PERMERROR, REASON_LOOKUP_LIMIT, record, term, host)
    return TERM_NO_MATCH


cdef int spend_void(CheckData *check, RecordData *record, int term, const Target *host) noexcept nogil:
    # RFC 7208 4.6.4: terms whose questions have no answer; at most one for each term. Counting by
    # term is the wording of 4.6.4 (11.1 can be read otherwise): an mx term whose hosts merely have
    # no AAAA costs an IPv6 client one, not one for each host.
    check.void_lookups += 1
    if check.void_lookups > check.limits.void_lookups:
        return throw(check, RESULT_PERMERROR, REASON_VOID_LOOKUP_LIMIT, record, term, host)
    return TERM_NO_MATCH


# --- names ---------------------------------------------------------------------------------------

# How a validated name stands to the one that is wanted, best first (7.3, %{p}).
cdef enum:
    NAME_SAME = 0
    NAME_WITHIN = 1
    NAME_OTHER = 2


cdef int validate_name(CheckData *check, const Target *wanted, bint any_name, Target *validated,
                       AnswerData **pointers, int *empty) noexcept nogil:
    """Find a validated name of the client's address that is wanted or lies within it (5.5).

    any_name first looks for wanted itself, then within it, then for any (7.3, %{p}). The outcome is
    of ask(): answered, with validated.length 0 if there is none. pointers is the PTR answer (NULL
    if it is an error); empty counts address queries that were made and had no answer, or is -1 if
    one had.
    """
    cdef uint8_t[NAME_ROOM] name
    cdef Target reverse, host
    cdef AnswerData *ptr = NULL
    cdef AnswerData *addresses = NULL
    cdef const NameData *candidate
    cdef int outcome, i, count, way, rank, ways = 3 if any_name else 1
    cdef int rrtype = TYPE_A if check.ip.family == FAMILY_IP4 else TYPE_AAAA
    if check.walk != NULL:
        return ASK_MISSING                        # each address has names of its own
    reverse.length = address_write_reverse(&check.ip, name)
    if check.ip.family == FAMILY_IP4:
        memcpy(name + reverse.length, b".in-addr.arpa", 13)
        reverse.length += 13
    else:
        memcpy(name + reverse.length, b".ip6.arpa", 9)
        reverse.length += 9
    reverse.name = name
    reverse.hash = sf_hash(name, reverse.length, name_key)
    reverse.area = 1
    validated.length = 0
    pointers[0] = NULL
    empty[0] = 0
    outcome = ask(check, TYPE_PTR, &reverse, &ptr)
    if outcome == ASK_MISSING:
        return ASK_MISSING
    if outcome == ASK_ERROR:
        return ASK_ANSWERED                       # 5.5: an error of the PTR query is no match
    pointers[0] = ptr
    if ptr.status != STATUS_OK:
        return ASK_ANSWERED
    # 4.6.4: names beyond the first ten are ignored.
    count = min(<int>ptr.count, check.limits.ptr_names)
    for way in range(ways):
        for i in range(count):
            candidate = &ptr.payload.names[i]
            if candidate.length == 0:
                continue
            rank = NAME_OTHER
            if name_is_within(candidate.octets, candidate.length, wanted.name, wanted.length):
                rank = NAME_SAME if candidate.length == wanted.length else <int>NAME_WITHIN
            # For ptr, a name that would not match need not be validated.
            if rank != way if any_name else rank == NAME_OTHER:
                continue
            host.name = candidate.octets
            host.length = candidate.length
            host.hash = candidate.hash
            host.area = 1
            outcome = ask(check, rrtype, &host, &addresses)
            if outcome == ASK_MISSING:
                return ASK_MISSING
            if outcome == ASK_ERROR:
                continue                          # 5.5: skip that name
            if addresses.status != STATUS_OK:
                if empty[0] >= 0:
                    empty[0] += 1
                continue
            empty[0] = -1
            if holds(check, addresses, 32, 128):
                validated[0] = host
                return ASK_ANSWERED
    return ASK_ANSWERED


cdef bint holds(CheckData *check, const AnswerData *answer, int prefix4, int prefix6) noexcept nogil:
    """Whether an address of the answer has the same high-order bits as the client's (5)."""
    cdef const uint32_t *ip4
    cdef const u128 *ip6
    cdef int count = <int>answer.count
    if answer.status != STATUS_OK or closes(check):
        return False
    if check.ip.family == FAMILY_IP4:
        ip4 = answer.payload.ip4
        if check.walk != NULL:
            check.walk.last = min(check.walk.last, sorted4_last(ip4, count, check.ip.ip4, prefix4))
        return sorted4_match(ip4, count, check.ip.ip4, prefix4)
    ip6 = answer.payload.ip6
    if check.walk != NULL:
        check.walk.last = min(check.walk.last, sorted6_last(ip6, count, check.ip.ip6, prefix6))
    return sorted6_match(ip6, count, check.ip.ip6, prefix6)


cdef int set_validated(CheckData *check, const Target *host) noexcept nogil:
    """Work out %{p} (7.3) for the current domain. Not counted: see docs/architecture.md."""
    cdef Target validated
    cdef AnswerData *pointers = NULL
    cdef int empty
    if validate_name(check, host, True, &validated, &pointers, &empty) == ASK_MISSING:
        return ASK_MISSING
    if validated.length:
        memcpy(check.validated, validated.name, validated.length)
        check.values.validated_length = validated.length
    else:
        memcpy(check.validated, b"unknown", 7)
        check.values.validated_length = 7
    check.values.validated = check.validated
    return ASK_ANSWERED


cdef int target_of(CheckData *check, RecordData *record, const Term *term, const Target *host,
                   uint8_t *room, Target *target) noexcept nogil:
    """The target-name of a term (4.8): its domain-spec expanded, or the current domain."""
    cdef const Spec *spec
    cdef int open
    if term.spec == NO_SPEC:
        target[0] = host[0]
        return TARGET_NAME
    spec = &record.specs[term.spec]
    if spec.piece_count == 0:
        target.name = spec.name
        target.length = spec.name_length
        target.hash = spec.hash
        target.area = 0
        return TARGET_NAME if target.length else TARGET_NONE
    target.length = 0
    target.name = room
    if check.walk != NULL:
        if spec.uses & USES_MESSAGE:
            return TARGET_MISSING                 # each message has a name of its own
        check.walk.steps += spec.piece_count
    # RFC 8616 4: a local part that is not ASCII cannot stand in a name; such a term does not match.
    if check.local_is_ascii or not spec.uses & USES_SENDER:
        open = check.closure.question_count if check.closure != NULL else 0
        if spec.uses & USES_P and set_validated(check, host) == ASK_MISSING:
            return TARGET_MISSING
        if check.closure != NULL and check.closure.question_count > open:
            return TARGET_NONE                    # the name needs an answer that is not there yet
        target.length = macro_expand_name(record.text, record.pieces + spec.first_piece, spec.piece_count,
                                          &check.values, host.name, host.length, room)
    if check.recorder != NULL:
        recorder_note(check.recorder, EVENT_TARGET, room, target.length, check.lookups, check.void_lookups)
    # 4.8 leaves open what a malformed target-name does; here the term does not match.
    if target.length == 0:
        return TARGET_NONE
    target.hash = sf_hash(room, target.length, name_key)
    target.area = 1 if host.area or spec.uses & USES_MESSAGE else 0
    return TARGET_NAME
