"""Side by side: one run, one machine, verdicts first.

    python -m benchmarks.peers [--peers ours,libspf2] [--loads zipf,even,cold] [--quick]

For each load the verdicts of all peers are compared row by row; a difference that nobody can
explain ends the run before anything of that load is timed (exit 1). Then the peers take turns, so
that a machine that slows down slows all of them. "cold" asks a DNS server on the other core. Before
all that, each peer is asked at the corners of the RFC (corners.py); there only ours must be right.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.peers import report, zone
from benchmarks.peers.cold import run_cold, skipped_names
from benchmarks.peers.corners import corner_rows, corner_world, wrong
from benchmarks.peers.entries import COLD, NOT_RUN, OURS, PEERS
from benchmarks.peers.loads import LOADS, Load, quick
from benchmarks.peers.prepare import BUILD, Peer, Unavailable
from benchmarks.peers.results import LoadResult, Results, save
from benchmarks.peers.server import version as server_version
from benchmarks.peers.turns import Failed, ready, time_in_turns
from benchmarks.peers.verdicts import compare
from benchmarks.peers.zone import World

__all__ = ["main"]

RESULTS = Path(__file__).parent / "results"
USUAL_CONNECTIONS = 50_000  # for which the passes of entries.py are meant


def chosen(given: str, known: Sequence[str], option: str) -> list[str]:
    """The names of a list with commas; "ours" is all of ours. Raises ValueError for others."""
    names: list[str] = []
    for name in given.split(","):
        if name == "ours":
            names += [one for one in known if one.startswith(OURS)]
        elif name in known:
            names.append(name)
        else:
            raise ValueError(f"{option}: unknown: {name!r}; known: {', '.join(known)}")
    return names


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    names = [peer.name for peer in PEERS]
    parser.add_argument("--peers", default=",".join(names), help=f"ours, {', '.join(names)}")
    parser.add_argument("--loads", default=",".join(LOADS), help=f"of {', '.join(LOADS)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--even-rounds", type=int, default=3, help="of the load even")
    parser.add_argument("--cold-rounds", type=int, default=3, help="of the load cold")
    parser.add_argument("--passes", type=int, help="timed passes a round, for every peer")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder for the results")
    parser.add_argument("--quick", action="store_true", help="a smoke test: small, one round")
    options = parser.parse_args(argv)
    for name in ("rounds", "even_rounds", "cold_rounds", "passes"):
        number = getattr(options, name)
        if number is not None and number < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1")
    cores = os.sched_getaffinity(0)
    if options.core not in cores:
        parser.error(f"--core {options.core}: not a core of this process")
    # The one of the client first; the server of the cold runs gets the last.
    options.cores = [options.core, *sorted(cores - {options.core})]
    try:
        peers = chosen(options.peers, names, "--peers")
        options.loads = [LOADS[name] for name in chosen(options.loads, list(LOADS), "--loads")]
    except ValueError as error:
        parser.error(str(error))
    if options.quick:
        options.rounds = options.even_rounds = options.cold_rounds = options.passes = 1
        options.loads = [quick(load) for load in options.loads]
    options.argv = argv
    options.peers = [peer for peer in PEERS if peer.name in peers]
    return options


def compared(world: World, verdicts: Mapping[str, Sequence[str]], result: LoadResult) -> None:
    """Raises Failed if a difference has no explanation."""
    result.counts = {name: len(words) for name, words in verdicts.items()}
    result.differences = compare(world, verdicts)
    print(f"\n{result.load.name}: {result.verdict_table()}\n", flush=True)
    if any(kind.reason is None for kind in result.differences):
        raise Failed(f"{result.load.name}: a difference is unexplained, so nothing is timed")


def run_known(options: argparse.Namespace, load: Load) -> LoadResult:
    result = LoadResult(load)
    world = load.world()
    data = load.data(world)
    peers: Sequence[Peer] = options.peers
    rounds = options.rounds
    if load.draw == "even":
        rounds = options.even_rounds
        peers = [peer for peer in peers if peer.even]
    drivers, result.skipped = ready(peers, data, *options.cores)
    if not drivers:
        raise Failed("no peer can be run")
    compared(world, {driver.peer.name: driver.verdicts() for driver in drivers}, result)
    scale = USUAL_CONNECTIONS / load.connections
    result.timings = time_in_turns(drivers, rounds, options.passes, min(1, scale))
    print(result.rate_table(), flush=True)
    return result


def run_unknown(options: argparse.Namespace, load: Load) -> LoadResult:
    result = LoadResult(load)
    world = load.world()
    entries = [entry for entry in COLD if entry.peer in options.peers]
    if not entries:
        result.skipped["cold"] = "none of the chosen peers is run cold"
        return result
    try:
        run = run_cold(entries, world, load.data(world), options.cold_rounds, options.cores)
    except Unavailable as error:
        result.skipped["cold"] = f"skipped: {error}"
        print(f"SKIPPED cold: {error}", file=sys.stderr)
        return result
    result.skipped = dict(skipped_names(run))
    compared(world, run.verdicts, result)
    result.timings = list(run.timings.values())
    print(result.rate_table(), flush=True)
    return result


def run_corners(options: argparse.Namespace) -> dict[str, list[str]]:
    """What each peer says at each corner. Raises Failed if one of ours is wrong."""
    data = BUILD / "corners"
    zone.write(corner_world(), data)
    peers = [
        replace(peer, share=1)
        for peer in options.peers
        if peer.name.startswith(OURS) or not peer.variant  # which would be the same again
    ]
    drivers, _ = ready(peers, data, *options.cores)
    verdicts = {driver.peer.name: driver.verdicts() for driver in drivers}
    for name, words in list(verdicts.items()):
        if name.startswith(OURS) and (found := wrong(words)):
            raise Failed(f"{name} is wrong at the corners: {found}")
        if name.startswith(f"{OURS}-"):
            del verdicts[name]  # as right as the others of ours
    print(corner_rows(verdicts).markdown(), end="\n\n", flush=True)
    return verdicts


def facts_before(options: argparse.Namespace) -> dict[str, str]:
    rounds = f"{options.rounds} in turns; even {options.even_rounds}, cold {options.cold_rounds}"
    facts = {"rounds": rounds}
    facts |= report.machine(options.core)
    if any(load.draw == "once" for load in options.loads):
        facts["server"] = f"{server_version()}, on core {options.cores[-1]}"
        facts["queries"] = "counted by the server (mod-stats, request-protocol)"
    return facts


def side_by_side(options: argparse.Namespace) -> None:
    """Raises Failed with the reason if the figures would mean nothing."""
    facts = facts_before(options)
    stolen = report.stolen_seconds(options.core)
    corners = run_corners(options)
    results = [
        (run_unknown if load.draw == "once" else run_known)(options, load) for load in options.loads
    ]
    stolen = report.stolen_seconds(options.core) - stolen
    facts["stolen by the host"] = f"{stolen:.2f} s"
    command = shlex.join(["python", "-m", "benchmarks.peers", *options.argv])
    written = save(
        Results(command, facts, results, corners, NOT_RUN, options.quick), options.output
    )
    print("\nwritten:", *written, sep="\n  ", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    try:
        side_by_side(arguments(sys.argv[1:] if argv is None else argv))
    except (Failed, Unavailable, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0
