"""The OpenSPF test format: YAML documents of ``tests`` and ``zonedata``.

Each document is one scenario: its tests share a zone. ``zonedata`` is passed on as it is written;
sf.ZoneResolver reads this form.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import senderid_fast as sf

__all__ = ["DEFAULT", "Case", "compare", "load"]

DEFAULT = "DEFAULT"
"""What ``explanation`` says for "the receiver's own text": a Verdict without an explanation."""


@dataclass(frozen=True)
class Case:
    """One test of a suite: what check_host() is given, and what it may answer."""

    scenario: str
    name: str
    zone: dict[str, Any]
    ip: str
    helo: str
    mail_from: str
    results: tuple[str, ...]
    explanation: str | None = None
    section: str = ""

    @property
    def id(self) -> str:
        return self.name


def _results(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _cases(document: dict[str, Any]) -> Iterator[Case]:
    for name, test in document["tests"].items():
        yield Case(
            scenario=document["description"],
            name=name,
            zone=document["zonedata"],
            ip=test["host"],
            helo=test.get("helo") or "",
            mail_from=test["mailfrom"] or "",
            results=_results(test["result"]),
            explanation=test.get("explanation"),
            section=str(test.get("spec", "")),
        )


def load(path: Path) -> list[Case]:
    """The cases of a suite, in its order."""
    with path.open(encoding="utf-8") as stream:
        documents = list(yaml.safe_load_all(stream))
    return [case for document in documents if document for case in _cases(document)]


def compare(case: Case, verdict: sf.Verdict) -> str:
    """What is wrong with a verdict, in one line; empty if it is as the case wants it."""
    if str(verdict.result) not in case.results:
        wanted = " or ".join(case.results)
        return f"{verdict.result} ({verdict.reason}: {verdict.detail}), should be {wanted}"
    # Only a fail has an explanation (RFC 7208 6.2).
    if case.explanation is not None and verdict.result is sf.Result.FAIL:
        wanted_text = None if case.explanation == DEFAULT else case.explanation
        if verdict.explanation != wanted_text:
            return f"explanation {verdict.explanation!r}, should be {wanted_text!r}"
    return ""
