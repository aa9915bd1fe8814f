"""What a comparison found, as values.

What may live here: frozen values, and their form in JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

__all__ = ["Change", "Comparison", "Transition", "Verdicts"]


class Verdicts(NamedTuple):
    """What one run found for one identity of one row; None where it found nothing."""

    result: str | None
    reason: str | None
    mechanism: str | None


class Transition(NamedTuple):
    """How many rows had the result ``before`` in the first run and ``after`` in the second.

    None: the identity was not checked.
    """

    before: str | None
    after: str | None
    rows: int


@dataclass(frozen=True, slots=True)
class Change:
    """A row whose result for one identity differs.

    row       its number, from 0
    identity  "spf" (MAIL FROM, or HELO in its place), "helo" or "pra"
    ip helo mail_from    as the rows have them; None: the column or the value is not there
    """

    row: int
    identity: str
    ip: str | None
    helo: str | None
    mail_from: str | None
    before: Verdicts
    after: Verdicts

    def as_dict(self) -> dict[str, Any]:
        """The fields by their names, for JSON."""
        return {
            **asdict(self),
            "before": self.before._asdict(),
            "after": self.after._asdict(),
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between two runs.

    rows           rows of each run
    changed        rows with another result for at least one identity
    results        by identity, every pair of results, the most frequent first
    examples       the first changes
    domains        (domain, changes), the most frequent first; the domains are those checked
    domains_error  by how much these counts may be too low (and a domain with no more changes than
                   this be missing); 0: they are exact
    """

    rows: int
    changed: int
    results: Mapping[str, tuple[Transition, ...]]
    examples: tuple[Change, ...]
    domains: tuple[tuple[str, int], ...]
    domains_error: int

    def as_dict(self) -> dict[str, Any]:
        """All of it, as JSON can hold it."""
        return {
            "rows": self.rows,
            "changed": self.changed,
            "results": {
                identity: [each._asdict() for each in transitions]
                for identity, transitions in self.results.items()
            },
            "examples": [change.as_dict() for change in self.examples],
            "domains": [{"domain": domain, "changes": rows} for domain, rows in self.domains],
            "domains_error": self.domains_error,
        }
