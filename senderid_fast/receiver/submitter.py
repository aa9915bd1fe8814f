"""SUBMITTER: the parameter of MAIL that names the responsible submitter (RFC 4405).

What may live here: its encoding and syntax, the comparison with the PRA, and the replies that RFC
4405 prescribes. The check of its domain is an engine's check_host() under the scope pra. The
parameter never changes the reverse-path, and no reply or report is ever sent to it (4.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from senderid_fast._core.pra import Pra
from senderid_fast._core.verdict import Verdict
from senderid_fast.errors import InputError, SenderIDError
from senderid_fast.receiver.actions import Action, action_of, flag
from senderid_fast.receiver.escaping import unquoted
from senderid_fast.receiver.policy import Decision
from senderid_fast.receiver.replies import SUBMITTER_MISMATCH, Reply
from senderid_fast.results import Result

__all__ = [
    "EHLO_KEYWORD",
    "Submitter",
    "SubmitterPolicy",
    "SubmitterSyntaxError",
    "parse_submitter",
    "submitter_matches",
    "submitter_of",
    "submitter_parameter",
    "xtext_decode",
    "xtext_encode",
]

EHLO_KEYWORD = "SUBMITTER"  # RFC 4405 3: without parameters

# RFC 4405 4.2: the replies that MUST be used.
NOT_ALLOWED = Reply(550, "5.7.1", ("Submitter not allowed.",))
NO_MATCH = SUBMITTER_MISMATCH
NOT_VERIFIED = Reply(554, "5.7.7", ("Cannot verify submitter address.",))
NOT_NOW = Reply(450, "4.4.3", ("Sender ID check is temporarily unavailable",))  # RFC 4406 5.4
# RFC 5321 4.2.3, RFC 3463 3.6
BAD_SYNTAX = Reply(501, "5.5.4", ("SUBMITTER is no mailbox in xtext.",))

_MAILBOX_MOST = 320  # RFC 5321 4.5.3.1.1, .2: 64 and 255 octets, and the "@"
_DOMAIN_MOST = 255
_VALUE_MOST = 3 * _MAILBOX_MOST  # each octet as a hexchar

# RFC 3461 4: xtext = *( xchar / hexchar ), xchar any visible ASCII character but "+" and "=",
# hexchar "+" and two digits, with A to F in capitals.
_XTEXT = re.compile(r"(?:[!-*,-<>-~]++|\+[0-9A-F]{2})*+")
_HEXCHAR = re.compile(rb"\+([0-9A-F]{2})")

# RFC 5321 4.1.2: Mailbox = Local-part "@" ( Domain / address-literal )
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++"
_DOT_STRING = re.compile(rf"{_ATOM}(?:\.{_ATOM})*+")
_QUOTED_STRING = re.compile(r'"(?:[ !#-\[\]-~]|\\[ -~])*+"')
_SUB_DOMAIN = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"{_SUB_DOMAIN}(?:\.{_SUB_DOMAIN})*")
# RFC 5321 4.1.3: General-address-literal = Standardized-tag ":" 1*dcontent
_GENERAL_LITERAL = re.compile(r"[A-Za-z0-9-]*[A-Za-z0-9]:[!-Z^-~]+")


class SubmitterSyntaxError(SenderIDError, ValueError):
    """A SUBMITTER parameter breaks the syntax (RFC 4405 4).

    problem  what is wrong
    reply    what the client is told: 501 5.5.4
    """

    reply = BAD_SYNTAX

    def __init__(self, problem: str) -> None:
        super().__init__(f"SUBMITTER: {problem}")
        self.problem = problem

    def __reduce__(self) -> tuple[type[SubmitterSyntaxError], tuple[str]]:
        return type(self), (self.problem,)


def xtext_encode(text: str | bytes) -> str:
    """Octets as xtext (RFC 3461 4); text is taken in UTF-8."""
    octets = text.encode("utf-8") if isinstance(text, str) else text
    return "".join(
        chr(octet) if 0x21 <= octet <= 0x7E and octet not in b"+=" else f"+{octet:02X}"
        for octet in octets
    )


def xtext_decode(text: str) -> bytes:
    """The octets of xtext (RFC 3461 4). Raises SubmitterSyntaxError."""
    if not _XTEXT.fullmatch(text):
        raise SubmitterSyntaxError("is no xtext (RFC 3461 4)")
    return _HEXCHAR.sub(lambda found: bytes([int(found[1], 16)]), text.encode("ascii"))


@dataclass(frozen=True, slots=True)
class Submitter:
    """The mailbox of a SUBMITTER parameter.

    mailbox     as given, decoded
    local_part  without quotes
    domain      in lower case; an address literal with its brackets
    """

    mailbox: str
    local_part: str
    domain: str


def parse_submitter(value: str) -> Submitter:
    """The mailbox of what follows "SUBMITTER=" (RFC 4405 4).

    It is a Mailbox of RFC 5321 4.1.2: without angle brackets, source route or null form. Raises
    SubmitterSyntaxError.
    """
    if not value:
        raise SubmitterSyntaxError("has no value")
    if len(value) > _VALUE_MOST:
        raise SubmitterSyntaxError("is too long")
    octets = xtext_decode(value)
    # What is decoded may be anything: line ends, NUL, other scripts, which RFC 6531 does not allow
    # here. The grammar below is of printed ASCII.
    mailbox = octets.decode("ascii", "replace")
    local, at, domain = mailbox.rpartition("@")
    if not at or len(mailbox) > _MAILBOX_MOST or len(domain) > _DOMAIN_MOST:
        raise SubmitterSyntaxError("is no mailbox (RFC 5321 4.1.2)")
    if not (_DOT_STRING.fullmatch(local) or _QUOTED_STRING.fullmatch(local)):
        raise SubmitterSyntaxError("has no local part of a mailbox (RFC 5321 4.1.2)")
    if not (_DOMAIN.fullmatch(domain) or _is_literal(domain)):
        raise SubmitterSyntaxError("has no domain of a mailbox (RFC 5321 4.1.2)")
    return Submitter(mailbox, unquoted(local), domain.lower())


def _is_literal(domain: str) -> bool:
    """RFC 5321 4.1.3: address-literal."""
    if not (domain.startswith("[") and domain.endswith("]")):
        return False
    inside = domain[1:-1]
    tag, colon, rest = inside.partition(":")
    try:
        if not colon:
            IPv4Address(inside)
        elif tag.lower() == "ipv6":
            IPv6Address(rest)
            return "%" not in rest
        else:
            return _GENERAL_LITERAL.fullmatch(inside) is not None
    except ValueError:
        return False
    return True


def submitter_of(parameters: Iterable[str]) -> Submitter | None:
    """The mailbox of the SUBMITTER parameter among those of a MAIL command; None if it is absent.

    parameters  what follows the reverse-path, parted at spaces: "SIZE=1000", ...

    A keyword is not case-sensitive (RFC 5321 2.4). Raises SubmitterSyntaxError; two parameters are
    one too many, even if they agree.
    """
    found: list[str] = []
    for parameter in parameters:
        keyword, _, value = parameter.partition("=")
        if keyword.upper() == EHLO_KEYWORD:
            found.append(value)
    if not found:
        return None
    if len(found) > 1:
        raise SubmitterSyntaxError("is there more than once")
    return parse_submitter(found[0])


def submitter_parameter(mailbox: str) -> str:
    """The parameter for a client to send, with the PRA of its message (RFC 4405 4.1).

    A client sends it on every message to servers that offer it, also with a null reverse-path, and
    to no others (4.1, 4.3). Raises InputError if the mailbox is none, or not in ASCII.
    """
    value = xtext_encode(mailbox)
    try:
        parse_submitter(value)
    except SubmitterSyntaxError as error:
        raise InputError("mailbox", error.problem) from None
    return f"{EHLO_KEYWORD}={value}"


def submitter_matches(submitter: Submitter, pra: Pra) -> bool:
    """Whether the parameter and the PRA of the header are the same address (RFC 4405 4.2).

    Domains compare without case, local parts with it and without quotes (RFC 5321 2.4, 4.1.2).
    """
    return submitter.domain == pra.domain.lower() and submitter.local_part == pra.local_part


@dataclass(frozen=True, slots=True)
class SubmitterPolicy:
    """What a server that offers SUBMITTER does about it. The defaults are the RFC's.

    not_allowed  the check of its domain says fail (SHOULD reject): accept, mark or reject
    no_pra       the message has no PRA to compare it with (SHOULD reject): accept, mark or reject
    temperror    the check could not be made (RFC 4406 5.4): accept, mark or defer
    test_only    decide, and say what would be done, but accept

    A PRA that differs is always rejected: that is a MUST. Raises InputError, which names the field.
    """

    not_allowed: Action = Action.REJECT
    no_pra: Action = Action.REJECT
    temperror: Action = Action.ACCEPT
    test_only: bool = False

    def __post_init__(self) -> None:
        mild = (Action.ACCEPT, Action.MARK)
        for name in ("not_allowed", "no_pra"):
            action = action_of(name, getattr(self, name), (*mild, Action.REJECT))
            object.__setattr__(self, name, action)
        action = action_of("temperror", self.temperror, (*mild, Action.DEFER))
        object.__setattr__(self, "temperror", action)
        flag("test_only", self.test_only)

    def malformed(self, error: SubmitterSyntaxError) -> Decision:
        """After a MAIL whose parameter cannot be read: 501 (RFC 5321 4.2.3)."""
        return self._decision(Action.REJECT, error.reply, error.problem)

    def at_mail(self, verdict: Verdict) -> Decision:
        """After MAIL, before the message is sent: by the verdict of
        check_host(ip, submitter.domain, submitter.mailbox, helo, Scope.PRA)."""
        if verdict.result is Result.FAIL:
            return self._decision(
                self.not_allowed, NOT_ALLOWED, f"not_allowed = {self.not_allowed}", verdict.result
            )
        if verdict.result is Result.TEMPERROR:
            return self._decision(
                self.temperror, NOT_NOW, f"temperror = {self.temperror}", verdict.result
            )
        # Only "not authorized" rejects (4.2; RFC 4406 5.1).
        return self._decision(
            Action.ACCEPT, None, f"the result is {verdict.result}", verdict.result
        )

    def after_data(self, submitter: Submitter | None, pra: Pra | None) -> Decision:
        """After DATA: the parameter against the PRA of the header; None is an absent one."""
        if submitter is None:
            return self._decision(Action.ACCEPT, None, "there is no SUBMITTER")
        if pra is None:
            return self._decision(self.no_pra, NOT_VERIFIED, f"no_pra = {self.no_pra}")
        if not submitter_matches(submitter, pra):
            return self._decision(Action.REJECT, NO_MATCH, "the PRA of the header differs")
        return self._decision(Action.ACCEPT, None, "the PRA of the header is the same")

    def _decision(
        self, action: Action, reply: Reply | None, reason: str, result: Result | None = None
    ) -> Decision:
        if action in (Action.ACCEPT, Action.MARK):
            reply = None
        return Decision(
            action=Action.ACCEPT if self.test_only else action,
            reply=None if self.test_only else reply,
            identity="submitter",
            result=result,
            reason=f"{'test only: ' if self.test_only else ''}SUBMITTER: {reason}",
            would_be=action,
            would_reply=reply,
        )
