"""Zones that the benchmarks of several layers use, and engines that know all their answers.

What may live here: small zones written by hand. The one of real shapes is made by peers/zone.py.
"""

from __future__ import annotations

from typing import NamedTuple

import senderid_fast as sf

__all__ = [
    "HELO",
    "INCLUDES",
    "MEMBER",
    "POLICIES",
    "STRANGER",
    "Mapping",
    "Policy",
    "known_engine",
    "networks",
]

Mapping = dict[str, list[dict[str, object]]]

HELO = "mail.sender.example"
MEMBER, STRANGER = "203.0.113.77", "198.51.100.7"

# The address is in the last network of the last of four included records: all are evaluated.
INCLUDES: Mapping = {
    "sender.example": [{"TXT": "v=spf1 include:a.sender.example -all"}],
    "a.sender.example": [
        {"TXT": "v=spf1 ip4:192.0.2.0/28 include:b.sender.example include:d.sender.example ~all"}
    ],
    "b.sender.example": [
        {"TXT": "v=spf1 ip4:192.0.2.16/28 ip6:2001:db8:b::/48 include:c.sender.example ~all"}
    ],
    "c.sender.example": [{"TXT": "v=spf1 ip4:192.0.2.32/28 ip4:192.0.2.128/26 ~all"}],
    "d.sender.example": [{"TXT": "v=spf1 ip6:2001:db8:d::/48 ip4:203.0.113.64/26 ~all"}],
}


class Policy(NamedTuple):
    """A zone in which MEMBER may send for sender.example and STRANGER may not; ``lookups`` is what
    a check of either costs (RFC 7208 4.6.4)."""

    zone: Mapping
    lookups: int


def networks(count: int) -> str:
    """Networks that neither address is in: 10.0.0.0/24, 10.0.1.0/24 and so on."""
    return " ".join(f"ip4:10.{number >> 8}.{number & 255}.0/24" for number in range(count))


def alone(record: str) -> Mapping:
    return {"sender.example": [{"TXT": record}]}


# One for each mechanism that costs differently.
POLICIES = {
    "one network": Policy(alone("v=spf1 ip4:203.0.113.0/24 -all"), 0),
    "400 networks": Policy(alone(f"v=spf1 {networks(400)} ip4:203.0.113.0/24 -all"), 0),
    "four includes": Policy(INCLUDES, 4),
    "a and mx": Policy(
        {
            "sender.example": [
                {"TXT": "v=spf1 a mx -all"},
                {"A": "192.0.2.1"},
                {"MX": [10, "mx1.sender.example"]},
                {"MX": [20, "mx2.sender.example"]},
            ],
            "mx1.sender.example": [{"A": "192.0.2.2"}],
            "mx2.sender.example": [{"A": MEMBER}],
        },
        2,
    ),
    "exists with a macro": Policy(
        {
            "sender.example": [{"TXT": "v=spf1 exists:%{ir}.%{l}.allow.%{d} -all"}],
            "77.113.0.203.info.allow.sender.example": [{"A": "127.0.0.2"}],
        },
        1,
    ),
    "redirect": Policy(
        {
            "sender.example": [{"TXT": "v=spf1 redirect=_spf.sender.example"}],
            "_spf.sender.example": [{"TXT": "v=spf1 ip4:203.0.113.0/24 -all"}],
        },
        1,
    ),
}


def known_engine(zone: Mapping, *, policy_tables: bool = True) -> sf.Engine:
    """An engine whose store is filled by the first check of each name, without a network."""
    return sf.Engine(sf.ZoneResolver(zone), policy_tables=policy_tables)
