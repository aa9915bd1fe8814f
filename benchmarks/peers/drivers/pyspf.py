"""pyspf, strict as it is by default, with a dictionary in place of its DNS look-up."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import spf  # type: ignore[import-not-found]

from benchmarks.peers.drivers.harness import Check, Zone, drive

__all__ = ["prepare"]


def answer_of(name: str, rrtype: str, data: Any) -> tuple[tuple[str, str], Any]:
    """One record as pyspf's own look-up returns it."""
    if rrtype == "TXT":
        strings = [data] if isinstance(data, str) else data
        return (name, rrtype), tuple(string.encode("ascii") for string in strings)
    return (name, rrtype), tuple(data) if rrtype == "MX" else data


def prepare(zone: Zone) -> Check[tuple[str, str]]:
    answers: dict[tuple[str, str], list[Any]] = {}
    for name, records in zone.items():
        for record in records:
            for rrtype, data in record.items():
                answers.setdefault((name, rrtype), []).append(answer_of(name, rrtype, data))

    def look_up(name: str, rrtype: str, *_args: object, **_options: object) -> list[Any]:
        return answers.get((name, rrtype), [])

    spf.DNSLookup = look_up
    check: Check[tuple[str, str]] = spf.check2
    return check


if __name__ == "__main__":
    drive("pyspf", version("pyspf"), prepare, lambda outcome: outcome[0])
