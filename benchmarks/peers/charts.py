"""Bars as SVG: one for each peer, from its median, with whiskers from the least to the most.

What may live here: drawing. Text stays text, and colours are custom properties of CSS, so that a
picture suits a light and a dark page. The two colours are told apart by every kind of sight, and
the peers are named beside the bars.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.peers.entries import OURS
from benchmarks.peers.report import Timing

__all__ = ["STYLE", "Bar", "Chart", "charts"]

WIDTH = 900
LABELS = 250  # where the bars begin
VALUES = 785  # where they end; values stand to the right of it
ROW, THICK = 30, 18
TOP, BOTTOM = 64, 34

STYLE = """\
.chart { --ink: #1c2430; --quiet: #667085; --rule: #dfe3ea; --ours: #0072b2; --other: #b3bac5; }
@media (prefers-color-scheme: dark) {
  .chart { --ink: #e6e9ef; --quiet: #98a2b3; --rule: #333b49; --ours: #56b4e9; --other: #667085; }
}
.chart text { font: 13px system-ui, "DejaVu Sans", sans-serif; fill: var(--ink); }
.chart .title { font-size: 16px; font-weight: 600; }
.chart .quiet { fill: var(--quiet); font-size: 12px; }
.chart .mine { font-weight: 600; }
.chart .rule { stroke: var(--rule); stroke-width: 1; }
.chart .whisker { stroke: var(--ink); stroke-width: 1.5; fill: none; }
.chart .bar { fill: var(--other); }
.chart .bar.mine { fill: var(--ours); }
"""


@dataclass(frozen=True)
class Bar:
    label: str
    value: float
    low: float
    high: float

    @property
    def is_ours(self) -> bool:
        return self.label.startswith(OURS)


@dataclass(frozen=True)
class Chart:
    """``logarithmic``: then the axis begins with the power of ten below the least value."""

    name: str
    title: str
    note: str
    bars: Sequence[Bar]
    logarithmic: bool
    write: Callable[[float], str]

    def ticks(self) -> list[float]:
        """Where the rules stand; the first and the last are the ends of the axis."""
        most = max(max(bar.value, bar.high) for bar in self.bars)
        if self.logarithmic:
            least = min(min(bar.value, bar.low) for bar in self.bars)
            first = math.floor(math.log10(least))
            if least < 1.5 * 10.0**first:  # or its bar would be too short to be seen
                first -= 1
            powers = range(first, math.ceil(math.log10(most)) + 1)
            if len(powers) > 4:
                return [10.0**power for power in powers]
            # With few powers of ten, rules between them, too.
            steps = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
            begin = max(step for step in steps if step < least / 1.3)
            end = min(step for step in steps if step >= most)
            return [step for step in steps if begin <= step <= end]
        step = 10.0 ** math.floor(math.log10(most / 2))
        step = next(step * factor for factor in (1, 2, 5, 10) if most / (step * factor) <= 5)
        return [step * number for number in range(math.ceil(most / step) + 1)]

    def svg(self) -> str:
        """An element for a page that has STYLE."""
        ticks = self.ticks()
        first, last = ticks[0], ticks[-1]

        def place(value: float) -> float:
            if self.logarithmic:
                part = math.log10(max(value, first) / first) / math.log10(last / first)
            else:
                part = value / last
            return LABELS + part * (VALUES - LABELS)

        end = TOP + ROW * len(self.bars)
        height = end + BOTTOM
        parts = [
            f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" '
            f'aria-label="{escape(self.title)}" xmlns="http://www.w3.org/2000/svg">',
            text(0, 20, self.title, "title"),
            text(0, 41, self.note, "quiet"),
        ]
        for tick in ticks:
            x = place(tick)
            parts.append(line(x, TOP - 6, x, end + 4, "rule"))
            parts.append(text(x, end + 20, short(tick), "quiet", "middle"))
        for number, bar in enumerate(self.bars):
            parts += self.row(bar, TOP + ROW * number, place)
        return "\n".join([*parts, "</svg>"])

    def row(self, bar: Bar, y: int, place: Callable[[float], float]) -> list[str]:
        mine = " mine" if bar.is_ours else ""
        start, x, middle = place(0) if not self.logarithmic else LABELS, place(bar.value), y + 13
        told = f"{bar.label}: {self.write(bar.value)}"
        if bar.low != bar.high:
            told += f" ({self.write(bar.low)} to {self.write(bar.high)})"
        parts = [
            f'<rect class="bar{mine}" x="{start:.1f}" y="{middle - THICK / 2:.1f}" '
            f'width="{max(1.0, x - start):.1f}" height="{THICK}" rx="2">'
            f"<title>{escape(told)}</title></rect>",
            text(LABELS - 10, middle + 4.5, bar.label, mine.strip(), "end"),
            text(WIDTH - 4, middle + 4.5, self.write(bar.value), mine.strip(), "end"),
        ]
        if bar.low != bar.high:
            low, high = place(bar.low), place(bar.high)
            parts.append(
                f'<path class="whisker" d="M{low:.1f} {middle - 5}v10M{low:.1f} {middle}H{high:.1f}'
                f'M{high:.1f} {middle - 5}v10"/>'
            )
        return parts

    def document(self) -> str:
        """A file of its own, on a ground of its own."""
        ground = '<rect x="-20" y="-16" width="100%" height="100%" fill="var(--ground)"/>'
        own = (
            f"<style>\n{STYLE}.chart {{ --ground: #ffffff; }}\n"
            "@media (prefers-color-scheme: dark) { .chart { --ground: #14181f; } }\n</style>"
        )
        height = TOP + ROW * len(self.bars) + BOTTOM
        head, _, body = self.svg().partition("\n")
        head = head.replace(
            f'viewBox="0 0 {WIDTH} {height}"',
            f'viewBox="-20 -16 {WIDTH + 40} {height + 32}" width="{WIDTH + 40}" '
            f'height="{height + 32}"',
        )
        return f"{head}\n{own}\n{ground}\n{body}\n"


def text(x: float, y: float, words: str, kind: str, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">'
        f"{escape(words)}</text>"
    )


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def short(value: float) -> str:
    """1000 as 1k, 1000000 as 1M."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def whole(value: float) -> str:
    return f"{value:,.0f}"


def charts(timings: Sequence[Timing], *, cold: bool) -> list[Chart]:
    """Speed, then what it takes: queries if the peers asked, memory."""
    if not timings:
        return []
    whiskers = "bars: median; whiskers: slowest and fastest pass; logarithmic"
    if cold:
        order = sorted(timings, key=Timing.wall_rate, reverse=True)
        rates = [Bar(one.peer, one.wall_rate(), *one.wall_extremes()) for one in order]
        title = "Checks a second, every domain new"
        asked = [(one.peer, one.queries_per_check() or 0.0) for one in order]
        extra = [
            Chart(
                "queries",
                "Queries a check",
                "DNS queries that reached the server, for each check; fewer is better",
                [Bar(peer, value, value, value) for peer, value in asked],
                False,
                lambda value: f"{value:.2f}",
            )
        ]
    else:
        order = sorted(timings, key=Timing.rate, reverse=True)
        rates = [Bar(one.peer, one.rate(), *one.extremes()) for one in order]
        title, extra = "Checks a CPU second, answers known", []
    memory = [(one.peer, one.rss_kib / 1024) for one in order]
    return [
        Chart("rate", title, f"{whiskers}; more is better", rates, True, whole),
        *extra,
        Chart(
            "memory",
            "Peak of resident memory while timed, MiB",
            "the process with its interpreter, its answers and the connections; less is better",
            [Bar(peer, value, value, value) for peer, value in memory],
            False,
            whole,
        ),
    ]
