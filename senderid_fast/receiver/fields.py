"""Writing what a receiver says of a message: Received-SPF and Authentication-Results.

What may live here: these two fields (RFC 7208 9.1; RFC 8601) and the form in which fields are
handed out. How text is escaped is in escaping.py, the fields of Exchange are in stamps.py.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from senderid_fast._core.cidr import parse_address
from senderid_fast._core.pra import Pra
from senderid_fast._core.verdict import Verdict
from senderid_fast.errors import InputError
from senderid_fast.receiver.escaping import (
    LINE_LIMIT,
    comment,
    dot_atom_or_quoted,
    fold,
    mailbox_or_quoted,
    quoted_string,
    token_or_quoted,
    value_in_bounds,
    visible,
)
from senderid_fast.results import Reason, Result, Scope

__all__ = [
    "Field",
    "authentication_results",
    "received_spf",
]


class Field(NamedTuple):
    """A header field to be added.

    The body is one line, without any line end; where it may be folded is for ``folded`` to know.
    """

    name: str
    body: str

    def folded(self, line_end: str = "\r\n") -> str:
        """The body, folded; without the name and without a line end at its end.

        A milter hands over header bodies so, with line_end="\\n".
        """
        return fold(self.name, self.body, line_end)

    def text(self, line_end: str = "\r\n") -> str:
        """The whole field as it stands in a message, folded, with its last line end."""
        return f"{self.name}: {self.folded(line_end)}{line_end}"

    def __str__(self) -> str:
        """The field as one line, as a policy server of Postfix hands it over."""
        return f"{self.name}: {self.body}"


IPAddress = str | bytes | ipaddress.IPv4Address | ipaddress.IPv6Address

# Octets that a text for people, and a value, may have: less is taken until the field fits in a line
# even if nobody folds it. The first value holds the longest mailbox (RFC 5321 4.5.3.1).
_LIMITS = ((320, 320), (120, 320), (80, 160), (40, 80), (20, 40))

_PRA_HEADERS = ("from", "sender", "resent-from", "resent-sender")
_ORDER = ("mailfrom", "helo", "pra")


def domain_of(pra: Pra) -> str:
    """The domain of a PRA as its field has it, in lower case; U-labels stay for EAI messages."""
    return pra.mailbox.rpartition("@")[2].lower()


def received_spf(
    verdict: Verdict,
    *,
    ip: IPAddress,
    helo: str | bytes | None,
    mail_from: str | bytes | None,
    receiver: str,
    eai: bool = False,
) -> Field:
    """The Received-SPF field of a check (RFC 7208 9.1).

    ip         the client's address
    helo       the name of HELO or EHLO; left out if None
    mail_from  the reverse-path, with or without "<>"; "" is the null path; left out if None
    receiver   the name of this host
    eai        the message is internationalised: UTF-8 may stand in its header (RFC 6532)
    """
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
        text = f"receiver={_own_value(own, values, eai)}; client-ip={client}"
        if path is not None:
            text += f"; envelope-from={value_in_bounds(path, values, eai=eai)}"
        if helo is not None:
            text += f"; helo={_again(helo, values, eai)}"
        if identity != "host":  # a plain check_host() is of no identity
            text += f"; identity={identity}"
        if pra is not None:
            text += f"; pra={value_in_bounds(pra.mailbox, values, eai=eai)}"
        # "if no mechanisms matched, substitute the word default": of results that a record gave.
        if by_record:
            text += f"; mechanism={_again(verdict.mechanism or 'default', values, eai)}"
        if result is Result.TEMPERROR or result is Result.PERMERROR:
            text += f"; problem={quoted_string(visible(verdict.detail, words, eai=eai))}"
        sentence = _sentence(verdict, address, words, eai) if by_record else None
        if sentence is None:
            sentence = visible(verdict.detail, words, eai=eai)
        return f"{result} {comment(f'{_own_words(own, words, eai)}: {sentence}')} {text}"

    return _fitted("Received-SPF", body)


def authentication_results(
    authserv_id: str,
    *verdicts: Verdict,
    version: int | None = None,
    with_helo: bool = False,
    local_parts: bool = False,
    reasons: bool = False,
    eai: bool = False,
) -> Field:
    """The Authentication-Results field of some checks (RFC 8601 2.2; RFC 5451 for Sender ID).

    authserv_id  the identifier of this service (RFC 8601 2.5)
    verdicts     of HELO, MAIL FROM, PRA, in any order; MAIL FROM is written first. None: "none"
    version      of the field, written if given
    with_helo    write the result for HELO beside one for MAIL FROM; alone it always is
    local_parts  write mailboxes; without it domains (RFC 8601 2.7.2)
    reasons      write why each result came about
    eai          the message is internationalised: UTF-8 may stand in its header (RFC 6532)
    """
    own = _own_name("authserv_id", authserv_id, eai)
    if version is not None and not 1 <= version <= 999:
        raise InputError("version", "must be from 1 to 999")
    by_identity: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        identity = verdict.identity
        if identity not in _ORDER:
            raise InputError("verdicts", f"identity {identity!r} has no place in the field")
        by_identity.setdefault(identity, []).append(verdict)
    if not with_helo and "mailfrom" in by_identity:
        by_identity.pop("helo", None)
    chosen = [each for identity in _ORDER for each in by_identity.get(identity, ())]

    # authres-payload = [CFWS] authserv-id [ CFWS authres-version ]
    #                   ( no-result / 1*resinfo ) [CFWS] CRLF
    # no-result       = [CFWS] ";" [CFWS] "none"
    # resinfo         = [CFWS] ";" methodspec [ CFWS reasonspec ] [ CFWS 1*propspec ]
    def body(words: int, values: int) -> str:
        text = _own_head(own, version)
        for verdict in chosen:
            text += _resinfo(verdict, words, values, local_parts, reasons, eai)
        return text if chosen else f"{text}; none"

    return _fitted("Authentication-Results", body)


# methodspec = [CFWS] method [CFWS] "=" [CFWS] result
# reasonspec = "reason" [CFWS] "=" [CFWS] value
# propspec   = ptype [CFWS] "." [CFWS] property [CFWS] "=" pvalue
def _resinfo(
    verdict: Verdict, words: int, values: int, local_parts: bool, reasons: bool, eai: bool
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
        value = pra.mailbox if local_parts else domain_of(pra)
    return f"{text} {where}={mailbox_or_quoted(value, values, eai=eai)}" if value else text


def _sentence(verdict: Verdict, ip: str, limit: int, eai: bool) -> str | None:
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


def _fitted(name: str, body: Callable[[int, int], str]) -> Field:
    """The field with as much of long values as leaves it within one line (RFC 5322 2.1.1)."""
    written = body(*_LIMITS[0])
    if written.isascii() and len(name) + 2 + len(written) <= LINE_LIMIT:
        return Field(name, written)
    for words, values in _LIMITS:
        written = body(words, values)
        octets = len(written) if written.isascii() else len(written.encode("utf-8"))
        if len(name) + 2 + octets <= LINE_LIMIT:
            break
    return Field(name, written)


def _again(value: str | bytes, limit: int, eai: bool) -> str:
    """A value that many messages have, such as a HELO name."""
    if len(value) <= _KEPT_VALUE:
        return _kept(value, limit, eai=eai)
    return value_in_bounds(value, limit, eai=eai)


_KEPT_VALUE = 100
_kept = lru_cache(maxsize=1024)(value_in_bounds)


def _address(ip: IPAddress) -> str:
    # Both write an address in the same form (RFC 5952); the core is quicker, and knows no zones.
    found = parse_address(ip) if isinstance(ip, str) else None
    if found is not None:
        return found
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        raise InputError("ip", f"{ip!r} is no IP address") from None
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    # RFC 7208 5: an IPv4-mapped address is one of IPv4. A zone says nothing elsewhere.
    return str(address.ipv4_mapped or address).partition("%")[0]


@lru_cache(maxsize=64)  # the same for every message
def _own_name(field: str, name: str, eai: bool) -> str:
    """A name of this service: the operator's, so it is refused rather than changed."""
    if not name or len(name) > 255 or visible(name, 1024, eai=eai) != name:
        raise InputError(field, f"{name!r} cannot stand in a header field")
    return name


@lru_cache(maxsize=64)
def _own_value(own: str, limit: int, eai: bool) -> str:
    return value_in_bounds(own, limit, eai=eai)


@lru_cache(maxsize=64)
def _own_words(own: str, limit: int, eai: bool) -> str:
    return visible(own, limit, eai=eai)


@lru_cache(maxsize=64)
def _own_head(own: str, version: int | None) -> str:
    return token_or_quoted(own) + (f" {version}" if version else "")


def _without_brackets(path: str | bytes) -> str | bytes:
    if isinstance(path, str):
        return path[1:-1] if path.startswith("<") and path.endswith(">") else path
    return path[1:-1] if path.startswith(b"<") and path.endswith(b">") else path
