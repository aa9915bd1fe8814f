"""What a run found, and the files that tell it: JSON, Markdown, pictures and one page of HTML.

What may live here: the shape of the results. What is in a file is made by report, plots and page.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.peers import page, report
from benchmarks.peers.charts import charts
from benchmarks.peers.corners import CORNERS, corner_rows, wrong
from benchmarks.peers.loads import Load
from benchmarks.peers.report import Timing
from benchmarks.peers.verdicts import Difference

__all__ = ["LoadResult", "Results", "save"]


@dataclass
class LoadResult:
    """One load: who was measured, who was not, and what differed before that."""

    load: Load
    timings: list[Timing] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def is_cold(self) -> bool:
        return self.load.draw == "once"

    def what(self) -> str:
        return f"{'cold' if self.is_cold else 'answers known'}, {self.load.size()}"

    def title(self) -> str:
        return f"{self.load.title}: {self.what()}"

    def verdict_table(self) -> str:
        return report.verdict_table(self.differences, self.counts, self.load.connections)

    def rates(self) -> report.Table:
        make = report.cold_rows if self.is_cold else report.rate_rows
        return make(self.timings)

    def rate_table(self) -> str:
        return self.rates().markdown() if self.timings else "Nobody was measured."

    def figures(self) -> dict[str, object]:
        return {
            "what": self.title(),
            "timings": [timing.figures() for timing in self.timings],
            "compared": self.counts,
            "differences": [kind.figures() for kind in self.differences],
        }


@dataclass
class Results:
    """A whole run. ``corners``: what each peer says there; ``not_run``: who is missing on every
    run, and why."""

    command: str
    facts: Mapping[str, str]
    loads: Sequence[LoadResult]
    corners: Mapping[str, Sequence[str]]
    not_run: Mapping[str, str]
    quick: bool

    def absent(self) -> dict[str, str]:
        absent: dict[str, str] = {}
        for result in self.loads:
            absent |= result.skipped
        return absent | dict(self.not_run)

    def commands(self) -> list[str]:
        timings = (timing for result in self.loads for timing in result.timings)
        return list(dict.fromkeys([self.command, *(timing.command for timing in timings)]))

    def markdown(self) -> str:
        sections = [(result.title(), result.rate_table()) for result in self.loads]
        sections += [
            (f"Verdicts, {result.load.name}", result.verdict_table())
            for result in self.loads
            if result.counts
        ]
        sections.append(("At the corners of the RFC", corner_rows(self.corners).markdown()))
        return report.markdown(
            "SPF checks side by side",
            facts=self.facts,
            sections=sections,
            absent=self.absent(),
            commands=self.commands(),
        )

    def figures(self) -> dict[str, object]:
        return {
            "facts": self.facts,
            "absent": self.absent(),
            "commands": self.commands(),
            "corners": {
                "right": {corner.name: corner.right for corner in CORNERS},
                "wrong": {peer: wrong(words) for peer, words in self.corners.items()},
            },
            "loads": {result.load.name: result.figures() for result in self.loads},
        }


def save(results: Results, folder: Path) -> list[Path]:
    """Files of one name: .json for programs, .md and .html for people, a .svg for each picture."""
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}{'-quick' if results.quick else ''}"
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {
        f"{result.load.name}-{chart.name}": chart
        for result in results.loads
        for chart in charts(result.timings, cold=result.is_cold)
    }
    texts = {
        f"{name}.json": json.dumps(results.figures(), indent=2) + "\n",
        f"{name}.md": results.markdown(),
        f"{name}.html": page.page(results, pictures),
    }
    texts |= {f"{name}-{key}.svg": chart.document() for key, chart in pictures.items()}
    for file, text in texts.items():
        (folder / file).write_text(text, encoding="utf-8")
    return [folder / file for file in texts]
