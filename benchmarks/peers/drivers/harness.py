"""What the Python drivers share: command line, data, clock and report. Standard library only."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

__all__ = ["Check", "Connection", "Job", "Zone", "free_what_loading_took", "peak_rss_kib"]

Outcome = TypeVar("Outcome")
Zone = dict[str, list[dict[str, object]]]
Check = Callable[[str, str, str], Outcome]
Connection = tuple[str, ...]  # ip, helo, mail_from


def peak_rss_kib() -> int:
    """VmHWM, as getrusage() would also count the parent's memory before exec."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


def free_what_loading_took() -> None:
    """Give memory back, and have the peak counted from here."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # glibc's
        ctypes.CDLL(None).malloc_trim(0)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


@dataclass(frozen=True)
class Cold:
    """Where the server listens, how many checks may run at a time, and how many there are."""

    port: int
    tasks: int
    checks: int


class Job:
    """The command line, and what it asks for."""

    def __init__(self, argv: Sequence[str] | None = None) -> None:
        data, verdicts, passes, *rest = sys.argv[1:] if argv is None else argv
        self.data, self.verdicts = Path(data), Path(verdicts)
        self.cold: Cold | None = None
        self.passes = 1
        if passes == "cold":
            port, tasks, checks, *rest = rest
            self.cold = Cold(int(port), int(tasks), int(checks))
        else:
            self.passes = int(passes)
        self.variant = rest[0] if rest else ""

    def zone(self) -> Zone:
        zone: Zone = json.loads((self.data / "zone.json").read_text(encoding="ascii"))
        return zone

    def connections(self) -> list[Connection]:
        lines = (self.data / "connections.tsv").read_text(encoding="ascii").splitlines()
        if self.cold:
            del lines[self.cold.checks :]
        return [tuple(line.split("\t")) for line in lines]

    def write(self, words: Sequence[str]) -> None:
        self.verdicts.write_text("".join(f"{word}\n" for word in words), encoding="ascii")

    def time(self, peer: str, version: str, checks: int, one_pass: Callable[[], object]) -> None:
        """Time the passes and print the report."""
        free_what_loading_took()
        cpu, wall = [], []
        for _ in range(self.passes):
            wall_start, cpu_start = time.perf_counter(), time.process_time()
            one_pass()
            cpu.append(time.process_time() - cpu_start)
            wall.append(time.perf_counter() - wall_start)
        report = {
            "peer": peer,
            "version": version,
            "checks": checks,
            "cpu_seconds": cpu,
            "wall_seconds": wall,
            "rss_kib": peak_rss_kib(),
        }
        print(json.dumps(report))

    def drive(
        self,
        peer: str,
        version: str,
        check: Check[Outcome],
        word: Callable[[Outcome], str],
        settled: Callable[[], object] = lambda: None,
    ) -> None:
        """One check after the other, all answers known.

        word     reads the outcome of a check(ip, mail_from, helo)
        settled  called after the untimed pass: what only loading needed can go
        """
        connections = self.connections()
        self.write([word(check(ip, mail_from, helo)) for ip, helo, mail_from in connections])
        settled()

        def one_pass() -> None:
            for ip, helo, mail_from in connections:
                check(ip, mail_from, helo)

        self.time(peer, version, len(connections), one_pass)

    def drive_cold(
        self,
        peer: str,
        version: str,
        run: Callable[[Sequence[Connection], int], Sequence[str]],
    ) -> None:
        """``run`` checks all connections, so many at a time, and returns their words."""
        assert self.cold is not None
        connections, tasks = self.connections(), self.cold.tasks
        words: list[str] = []
        self.time(peer, version, len(connections), lambda: words.extend(run(connections, tasks)))
        self.write(words)
