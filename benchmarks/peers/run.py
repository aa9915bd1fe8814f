"""Side by side: answers known, one pinned core, one run.

    python -m benchmarks.peers [--peers libspf2,pyspf] [--rounds 3] [--quick]

First the verdicts of all peers are compared row by row; a difference that nobody can explain ends
the run before anything is timed (exit 1). Then the peers take turns, so that a machine that slows
down slows all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

from benchmarks.peers import report, zone
from benchmarks.peers.prepare import BUILD, NOT_RUN, PEERS, ROOT, Peer, Unavailable
from benchmarks.peers.report import Timing
from benchmarks.peers.verdicts import Difference, compare

__all__ = ["main"]

DOMAINS, CONNECTIONS = 2_000, 50_000
PATIENCE = 1_800  # seconds for one process of a driver
RESULTS = Path(__file__).parent / "results"


class Failed(Exception):
    """The run ends here, with exit status 1."""


class Figures(TypedDict):
    """What a driver prints."""

    version: str
    checks: int
    cpu_seconds: list[float]
    wall_seconds: list[float]
    rss_kib: int


class Driver:
    """A peer that is ready to run."""

    def __init__(self, peer: Peer, prefix: list[str], data: Path, core: int) -> None:
        self.peer = peer
        self.prefix = ["taskset", "-c", str(core), *prefix]
        self.data = data
        self.verdict_file = data / f"verdicts.{peer.name}"

    def command(self, passes: int) -> list[str]:
        arguments = [str(self.data), str(self.verdict_file), str(passes)]
        return [*self.prefix, *arguments, *self.peer.variant]

    def command_line(self, passes: int) -> str:
        """As a person would type it at the root of the checkout."""
        return shlex.join(self.command(passes)).replace(f"{ROOT}/", "")

    def run(self, passes: int) -> Figures:
        self.verdict_file.unlink(missing_ok=True)
        try:
            done = subprocess.run(
                self.command(passes),
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"driver of {self.peer.name}: no end within {PATIENCE} s") from error
        if done.returncode:
            tail = done.stderr.strip().splitlines()[-1:] or [f"exit {done.returncode}"]
            raise Unavailable(f"driver of {self.peer.name}: {tail[0]}")
        figures: Figures = json.loads(done.stdout.splitlines()[-1])
        return figures

    def verdicts(self) -> list[str]:
        return self.verdict_file.read_text(encoding="ascii").split()


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    names = [peer.name for peer in PEERS]
    parser.add_argument("--domains", type=int, default=DOMAINS)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--passes", type=int, help="timed passes a round, for every peer")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--peers", default=",".join(names), help=f"of {', '.join(names)}")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder for the results")
    parser.add_argument("--quick", action="store_true", help="a smoke test: small, one round")
    options = parser.parse_args(argv)
    if options.quick:
        options.domains, options.connections = 200, 2_000
        options.rounds = options.passes = 1
    if min(options.domains, options.connections, options.rounds) < 1:
        parser.error("--domains, --connections and --rounds must be at least 1")
    if options.passes is not None and options.passes < 1:
        parser.error("--passes must be at least 1")
    if options.core not in os.sched_getaffinity(0):
        parser.error(f"--core {options.core}: not a core of this process")
    chosen = options.peers.split(",")
    if unknown := set(chosen) - set(names):
        parser.error(f"--peers: unknown: {', '.join(sorted(unknown))}")
    options.argv = argv
    options.peers = [peer for peer in PEERS if peer.name in chosen]
    return options


def ready(peers: Sequence[Peer], data: Path, core: int) -> tuple[list[Driver], dict[str, str]]:
    """The peers that can be run, their verdicts already written; and why the others cannot."""
    drivers, skipped = [], {}
    for peer in peers:
        try:
            print(f"preparing {peer.name}", file=sys.stderr)
            driver = Driver(peer, peer.prepare(), data, core)
            driver.run(passes=0)
        except Unavailable as error:
            skipped[peer.name] = f"skipped: {error}"
            print(f"SKIPPED {peer.name}: {error}", file=sys.stderr)
        else:
            drivers.append(driver)
    return drivers, skipped


def time_in_turns(drivers: Sequence[Driver], rounds: int, passes: int | None) -> list[Timing]:
    timings: dict[str, Timing] = {}
    for number in range(1, rounds + 1):
        for driver in drivers:
            peer = driver.peer
            print(f"round {number} of {rounds}: {peer.name}", file=sys.stderr)
            before, count = driver.verdicts(), passes or peer.passes
            figures = driver.run(count)
            if driver.verdicts() != before:
                raise Failed(f"{peer.name}: not the verdicts that it gave before")
            timing = timings.setdefault(
                peer.name,
                Timing(
                    peer.name,
                    peer.language,
                    figures["version"],
                    figures["checks"],
                    driver.command_line(count),
                ),
            )
            timing.cpu_seconds.append(figures["cpu_seconds"])
            timing.wall_seconds.append(figures["wall_seconds"])
            timing.rss_kib = max(timing.rss_kib, figures["rss_kib"])
    return list(timings.values())


def save(
    options: argparse.Namespace,
    facts: Mapping[str, str],
    absent: Mapping[str, str],
    timings: Sequence[Timing],
    differences: Sequence[Difference],
) -> Path:
    """Two files of the same name: .md for people, .json for programs."""
    checks = timings[0].checks
    command = shlex.join(["python", "-m", "benchmarks.peers", *options.argv])
    text = report.markdown(
        "SPF checks with the answers known, one pinned core, one run",
        facts=facts,
        rates=report.rate_table(timings),
        verdicts=report.verdict_table(differences, [t.peer for t in timings], checks),
        absent=absent,
        commands=[command, *(timing.command for timing in timings)],
    )
    results = {
        "facts": facts,
        "absent": absent,
        "timings": [timing.figures() for timing in timings],
        "differences": [kind.figures() for kind in differences],
    }
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}{'-quick' if options.quick else ''}"
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / f"{name}.json").write_text(json.dumps(results, indent=2) + "\n")
    written: Path = options.output / f"{name}.md"
    written.write_text(text, encoding="utf-8")
    return written


def side_by_side(options: argparse.Namespace) -> None:
    """Raises Failed with the reason if the figures would mean nothing."""
    world = zone.generate(options.domains, options.connections)
    data = BUILD / "data"
    if (options.domains, options.connections) != (DOMAINS, CONNECTIONS):
        data = BUILD / f"data-{options.domains}-{options.connections}"
    zone.write(world, data)

    drivers, skipped = ready(options.peers, data, options.core)
    if not drivers:
        raise Failed("no peer can be run")
    verdicts = {driver.peer.name: driver.verdicts() for driver in drivers}
    differences = compare(world, verdicts)
    print(report.verdict_table(differences, list(verdicts), options.connections), end="\n\n")
    if any(kind.reason is None for kind in differences):
        raise Failed("a difference is unexplained: nothing was timed")

    size = f"{options.domains:,} domains, {options.connections:,} connections"
    facts = {"what": f"{size}, in turns, rounds: {options.rounds}", **report.machine(options.core)}
    stolen = report.stolen_seconds(options.core)
    timings = time_in_turns(drivers, options.rounds, options.passes)
    stolen = report.stolen_seconds(options.core) - stolen
    facts["stolen by the host while timing"] = f"{stolen:.2f} s"
    print(report.rate_table(timings))
    written = save(options, facts, skipped | NOT_RUN, timings, differences)
    print(f"\nwritten: {written} and .json", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    try:
        side_by_side(arguments(sys.argv[1:] if argv is None else argv))
    except (Failed, Unavailable, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0
