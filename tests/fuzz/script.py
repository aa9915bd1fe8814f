"""From fuzz octets to a scripted DNS and the arguments of a check.

An input is lines, so that a mutation stays local and seeds can be read:

    line 1   the call: an octet each for method, address, limits, what other names answer, padding
    line 2   the mailbox
    line 3   the HELO name
    line 4   the domain, for check_host
    others   name, kind, text: one record or outcome. "aTv=spf1 -all" is a TXT record at NAMES["a"]

Names are few, so that what a record refers to is often there. An octet from 0x80 on stands for a
fragment of a record or a name; 0xFF takes the next octet as it is, 0xFE is a line feed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import senderid_fast as sf

__all__ = ["FRAGMENTS", "NAMES", "Script", "read_script", "words"]

NAMES = (
    "a.example",
    "b.example",
    "c.example",
    "d.example",
    "mail.a.example",
    "_spf.b.example",
    "text.example",
    "user.a.example",
    "1.2.0.192.in-addr.arpa",
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
    "192.0.2.1.a.example",
    "single",
    ".".join(["l" * 63] * 3 + ["l" * 53, "example"]),
)
FRAGMENTS = (
    *(name.encode() for name in NAMES),
    *b"v=spf1 |spf2.0/pra |spf2.0/mfrom,pra |192.0.2.1|2001:db8::1|::ffff:192.0.2.1|192.0.2.0/24"
    b"|2001:db8::/32| all| -all| ~all| ?all| include:| a| a:| mx| mx:| ptr| ptr:| exists:"
    b"| ip4:| ip6:| redirect=| exp=| unknown=|%{s}|%{l}|%{o}|%{d}|%{i}|%{ir}|%{p}|%{v}|%{h}"
    b"|%{d2}|%{l1r-}|%{S}"
    b'|%{c}|%{r}|%{t}|%%|%_|%-|/24|//64|/24//64|/0|//0|10 |0 .|postmaster@|user@|"q u"@|<>|.'
    b"|v=spf1 include:a.example include:b.example -all|v=spf1 a mx ptr -all exp=text.example"
    b"|v=spf1 redirect=b.example|v=spf1 exists:%{i}.a.example ptr:a.example -all"
    b"|v=spf1 mx:b.example mx:c.example mx:d.example include:d.example ~all|\xc3\xa9".split(b"|"),
)
ADDRESSES: tuple[str | bytes, ...] = (
    "192.0.2.1",
    "2001:db8::1",
    "::ffff:192.0.2.1",
    bytes([192, 0, 2, 1]),
    bytes.fromhex("20010db8000000000000000000000001"),
    "255.255.255.255",
    "::",
)
# The octets of mail are of no interest to limits; those of the RFC come most often.
LIMITS = (
    sf.Limits(),
    sf.Limits(),
    sf.Limits(),
    sf.Limits(lookups=0),
    sf.Limits(void_lookups=0),
    sf.Limits(lookups=30, void_lookups=30),
    sf.Limits(mx_names=0, ptr_names=0),
    sf.Limits(lookups=40, void_lookups=100, mx_names=20, ptr_names=20),
)
STATUSES = {
    "n": sf.Status.NODATA,
    "x": sf.Status.NXDOMAIN,
    "s": sf.Status.SERVFAIL,
    "t": sf.Status.TIMEOUT,
    "m": sf.Status.MALFORMED,
    "r": None,  # the resolver raises
}
TYPES = {
    "T": sf.RRType.TXT,
    "A": sf.RRType.A,
    "6": sf.RRType.AAAA,
    "M": sf.RRType.MX,
    "P": sf.RRType.PTR,
}
KINDS = "TTTTTTA6MP" + "nxstmr"
RAISES = (
    RuntimeError("no"),
    ValueError("\udcff"),
    OSError(5, "gone"),
    RecursionError(),
    StopIteration(),
)


def words(line: bytes) -> bytes:
    """A line with its fragments filled in."""

    def fill(found: re.Match[bytes]) -> bytes:
        octet = found[0][0]
        if octet == 0xFF:
            return found[0][1:]
        return b"\n" if octet == 0xFE else FRAGMENTS[(octet - 0x80) % len(FRAGMENTS)]

    return re.sub(rb"(?s)\xff.?|[\x80-\xfe]", fill, line)


@dataclass
class Script:
    """A resolver that answers from a script, and the call to make."""

    method: int = 0
    ip: str | bytes = "192.0.2.1"
    limits: sf.Limits = LIMITS[0]
    others: int = 0
    padding: int = 0
    mailbox: bytes = b""
    helo: bytes = b""
    domain: bytes = b""
    records: dict[tuple[str, sf.RRType], list[bytes]] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    asked: list[sf.Question] = field(default_factory=list)

    def resolve(self, question: sf.Question, timeout: float) -> sf.Answer:
        """The scripted answer."""
        assert timeout > 0
        self.asked.append(question)
        found = self.records.get(question)
        # Some answers are not kept, and some are.
        ttl = (len(question.name) + self.method) % 3 * 100
        if found:
            return sf.Answer(sf.Status.OK, self._values(question.rrtype, found), ttl)
        outcome = self.outcomes.get(question.name)
        if outcome is None:
            return self._other(question, ttl)
        status = STATUSES[outcome]
        if status is None:
            raise RAISES[len(question.name) % len(RAISES)]
        return sf.Answer(status, (), ttl, detail="scripted" if ttl else "")

    def _values(self, rrtype: sf.RRType, texts: list[bytes]) -> Any:
        if rrtype is sf.RRType.TXT:
            return tuple(text + b" " * self.padding for text in texts)
        plain = [text.decode("latin-1") for text in texts]
        if rrtype is sf.RRType.MX:
            return tuple((len(text) % 4, text.lstrip("0123456789 ")) for text in plain)
        return tuple(plain)

    def _other(self, question: sf.Question, ttl: int) -> sf.Answer:
        """What names answer about which the script says nothing."""
        if self.others % 4 == 0:
            return sf.Answer(sf.Status.NXDOMAIN, (), ttl)
        if self.others % 4 == 1:
            return sf.Answer(sf.Status.NODATA, (), ttl)
        if self.others % 4 == 2:
            return sf.Answer(sf.Status.TIMEOUT)
        count = self.others // 4 % 16  # 11 exchanges are too many, and 11 pointers are cut
        return sf.Answer(sf.Status.OK, self._plenty(question.rrtype, count), ttl)

    def _plenty(self, rrtype: sf.RRType, count: int) -> Any:
        match rrtype:
            case sf.RRType.A:
                return tuple(f"198.51.100.{number}" for number in range(count))
            case sf.RRType.AAAA:
                return tuple(f"2001:db8:1::{number}" for number in range(count))
            case sf.RRType.MX:
                return tuple((number, f"mx{number}.a.example") for number in range(count))
            case sf.RRType.PTR:
                return tuple(f"h{number}.a.example" for number in range(count))
            case sf.RRType.TXT:
                return (b"v=spf1 a mx ptr include:b.example exists:%{i}.%{h} -all",)[: count + 1]

    @cached_property
    def has_time(self) -> bool:
        """Whether an explanation may tell the time of day, which no two checks share."""
        texts = (text.lower() for found in self.records.values() for text in found)
        return any(b"%{t" in text for text in texts)


def read_script(data: bytes) -> Script:
    """The script of an input; any octets are one."""
    call, mailbox, helo, domain, *lines = [*data.split(b"\n"), b"", b"", b""]
    call = call.ljust(5, b"0")
    script = Script(
        method=call[0],
        ip=ADDRESSES[call[1] % len(ADDRESSES)],
        limits=LIMITS[call[2] % len(LIMITS)],
        others=call[3],
        padding=(0, 0, 0, 3_000, 9_000)[call[4] % 5],
        mailbox=words(mailbox),
        helo=words(helo),
        domain=words(domain),
    )
    for line in lines[:64]:
        if len(line) < 2:
            continue
        name = NAMES[(line[0] - ord("a")) % len(NAMES)]
        kind = chr(line[1])
        if kind not in KINDS:
            kind = KINDS[line[1] % len(KINDS)]
        if kind in STATUSES:
            script.outcomes[name] = kind
        else:
            script.records.setdefault((name, TYPES[kind]), []).append(words(line[2:]))
    return script
