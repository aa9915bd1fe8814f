"""The zone of the run, and messages whose verdicts are compared before anything is timed.

What may live here: names, records, connections, and the reading of stamped fields.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from benchmarks.peers.zone import Resource
from tests.support.mailservers import Delivered

__all__ = ["CONNECTIONS", "HELO", "RECIPIENT", "SENDER", "ZONE", "Connection", "text", "verdict"]

HELO = "mail.sender.example"
SENDER = "user@sender.example"
RECIPIENT = "bob@example.org"

ZONE = (
    # Who sends the load: from the loopback address, with an include, as most do.
    Resource("sender.example", "TXT", "v=spf1 include:_spf.sender.example -all"),
    Resource("_spf.sender.example", "TXT", "v=spf1 ip4:192.0.2.0/24 ip4:127.0.0.1 ~all"),
    Resource(HELO, "A", "127.0.0.1"),
    Resource("pass.example", "TXT", "v=spf1 mx -all"),
    Resource("pass.example", "MX", "10 mx.pass.example"),
    Resource("mx.pass.example", "A", "192.0.2.1"),
    Resource("fail.example", "TXT", "v=spf1 ip4:198.51.100.0/24 -all"),
    Resource("softfail.example", "TXT", "v=spf1 ip4:198.51.100.0/24 ~all"),
    Resource("neutral.example", "TXT", "v=spf1 ?all"),
    Resource("none.example", "A", "192.0.2.9"),
    Resource("broken.example", "TXT", "v=spf1 nonsense:x -all"),
    Resource("v6.example", "TXT", "v=spf1 ip6:2001:db8::/32 -all"),
)


class Connection(NamedTuple):
    """A client and its message, and the result of MAIL FROM."""

    ip: str
    mail_from: str
    result: str


CONNECTIONS = (
    Connection("192.0.2.1", "user@pass.example", "pass"),
    Connection("192.0.2.2", "user@fail.example", "fail"),
    Connection("198.51.100.7", "user@fail.example", "pass"),
    Connection("192.0.2.2", "user@softfail.example", "softfail"),
    Connection("192.0.2.2", "user@neutral.example", "neutral"),
    Connection("192.0.2.2", "user@none.example", "none"),
    Connection("192.0.2.2", "user@broken.example", "permerror"),
    Connection("IPV6:2001:db8::1", "user@v6.example", "pass"),
    Connection("127.0.0.1", SENDER, "pass"),
)


def text(mail_from: str, number: int) -> bytes:
    header = f"From: <{mail_from}>\nTo: <{RECIPIENT}>\nSubject: {number}\n"
    header += f"Message-Id: <{number}@{HELO}>\nDate: Thu, 1 Jan 2026 00:00:00 +0000\n"
    return header.encode() + b"\nA line of text.\n"


_WORDS: Mapping[str, re.Pattern[str]] = {
    "authentication-results": re.compile(r"\bspf=(\w+)"),
    "received-spf": re.compile(r"^(\w+)"),
}


def verdict(message: Delivered) -> str:
    """The result of MAIL FROM that the topmost field of a filter tells; "-" if there is none."""
    for name, value in message.fields:
        if (pattern := _WORDS.get(name.lower())) and (match := pattern.search(value)):
            return match[1].lower()
    return "-"
