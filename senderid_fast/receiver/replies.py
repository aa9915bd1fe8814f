"""Reply: what an SMTP client is told. Replies makes them from verdicts and settable texts.

What may live here: reply codes, enhanced status codes, texts and their form on the wire. Whether a
message is refused is decided in policy.py, exchange.py and submitter.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from string import Formatter

from senderid_fast._core.verdict import Verdict
from senderid_fast.errors import InputError
from senderid_fast.receiver.escaping import visible
from senderid_fast.results import Reason, Result, Scope

__all__ = ["SUBMITTER_MISMATCH", "Codes", "Replies", "Reply", "ReplyTexts", "Verdict"]

LINE_OCTETS = 500  # of a line without CRLF; RFC 5321 4.5.3.1.5 allows 512 with it
_TEXT_OCTETS = 8192  # of one line before it is split
LINES = 20  # more of a stranger's text helps nobody; a milter may send 32
_WORD_OCTETS = 300  # of a name that a stranger chose

FIELDS = ("domain", "ip", "result", "reason", "identity", "explanation", "detail")

_ENHANCED = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
_IDENTITIES = {"helo": "HELO", "mailfrom": "MAIL FROM", "pra": "PRA", "host": "MAIL FROM"}


def _wrapped(line: str, room: int) -> list[str]:
    """Pieces of at most ``room`` octets, parted at spaces where there are any."""
    pieces = []
    while len(line) > room:
        at = line.rfind(" ", room // 2, room + 1)
        at = room if at < 0 else at
        pieces.append(line[:at].rstrip())
        line = line[at:].lstrip()
    return [*pieces, line]


@dataclass(frozen=True, slots=True)
class Reply:
    """One SMTP reply.

    code      200 to 599
    enhanced  the enhanced status code (RFC 2034, RFC 3463), of the same class as the reply code
    lines     the text, in visible ASCII; long lines are split

    ``str(reply)`` is its text as in RFC 7208 8.4, with a line break between lines; ``wire()`` what
    an SMTP server sends. Raises InputError, which names the field.
    """

    code: int
    enhanced: str
    lines: tuple[str, ...]

    def __post_init__(self) -> None:
        if type(self.code) is not int or not 200 <= self.code <= 599:
            raise InputError("code", f"must be from 200 to 599, is {self.code!r}")
        if not isinstance(self.enhanced, str) or not _ENHANCED.fullmatch(self.enhanced):
            raise InputError("enhanced", f"must be like 5.7.1, is {self.enhanced!r}")
        # RFC 2034 4: "the first digit of the enhanced status code must match". Where they differ,
        # MTAs put a text of their own in place of the whole reply.
        if self.enhanced[0] != str(self.code)[0]:
            raise InputError(
                "enhanced", f"must be of the class of {self.code}, is {self.enhanced!r}"
            )
        if isinstance(self.lines, str):
            raise InputError("lines", "must be several lines, is text")
        room = LINE_OCTETS - len(f"{self.code}-{self.enhanced} ")
        lines = [
            piece
            for line in self.lines
            for piece in _wrapped(visible(line, _TEXT_OCTETS).strip(), room)
            if piece
        ]
        if not lines:
            raise InputError("lines", "must hold text")
        object.__setattr__(self, "lines", tuple(lines[:LINES]))

    @property
    def text(self) -> str:
        """The text without codes, in one line."""
        return " ".join(self.lines)

    def __str__(self) -> str:
        return "\n".join(f"{self.code} {self.enhanced} {line}" for line in self.lines)

    def wire(self) -> bytes:
        """The reply as octets (RFC 5321 4.2.1), each line with its enhanced code (RFC 2034 4)."""
        last = len(self.lines) - 1
        return "".join(
            f"{self.code}{'-' if at < last else ' '}{self.enhanced} {line}\r\n"
            for at, line in enumerate(self.lines)
        ).encode("ascii")


# RFC 4405 4.2: "when rejecting MUST use"; so this text cannot be set.
SUBMITTER_MISMATCH = Reply(550, "5.7.1", ("Submitter does not match header.",))


class Codes(StrEnum):
    """Which enhanced status codes SPF results get."""

    RFC7372 = "rfc7372"  #: those registered for SPF: 5.7.23, X.7.24, 5.7.26
    RFC7208 = "rfc7208"  #: those of RFC 7208 8: 5.7.1, 4.4.3, 5.5.2


def _check_template(name: str, template: object, needed: Iterable[str] = ()) -> None:
    if not isinstance(template, str) or not template.strip():
        raise InputError(name, f"must be text, is {template!r}")
    bare = template.replace("\n", " ")
    if bare != visible(bare, _TEXT_OCTETS):
        raise InputError(name, "must be visible ASCII, spaces and line breaks")
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise InputError(name, f"is no template: {error}") from None
    used = set()
    for _, word, spec, conversion in parts:
        if word is None:
            continue
        if word not in FIELDS or spec or conversion:
            raise InputError(
                name, f"{{{word}}} is no field; a field is one of {', '.join(FIELDS)}, in braces"
            )
        used.add(word)
    missing = [word for word in needed if word not in used]
    if missing:
        raise InputError(name, f"must hold {' and '.join(f'{{{word}}}' for word in missing)}")


@dataclass(frozen=True, slots=True)
class ReplyTexts:
    """The texts of replies: templates, with a line break for a new line.

    Fields in braces, and no others:

    domain       the domain that was checked
    ip           the client's address
    result       the result, such as fail
    reason       why, in a few words, such as Not Permitted
    identity     HELO, MAIL FROM or PRA
    explanation  the domain's own words after ``explained``; ``unexplained`` if it has none
    detail       one sentence for people: what in which record decided

    ``explained`` presents the words of a domain as such (RFC 7208 8.4), so it has to hold {domain}
    and {explanation}; there {explanation} is the bare text. ``unexplained`` is the default
    explanation of RFC 7208 6.2, without a field {explanation}. "{{" and "}}" stand for braces.
    Raises InputError, which names the text.
    """

    fail: str = "SPF {identity} check failed: {ip} is not allowed to use {domain}\n{explanation}"
    other: str = "SPF {identity} check of {ip} for {domain}: {result}\n{detail}"
    temperror: str = "SPF {identity} check of {domain} is temporarily not possible\n{detail}"
    permerror: str = "SPF {identity} check of {domain}: its record cannot be used\n{detail}"
    several: str = "Multiple authentication checks failed: {detail}"
    # RFC 4406 5.3, 5.4 and 4
    sender_id_fail: str = "Sender ID ({identity}) {reason} - {explanation}"
    sender_id_other: str = "Sender ID ({identity}) {result} - {detail}"
    sender_id_temperror: str = "Sender ID check is temporarily unavailable"
    missing_pra: str = "Missing Purported Responsible Address"
    explained: str = "The domain {domain} explains: {explanation}"
    unexplained: str = "{detail}"

    def __post_init__(self) -> None:
        for each in fields(self):
            needed = ("domain", "explanation") if each.name == "explained" else ()
            _check_template(each.name, getattr(self, each.name), needed)
        if "{explanation" in self.unexplained:
            raise InputError("unexplained", "must not hold {explanation}: it stands in its place")


def reason_words(verdict: Verdict) -> str:
    """The "yyy" of RFC 4406 5.3. The RFC lists no reasons; its drafts and Exchange have these."""
    if verdict.reason is Reason.NO_DOMAIN:
        return "Domain Does Not Exist"
    if verdict.reason is Reason.INVALID_DOMAIN:
        return "Malformed Domain"
    if verdict.reason in (Reason.MATCHED, Reason.DEFAULT) and verdict.result is Result.FAIL:
        return "Not Permitted"
    return str(verdict.reason).replace("-", " ")


@dataclass(frozen=True, slots=True)
class Replies:
    """Makes replies.

    codes  Codes: which enhanced status codes
    texts  ReplyTexts
    """

    codes: Codes = Codes.RFC7372
    texts: ReplyTexts = field(default_factory=ReplyTexts)

    def __post_init__(self) -> None:
        if self.codes not in list(Codes):
            raise InputError("codes", f"must be one of {', '.join(Codes)}, is {self.codes!r}")
        object.__setattr__(self, "codes", Codes(self.codes))
        if not isinstance(self.texts, ReplyTexts):
            raise InputError("texts", f"must be ReplyTexts, is {type(self.texts).__name__}")

    def words(self, verdict: Verdict, ip: object) -> dict[str, str]:
        """The fields of a template, fit for a reply."""
        words = {
            "domain": visible(verdict.domain, _WORD_OCTETS),
            "ip": visible(str(ip), _WORD_OCTETS),
            "result": str(verdict.result),
            "reason": reason_words(verdict),
            "identity": _IDENTITIES.get(verdict.identity, visible(verdict.identity, _WORD_OCTETS)),
            "detail": visible(verdict.detail, _TEXT_OCTETS),
        }
        if verdict.identity == "host" and verdict.scope is Scope.PRA:
            words["identity"] = "PRA"
        if verdict.explanation:
            template, words["explanation"] = (
                self.texts.explained,
                visible(verdict.explanation, _TEXT_OCTETS),
            )
        else:
            template = self.texts.unexplained
        words["explanation"] = template.format(**words)
        return words

    def explained(self, verdict: Verdict) -> str | None:
        """The domain's explanation, marked as its own words; None if it has none."""
        return self.words(verdict, "")["explanation"] if verdict.explanation else None

    def refusal(self, verdict: Verdict, ip: object, *, permanent: bool) -> Reply:
        """The reply that refuses mail for one verdict: for good (5xx) or for now (4xx)."""
        if permanent and verdict.reason is Reason.SUBMITTER_MISMATCH:
            return SUBMITTER_MISMATCH
        code, enhanced = self._codes(verdict, permanent)
        return self._reply(code, enhanced, self._text(verdict), self.words(verdict, ip))

    def several(self, verdicts: Sequence[Verdict], ip: object) -> Reply:
        """The reply for good when more than one check failed (RFC 7372 3.4, 4)."""
        words = self.words(verdicts[0], ip)
        all_words = [self.words(verdict, ip) for verdict in verdicts]
        words["detail"] = "; ".join(
            "{identity} {result} for {domain}".format(**each)
            if verdict.domain
            else "no {identity}".format(**each)
            for verdict, each in zip(verdicts, all_words, strict=True)
        )
        words["identity"] = ", ".join(each["identity"] for each in all_words)
        enhanced = "5.7.26" if self.codes is Codes.RFC7372 else "5.7.1"
        return self._reply(550, enhanced, self.texts.several, words)

    @staticmethod
    def _reply(code: int, enhanced: str, template: str, words: dict[str, str]) -> Reply:
        return Reply(code, enhanced, tuple(template.format(**words).split("\n")))

    def _text(self, verdict: Verdict) -> str:
        texts, result = self.texts, verdict.result
        if verdict.reason is Reason.NO_PRA:
            return texts.missing_pra
        if verdict.scope is not Scope.SPF:
            if result is Result.TEMPERROR:
                return texts.sender_id_temperror
            return texts.sender_id_fail if result is Result.FAIL else texts.sender_id_other
        by_result = {
            Result.FAIL: texts.fail,
            Result.TEMPERROR: texts.temperror,
            Result.PERMERROR: texts.permerror,
        }
        return by_result.get(result, texts.other)

    def _codes(self, verdict: Verdict, permanent: bool) -> tuple[int, str]:
        result = verdict.result
        if verdict.scope is not Scope.SPF:
            # RFC 4406 5.4, which has 450 where RFC 7208 8.6 has 451
            if result is Result.TEMPERROR and not permanent:
                return 450, "4.4.3"
            return (550, "5.7.1") if permanent else (450, "4.7.1")  # RFC 4406 4, 5.3
        code = 550 if permanent else 451
        if result in (Result.TEMPERROR, Result.PERMERROR):
            if self.codes is Codes.RFC7372:  # RFC 7372 3.2: X.7.24 goes with 451 and 550
                detail = "7.24"
            else:  # RFC 7208 8.6, 8.7
                detail = "4.3" if result is Result.TEMPERROR else "5.2"
        elif result is Result.FAIL and permanent and self.codes is Codes.RFC7372:
            detail = "7.23"  # RFC 7372 3.2: goes with 550 and with "fail" alone
        else:
            detail = "7.1"  # RFC 7208 8.4; RFC 3463 3.8: not authorised, message refused
        return code, f"{code // 100}.{detail}"
