"""One page of HTML that tells a run: pictures, tables, differences, machine, commands.

What may live here: HTML. The page needs nothing else: its style and pictures are in it, and it has
no script. It follows the reader's choice of light or dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers import report
from benchmarks.peers.charts import STYLE, Chart
from benchmarks.peers.corners import corner_rows
from benchmarks.peers.entries import OURS
from benchmarks.peers.report import Table, Timing

if TYPE_CHECKING:
    from benchmarks.peers.results import LoadResult, Results

__all__ = ["page"]

CSS = Path(__file__).parent / "page.css"

CAVEATS = (
    "Only ratios within one run mean something, and one below 1.2 means “level”. “wall/CPU” far "
    "from 1 on one core says that a run was disturbed.",
    "Checks a CPU second count the time of the whole process, all threads together; two threads "
    "show in “checks/s”, by the clock.",
    "mail-auth and viaspf are called from Rust, libspf2 from C, go-spf from Go, mailauth from "
    "JavaScript and Mail::SPF from Perl. Ours and pyspf pay for a call from Python, ours in a "
    "batch once for all rows.",
    "The caches are not equal work: mail-auth's cheapest one checks no expiry and never evicts; "
    "those of viaspf, libspf2, go-spf, mailauth, pyspf and Mail::SPF are plain tables; ours has "
    "both.",
    "Cold, a server without delay answers on the other core, so what counts is the work that a "
    "peer puts into a query. Over a real network most of the time is waiting.",
    "A slow peer checks only the first of the connections.",
    "The zones that are timed exercise what real policies hold most. Conformance as a whole is "
    "tested elsewhere.",
)


def page(results: Results, pictures: Mapping[str, Chart]) -> str:
    sections = "\n".join(load_section(result, pictures) for result in results.loads)
    differences = "\n".join(difference_section(result) for result in results.loads if result.counts)
    links = "".join(
        f'<a href="#{result.load.name}">{escape(result.load.title)}</a>' for result in results.loads
    )
    links += (
        '<a href="#verdicts">verdicts</a><a href="#corners">corners of the RFC</a>'
        '<a href="#absent">not in the tables</a>'
        '<a href="#machine">machine</a><a href="#repeat">how to repeat</a>'
    )
    when = results.facts.get("when", "")
    smoke = "A smoke test: its figures mean nothing." if results.quick else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>SPF checks side by side</title>
<style>
{CSS.read_text(encoding="utf-8")}{STYLE}</style>
</head>
<body>
<main>
<h1>SPF checks side by side</h1>
<p class="quiet">senderid_fast beside other implementations of RFC 7208, in turns on one machine.
{escape(when)}</p>
<p><strong>{smoke}</strong></p>
<nav>{links}</nav>
<div class="tiles">{tiles(results.loads)}</div>
{sections}
<h2 id="verdicts">Verdicts, before anything was timed</h2>
<p>A difference that nobody can explain by the RFC ends the run: a fast wrong answer is not timed.
“right” is the result by the RFC.</p>
{differences}
<h2 id="corners">At the corners of the RFC</h2>
<p>Policies that real mail seldom meets and that a forger may choose, checked by each peer and not
timed. A point says that it is right; else its word stands there. Ours must be right in all of them,
or the run ends. What libspf2 calls invalid is read as permerror.</p>
{html_table(corner_rows(results.corners))}
<h2 id="absent">Not in the tables</h2>
{definitions(results.absent())}
<h2 id="caveats">How to read the figures</h2>
<ul>{"".join(f"<li>{escape(caveat)}</li>" for caveat in CAVEATS)}</ul>
<h2 id="machine">Machine and versions</h2>
{definitions(results.facts)}
<h2 id="repeat">How to repeat</h2>
<p>At the root of a checkout; what is missing is built or installed first.</p>
<pre>make bench-peers</pre>
<p>This page came from the first of these; the others are what it ran.</p>
<pre>{escape(chr(10).join(results.commands()))}</pre>
</main>
</body>
</html>
"""


def times(ratio: float) -> str:
    """A ratio with as many digits as it is worth."""
    return f"{ratio:.2f}" if ratio < 1 else f"{ratio:.1f}" if ratio < 10 else f"{ratio:,.0f}"


def tiles(loads: Iterable[LoadResult]) -> str:
    """The best of ours in each load, and how that compares."""
    found = []
    for result in loads:
        rate = Timing.wall_rate if result.is_cold else Timing.rate
        timings = {timing.peer: timing for timing in result.timings}
        ours = [timing for timing in result.timings if timing.peer.startswith(OURS)]
        if not ours:
            continue
        best = max(ours, key=rate)
        unit = "checks a second" if result.is_cold else "checks a CPU second"
        lines = [f"{unit}, {best.peer}"]
        lines += [
            f"{times(rate(best) / rate(timings[base]))} times {base}"
            for base in report.BASES
            if base in timings
        ]
        inner = "".join(f"<span>{escape(line)}</span>" for line in lines)
        found.append(
            f'<div class="tile"><i>{escape(result.load.title)}</i><b>{rate(best):,.0f}</b>'
            f"{inner}</div>"
        )
    return "".join(found)


def load_section(result: LoadResult, pictures: Mapping[str, Chart]) -> str:
    name = result.load.name
    head = (
        f'<h2 id="{name}">{escape(result.load.title.capitalize())}</h2>\n'
        f'<p class="quiet">{escape(result.what().capitalize())}</p>'
    )
    if not result.timings:
        return f"{head}\n<p>Nobody was measured.</p>"
    figures = "\n".join(
        f"<figure>{chart.svg()}</figure>"
        for key, chart in pictures.items()
        if key.startswith(f"{name}-")
    )
    return f"{head}\n{figures}\n{html_table(result.rates())}"


def difference_section(result: LoadResult) -> str:
    said = report.agreement(result.differences, result.counts, result.load.connections)
    head = f"<h3>{escape(result.title())}</h3>\n<p>{escape(said)}</p>"
    if not result.differences:
        return head
    rows, reasons = report.difference_rows(result.differences)
    notes = "".join(f"<li>{escape(reason)}</li>" for reason in reasons)
    return f"{head}\n{html_table(rows)}\n<ol>{notes}</ol>"


def html_table(made: Table) -> str:
    first_number = len(made.head) - made.numbers

    def kind(column: int) -> str:
        if column >= first_number:
            return ' class="number"'
        return ' class="name"' if column == 0 and made.numbers else ""

    head = "".join(f"<th{kind(i)}>{escape(cell)}</th>" for i, cell in enumerate(made.head))
    rows = []
    for row in made.rows:
        ours = ' class="ours"' if row[0].startswith(OURS) else ""
        cells = "".join(f"<td{kind(i)}>{escape(cell)}</td>" for i, cell in enumerate(row))
        rows.append(f"<tr{ours}>{cells}</tr>")
    body = "\n".join(rows)
    return f'<div class="wide"><table>\n<tr>{head}</tr>\n{body}\n</table></div>'


def definitions(pairs: Mapping[str, str]) -> str:
    inner = "".join(f"<dt>{escape(key)}</dt><dd>{escape(text)}</dd>" for key, text in pairs.items())
    return f"<dl>{inner}</dl>"
