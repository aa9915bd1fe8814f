"""Comparing verdicts row by row, before anything is timed.

A difference is fine only if KNOWN says who is wrong and why, and if the peers that it does not
blame agree. Ours is never blamed: where it stands alone, the run fails.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.peers.zone import Connection, Resource, World

__all__ = ["RESULTS", "Difference", "Facts", "compare"]

RESULTS = frozenset({"none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"})


class Facts:
    """The zone by name and type, and each domain's shape, for those who explain a difference."""

    def __init__(self, world: World) -> None:
        self.shapes = world.shapes()
        self.answers: dict[tuple[str, str], list[str]] = defaultdict(list)
        for resource in world.resources:
            self.add(resource)

    def add(self, resource: Resource) -> None:
        self.answers[resource.name, resource.rrtype].append(resource.value)

    def find(self, name: str, rrtype: str) -> list[str]:
        return self.answers.get((name, rrtype), [])

    def shape(self, connection: Connection) -> str:
        return self.shapes[domain_of(connection)]


def domain_of(connection: Connection) -> str:
    return connection.mail_from.rpartition("@")[2]


def more_than_two_empty_address_queries(facts: Facts, connection: Connection) -> bool:
    """Whether "a mx" meets three names without an address of the client's family."""
    domain = domain_of(connection)
    if facts.shape(connection) != "a-mx":
        return False
    rrtype = "AAAA" if ":" in connection.ip else "A"
    exchanges = [value.split(" ")[1] for value in facts.find(domain, "MX")]
    return sum(not facts.find(name, rrtype) for name in (domain, *exchanges)) > 2


@dataclass(frozen=True)
class Known:
    """A difference that is understood: these peers are wrong with this word where `applies`.

    section  of RFC 7208, by which they are wrong
    """

    peers: frozenset[str]
    word: str
    section: str
    applies: Callable[[Facts, Connection], bool]
    reason: str


KNOWN = (
    Known(
        frozenset({"viaspf", "pyspf", "Mail::SPF"}),
        "permerror",
        "4.6.4",
        more_than_two_empty_address_queries,
        "each address query of an mx term is counted as a void lookup, but RFC 7208 4.6.4 limits "
        "how many terms go without an answer, and a and mx are two, which is within the limit "
        "(11.1 alone could be read as counting queries)",
    ),
)


@dataclass
class Difference:
    """All rows in which the peers split in the same way, on policies of the same shape."""

    votes: Mapping[str, str]
    shape: str
    sample: Connection
    reason: str | None
    right: str | None
    section: str | None = None
    rows: list[int] = field(default_factory=list)

    def figures(self) -> dict[str, object]:
        return {
            "votes": dict(self.votes),
            "policy": self.shape,
            "rows": len(self.rows),
            "sample": self.sample._asdict(),
            "right": self.right,
            "reason": self.reason,
            "section": self.section,
        }

    def groups(self) -> dict[str, list[str]]:
        """Word -> the peers that said it."""
        groups: dict[str, list[str]] = {}
        for peer, word in self.votes.items():
            groups.setdefault(word, []).append(peer)
        return groups


def explain(
    facts: Facts, connection: Connection, votes: Mapping[str, str]
) -> tuple[str | None, str | None, str | None]:
    """The reason, the right word and the sections, or None thrice."""
    found: dict[str, Known] = {}
    for peer, word in votes.items():
        for known in KNOWN:
            if peer in known.peers and word == known.word and known.applies(facts, connection):
                found[peer] = known
    words = {word for peer, word in votes.items() if peer not in found}
    if not found or len(words) != 1:
        return None, None, None
    by_reason: dict[str, list[str]] = {}
    for peer, known in found.items():
        by_reason.setdefault(known.reason, []).append(peer)
    text = "; ".join(f"{' and '.join(peers)}: {reason}" for reason, peers in by_reason.items())
    sections = ", ".join(sorted({known.section for known in found.values()}))
    return text, words.pop(), sections


def compare(world: World, verdicts: Mapping[str, Sequence[str]]) -> list[Difference]:
    """The kinds of difference, the most frequent first.

    A peer may have checked only the first of the connections: then it has no say in the others.
    Raises ValueError for a broken output.
    """
    for peer, words in verdicts.items():
        if not 0 < len(words) <= len(world.connections):
            raise ValueError(f"{peer}: {len(words)} verdicts, not 1 to {len(world.connections)}")
        if strange := set(words) - RESULTS:
            raise ValueError(f"{peer}: not results of RFC 7208: {sorted(strange)}")
    facts = Facts(world)
    kinds: dict[tuple[object, ...], Difference] = {}
    for row, connection in enumerate(world.connections):
        votes = {peer: words[row] for peer, words in verdicts.items() if row < len(words)}
        if len(set(votes.values())) < 2:
            continue
        reason, right, section = explain(facts, connection, votes)
        shape = facts.shape(connection)
        key = (shape, reason, *votes.items())
        kinds.setdefault(
            key, Difference(votes, shape, connection, reason, right, section)
        ).rows.append(row)
    return sorted(kinds.values(), key=lambda kind: -len(kind.rows))
