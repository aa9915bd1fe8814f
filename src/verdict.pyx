"""Verdict: the outcome of a check. Its fields are made when they are read.

What may live here: reading an outcome out of the evaluator's numbers, and the sentence for people.
No rule is decided here.
"""

cimport cython
from libc.stdint cimport uint8_t
from libc.string cimport memcmp

from senderid_fast._core.answerdata cimport answer_name, answer_release
from senderid_fast._core.asking cimport REASON_NO_PRA, REASON_SYNTAX_ERROR, CheckData
from senderid_fast._core.identities cimport (
    MAILBOX_MAX, Identity, identity_of_domain, identity_of_helo, identity_of_mail_from, identity_of_pra,
    identity_of_sender,
)
from senderid_fast._core.pra cimport Pra
from senderid_fast._core.records cimport record_release
from senderid_fast._core.terms cimport fault_of, octets_of_text

from senderid_fast.questions import RRType
from senderid_fast.results import PraFailure, Reason, Result, Scope

cdef tuple RESULTS = tuple(Result)
cdef tuple REASONS = tuple(Reason)
cdef tuple SCOPES = tuple(Scope)
cdef tuple FAILURES = tuple(PraFailure)
cdef tuple IDENTITIES = ("host", "helo", "mailfrom", "pra")

# How each reason is said; the words in braces are filled in by Verdict.detail.
cdef dict SENTENCES = {
    Reason.MATCHED: "{term} of {place} matches",
    Reason.DEFAULT: "nothing in the record of {place} matches",
    Reason.NO_IDENTITY: "the session gave no domain to check",
    Reason.INVALID_DOMAIN: "{given} is not a domain name of several labels",
    Reason.NO_DOMAIN: "{place} does not exist",
    Reason.NO_RECORD: "{domain} has no {scope} record",
    Reason.DNS_ERROR: "DNS error for {question}{because}",
    Reason.DNS_TIMEOUT: "no answer from DNS to {question}{because}",
    Reason.TIME_LIMIT: "the check took longer than {seconds:g} s",
    Reason.RESOLVER_FAILED: "the resolver failed at {question}{because}",
    Reason.MULTIPLE_RECORDS: "{place} has more than one {scope} record",
    Reason.SYNTAX_ERROR: "syntax error in the record of {place}: {fault}",
    Reason.LOOKUP_LIMIT: "{term} of {place} is one more DNS lookup than the limit of {lookups}",
    Reason.VOID_LOOKUP_LIMIT: "{term} of {place} is one more lookup without an answer than the limit "
                              "of {void_lookups}",
    Reason.MX_LIMIT: "{term} of {place} has more than {mx_names} mail exchanges",
    Reason.INCLUDE_NONE: "{term} of {place}: {target} has no {scope} record",
    Reason.REDIRECT_NONE: "{term} of {place}: {target} has no {scope} record",
    Reason.INVALID_TARGET: "{term} of {place} does not give a domain name",
    Reason.NO_PRA: "the message has no Purported Responsible Address: {failure}",
    Reason.SUBMITTER_MISMATCH: "SUBMITTER is not the Purported Responsible Address of the header",
    Reason.INVALID_IP: "the row gives no IP address",
    Reason.CHECK_FAILED: "the check could not be made",
}


cdef Verdict verdict_of(CheckData *check, int kind, domain, sender, helo, explanation, tuple limits):
    """Take over an outcome; the references in check.record and check.trouble become the verdict's."""
    cdef Verdict verdict = Verdict.__new__(Verdict)
    verdict._result = <uint8_t>check.result
    verdict._reason = <uint8_t>check.reason
    verdict._scope = <uint8_t>check.scope
    verdict._kind = <uint8_t>kind
    verdict._stale = check.stale
    verdict._lookups = <unsigned short>check.lookups
    verdict._void_lookups = <unsigned short>check.void_lookups
    verdict.record = check.record
    verdict.trouble = check.trouble
    verdict.term = check.term
    verdict._domain = domain
    verdict._sender = sender
    verdict._helo = helo
    verdict._explanation = explanation
    verdict._limits = limits
    # Mostly it was decided in the record of the domain itself.
    if check.place_length and (check.place_length != check.domain_length
                               or memcmp(check.place, check.domain, check.domain_length) != 0):
        verdict._place = (<const char *>check.place)[:check.place_length]
    if check.target_length:
        verdict._target = (<const char *>check.target)[:check.target_length]
    return verdict


cdef bytes octets(value):
    if value is None:
        return b""
    return octets_of_text(value) if isinstance(value, str) else bytes(value)


cdef str text_of(bytes value):
    return value.decode("utf-8", "surrogateescape")


cdef str shown(bytes value):
    """Octets as they may stand in a sentence: strangers choose names, and a sentence may end up in
    a log, a header or on a terminal."""
    cdef str text = "".join([chr(octet) if 0x20 <= octet < 0x7F else f"\\x{octet:02x}" for octet in value[:300]])
    return text if len(value) <= 300 else f"{text}..."


