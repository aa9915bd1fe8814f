"""Header fields as plain Python writes them: what the core's fields are held against.

Nothing here is quick, and nothing is kept: each rule is written as it is said.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from senderid_fast.errors import InputError
from senderid_fast.identities import a_labels
from senderid_fast.results import Reason, Result, Scope

__all__ = [
    "authentication_results",
    "comment",
    "dot_atom_or_quoted",
    "fold",
    "mailbox_or_quoted",
    "quoted_string",
    "received_spf",
    "token_or_quoted",
    "unquoted",
    "value_in_bounds",
    "visible",
]

_LINE_LIMIT = 998  # RFC 5322 2.1.1
_LINE_WANTED = 78
_MARK = "..."

# RFC 5322 3.2.3: dot-atom-text = 1*atext *("." 1*atext), with RFC 6532 3.2 for what is not ASCII.
# Without "?": a value of atoms such as ?utf-8?q?a?= would be an encoded word (RFC 2047 2) with the
# "=" before it, and readers that decode those would find any text that it holds.
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=^_`{|}~\x80-\U0010FFFF-]"
_DOT_ATOM = re.compile(rf"{_ATEXT}++(?:\.{_ATEXT}++)*+")
# RFC 2045 5.1: token = 1*<any CHAR except SPACE, CTLs and tspecials>; RFC 8601 2.5 adds UTF-8.
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~\x80-\U0010FFFF-]++")
# RFC 6376 3.5: domain-name = sub-domain 1*("." sub-domain). "_" is seen in names of hosts.
_DOMAIN = re.compile(r"[A-Za-z0-9_\x80-\U0010FFFF-]++(?:\.[A-Za-z0-9_\x80-\U0010FFFF-]++)*+")
# RFC 5322 3.2.4: quoted-string = DQUOTE *([FWS] qcontent) [FWS] DQUOTE
_QUOTED = re.compile(r'"((?:[^"\\]++|\\.)*+)"', re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
# In quotes and comments, "=?" would begin an encoded word.
_IN_QUOTES = re.compile(r'["\\]|(?<==)\?')
_IN_COMMENT = re.compile(r"[()\\]|(?<==)\?")
_BREAK = re.compile(r"(?<=[^ ]) (?=[^ ])")


def visible(value: str | bytes, limit: int, *, eai: bool = False) -> str:
    text = value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")
    pieces: list[str] = []
    length = kept = kept_length = 0
    # The octets are at least as many as the characters: more of them need not be looked at.
    for character in text[: limit + 1]:
        if " " <= character <= "~" or (eai and character.isprintable()):
            piece = character
        else:
            piece = "".join(f"\\x{octet:02x}" for octet in _octets(character))
        pieces.append(piece)
        length += len(piece.encode("utf-8"))
        if length > limit:
            return "".join(pieces[:kept]) + _MARK[: limit - kept_length]
        if length <= limit - len(_MARK):
            kept, kept_length = len(pieces), length
    return "".join(pieces)


def _octets(character: str) -> bytes:
    try:
        return character.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a surrogate pair, which no octets stand for
        return character.encode("utf-8", "surrogatepass")


def quoted_string(text: str) -> str:
    return f'"{_IN_QUOTES.sub(_escaped, text)}"'


def comment(text: str) -> str:
    return f"({_IN_COMMENT.sub(_escaped, text)})"


def _escaped(found: re.Match[str]) -> str:
    return f"\\{found[0]}"


def dot_atom_or_quoted(text: str) -> str:
    return text if _DOT_ATOM.fullmatch(text) else quoted_string(text)


def value_in_bounds(value: str | bytes, limit: int, *, eai: bool = False) -> str:
    return dot_atom_or_quoted(visible(value, limit, eai=eai))


def token_or_quoted(text: str) -> str:
    return text if _TOKEN.fullmatch(text) else quoted_string(text)


def mailbox_or_quoted(value: str | bytes, limit: int, *, eai: bool = False) -> str:
    text = value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")
    local, at, domain = text.rpartition("@")
    if not (eai or domain.isascii()):
        domain = a_labels(domain.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
    shown = visible(domain, limit, eai=eai)
    if not _DOMAIN.fullmatch(shown) or len(text) > limit:
        return quoted_string(visible(text, limit, eai=eai))
    if not at:
        return shown
    return f"{value_in_bounds(unquoted(local), limit, eai=eai)}@{shown}"


def unquoted(text: str) -> str:
    if text[:1] != '"':
        return text
    quoted = _QUOTED.fullmatch(text)
    return _QUOTED_PAIR.sub(r"\1", quoted[1]) if quoted else text


def fold(name: str, body: str, line_end: str) -> str:
    lines: list[str] = []
    line = ""
    used = len(name) + 2
    for word in _BREAK.split(body):
        width = len(word.encode("utf-8"))
        if not line:
            line = word
            used += width
        elif used + 1 + width <= _LINE_WANTED:
            line += f" {word}"
            used += 1 + width
        else:
            lines.append(line)
            line = f" {word}"
            used = 1 + width
    lines.append(line)
    return line_end.join(lines)


# Octets that a text for people, and a value, may have: less is taken until the field fits in a line
# even if nobody folds it. The first value holds the longest mailbox (RFC 5321 4.5.3.1).
_LIMITS = ((320, 320), (120, 320), (80, 160), (40, 80), (20, 40))

_PRA_HEADERS = ("from", "sender", "resent-from", "resent-sender")
_ORDER = ("mailfrom", "helo", "pra")


def received_spf(
    verdict: Any,
    *,
    ip: Any,
    helo: str | bytes | None,
    mail_from: str | bytes | None,
    receiver: str,
    eai: bool = False,
) -> str:
    address = _address(ip)
    client = dot_atom_or_quoted(address) if ":" in address else address
    own = _own_name("receiver", receiver, eai)
    path = None if mail_from is None else _without_brackets(mail_from)
    pra, identity, result = verdict.pra, verdict.identity, verdict.result
    # Whether a record was evaluated to its end. A fail can have other grounds (RFC 4406 4.3).
    reason = verdict.reason
    by_record = reason is Reason.MATCHED or reason is Reason.DEFAULT

    # header-field   = "Received-SPF:" [CFWS] result FWS [comment FWS] [ key-value-list ] CRLF
    # key-value-list = key-value-pair *( ";" [CFWS] key-value-pair ) [";"]
    # key-value-pair = key [CFWS] "=" ( dot-atom / quoted-string )
    def body(words: int, values: int) -> str:
        text = f"receiver={value_in_bounds(own, values, eai=eai)}; client-ip={client}"
        if path is not None:
            text += f"; envelope-from={value_in_bounds(path, values, eai=eai)}"
        if helo is not None:
            text += f"; helo={value_in_bounds(helo, values, eai=eai)}"
        if identity != "host":  # a plain check_host() is of no identity
            text += f"; identity={identity}"
        if pra is not None:
            text += f"; pra={value_in_bounds(pra.mailbox, values, eai=eai)}"
        # "if no mechanisms matched, substitute the word default": of results that a record gave.
        if by_record:
            text += (
                f"; mechanism={value_in_bounds(verdict.mechanism or 'default', values, eai=eai)}"
            )
        if result is Result.TEMPERROR or result is Result.PERMERROR:
            text += f"; problem={quoted_string(visible(verdict.detail, words, eai=eai))}"
        sentence = _sentence(verdict, address, words, eai) if by_record else None
        if sentence is None:
            sentence = visible(verdict.detail, words, eai=eai)
        return f"{result} {comment(f'{visible(own, words, eai=eai)}: {sentence}')} {text}"

    return _fitted("Received-SPF", body)


def authentication_results(
    authserv_id: str,
    *verdicts: Any,
    version: int | None = None,
    with_helo: bool = False,
    local_parts: bool = False,
    reasons: bool = False,
    eai: bool = False,
) -> str:
    own = _own_name("authserv_id", authserv_id, eai)
    if version is not None and not 1 <= version <= 999:
        raise InputError("version", "must be from 1 to 999")
    by_identity: dict[str, list[Any]] = {}
    for verdict in verdicts:
        identity = verdict.identity
        if identity not in _ORDER:
            raise InputError("verdicts", f"identity {identity!r} has no place in the field")
        by_identity.setdefault(identity, []).append(verdict)
    if not with_helo and "mailfrom" in by_identity:
        by_identity.pop("helo", None)
    chosen = [each for identity in _ORDER for each in by_identity.get(identity, ())]

    def body(words: int, values: int) -> str:
        text = token_or_quoted(own) + (f" {version}" if version else "")
        for verdict in chosen:
            text += _resinfo(verdict, words, values, local_parts, reasons, eai)
        return text if chosen else f"{text}; none"

    return _fitted("Authentication-Results", body)


def _resinfo(
    verdict: Any, words: int, values: int, local_parts: bool, reasons: bool, eai: bool
) -> str:
    # A record of scope mfrom may be one that SPF does not know: that is no result of SPF.
    method = "spf" if verdict.scope is Scope.SPF else "sender-id"
    text = f"; {method}={verdict.result}"
    if reasons:
        text += f" reason={quoted_string(visible(verdict.detail, words, eai=eai))}"
    identity = verdict.identity
    if identity != "pra":
        where = f"smtp.{identity}"
        value = verdict.sender if local_parts and identity == "mailfrom" else verdict.domain
    else:
        pra = verdict.pra
        if pra is None:
            return text
        # RFC 5451 6.2: the property is the name of the field; RFC 4407 2 has these four.
        header = pra.header.lower()
        where = f"header.{header}"
        if header not in _PRA_HEADERS:
            raise InputError("verdicts", f"no PRA is taken from a field {pra.header!r}")
        value = pra.mailbox if local_parts else pra.mailbox.rpartition("@")[2].lower()
    return f"{text} {where}={mailbox_or_quoted(value, values, eai=eai)}" if value else text


def _sentence(verdict: Any, ip: str, limit: int, eai: bool) -> str | None:
    """Of a result that a record gave; None: the verdict's own sentence says it."""
    pra, result = verdict.pra, verdict.result
    if pra is not None:
        who = pra.mailbox
    else:
        who = verdict.domain if verdict.identity == "helo" else verdict.sender
    who = visible(who, limit, eai=eai)
    if result is Result.PASS:
        return f"domain of {who} designates {ip} as permitted sender"
    if result is Result.FAIL:
        return f"domain of {who} does not designate {ip} as permitted sender"
    if result is Result.SOFTFAIL:
        return f"domain of {who} does not designate {ip}, without being sure of it"
    if result is Result.NEUTRAL:
        return f"{ip} is neither permitted nor denied by domain of {who}"
    return None


def _fitted(name: str, body: Callable[[int, int], str]) -> str:
    for words, values in _LIMITS:
        written = body(words, values)
        if len(name) + 2 + len(written.encode("utf-8")) <= _LINE_LIMIT:
            break
    return written


def _address(ip: Any) -> str:
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        raise InputError("ip", f"{ip!r} is no IP address") from None
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    # RFC 7208 5: an IPv4-mapped address is one of IPv4. A zone says nothing elsewhere.
    return str(address.ipv4_mapped or address).partition("%")[0]


def _own_name(field: str, name: str, eai: bool) -> str:
    """A name of this service: the operator's, so it is refused rather than changed."""
    if not name or len(name) > 255 or visible(name, 1024, eai=eai) != name:
        raise InputError(field, f"{name!r} cannot stand in a header field")
    return name


def _without_brackets(path: str | bytes) -> str | bytes:
    if isinstance(path, str):
        return path[1:-1] if path.startswith("<") and path.endswith(">") else path
    return path[1:-1] if path.startswith(b"<") and path.endswith(b">") else path
