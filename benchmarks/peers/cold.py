"""Every domain new: each peer asks a DNS server on the other core by its own resolver.

What may live here: the turns of the cold runs, and the count of queries, which is the server's own.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.peers.entries import OURS, PEERS, Cold
from benchmarks.peers.prepare import Peer, Unavailable
from benchmarks.peers.report import Timing
from benchmarks.peers.server import Knot, knot
from benchmarks.peers.turns import Driver, Failed, Figures, command_line
from benchmarks.peers.zone import World

__all__ = ["ColdRun", "run_cold"]

KNOWN = f"{OURS}, answers known"


class ColdDriver(Driver):
    """A peer that asks the server."""

    def __init__(self, entry: Cold, prefix: list[str], data: Path, core: int) -> None:
        super().__init__(replace(entry.peer, share=1, cores=1), prefix, data, core)
        self.entry = entry
        self.verdict_file = data / f"cold.{entry.name.replace(':', '-')}"

    def cold_command(self, port: int, most: int) -> list[str]:
        checks = min(self.entry.checks, most)
        where = [str(port), str(self.entry.tasks), str(checks)]
        files = [str(self.data), str(self.verdict_file)]
        return [*self.prefix, *files, "cold", *where, *self.entry.variant]

    def run_cold(self, server: Knot, most: int) -> tuple[Figures, int]:
        """The figures and how many queries the server had."""
        before = server.queries()
        figures = self.run_command(self.cold_command(server.port, most))
        return figures, server.queries() - before


class ColdRun:
    """What came of it: figures, verdicts by name (prefixes of the load's), and who is missing."""

    def __init__(self) -> None:
        self.timings: dict[str, Timing] = {}
        self.verdicts: dict[str, list[str]] = {}
        self.skipped: dict[str, str] = {}

    def add(self, driver: ColdDriver, figures: Figures, queries: int, command: str) -> None:
        entry = driver.entry
        name = entry.name
        words = driver.verdicts()
        if self.verdicts.setdefault(name, words) != words:
            raise Failed(f"{name}: cold, not the verdicts that it gave before")
        timing = self.timings.setdefault(
            name,
            Timing(
                name,
                entry.peer.language,
                figures["version"],
                figures["checks"],
                command,
                how=f"{entry.tasks} {entry.how}" if entry.tasks > 1 else entry.how,
            ),
        )
        timing.add(figures["cpu_seconds"], figures["wall_seconds"], figures["rss_kib"])
        timing.queries.append(queries)


def known_verdicts(data: Path, core: int) -> list[str]:
    """Ours with answers known, for all connections: what each cold verdict is compared with."""
    peer: Peer = next(peer for peer in PEERS if peer.name == OURS)
    driver = Driver(peer, peer.prepare(), data, core)
    driver.run(passes=0)
    return driver.verdicts()


def prepared(
    entries: Sequence[Cold], data: Path, core: int
) -> tuple[list[ColdDriver], dict[str, str]]:
    drivers, skipped = [], {}
    for entry in entries:
        try:
            drivers.append(ColdDriver(entry, entry.peer.prepare(), data, core))
        except Unavailable as error:
            skipped[entry.name] = str(error)
    return drivers, skipped


def run_cold(
    entries: Sequence[Cold], world: World, data: Path, rounds: int, cores: Sequence[int]
) -> ColdRun:
    """The client on the first of the cores, the server on the last. A peer that fails is skipped.

    Raises Unavailable if there is no server.
    """
    client, server_core = cores[0], cores[-1]
    run, most = ColdRun(), len(world.connections)
    run.verdicts[KNOWN] = known_verdicts(data, client)
    drivers, run.skipped = prepared(entries, data, client)
    with knot(world.resources, server_core) as server:
        for number in range(1, rounds + 1):
            for driver in drivers:
                name = driver.entry.name
                if name in run.skipped:
                    continue
                print(f"cold, round {number} of {rounds}: {name}", file=sys.stderr)
                try:
                    figures, queries = driver.run_cold(server, most)
                except Unavailable as error:
                    run.skipped[name] = str(error)
                    print(f"SKIPPED {name}: {error}", file=sys.stderr)
                    continue
                command = command_line(driver.cold_command(server.port, most))
                run.add(driver, figures, queries, command)
    for name in run.skipped:
        run.timings.pop(name, None)
        run.verdicts.pop(name, None)
    return run


def skipped_names(run: ColdRun) -> Mapping[str, str]:
    return {f"{name}, cold": f"skipped: {reason}" for name, reason in run.skipped.items()}