cdef str shown_words(bytes value):
    """The resolver's own words: any script, but nothing that is not printed."""
    return "".join([c if c.isprintable() else ascii(c).strip("'") for c in value.decode("utf-8", "replace")])


cdef void identify(Identity *out, int kind, given, bytes sender, bytes helo):
    cdef bytes domain = b"" if kind == KIND_PRA else octets(given)
    cdef Pra pra
    if kind == KIND_PRA:
        pra = given
        domain = pra.ascii_domain or b""
        identity_of_pra(pra.data.mailbox.unquoted, pra.data.mailbox.unquoted_length if domain else 0,
                        <const uint8_t *><const char *>domain, len(domain), out)
    elif kind == KIND_HOST:
        identity_of_sender(<const uint8_t *><const char *>sender, min(len(sender), MAILBOX_MAX), out)
        identity_of_domain(<const uint8_t *><const char *>domain, len(domain), out)
    elif kind == KIND_HELO:
        identity_of_helo(<const uint8_t *><const char *>helo, len(helo), out)
    else:
        identity_of_mail_from(<const uint8_t *><const char *>sender, len(sender),
                              <const uint8_t *><const char *>helo, len(helo), out)


@cython.freelist(64)
@cython.no_gc
cdef class Verdict:
    """The outcome of a check (RFC 7208 2.6, 4). Immutable; equal if every field is.

    result         sf.Result
    reason         sf.Reason: why
    scope          sf.Scope: which records applied
    identity       "helo", "mailfrom", "pra", or "host" for a plain check_host()
    domain         the domain that was checked, in lower case; as given if it is none
    sender         the <sender> of check_host(), such as "postmaster@helo.example"
    mechanism      text of the term that decided, or that ended the check by an error; None if no
                   term did, as for none, for the default result and for a syntax error
    explanation    text of exp= (RFC 7208 6.2), None if there is none. It is the domain owner's
                   text: visible ASCII and spaces only, at most 4096 octets
    detail         one sentence for people
    pra, pra_failure        of the identity "pra": the Pra, or why there is none
    lookups, void_lookups   as RFC 7208 4.6.4 counts them
    stale          True if an answer took part whose time to live was over, in place of an error of DNS
                   (RFC 8767; Settings.stale_seconds)
    """

    def __init__(self):
        raise TypeError("verdicts come from an Engine")

    def __dealloc__(self):
        record_release(self.record)
        answer_release(self.trouble)

    @property
    def result(self):
        """The result (RFC 7208 2.6)."""
        return RESULTS[self._result]

    @property
    def reason(self):
        """Why the check ended so."""
        return REASONS[self._reason]

    @property
    def scope(self):
        """The scope of the records that applied."""
        return SCOPES[self._scope]

    @property
    def identity(self):
        """Which identity was checked: "helo", "mailfrom", "pra", or "host" for a plain check_host()."""
        return IDENTITIES[self._kind]

    @property
    def lookups(self):
        """Terms that asked DNS (RFC 7208 4.6.4)."""
        return self._lookups

    @property
    def void_lookups(self):
        """Terms that asked DNS and got no answer (RFC 7208 4.6.4)."""
        return self._void_lookups

    @property
    def stale(self):
        """Whether an answer took part whose time to live was over (RFC 8767)."""
        return bool(self._stale)

    @property
    def explanation(self):
        """The text of exp= (RFC 7208 6.2), or None."""
        return self._explanation

    @property
    def domain(self):
        """The domain that was checked; as given if it is no domain."""
        cdef Identity identity
        cdef bytes given, sender = octets(self._sender), helo = octets(self._helo)
        if self._texts is not None:
            return self._texts[0]
        identify(&identity, self._kind, self._domain, sender, helo)
        if identity.domain_length:
            return (<const char *>identity.domain)[:identity.domain_length].decode("ascii")
        if self._kind == KIND_PRA:
            return text_of((<Pra>self._domain).ascii_domain or b"")
        given = octets(self._domain) if self._kind == KIND_HOST else helo
        if self._kind == KIND_MAIL_FROM and sender.strip(b"<>"):
            given = sender.strip(b"<>").rpartition(b"@")[2]
        return text_of(given)

    @property
    def sender(self):
        """The <sender> that was checked: a mailbox."""
        cdef Identity identity
        # identity.sender may point into these.
        cdef bytes sender = octets(self._sender), helo = octets(self._helo)
        if self._texts is not None:
            return self._texts[1]
        if self._reason == REASON_NO_PRA:
            return ""
        identify(&identity, self._kind, self._domain, sender, helo)
        return text_of((<const char *>identity.sender)[:identity.sender_length])

    @property
    def mechanism(self):
        """The text of the term that decided, or None."""
        cdef int at
        if self._texts is not None:
            return self._texts[2]
        if self.record == NULL or self.term < 0:
            return None
        at = self.record.terms[self.term].offset
        return (<const char *>self.record.text)[at:at + self.record.terms[self.term].length].decode("ascii")

    @property
    def pra(self):
        """The Pra that was checked (RFC 4407 2); None for other identities, and if there is none."""
        if self._texts is not None:
            return self._texts[4]
        if self._kind != KIND_PRA or self._reason == REASON_NO_PRA:
            return None
        return self._domain

    @property
    def pra_failure(self):
        """The PraFailure: why the message has no PRA; None if it has one, and for other identities."""
        if self._texts is not None:
            return self._texts[5]
        if self._reason != REASON_NO_PRA:
            return None
        return FAILURES[(<Pra>self._domain).data.outcome - 1]

    @property
    def detail(self):
        """One sentence for people that says why."""
        cdef str because = ""
        if self._texts is not None:
            return self._texts[3]
        domain = shown(octets(self.domain))
        words = {"domain": domain, "place": domain, "given": f"'{domain}'", "failure": self.pra_failure}
        words.update(zip(("lookups", "void_lookups", "mx_names", "ptr_names", "seconds"), self._limits))
        words["term"] = f'"{self.mechanism}"'
        words["scope"] = {"spf": "SPF", "mfrom": "Sender ID", "pra": "Sender ID"}[self.scope]
        if self._place is not None:
            words["place"] = shown(self._place)
        if self._target is not None:
            words["target"] = shown(self._target)
        if self.trouble != NULL:
            name = shown((<const char *>answer_name(self.trouble))[:self.trouble.name_length])
            words["question"] = f"{name} {RRType(self.trouble.rrtype)}"
            because = shown_words((<const char *>self.trouble.text)[:self.trouble.text_length])
            if self.mechanism:
                words["question"] += f" ({words['term']} of {words['place']})"
        words["because"] = f": {because}" if because else ""
        if self._reason == REASON_SYNTAX_ERROR:
            section, problem, offset, term = fault_of(self.record)
            where = f' in "{shown(octets(term[:100]))}"' if term else ""
            words["fault"] = f"{problem}{where}, at octet {offset} ({section})"
        sentence = SENTENCES[self.reason].format(**words)
        return f"{sentence}; stale answers took part" if self._stale else sentence

    def as_dict(self):
        """All fields by name, with words for the enumerations; fit for JSON."""
        return {
            "result": str(self.result), "reason": str(self.reason), "scope": str(self.scope),
            "identity": self.identity, "domain": self.domain, "sender": self.sender,
            "mechanism": self.mechanism, "explanation": self.explanation, "detail": self.detail,
            "lookups": self.lookups, "void_lookups": self.void_lookups, "stale": self.stale,
            "pra": None if self.pra is None else {
                "header": self.pra.header, "header_index": self.pra.header_index, "mailbox": self.pra.mailbox,
            },
            "pra_failure": None if self.pra_failure is None else str(self.pra_failure),
        }

    cdef tuple _fields(self):
        return (self._result, self._reason, self._scope, self._kind, self._lookups, self._void_lookups,
                self._stale, self._explanation,
                (self.domain, self.sender, self.mechanism, self.detail, self.pra, self.pra_failure))

    def __eq__(self, other):
        if not isinstance(other, Verdict):
            return NotImplemented
        return self._fields() == (<Verdict>other)._fields()

    def __hash__(self):
        return hash(self._fields())

    def __repr__(self):
        return f"<Verdict {self.result} for {self.domain!r}: {self.detail}>"

    def __reduce__(self):
        return restore, (self._fields(),)


