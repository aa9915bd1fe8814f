"""Drivers that take turns, so that a machine that slows down slows all of them.

What may live here: how a driver is called and read, pinned, and bounded in time.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from benchmarks.peers.prepare import ROOT, Peer, Unavailable
from benchmarks.peers.report import Timing

__all__ = ["Driver", "Failed", "Figures", "command_line", "ready", "time_in_turns"]

PATIENCE = 1_800  # seconds for one process of a driver


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
    """A peer that is ready to run on the first of the cores, or on as many as it wants."""

    def __init__(self, peer: Peer, prefix: list[str], data: Path, *cores: int) -> None:
        if peer.cores > len(cores):
            raise Unavailable(f"it wants {peer.cores} cores, this process has {len(cores)}")
        self.peer = peer
        pinned = ",".join(map(str, cores[: peer.cores]))
        self.prefix = ["taskset", "-c", pinned, *prefix]
        self.data = share_of(data, peer.share)
        self.verdict_file = self.data / f"verdicts.{peer.name.replace(':', '-')}"

    def command(self, passes: int) -> list[str]:
        arguments = [str(self.data), str(self.verdict_file), str(passes)]
        return [*self.prefix, *arguments, *self.peer.variant]

    def run(self, passes: int) -> Figures:
        return self.run_command(self.command(passes))

    def run_command(self, command: list[str]) -> Figures:
        """Raises Unavailable with what the driver said last if it fails."""
        self.verdict_file.unlink(missing_ok=True)
        try:
            done = subprocess.run(
                command,
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


def command_line(command: Sequence[str]) -> str:
    """As a person would type it at the root of the checkout."""
    return shlex.join(command).replace(f"{ROOT}/", "")


def share_of(data: Path, share: int) -> Path:
    """A folder with the same zone and the first of so many parts of the connections."""
    if share == 1:
        return data
    folder = data / f"share-{share}"
    folder.mkdir(exist_ok=True)
    with (data / "connections.tsv").open(encoding="ascii") as file:
        lines = file.readlines()
    part = lines[: max(1, len(lines) // share)]
    (folder / "connections.tsv").write_text("".join(part), encoding="ascii")
    for name in ("zone.json", "zone.tsv"):
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(data / name)
    return folder


def ready(peers: Sequence[Peer], data: Path, *cores: int) -> tuple[list[Driver], dict[str, str]]:
    """The peers that can be run, their verdicts already written; and why the others cannot."""
    drivers, skipped = [], {}
    for peer in peers:
        try:
            print(f"preparing {peer.name}", file=sys.stderr)
            driver = Driver(peer, peer.prepare(), data, *cores)
            driver.run(passes=0)
        except Unavailable as error:
            skipped[peer.name] = f"skipped: {error}"
            print(f"SKIPPED {peer.name}: {error}", file=sys.stderr)
        else:
            drivers.append(driver)
    return drivers, skipped


def time_in_turns(
    drivers: Sequence[Driver], rounds: int, passes: int | None, scale: float = 1
) -> list[Timing]:
    """``passes`` for every peer; None: its own number, times ``scale``."""
    timings: dict[str, Timing] = {}
    for number in range(1, rounds + 1):
        for driver in drivers:
            peer = driver.peer
            print(f"round {number} of {rounds}: {peer.name}", file=sys.stderr)
            before, count = driver.verdicts(), passes or max(1, round(peer.passes * scale))
            figures = driver.run(count)
            if driver.verdicts() != before:
                raise Failed(f"{peer.name}: not the verdicts that it gave before")
            command = command_line(driver.command(count))
            timing = timings.setdefault(
                peer.name,
                Timing(peer.name, peer.language, figures["version"], figures["checks"], command),
            )
            timing.add(figures["cpu_seconds"], figures["wall_seconds"], figures["rss_kib"])
    return list(timings.values())
