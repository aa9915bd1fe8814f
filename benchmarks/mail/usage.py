"""What processes have used, from /proc: seconds of CPU, and memory.

What may live here: counting while they run. Those that end between two looks lose at most what they
did since the last.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

__all__ = ["Pids", "Usage", "marked", "tree"]

TICK = 1 / os.sysconf("SC_CLK_TCK")
LOOK = 0.1  # seconds
WEIGH_EACH = 20  # looks, as the kernel walks all pages for it

Pids = Callable[[], set[int]]


def stat_of(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name; [] if it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []


def memory_of(pid: int) -> int:
    """Octets, by its share of each page; 0 if it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    return 0


def every_pid() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208


def tree(root: int) -> Pids:
    """A process and all below it."""

    def pids() -> set[int]:
        parents = {pid: int(stat[1]) for pid in every_pid() if (stat := stat_of(pid))}
        found = {root}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found

    return pids


def marked(words: str) -> Pids:
    """The processes whose command line holds the words."""

    def pids() -> set[int]:
        found = set()
        for pid in every_pid():
            with contextlib.suppress(OSError):
                line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
                if words.encode() in line and pid != os.getpid():
                    found.add(pid)
        return found

    return pids


class Usage:
    """While it is entered, it looks after the processes.

    cpu     seconds in all, user and system
    memory  the most octets that all of them had at one look; of a page that several share, each
            has its part
    """

    def __init__(self, pids: Pids) -> None:
        self._pids = pids
        self._began: dict[int, float] = {}
        self._seen: dict[int, float] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.memory = 0

    def __enter__(self) -> Self:
        self._look()
        self._began = dict(self._seen)
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._end.set()
        self._thread.join()
        self._look()
        self._weigh()

    @property
    def cpu(self) -> float:
        return sum(used - self._began.get(pid, 0.0) for pid, used in self._seen.items())

    def _run(self) -> None:
        looks = 0
        while not self._end.wait(LOOK):
            self._look()
            looks += 1
            if looks % WEIGH_EACH == 0:
                self._weigh()

    def _look(self) -> None:
        for pid in self._pids():
            if stat := stat_of(pid):
                self._seen[pid] = TICK * (int(stat[11]) + int(stat[12]))

    def _weigh(self) -> None:
        self.memory = max(self.memory, sum(map(memory_of, self._pids())))
