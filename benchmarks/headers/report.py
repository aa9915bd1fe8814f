"""The results as text: what differs, and who is how fast."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.headers.compare import Kind
from benchmarks.headers.drivers.harness import Answer
from benchmarks.headers.prepare import SAME_WORK
from benchmarks.peers.report import Timing, table

__all__ = ["difference_table", "rate_table"]

# The peers that the others are set against.
BASES = ("mail-parser-lean", "mail-parser", "gmime", "python-email")


def shown(octets: bytes | None, length: int = 44) -> str:
    """As text in a cell of a table."""
    text = "none" if octets is None else repr(octets.strip())[2:-1].replace("|", "\\|")
    return text if len(text) <= length else f"{text[: length - 3]}..."


def answer(found: Answer) -> str:
    name, mailbox = found
    return f"{name}: {shown(mailbox)}" if name else "no field"


def difference_table(kinds: Sequence[Kind], peers: Sequence[str], messages: int) -> str:
    together = f"senderid_fast, {', '.join(peers)}"
    if not kinds:
        return f"{together}: the same on all {messages:,} messages."
    apart = len({row for kind in kinds for rows in kind.rows.values() for row in rows})
    rows = []
    for number, kind in enumerate(kinds, 1):
        # Those that answer the same share a row: two ways to use one parser, mostly.
        shared: dict[tuple[int, Answer], list[str]] = {}
        for peer, found in kind.theirs.items():
            shared.setdefault((len(kind.rows[peer]), found), []).append(peer)
        name = kind.known.name.replace("|", "\\|") if kind.known else ""
        about = (name, shown(kind.body), answer(kind.ours), kind.known.right if kind.known else "?")
        why = f"({number})" if kind.known else "UNEXPLAINED"
        for (count, found), who in shared.items():
            rows.append(
                (about[0], f"{count:,}", *about[1:3], ", ".join(who), answer(found), about[3], why)
            )
            about, why = ("",) * 4, ""
    head = ("kind", "messages", "sample", "senderid_fast", "peers", "theirs", "right", "why")
    together += f": the same on {messages - apart:,} of {messages:,} messages."
    notes = "\n".join(
        f"({number}) {kind.known.reason}" for number, kind in enumerate(kinds, 1) if kind.known
    )
    return "\n\n".join(filter(None, (together, table(head, rows), notes)))


def rate_table(timings: Sequence[Timing], octets: int) -> str:
    bases = [timing for name in BASES for timing in timings if timing.peer == name]
    rows = []
    for timing in sorted(timings, key=Timing.rate, reverse=True):
        low, high = timing.extremes()
        rate = timing.rate()
        same_work = timing.peer in SAME_WORK
        rows.append(
            (
                timing.peer,
                timing.version,
                timing.language,
                f"{rate:,.0f}",
                f"{low:,.0f} to {high:,.0f}",
                f"{1e6 / rate:.2f}",
                f"{rate * octets / timing.checks / 1e6:,.0f}",
                *(f"{rate / base.rate():.2f}x" if same_work else "-" for base in bases),
                f"{timing.wall_per_cpu():.2f}",
            )
        )
    head = (
        "peer",
        "version",
        "called from",
        "messages/CPU s",
        "min to max",
        "us/message",
        "MB/s",
        *(f"of {base.peer}" for base in bases),
        "wall/CPU",
    )
    return table(head, rows, numbers=len(head) - 3)
