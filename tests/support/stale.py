"""Engines whose answers are over, and whose DNS is dead.

What may live here: what tests of stale answers (RFC 8767) begin with.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

import senderid_fast as sf
from support.failing import Failing, every
from support.scripted import Clock

__all__ = ["DAY", "IP", "PLAIN", "ROWS", "Zone", "check", "warmed"]

IP = "192.0.2.1"
DAY = 86_400
PLAIN = {"a.example": [{"TXT": "v=spf1 ip4:192.0.2.0/24 -all"}]}
Zone = dict[str, Any]
ROWS = pa.table(
    {"ip": [IP, "203.0.113.1"], "helo": ["mx.a.example"] * 2, "mail_from": ["u@a.example", ""]}
)


def warmed(
    clock: Clock, zone: Zone, *, over: float = 1, kind: type[Failing] = Failing, **settings: Any
) -> tuple[sf.Engine, Failing]:
    """An engine whose answers have been over for ``over`` seconds, and its DNS, which is dead."""
    dns = kind(zone)
    engine = sf.Engine(dns, **{"stale_seconds": DAY, **settings})
    assert not check(engine).stale
    dns.fails = every
    clock.advance(dns.ttl + over)
    dns.questions.clear()
    return engine, dns


def check(engine: sf.Engine, ip: str = IP) -> sf.Verdict:
    """Of a client and a sender of PLAIN."""
    return engine.check_mail_from(ip, "u@a.example", "mx.a.example")
