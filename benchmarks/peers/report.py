"""The results as text: what differs, who is how fast, and on what it was measured."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from benchmarks.peers.prepare import first_line
from benchmarks.peers.verdicts import Difference

__all__ = [
    "BASES",
    "Table",
    "Timing",
    "agreement",
    "cold_rows",
    "difference_rows",
    "machine",
    "markdown",
    "rate_rows",
    "rate_table",
    "stolen_seconds",
    "table",
    "verdict_table",
]

# The peers that the others are set against.
BASES = ("libspf2", "pyspf", "mail-auth")


@dataclass
class Timing:
    """All passes of one peer, by round. ``how`` and ``queries`` are for those that ask DNS."""

    peer: str
    language: str
    version: str
    checks: int
    command: str
    cpu_seconds: list[list[float]] = field(default_factory=list)
    wall_seconds: list[list[float]] = field(default_factory=list)
    rss_kib: int = 0
    how: str = ""
    queries: list[int] = field(default_factory=list)

    def add(self, cpu: list[float], wall: list[float], rss_kib: int) -> None:
        """One round."""
        self.cpu_seconds.append(cpu)
        self.wall_seconds.append(wall)
        self.rss_kib = max(self.rss_kib, rss_kib)

    def rate(self) -> float:
        """Checks a CPU second: the median over rounds of the median over passes."""
        return rate_of(self.checks, self.cpu_seconds)

    def wall_rate(self) -> float:
        """The same by the clock."""
        return rate_of(self.checks, self.wall_seconds)

    def extremes(self) -> tuple[float, float]:
        return extremes_of(self.checks, self.cpu_seconds)

    def wall_extremes(self) -> tuple[float, float]:
        return extremes_of(self.checks, self.wall_seconds)

    def wall_per_cpu(self) -> float:
        """1.0 if the core was ours alone: how far to trust the run."""
        return sum(map(sum, self.wall_seconds)) / sum(map(sum, self.cpu_seconds))

    def queries_per_check(self) -> float | None:
        return statistics.median(self.queries) / self.checks if self.queries else None

    def figures(self) -> dict[str, object]:
        low, high = self.extremes()
        wall_low, wall_high = self.wall_extremes()
        return asdict(self) | {
            "checks_per_cpu_second": self.rate(),
            "checks_per_cpu_second_min": low,
            "checks_per_cpu_second_max": high,
            "checks_per_second": self.wall_rate(),
            "checks_per_second_min": wall_low,
            "checks_per_second_max": wall_high,
            "queries_per_check": self.queries_per_check(),
            "wall_per_cpu": self.wall_per_cpu(),
        }


def rate_of(checks: int, rounds: Sequence[Sequence[float]]) -> float:
    return checks / statistics.median(map(statistics.median, rounds))


def extremes_of(checks: int, rounds: Sequence[Sequence[float]]) -> tuple[float, float]:
    passes = [seconds for one_round in rounds for seconds in one_round]
    return checks / max(passes), checks / min(passes)


class Table(NamedTuple):
    """Cells as text; the last ``numbers`` columns are numbers."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: int = 0

    def markdown(self) -> str:
        return table(*self)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0) -> str:
    """A Markdown table that reads well as plain text; the last `numbers` columns are numbers."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    first_number = len(head) - numbers

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if i < first_number else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join(padded)} |"

    rule = "|".join(
        "-" * (width + 2) if i < first_number else "-" * (width + 1) + ":"
        for i, width in enumerate(widths)
    )
    return "\n".join([line(head), f"|{rule}|", *map(line, rows)])


def difference_rows(differences: Sequence[Difference]) -> tuple[Table, list[str]]:
    """The kinds of difference, and the reasons that their last column gives by number."""
    reasons = list(dict.fromkeys(kind.reason for kind in differences if kind.reason))
    rows = [
        (
            f"{len(kind.rows):,}",
            kind.shape,
            "; ".join(
                f"{word}: {', '.join(who)}"
                for word, who in kind.groups().items()
                if word != kind.right  # whom the others agree with, if that is known
            ),
            " ".join(kind.sample),
            kind.right or "?",
            kind.section or "?",
            f"({reasons.index(kind.reason) + 1})" if kind.reason else "UNEXPLAINED",
        )
        for kind in differences
    ]
    return Table(
        ("rows", "policy", "who differs", "sample", "right", "RFC 7208", "why"), rows
    ), reasons


def agreement(differences: Sequence[Difference], counts: Mapping[str, int], checks: int) -> str:
    """One sentence. ``counts``: how many of the connections each checked, from the first on."""
    together = ", ".join(
        peer if count == checks else f"{peer} (the first {count:,})"
        for peer, count in counts.items()
    )
    if not differences:
        return f"{together}: the same verdict on all {checks:,} connections."
    apart = sum(len(kind.rows) for kind in differences)
    return f"{together}: the same verdict on {checks - apart:,} of {checks:,} connections."


def verdict_table(differences: Sequence[Difference], counts: Mapping[str, int], checks: int) -> str:
    text = agreement(differences, counts, checks)
    if not differences:
        return text
    rows, reasons = difference_rows(differences)
    notes = "\n".join(f"({number}) {reason}" for number, reason in enumerate(reasons, 1))
    return "\n\n".join(filter(None, (text, rows.markdown(), notes)))


def rate_rows(timings: Sequence[Timing]) -> Table:
    """Answers known: the fastest by CPU time first."""
    bases = [timing for name in BASES for timing in timings if timing.peer == name]
    rows = []
    for timing in sorted(timings, key=Timing.rate, reverse=True):
        low, high = timing.extremes()
        rate = timing.rate()
        rows.append(
            (
                timing.peer,
                timing.version,
                timing.language,
                f"{rate:,.0f}",
                f"{low:,.0f} to {high:,.0f}",
                f"{1e6 / rate:.2f}",
                f"{timing.wall_rate():,.0f}",
                *(f"{rate / base.rate():.2f}x" for base in bases),
                f"{timing.rss_kib / 1024:.0f}",
                f"{timing.wall_per_cpu():.2f}",
            )
        )
    head = (
        "peer",
        "version",
        "in",
        "checks/CPU s",
        "min to max",
        "us/check",
        "checks/s",
        *(f"of {base.peer}" for base in bases),
        "peak MiB",
        "wall/CPU",
    )
    return Table(head, rows, len(head) - 3)


def rate_table(timings: Sequence[Timing]) -> str:
    return rate_rows(timings).markdown()


def cold_rows(timings: Sequence[Timing]) -> Table:
    """Every domain new: the fastest by the clock first."""
    rows = []
    for timing in sorted(timings, key=Timing.wall_rate, reverse=True):
        low, high = timing.wall_extremes()
        rows.append(
            (
                timing.peer,
                timing.how,
                f"{timing.wall_rate():,.0f}",
                f"{low:,.0f} to {high:,.0f}",
                f"{timing.rate():,.0f}",
                f"{timing.queries_per_check() or 0:.2f}",
                f"{timing.checks:,}",
                f"{timing.rss_kib / 1024:.0f}",
            )
        )
    head = (
        "peer",
        "how",
        "checks/s",
        "min to max",
        "checks/CPU s",
        "queries/check",
        "checks",
        "peak MiB",
    )
    return Table(head, rows, len(head) - 2)


def stolen_seconds(core: int) -> float:
    """Since boot, the time that the host took from our core, which may look like CPU time."""
    stat = Path("/proc/stat").read_text(encoding="ascii")
    fields = next(line.split() for line in stat.splitlines() if line.startswith(f"cpu{core} "))
    return int(fields[8]) / os.sysconf("SC_CLK_TCK")


def machine(core: int) -> dict[str, str]:
    cpu = "unknown"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    return {
        "when": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "cpu": cpu,
        "cores": str(os.cpu_count()),
        "pinned to core": str(core),
        "system": f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {platform.release()}",
        "python": platform.python_version(),
        "rustc": first_line(["rustc", "--version"]),
        "gcc": first_line(["gcc", "--version"]),
        "go": first_line(["go", "version"]),
        "node": first_line(["node", "--version"]),
        "perl": first_line(["perl", "-e", "print $^V"]),
        "libspf2 package": first_line(["dpkg-query", "-W", "-f", "${Version}", "libspf2-2"]),
        "load average before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def markdown(
    title: str,
    *,
    facts: Mapping[str, str],
    sections: Sequence[tuple[str, str]],
    absent: Mapping[str, str],
    commands: Sequence[str],
) -> str:
    """``sections``: a heading and its text each; without a heading it stands under the title."""
    parts = [f"# {title}"]
    for heading, text in sections:
        parts += [f"## {heading}", text] if heading else [text]
    if absent:
        parts += ["## Not in the tables", "\n".join(f"- {k}: {v}" for k, v in absent.items())]
    parts += ["## Where", "\n".join(f"- {key}: {value}" for key, value in facts.items())]
    parts += ["## Commands", "\n".join(f"    {command}" for command in commands)]
    return "\n\n".join(parts) + "\n"
