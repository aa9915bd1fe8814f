"""The mechanisms that look at addresses which DNS gives: a, exists, mx and ptr (RFC 7208 5.3 to 5.7).

What may live here: what each of them makes of answers. Asking and counting stand in asking.pyx;
include, which is a check_host() of its own, in evaluator.pyx.
"""

from senderid_fast._core.answerdata cimport STATUS_OK, TYPE_A, TYPE_AAAA, TYPE_MX, AnswerData
from senderid_fast._core.asking cimport (
    ASK_ERROR, ASK_MISSING, REASON_MX_LIMIT, RESULT_PERMERROR, TERM_MATCH, TERM_MISSING, TERM_NO_MATCH,
    CheckData, Target, ask, holds, spend_void, throw, throw_dns_error, validate_name,
)
from senderid_fast._core.cidr cimport FAMILY_IP4
from senderid_fast._core.records cimport RecordData
from senderid_fast._core.tokenizer cimport TERM_EXISTS, Term


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
