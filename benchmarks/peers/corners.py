"""Policies at the corners of RFC 7208, where implementations part: told, never timed.

What may live here: each corner with what is right there, by which section, and why. Ours must be
right in all of them; where another peer is not is a fact about it, which a reader of its speed may
want to know. Reverse names are left out, as not every driver can be given them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.peers.report import Table
from benchmarks.peers.zone import Connection, Resource, World

__all__ = ["CORNERS", "Corner", "corner_rows", "corner_world", "wrong"]

CLIENT = "192.0.2.1"
SUFFIX = "corner.example"


@dataclass(frozen=True)
class Corner:
    """One policy and one client. ``more``: (label, type, value) of other names below its own."""

    name: str
    record: str
    right: str
    section: str
    why: str
    ip: str = CLIENT
    more: tuple[tuple[str, str, str], ...] = ()
    records: tuple[str, ...] = ()

    def resources(self) -> Iterator[Resource]:
        domain = f"{self.name}.{SUFFIX}"
        for record in (self.record, *self.records):
            yield Resource(domain, "TXT", record.replace("%{o}", domain))
        for label, rrtype, value in self.more:
            name = f"{label}.{domain}" if label else domain
            yield Resource(name, rrtype, value.replace("%{o}", domain))

    def connection(self) -> Connection:
        return Connection(self.ip, f"mail.{SUFFIX}", f"info@{self.name}.{SUFFIX}")


def includes(count: int) -> tuple[tuple[str, str, str], ...]:
    return tuple((f"i{number}", "TXT", "v=spf1 ip4:198.51.100.1") for number in range(count))


# In a record, %{o} stands for the corner's own domain name as plain text.
CORNERS = (
    Corner(
        "two-records",
        "v=spf1 +all",
        "permerror",
        "4.5",
        "two records that apply are an error",
        records=("v=spf1 -all",),
    ),
    Corner(
        "late-error",
        "v=spf1 ip4:192.0.2.1 ip4:mail -all",
        "permerror",
        "4.6",
        "a syntax error anywhere is an error, even behind a term that matches",
    ),
    Corner(
        "three-voids",
        "v=spf1 a:x.%{o} a:y.%{o} a:z.%{o} +all",
        "permerror",
        "4.6.4",
        "three terms without an answer are more than two",
    ),
    Corner(
        "eleven-includes",
        "v=spf1 " + " ".join(f"include:i{number}.%{{o}}" for number in range(11)) + " +all",
        "permerror",
        "4.6.4",
        "eleven terms that ask are more than ten",
        more=includes(11),
    ),
    Corner(
        "eleven-exchanges",
        "v=spf1 mx +all",
        "permerror",
        "4.6.4",
        "an mx with more than ten hosts is an error",
        more=tuple(("", "MX", f"10 m{number}.%{{o}}") for number in range(11))
        + tuple((f"m{number}", "A", "198.51.100.1") for number in range(11)),
    ),
    Corner(
        "ip6-for-ip4",
        "v=spf1 ip6:::/0 -all",
        "fail",
        "5",
        "an ip6 term matches no client of IPv4",
    ),
    Corner(
        "mapped-client",
        "v=spf1 ip4:192.0.2.1 -all",
        "pass",
        "5",
        "a client ::ffff:192.0.2.1 is one of IPv4",
        ip="::ffff:192.0.2.1",
    ),
    Corner(
        "all-of-ip4",
        "v=spf1 ip4:0.0.0.0/0 -all",
        "pass",
        "5.6",
        "a prefix of no bits matches all",
    ),
    Corner(
        "prefix-33",
        "v=spf1 ip4:192.0.2.1/33 +all",
        "permerror",
        "5.6",
        "a prefix of IPv4 has at most 32 bits",
    ),
    Corner(
        "prefix-032",
        "v=spf1 ip4:192.0.2.1/032 +all",
        "permerror",
        "5.6",
        "a prefix has no leading zeros",
    ),
    Corner(
        "exists-aaaa",
        "v=spf1 exists:six.%{o} -all",
        "fail",
        "5.7",
        "exists asks for A alone, whatever the client",
        ip="2001:db8::1",
        more=(("six", "AAAA", "2001:db8::2"),),
    ),
    Corner(
        "two-redirects",
        "v=spf1 redirect=r.%{o} redirect=r.%{o}",
        "permerror",
        "6",
        "redirect may stand once",
        more=(("r", "TXT", "v=spf1 +all"),),
    ),
    Corner(
        "unknown-modifier",
        "v=spf1 moo=a:b/c ip4:192.0.2.1 -all",
        "pass",
        "6",
        "an unknown modifier is ignored; its value may hold : and /",
    ),
    Corner(
        "early-redirect",
        "v=spf1 redirect=r.%{o} ip4:192.0.2.1",
        "pass",
        "6.1",
        "redirect comes after all mechanisms, wherever it stands",
        more=(("r", "TXT", "v=spf1 -all"),),
    ),
    Corner(
        "top-label",
        "v=spf1 a:192.0.2.1 +all",
        "permerror",
        "7.1",
        "a domain-spec ends in a top label, which is not all digits",
    ),
    Corner(
        "macro-c",
        "v=spf1 ip4:192.0.2.1 exists:%{c}.%{o} -all",
        "permerror",
        "7.2",
        "the macros c, r and t are for explanations alone",
    ),
)


def corner_world() -> World:
    resources = [resource for corner in CORNERS for resource in corner.resources()]
    return World(resources, [], [corner.connection() for corner in CORNERS])


def wrong(words: Sequence[str]) -> dict[str, str]:
    """The corners where these words are not right, by name. ``words``: one for each corner."""
    return {
        corner.name: word
        for corner, word in zip(CORNERS, words, strict=True)
        if word != corner.right
    }


def corner_rows(verdicts: Mapping[str, Sequence[str]]) -> Table:
    """A row for each corner, a column for each peer: a point where it is right, else its word."""
    rows = [
        (
            corner.why,
            corner.section,
            corner.right,
            *("·" if words[row] == corner.right else words[row] for words in verdicts.values()),
        )
        for row, corner in enumerate(CORNERS)
    ]
    right = (f"{len(CORNERS) - len(wrong(words))}" for words in verdicts.values())
    rows.append((f"right, of {len(CORNERS)}", "", "", *right))
    return Table(("what is right", "RFC 7208", "result", *verdicts), rows)
