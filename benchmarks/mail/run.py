"""Filters behind one Postfix, side by side: verdicts first, then rate, CPU and memory.

    python -m benchmarks.mail [--messages 1000,20000] [--sessions 8] [--rounds 3] [--quick]

To be run as root. One Postfix (support/postfix.py) discards what it accepts; smtp-source sends,
each message with a connection of its own, and Postfix is told to ask one filter after the other,
in turns. Before that, messages of clients claimed by XCLIENT are delivered to files, and what each
filter has stamped is compared: a difference ends the run with exit 1. All filters ask one knot for
one zone; pyspf finds it in a resolv.conf that only this process and those below it see.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.mail.attached import Attached, Figures, attached
from benchmarks.mail.messages import CONNECTIONS, ZONE
from benchmarks.mail.prepare import FILTERS, Filter, Place, Start
from benchmarks.peers.prepare import ROOT, Unavailable, run
from benchmarks.peers.server import free_port, knot
from benchmarks.peers.turns import Failed
from tests.support.postfix import Postfix

__all__ = ["main"]

# dnspython and py3dns ask no other port; nobody else listens on this address.
RESOLVER = "127.53.0.53"
NEW_NAMESPACE = 0x00020000  # CLONE_NEWNS
WARM_UP = 100  # messages
# What the others are set against.
BASES = ("no filter", "ready answer, unix", "pymilter, unix", "policyd-spf")

Turn = tuple[Filter, Start, Place]
Found = dict[tuple[str, int], list[Figures]]


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mail", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    names = [each.name for each in FILTERS]
    parser.add_argument("--only", help=f"parts of names, with commas, of: {'; '.join(names)}")
    parser.add_argument("--messages", default="1000,20000", help="numbers, with commas")
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", action="store_true", help="several messages a connection (-d)")
    parser.add_argument("--size", type=int, default=2_000, help="octets of a message")
    parser.add_argument(
        "--quick", action="store_true", help="a smoke test: 100 messages, one round"
    )
    options = parser.parse_args(argv)
    if options.quick:
        options.messages, options.rounds = "100", 1
    try:
        options.messages = [int(number) for number in options.messages.split(",")]
    except ValueError:
        parser.error("--messages must be numbers, with commas")
    if min(options.messages) < 1 or options.sessions < 1 or options.rounds < 1:
        parser.error("numbers must be at least 1")
    words = options.only.split(",") if options.only else [""]
    options.filters = [each for each in FILTERS if any(word in each.name for word in words)]
    options.load = ["-l", str(options.size), *(["-d"] if options.keep else [])]
    return options


def private_resolver(folder: Path) -> None:
    """From now on this process and its children read a resolv.conf that names knot alone."""
    file = folder / "resolv.conf"
    file.write_text(f"nameserver {RESOLVER}\n")
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_NAMESPACE):
        raise Failed(f"no mount namespace of its own: {os.strerror(ctypes.get_errno())}")
    for command in (["--make-rprivate", "/"], ["--bind", str(file), "/etc/resolv.conf"]):
        subprocess.run(["mount", *command], check=True)


def prepared(filters: Sequence[Filter]) -> Iterator[Filter]:
    for each in filters:
        try:
            print(f"preparing {each.name}", file=sys.stderr)
            each.prepare()
        except Unavailable as error:
            print(f"SKIPPED {each.name}: {error}", file=sys.stderr)
        else:
            yield each


def compared(each: Filter, at_work: Attached) -> None:
    found, wanted = at_work.verdicts(), [one.result for one in CONNECTIONS]
    if each.kind == "none":
        wanted = ["-"] * len(CONNECTIONS)
    elif each.kind == "ready":
        wanted = ["pass"] * len(CONNECTIONS)
    for connection, got, want in zip(CONNECTIONS, found, wanted, strict=True):
        if got != want:
            raise Failed(f"{connection} is stamped {got!r}, so nothing is timed")


def measure(postfix: Postfix, turns: Sequence[Turn], options: argparse.Namespace) -> Found:
    figures: Found = {}
    for number in range(options.rounds):
        # Back and forth, as the speed of a machine that others use drifts.
        for each, start, place in turns if number % 2 == 0 else turns[::-1]:
            with attached(postfix, each, start, place) as at_work:
                at_work.load(WARM_UP, options.sessions, options.load)
                for messages in options.messages:
                    found = at_work.load(messages, options.sessions, options.load)
                    figures.setdefault((each.name, messages), []).append(found)
                    words = f"{found.rate:.0f}/s, {found.cpu * 1e6:.0f} us"
                    words += f", Postfix {found.postfix_cpu * 1e6:.0f} us"
                    print(
                        f"round {number + 1}: {each.name}, {messages:,}: {words}", file=sys.stderr
                    )
    return figures


def report(found: Found, messages: int) -> str:
    """A table in Markdown: medians over the rounds; ratios are those of a filter and the other in
    the same round, as the machine may be slower in the next."""
    rows = {name: figures for (name, count), figures in found.items() if count == messages}
    bases = [base for base in BASES if base in rows]
    heads = ["filter", "messages/s", "min to max", *(f"of {base}" for base in bases)]
    heads += ["us CPU a message", "us CPU of Postfix", "MB"]
    lines = [f"\n{messages:,} messages\n", f"| {' | '.join(heads)} |"]
    lines.append("|---|" + "---:|" * (len(heads) - 1))
    for name, figures in rows.items():
        rates = [one.rate for one in figures]
        cells = [
            name,
            f"{statistics.median(rates):,.0f}",
            f"{min(rates):,.0f} to {max(rates):,.0f}",
        ]
        for base in bases:
            pairs = zip(figures, rows[base], strict=True)
            cells.append(f"{statistics.median(one.rate / other.rate for one, other in pairs):.2f}")
        cells.append(f"{statistics.median(one.cpu for one in figures) * 1e6:,.0f}")
        cells.append(f"{statistics.median(one.postfix_cpu for one in figures) * 1e6:,.0f}")
        cells.append(f"{max(one.memory for one in figures) / 1e6:.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def measured(options: argparse.Namespace) -> None:
    filters = list(prepared(options.filters))
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="bench-mail-")))
        folder.chmod(0o755)
        core = max(os.sched_getaffinity(0))
        server = stack.enter_context(knot(ZONE, core, f"{RESOLVER}@53"))
        private_resolver(folder)
        turns: list[Turn] = []
        for number, each in enumerate(filters):
            place = Place(folder / str(number), free_port(), f"127.0.0.1:{server.port}")
            place.folder.mkdir(mode=0o755)
            turns.append((each, each.start(place), place))
        services = [line for _, start, _ in turns for line in start.services]
        postfix = stack.enter_context(Postfix(deliver="discard", services=services))
        for each, start, place in turns:
            with attached(postfix, each, start, place) as at_work:
                compared(each, at_work)
        print("all stamped verdicts are the same", file=sys.stderr)
        found = measure(postfix, turns, options)
    for messages in options.messages:
        print(report(found, messages))


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments(sys.argv[1:] if argv is None else argv)
    if os.geteuid() != 0:
        print("benchmarks.mail starts Postfix, and so has to be run as root", file=sys.stderr)
        return 2
    try:
        run(["sh", str(ROOT / "scripts" / "install-test-servers.sh")])
        measured(options)
    except (Failed, Unavailable) as error:
        print(f"benchmarks.mail: {error}", file=sys.stderr)
        return 1
    return 0
