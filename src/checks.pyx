"""The evaluator as Python calls it: Evaluator begins a check, Check goes on with it.

What may live here: turning arguments into the octets of a check, and the two ways a call ends, with
a Verdict or with a Check that says which question is open. No waiting, no asking, no clock: the
drivers (senderid_fast.engine) do that. The path on which every answer is known makes one Python
object, the verdict.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memset

from senderid_fast._core.answerdata cimport (
    STATUS_NXDOMAIN, AnswerData, answer_compile, answer_release, question_object,
)
from senderid_fast._core.answers cimport AnswerStore
from senderid_fast._core.cidr cimport FAMILY_NONE, address_from_octets, address_parse
from senderid_fast._core.closures cimport questions_ahead
from senderid_fast._core.asking cimport MISSING, SCOPE_NUMBER_PRA, CheckData, QuestionData
from senderid_fast._core.identities cimport (
    IDENTITY_MISMATCH, IDENTITY_NO_PRA, IDENTITY_OK, MAILBOX_MAX, Identity, has_u_labels, identity_of_domain,
    identity_of_helo, identity_of_mail_from, identity_of_none, identity_of_pra, identity_of_sender,
)
from senderid_fast._core.macros cimport EXPLANATION_MAX
from senderid_fast._core.cachereader cimport CacheReader
from senderid_fast._core.policies cimport evaluate
from senderid_fast._core.preparing cimport check_expire, check_identify, check_refuse, check_set_up
from senderid_fast._core.pra cimport Pra, pra_of, section_of
from senderid_fast._core.records cimport record_release
from senderid_fast._core.recorder cimport Recorder, recorder_clear, recorder_free, recorder_steps
from senderid_fast._core.terms cimport octets_of_text
from senderid_fast._core.verdict cimport KIND_HELO, KIND_HOST, KIND_MAIL_FROM, KIND_PRA, verdict_of

from senderid_fast.errors import InputError

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text) noexcept


cdef class Evaluator:
    """Begins checks over one AnswerStore with one set of limits.

    limits         (lookups, void_lookups, mx_names, ptr_names, seconds)
    receiver       %{r}: the host name of the receiver
    plain_for_pra  RFC 4406 4.4: v=spf1 may apply to scope pra
    epoch          what to add to the nanoseconds of a call to get Unix time, for %{t}
    a_labels       function: octets of an address or name that is not ASCII -> the same with A-labels

    Each method takes the time in nanoseconds and returns a Verdict, or a Check to go on with.
    """

    def __init__(self, AnswerStore store not None, tuple limits not None, bytes receiver not None,
                 bint plain_for_pra, int64_t epoch, a_labels):
        self.store = store
        self.limits = limits
        self.common.limits.lookups, self.common.limits.void_lookups = limits[0], limits[1]
        self.common.limits.mx_names, self.common.limits.ptr_names = limits[2], limits[3]
        self.receiver = receiver
        self.common.receiver = <const uint8_t *>PyBytes_AS_STRING(receiver)
        self.common.receiver_length = <int>PyBytes_GET_SIZE(receiver)
        self.common.plain_for_pra = plain_for_pra
        self.epoch = epoch
        self.a_labels = a_labels

    def check_host(self, ip, domain, sender, helo, int scope, int64_t now, bint traced=False):
        """check_host() (RFC 7208 4.1); scope is the position in results.Scope."""
        if domain is None:
            raise InputError("domain", "must be str or bytes, is None")
        return begin(self, KIND_HOST, ip, domain, sender, helo, scope, now, traced)

    def check_helo(self, ip, helo, int64_t now, bint traced=False):
        """The HELO identity (RFC 7208 2.3)."""
        return begin(self, KIND_HELO, ip, None, None, helo, 0, now, traced)

    def check_mail_from(self, ip, mail_from, helo, int64_t now, bint traced=False):
        """The MAIL FROM identity (RFC 7208 2.4); helo counts for a null reverse-path."""
        if mail_from is None:
            raise InputError("mail_from", 'must be str or bytes ("" for a null reverse-path), is None')
        return begin(self, KIND_MAIL_FROM, ip, None, mail_from, helo, 0, now, traced)

    def check_pra(self, ip, headers, helo, submitter, int64_t now, bint traced=False):
        """The PRA of a header section (RFC 4407 2), under scope pra (RFC 4406 4). submitter, if it is
        given, has to be that PRA (RFC 4405 4.2)."""
        cdef Pra pra = pra_of(section_of(headers), self.a_labels)
        if submitter is not None:
            pra.mismatched = not is_submitter(self, pra, submitter)
        return begin(self, KIND_PRA, ip, pra, None, helo, SCOPE_NUMBER_PRA, now, traced)

    def check_message(self, ip, helo, mail_from, headers, submitter, int64_t now):
        """HELO, MAIL FROM (if it is not None) and PRA in one call: what each of the three above gives."""
        cdef Pra pra = pra_of(section_of(headers), self.a_labels)
        if submitter is not None:
            pra.mismatched = not is_submitter(self, pra, submitter)
        return (
            begin(self, KIND_HELO, ip, None, None, helo, 0, now, False),
            None if mail_from is None else begin(self, KIND_MAIL_FROM, ip, None, mail_from, helo, 0, now, False),
            begin(self, KIND_PRA, ip, pra, None, helo, SCOPE_NUMBER_PRA, now, False),
        )

    def rehearse(self, ip, mail_from, helo, int64_t now, int count):
        """Evaluate one MAIL FROM check count times without the GIL, for benchmarks of the evaluator
        alone. The position of its result in results.Result, or -1 if an answer is missing."""
        cdef CheckData check
        cdef Identity identity
        cdef uint8_t[EXPLANATION_MAX] text
        cdef int result = MISSING
        _kept = prepare(self, &check, &identity, KIND_MAIL_FROM, ip, None, mail_from, helo, 0, now)
        if identity.fault != IDENTITY_OK:
            raise InputError("mail_from", "gives no domain to check")
        with nogil:
            for _ in range(count):
                result = evaluate(&check, text)
                if result == MISSING:
                    break
                record_release(check.record)
                answer_release(check.trouble)
        return result


# Octets of an argument; whoever has this keeps the object they are in.
ctypedef struct View:
    const uint8_t *at
    size_t length


cdef object view_of(value, str field, View *out, a_labels):
    """The octets of a str or bytes argument, and the object that holds them. None is empty."""
    cdef Py_ssize_t length = 0
    cdef const char *text
    if type(value) is str and PyUnicode_IS_COMPACT_ASCII(value):
        text = PyUnicode_AsUTF8AndSize(value, &length)
        out.at = <const uint8_t *>text
        out.length = length
        return value
    if value is None:
        value = b""
    elif isinstance(value, str):
        value = octets_of_text(value)
    elif isinstance(value, (bytes, bytearray)):
        value = bytes(value)
    else:
        raise InputError(field, f"must be str or bytes, is {type(value).__name__}")
    if a_labels is not None and has_u_labels(<const uint8_t *>PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value)):
        value = a_labels(value)
    out.at = <const uint8_t *>PyBytes_AS_STRING(value)
    out.length = PyBytes_GET_SIZE(value)
    return value


cdef int address_of(ip, CheckData *check) except -1:
    cdef Py_ssize_t length = 0
    cdef const char *text
    if isinstance(ip, str):
        if PyUnicode_IS_COMPACT_ASCII(ip):
            text = PyUnicode_AsUTF8AndSize(ip, &length)
            if address_parse(<const uint8_t *>text, length, &check.ip):
                return 0
        elif ip.isascii():                         # of a class made from str
            return address_of((<str>ip).encode("ascii").decode("ascii"), check)
        raise InputError("ip", f"is no IPv4 or IPv6 address: {ip[:100]!a}")
    octets = getattr(ip, "packed", ip)             # ipaddress.IPv4Address, IPv6Address
    if not isinstance(octets, bytes):
        raise InputError("ip", f"must be an address as text, as 4 or 16 octets, or of ipaddress, is {ip!a:.100}")
    address_from_octets(<const uint8_t *>PyBytes_AS_STRING(octets), len(octets), &check.ip)
    if check.ip.family == FAMILY_NONE:
        raise InputError("ip", f"must be 4 or 16 octets, is {len(octets)}")
    return 0


cdef tuple prepare(Evaluator evaluator, CheckData *check, Identity *identity, int kind, ip, domain, sender, helo,
                   int scope, int64_t now):
    """Fill in what is asked. The objects that hold the octets come back, to be kept."""
    cdef View domain_view, sender_view, helo_view
    address_of(ip, check)
    # RFC 8616 4: a HELO name comes as A-labels, or it is no domain name.
    kept_helo = view_of(helo, "helo", &helo_view, None)
    kept_domain = kept_sender = None
    if kind == KIND_PRA:
        kept_domain = domain
        identity_of_given(<Pra>domain, identity)
    elif kind == KIND_MAIL_FROM:
        kept_sender = view_of(sender, "mail_from", &sender_view, evaluator.a_labels)
        identity_of_mail_from(sender_view.at, sender_view.length, helo_view.at, helo_view.length, identity)
    elif kind == KIND_HELO:
        identity_of_helo(helo_view.at, helo_view.length, identity)
    else:
        kept_domain = view_of(domain, "domain", &domain_view, evaluator.a_labels)
        kept_sender = view_of(sender, "sender", &sender_view, evaluator.a_labels)
        if sender_view.length > MAILBOX_MAX or sender_view.length == 0:
            kept_sender, sender_view = kept_domain, domain_view     # 4.3: postmaster at the domain
            if sender_view.length > MAILBOX_MAX:
                sender_view.length = MAILBOX_MAX
        identity_of_sender(sender_view.at, sender_view.length, identity)
        identity_of_domain(domain_view.at, domain_view.length, identity)
    check_set_up(check, &evaluator.common, &evaluator.store.data, now, now + evaluator.epoch)
    check_identify(check, identity, helo_view.at, helo_view.length, scope)
    return kept_domain, kept_sender, kept_helo


cdef bint is_submitter(Evaluator evaluator, Pra pra, submitter) except -1:
    # RFC 5321 2.4: local parts are compared with their case, domains without.
    cdef View view
    cdef Identity identity
    cdef int length
    kept = view_of(submitter, "submitter", &view, evaluator.a_labels)
    if pra.ascii_domain is None or view.length > MAILBOX_MAX:
        return kept is None
    # RFC 4405 4.1: a Mailbox. It has a local part, and postmaster is not put in its place.
    local = (<const char *>view.at)[:view.length].strip(b"<>").rpartition(b"@")[0]
    identity_of_mail_from(view.at, view.length, NULL, 0, &identity)
    if not local or (<const char *>identity.domain)[:identity.domain_length] != pra.ascii_domain:
        return False
    length = pra.data.mailbox.unquoted_length
    if local == b'""':
        return length == 0
    return identity.local_length == length and memcmp(identity.sender, pra.data.mailbox.unquoted, length) == 0


cdef void identity_of_given(Pra pra, Identity *identity):
    if pra.ascii_domain is None or pra.mismatched:
        identity_of_none(IDENTITY_NO_PRA if pra.ascii_domain is None else <int>IDENTITY_MISMATCH, identity)
        return
    identity_of_pra(pra.data.mailbox.unquoted, pra.data.mailbox.unquoted_length,
                    <const uint8_t *>PyBytes_AS_STRING(pra.ascii_domain), PyBytes_GET_SIZE(pra.ascii_domain),
                    identity)


cdef object begin(Evaluator evaluator, int kind, ip, domain, sender, helo, int scope, int64_t now, bint traced):
    cdef CheckData check
    cdef Identity identity
    cdef uint8_t[EXPLANATION_MAX] text
    cdef int result
    cdef Check going
    if not traced:
        kept_domain, kept_sender, kept_helo = prepare(
            evaluator, &check, &identity, kind, ip, domain, sender, helo, scope, now)
        if identity.fault != IDENTITY_OK:
            check_refuse(&check, identity.fault)
            return verdict_of(&check, kind, kept_domain, kept_sender, kept_helo, None, evaluator.limits)
        result = evaluate(&check, text)
        if result != MISSING:
            explanation = None
            if check.explanation_length >= 0:
                explanation = (<const char *>text)[:check.explanation_length].decode("ascii")
            return verdict_of(&check, kind, kept_domain, kept_sender, kept_helo, explanation, evaluator.limits)
    going = Check.__new__(Check)
    going.evaluator = evaluator
    going.kind = kind
    going.kept = prepare(evaluator, &going.check, &going.identity, kind, ip, domain, sender, helo, scope, now)
    if traced:
        going.check.recorder = &going.recorder
        going.run()
        return going
    # That it came to this question once is enough.
    going.check.question = check.question
    going.check.lookups, going.check.void_lookups = check.lookups, check.void_lookups
    going.check.stale = check.stale
    return going


cdef class Check:
    """A check that waits for an answer, or that is traced.

    question  the open question, or None when the check is over
    verdict   the outcome, or None while the check is open
    """

    cdef CheckData check
    cdef Identity identity
    cdef Recorder recorder
    cdef Evaluator evaluator
    cdef tuple kept
    cdef int kind
    cdef object asked
    cdef readonly object verdict

    def __init__(self):
        raise TypeError("checks come from an Evaluator")

    def __cinit__(self):
        memset(&self.check, 0, sizeof(CheckData))
        memset(&self.recorder, 0, sizeof(Recorder))

    def __dealloc__(self):
        cdef int i
        for i in range(self.check.pin_count):
            answer_release(self.check.pins[i])
        free(self.check.pins)
        recorder_free(&self.recorder)

    cdef int run(self) except -1:
        cdef uint8_t[EXPLANATION_MAX] text
        explanation = None
        recorder_clear(&self.recorder)
        self.asked = None
        if self.identity.fault != IDENTITY_OK:
            check_refuse(&self.check, self.identity.fault)
        elif evaluate(&self.check, text) == MISSING:
            return 0
        elif self.check.explanation_length >= 0:
            explanation = (<const char *>text)[:self.check.explanation_length].decode("ascii")
        self.end(explanation)
        return 0

    cdef int end(self, explanation) except -1:
        domain, sender, helo = self.kept
        self.verdict = verdict_of(&self.check, self.kind, domain, sender, helo, explanation,
                                  self.evaluator.limits)
        return 0

    @property
    def question(self):
        if self.verdict is None and self.asked is None:
            self.asked = question_object(self.check.question.name, self.check.question.length,
                                         self.check.question.rrtype)
        return self.asked if self.verdict is None else None

    cdef int go_on(self, AnswerData *data, int64_t now) except -1:
        """Go on with the answer to the open question, whose reference is taken over."""
        cdef AnswerData **more
        more = <AnswerData **>realloc(self.check.pins, (self.check.pin_count + 1) * sizeof(AnswerData *))
        if more == NULL:
            answer_release(data)
            raise MemoryError
        self.check.pins = more
        more[self.check.pin_count] = data
        self.check.pin_count += 1
        self.evaluator.store.take(data, self.check.question.area, now)
        return self.run()

    def answer(self, answer, int64_t expires, int64_t failure_expires, int64_t now):
        """Take the answer (questions.Answer) to the open question, and go on.

        expires          until when others may use it; not after now: this check only
        failure_expires  the same if it is an error, or cannot be read
        The next question, or None when the check is over.
        """
        cdef AnswerData *data
        if self.verdict is not None:
            raise ValueError("answer: no question is open")
        data = answer_compile(self.question, answer, expires)
        if data.status > STATUS_NXDOMAIN:
            data.expires = failure_expires
        self.go_on(data, now)
        return self.question

    def ahead(self, int most):
        """What this check may ask, in its order: the question that is open, then those of later terms, at
        most so many. Empty when the check is over, and for what is asked only when a result is known
        (the text of exp=)."""
        if self.question is None or most < 1:
            return []
        return questions_ahead(&self.check, most)

    def supply(self, get, CacheReader reader not None, double unix, int64_t now):
        """Go on with what a cache has, one answer after the other, as long as it has the next. How many
        it had. get, unix, now: as for CacheReader.take."""
        cdef QuestionData *question = &self.check.question
        cdef AnswerData *data = NULL
        cdef int count = 0
        while self.verdict is None and reader.take(get, question.name, question.length, question.rrtype, unix,
                                                   now, &data):
            self.go_on(data, now)
            count += 1
        return count

    def begin_again(self, int64_t now):
        """Evaluate from the top at a later time: others may have answered what was open. The question
        that is open now, or None when the check is over."""
        self.check.now = now
        if self.verdict is None:
            self.run()
        return self.question

    def expire(self):
        """End the check: it took too long (RFC 7208 4.6.4). The verdict, temperror."""
        if self.verdict is None:
            check_expire(&self.check)
            self.end(None)
        return self.verdict

    def steps(self):
        """What the last evaluation did, if the check is traced: dicts in order (recorder.pyx)."""
        return recorder_steps(&self.recorder)
