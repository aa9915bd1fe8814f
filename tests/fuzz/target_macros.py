"""Target: macro expansion, to a name by the core's own function, and by checks.

An input is up to five lines: macro-string, sender, HELO, domain, address. What comes out is
compared with expansion.py, and must be a DNS name or visible ASCII whatever goes in.
"""

from __future__ import annotations

import ipaddress
import re

import senderid_fast as sf
from fuzz.expansion import address_values, expand, expand_name, expand_text, letters
from senderid_fast._core.macros import expand as core_expand
from senderid_fast._core.names import normalise

__all__ = ["macros"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
OWNER = "owner.example"


def macros(data: bytes) -> None:
    """The core's expansion is that of expansion.py."""
    macro, sender, helo, domain, ip = [*data.split(b"\n", 4), b"", b"", b"", b""][:5]
    ip = ip[:120]  # as UTF-8 within what the core takes for an address with its zone
    address = _address(ip)
    _name(macro, (sender, helo, domain, ip), address)
    # A check needs an address, so one is made up where the input has none.
    usable = address or ipaddress.IPv4Address(192 << 24 | len(ip))
    _explanation(macro, sender, helo, usable)
    _question(macro, sender, helo, usable)


def _address(ip: bytes) -> Address | None:
    # A zone is of the receiver's host alone, and no part of the address (RFC 6874 2).
    host, percent, zone = ip.partition(b"%")
    try:
        found = ipaddress.ip_address(host.decode("ascii"))
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        if percent and not re.fullmatch(rb"[A-Za-z0-9._~%-]+", zone):
            return None
        return found.ipv4_mapped or found
    return None if percent else found


def _name(macro: bytes, given: tuple[bytes, ...], address: Address | None) -> None:
    names = ("sender", "helo", "domain", "ip")
    texts = {name: text.decode("latin-1") for name, text in zip(names, given, strict=True)}
    sender, helo, domain = (texts[key].encode() for key in ("sender", "helo", "domain"))
    local, _, host = sender.rpartition(b"@")
    values = {"s": sender, "l": local, "o": host, "h": helo, "d": domain, "p": b"unknown"}
    try:
        got = core_expand(macro, texts)
    except ValueError:
        if address is not None and b"@" in sender and len(macro) <= 4096:
            syntax = expand(macro, _any_letter(), explain=False)
            assert syntax is None or letters(macro) & set("crt"), "refused, but the syntax is right"
        return
    assert address is not None, "expanded for what is no address"
    assert got is None or (0 < len(got) <= 253 and normalise(got) == got)
    assert got == expand_name(macro, values | address_values(address))


def _any_letter() -> dict[str, bytes]:
    return dict.fromkeys("slodiphvcrt", b"")


def _mailbox(sender: bytes) -> tuple[bytes, bytes]:
    """A mailbox at OWNER, and its local part as the check takes it: unquoted, or postmaster."""
    local = sender.rpartition(b"@")[0][:900]
    given = local + b"@" + OWNER.encode()
    if local[:1] == local[-1:] == b'"' and len(local) > 1:
        local = re.sub(rb"(?s)\\(.)", rb"\1", local[1:-1])
    return given, local or b"postmaster"


class _Owner:
    """A domain whose record and explanation come from the input."""

    def __init__(self, record: bytes, text: bytes) -> None:
        self.records = {OWNER: record, f"text.{OWNER}": text}
        self.asked: list[sf.Question] = []

    def resolve(self, question: sf.Question, timeout: float) -> sf.Answer:
        self.asked.append(question)
        record = self.records.get(question.name)
        if record is not None and question.rrtype is sf.RRType.TXT:
            return sf.Answer(sf.Status.OK, (record,))
        return sf.Answer(sf.Status.NXDOMAIN)


def _values(local: bytes, helo: bytes, address: Address) -> dict[str, bytes]:
    return {
        "s": local + b"@" + OWNER.encode(),
        "l": local,
        "o": OWNER.encode(),
        "d": OWNER.encode(),
        "h": (helo.removesuffix(b".") if len(helo) > 1 else helo) if len(helo) <= 1024 else b"",
        "p": b"unknown",
        "r": b"unknown",
        "t": b"",
        **address_values(address),
    }


def _explanation(macro: bytes, sender: bytes, helo: bytes, address: Address) -> None:
    mailbox, local = _mailbox(sender)
    owner = _Owner(b"v=spf1 exp=text.%{d} -all", macro)
    verdict = sf.Engine(owner, store_octets=1 << 16).check_mail_from(address, mailbox, helo)
    assert verdict.result is sf.Result.FAIL
    got = verdict.explanation
    if got is not None:
        assert len(got) <= 4096
        assert got.isascii()
        assert got.isprintable()
    used = letters(macro)
    if "t" in used:
        return  # the time of day
    expected = expand_text(macro, _values(local, helo, address))
    if used & {"s", "l"} and not local.isascii():
        expected = None  # RFC 8616 4
    if not macro:
        expected = got  # an empty text: nothing to say about it
    if got and expected and "i" in used and isinstance(address, ipaddress.IPv6Address):
        got, expected = got.lower(), expected.lower()  # 7.3 does not say how nibbles are written
    assert got == expected


def _question(macro: bytes, sender: bytes, helo: bytes, address: Address) -> None:
    """A macro-string as target-name of exists: what is asked is its expansion."""
    mailbox, local = _mailbox(sender)
    owner = _Owner(b"v=spf1 exists:" + macro + b".%{d} -all", b"")
    verdict = sf.Engine(owner, store_octets=1 << 16).check_mail_from(address, mailbox, helo)
    asked = [question.name for question in owner.asked if question.rrtype is sf.RRType.A]
    for question in owner.asked:
        name = question.name.encode("latin-1")
        assert normalise(name) == name
    if b" " in macro or verdict.reason is sf.Reason.SYNTAX_ERROR:
        return
    expected = expand_name(macro + b".%{d}", _values(local, helo, address))
    if letters(macro) & {"s", "l"} and not local.isascii():
        expected = None
    assert [name.encode("latin-1") for name in asked] == ([] if expected is None else [expected])
