"""Side by side: the PRA of header sections, one pinned core, one run.

    python -m benchmarks.headers [--input made|corpus] [--peers gmime,senderid_fast] [--quick]

The sections are those of ../shared/corpus/headers.jsonl.gz, real ones, if that is there beside the
checkout; else, or with --input made, 5,000 of our own making. First the addresses found are
compared message by message; a difference that nobody can explain ends the run before anything is
timed (exit 1). Then the peers take turns, so that a machine that slows down slows all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.headers import report, sections
from benchmarks.headers.compare import Kind, compare, made_otherwise, read_answer
from benchmarks.headers.drivers.harness import Answer
from benchmarks.headers.prepare import DATA, OURS, PEERS, SAME_ANSWERS
from benchmarks.headers.sections import Section
from benchmarks.peers.prepare import ROOT, Unavailable, first_line
from benchmarks.peers.report import Timing, machine, markdown, stolen_seconds
from benchmarks.peers.turns import Driver, Failed, ready, time_in_turns

__all__ = ["main"]

COUNT = 5_000
CORPUS = ROOT.parent / "shared" / "corpus" / "headers.jsonl.gz"
RESULTS = Path(__file__).parent / "results"


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.headers", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    names = [peer.name for peer in PEERS]
    there = "corpus" if CORPUS.is_file() else "made"
    parser.add_argument("--input", choices=("made", "corpus"), default=there)
    parser.add_argument("--count", type=int, default=COUNT, help="of sections that are made")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--passes", type=int, help="timed passes a round, for every peer")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--peers", default=",".join(names), help=f"of {', '.join(names)}")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder for the results")
    parser.add_argument("--quick", action="store_true", help="a smoke test: one round, one pass")
    options = parser.parse_args(argv)
    if options.quick:
        options.rounds = options.passes = 1
    if min(options.count, options.rounds, options.passes or 1) < 1:
        parser.error("--count, --rounds and --passes must be at least 1")
    if options.core not in os.sched_getaffinity(0):
        parser.error(f"--core {options.core}: not a core of this process")
    if options.input == "corpus" and not CORPUS.is_file():
        parser.error("--input corpus: ../shared/corpus/headers.jsonl.gz is not there")
    chosen = {OURS, *options.peers.split(",")}  # all others are compared with ours
    if unknown := chosen - set(names):
        parser.error(f"--peers: unknown: {', '.join(sorted(unknown))}")
    options.argv = argv
    options.peers = [peer for peer in PEERS if peer.name in chosen]
    return options


def answers(driver: Driver, count: int) -> list[Answer]:
    lines = driver.verdict_file.read_text(encoding="ascii").splitlines()
    if len(lines) != count:
        raise Failed(f"{driver.peer.name}: {len(lines)} answers, not {count}")
    return [read_answer(line) for line in lines]


def differences(drivers: Sequence[Driver], given: Sequence[Section]) -> list[Kind]:
    """Raises Failed if ours are not what they must be."""
    found = {driver.peer.name: answers(driver, len(given)) for driver in drivers}
    ours = found.pop(OURS)
    if wrong := list(made_otherwise(given, ours)):
        _, *made = given[wrong[0]]
        raise Failed(f"{OURS}: {len(wrong)} not as made: {made} gives {ours[wrong[0]]}")
    for name in SAME_ANSWERS:
        if found.pop(name, ours) != ours:
            raise Failed(f"{name}: not the answers of {OURS}")
    return compare(given, ours, found)


def save(
    options: argparse.Namespace,
    facts: Mapping[str, str],
    absent: Mapping[str, str],
    timings: Sequence[Timing],
    kinds: Sequence[Kind],
    texts: tuple[str, str],
) -> Path:
    """Two files of the same name: .md for people, .json for programs."""
    command = shlex.join(["python", "-m", "benchmarks.headers", *options.argv])
    text = markdown(
        "The PRA of header sections, one pinned core, one run",
        facts=facts,
        sections=[("", texts[0]), ("Answers", texts[1])],
        absent=absent,
        commands=[command, *(timing.command for timing in timings)],
    )
    results = {
        "facts": facts,
        "absent": absent,
        "timings": [timing.figures() for timing in timings],
        "differences": [kind.figures() for kind in kinds],
    }
    quick = "-quick" if options.quick else ""
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{options.input}{quick}"
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / f"{name}.json").write_text(json.dumps(results, indent=2) + "\n")
    written: Path = options.output / f"{name}.md"
    written.write_text(text, encoding="utf-8")
    return written


def side_by_side(options: argparse.Namespace) -> None:
    """Raises Failed with the reason if the figures would mean nothing."""
    if options.input == "corpus":
        given, data = sections.from_corpus(CORPUS), DATA / "corpus"
    else:
        given, data = sections.generate(options.count), DATA / f"made-{options.count}"
    sections.write(given, data)

    drivers, skipped = ready(options.peers, data, options.core)
    if OURS not in {driver.peer.name for driver in drivers}:
        raise Failed(f"{OURS} cannot be run, so there is nothing to compare with")
    kinds = differences(drivers, given)
    others = [d.peer.name for d in drivers if d.peer.name not in (OURS, *SAME_ANSWERS)]
    compared = report.difference_table(kinds, others, len(given))
    print(compared, end="\n\n")
    if any(kind.known is None for kind in kinds):
        raise Failed("a difference is unexplained: nothing was timed")

    octets = sum(len(section.octets) for section in given)
    size = f"{len(given):,} sections ({options.input}), {octets / 1e6:.2f} MB"
    facts = {
        "what": f"{size}, in turns, rounds: {options.rounds}",
        **machine(options.core),
        "GMime package": first_line(["dpkg-query", "-W", "-f", "${Version}", "libgmime-3.0-0"]),
    }
    del facts["libspf2 package"]
    stolen = stolen_seconds(options.core)
    timings = time_in_turns(drivers, options.rounds, options.passes)
    stolen = stolen_seconds(options.core) - stolen
    facts["stolen by the host while timing"] = f"{stolen:.2f} s"
    rates = report.rate_table(timings, octets)
    print(rates)
    written = save(options, facts, skipped, timings, kinds, (rates, compared))
    print(f"\nwritten: {written} and .json", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    try:
        side_by_side(arguments(sys.argv[1:] if argv is None else argv))
    except (Failed, Unavailable, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0