def restore(tuple fields not None):
    """A verdict as it was pickled."""
    cdef Verdict verdict = Verdict.__new__(Verdict)
    cdef int result, reason, scope, kind
    cdef bint stale
    result, reason, scope, kind, verdict._lookups, verdict._void_lookups, stale, explanation, texts = fields
    if not (0 <= result < len(RESULTS) and 0 <= reason < len(REASONS) and 0 <= scope < len(SCOPES)
            and 0 <= kind < len(IDENTITIES) and len(texts) == 6):
        raise ValueError("not the fields of a Verdict")
    verdict._result, verdict._reason = <uint8_t>result, <uint8_t>reason
    verdict._scope, verdict._kind = <uint8_t>scope, <uint8_t>kind
    verdict._stale = stale
    verdict._explanation = explanation
    verdict._texts = tuple(texts)
    verdict.term = -1
    return verdict


def unmade(str identity not None, reason, str domain not None, str sender not None, str detail not None, pra=None):
    """The verdict of a check that could not be made: temperror, in words, since nothing was evaluated.

    identity  "helo", "mailfrom" or "pra"; the last may have a Pra
    """
    scope = Scope.PRA if identity == "pra" else Scope.SPF
    return restore((
        RESULTS.index(Result.TEMPERROR), REASONS.index(reason), SCOPES.index(scope), IDENTITIES.index(identity),
        0, 0, False, None, (domain, sender, None, detail, pra, None),
    ))
