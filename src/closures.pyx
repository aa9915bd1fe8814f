"""Closures: every question that the policy of a domain can lead to, before any message is seen.

What may live here: running the evaluator so that it collects questions, and handing them to Python.
As the evaluator goes through a policy, no term matches and every answer that is not known counts as
one without records: so all terms are looked at, in their order, by the code that evaluates them. For
one check (ahead) only the second holds, since its client and sender are known.
"""

from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free
from libc.string cimport memset

from senderid_fast._core.answerdata cimport question_object
from senderid_fast._core.answers cimport AnswerStore, sf_read_lock, sf_read_unlock
from senderid_fast._core.asking cimport NAME_ROOM, CheckData, Closure, QuestionData, Target
from senderid_fast._core.cidr cimport FAMILY_IP4, FAMILY_IP6
from senderid_fast._core.evaluator cimport begin_evaluation, check_host
from senderid_fast._core.identities cimport IDENTITY_OK, MAILBOX_MAX, Identity, identity_of_domain
from senderid_fast._core.records cimport record_release


def closure(AnswerStore store not None, tuple limits not None, bint plain_for_pra, bytes domain not None,
            int scope, bint ip4, bint ip6, bint explanations, int64_t now):
    """What is open in the policy of a domain, given the answers in the store that are good at now.

    limits  (lookups, void_lookups, mx_names, ptr_names); scope is the position in results.Scope
    (questions, terms, complete): the questions without an answer; (host, term) for each term that
    needs a message; False if there were too many of either to be collected (asking.CLOSURE_MOST).
    A domain that is none has no questions.
    """
    cdef CheckData check
    cdef Closure found
    cdef Identity identity
    cdef Target host
    cdef uint8_t[NAME_ROOM] current
    cdef int i, at
    cdef list terms = []
    if len(domain) > MAILBOX_MAX:
        return (), (), True
    identity_of_domain(<const uint8_t *><const char *>domain, len(domain), &identity)
    if identity.fault != IDENTITY_OK:
        return (), (), True
    memset(&check, 0, sizeof(CheckData))
    memset(&found, 0, sizeof(Closure))
    check.limits.lookups, check.limits.void_lookups = limits[0], limits[1]
    check.limits.mx_names, check.limits.ptr_names = limits[2], limits[3]
    check.store = &store.data
    check.closure = &found
    check.now = now
    check.scope = scope
    check.plain_for_pra = plain_for_pra
    check.no_explanation = not explanations
    check.local_is_ascii = True
    check.domain_length = identity.domain_length
    check.domain_hash = identity.domain_hash
    check.domain = identity.domain
    check.values.ip = &check.ip
    with nogil:
        sf_read_lock(&store.data.lock)
        if ip4:
            check.ip.family = FAMILY_IP4
            begin_evaluation(&check, &host)
            check_host(&check, &host, current)
        if ip6:
            check.ip.family = FAMILY_IP6
            begin_evaluation(&check, &host)
            check_host(&check, &host, current)
        sf_read_unlock(&store.data.lock)
    try:
        questions = questions_of(&found)
        for i in range(found.term_count):
            record = found.terms[i].record
            at = record.terms[found.terms[i].term].offset
            text = (<const char *>record.text)[at:at + record.terms[found.terms[i].term].length]
            name = (<const char *>found.terms[i].host)[:found.terms[i].host_length]
            terms.append((name.decode("latin-1"), text.decode("ascii")))
    finally:
        for i in range(found.term_count):
            record_release(found.terms[i].record)
        free(found.questions)
        free(found.terms)
    return tuple(questions), tuple(terms), not found.full


cdef list questions_of(const Closure *found):
    cdef const QuestionData *question
    cdef list questions = []
    cdef int i
    for i in range(found.question_count):
        question = &found.questions[i]
        questions.append(question_object(question.name, question.length, question.rrtype))
    return questions


cdef list questions_ahead(const CheckData *check, int most):
    """What a check that waits for an answer may ask, in its order: the question that is open, and then
    those of later terms, if no term before them matches. At most so many; fewer if a term that is
    known to match comes first."""
    cdef CheckData walker = check[0]
    cdef Closure found
    cdef Target host
    cdef uint8_t[NAME_ROOM] current
    memset(&found, 0, sizeof(Closure))
    found.ahead = most
    walker.closure = &found
    walker.recorder = NULL
    with nogil:
        sf_read_lock(&walker.store.lock)
        begin_evaluation(&walker, &host)
        check_host(&walker, &host, current)
        sf_read_unlock(&walker.store.lock)
    try:
        return questions_of(&found)
    finally:
        free(found.questions)
