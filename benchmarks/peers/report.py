"""The results as text: what differs, who is how fast, and on what it was measured."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.peers.verdicts import Difference

__all__ = [
    "Timing",
    "machine",
    "markdown",
    "rate_table",
    "stolen_seconds",
    "verdict_table",
]

# The peers that the others are set against.
BASES = ("libspf2", "pyspf", "mail-auth")


@dataclass
class Timing:
    """All passes of one peer, by round."""

    peer: str
    language: str
    version: str
    checks: int
    command: str
    cpu_seconds: list[list[float]] = field(default_factory=list)
    wall_seconds: list[list[float]] = field(default_factory=list)
    rss_kib: int = 0

    def rate(self) -> float:
        """Checks a CPU second: the median over rounds of the median over passes."""
        return self.checks / statistics.median(map(statistics.median, self.cpu_seconds))

    def extremes(self) -> tuple[float, float]:
        passes = [seconds for one_round in self.cpu_seconds for seconds in one_round]
        return self.checks / max(passes), self.checks / min(passes)

    def wall_per_cpu(self) -> float:
        """1.0 if the core was ours alone: how far to trust the run."""
        return sum(map(sum, self.wall_seconds)) / sum(map(sum, self.cpu_seconds))

    def figures(self) -> dict[str, object]:
        low, high = self.extremes()
        return asdict(self) | {
            "checks_per_cpu_second": self.rate(),
            "checks_per_cpu_second_min": low,
            "checks_per_cpu_second_max": high,
            "wall_per_cpu": self.wall_per_cpu(),
        }


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


def verdict_table(differences: Sequence[Difference], peers: Sequence[str], checks: int) -> str:
    together = ", ".join(peers)
    if not differences:
        return f"{together}: the same verdict on all {checks:,} connections."
    apart = sum(len(kind.rows) for kind in differences)
    reasons = list(dict.fromkeys(kind.reason for kind in differences if kind.reason))
    rows = [
        (
            f"{len(kind.rows):,}",
            kind.shape,
            "; ".join(f"{word}: {', '.join(who)}" for word, who in kind.groups().items()),
            " ".join(kind.sample),
            kind.right or "?",
            f"({reasons.index(kind.reason) + 1})" if kind.reason else "UNEXPLAINED",
        )
        for kind in differences
    ]
    head = ("rows", "policy", "verdicts", "sample", "right", "why")
    together += f": the same verdict on {checks - apart:,} of {checks:,} connections."
    notes = "\n".join(f"({number}) {reason}" for number, reason in enumerate(reasons, 1))
    return "\n\n".join(filter(None, (together, table(head, rows), notes)))


def rate_table(timings: Sequence[Timing]) -> str:
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
        *(f"of {base.peer}" for base in bases),
        "peak MiB",
        "wall/CPU",
    )
    return table(head, rows, numbers=len(head) - 3)


def first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return "not here"
    return (done.stdout.strip() or "not here").splitlines()[0]


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
        "libspf2 package": first_line(["dpkg-query", "-W", "-f", "${Version}", "libspf2-2"]),
        "load average before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def markdown(
    title: str,
    *,
    facts: Mapping[str, str],
    rates: str,
    verdicts: str,
    absent: Mapping[str, str],
    commands: Sequence[str],
) -> str:
    parts = [f"# {title}", rates, "## Verdicts", verdicts]
    if absent:
        parts += ["## Not in the table", "\n".join(f"- {k}: {v}" for k, v in absent.items())]
    parts += ["## Where", "\n".join(f"- {key}: {value}" for key, value in facts.items())]
    parts += ["## Commands", "\n".join(f"    {command}" for command in commands)]
    return "\n\n".join(parts) + "\n"
