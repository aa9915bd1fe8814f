"""What the Python drivers share: command line, data, clock and report. Standard library only."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

__all__ = ["drive"]

Outcome = TypeVar("Outcome")
Zone = dict[str, list[dict[str, object]]]
Check = Callable[[str, str, str], Outcome]


def peak_rss_kib() -> int:
    """VmHWM, as getrusage() would also count the parent's memory before exec."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


def drive(
    peer: str,
    version: str,
    prepare: Callable[[Zone], Check[Outcome]],
    word: Callable[[Outcome], str],
) -> None:
    """`prepare` makes of the zone a check(ip, mail_from, helo); `word` reads its outcome."""
    data, verdicts, passes = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    check = prepare(json.loads((data / "zone.json").read_text(encoding="ascii")))
    lines = (data / "connections.tsv").read_text(encoding="ascii").splitlines()
    connections = [tuple(line.split("\t")) for line in lines]
    words = [word(check(ip, mail_from, helo)) for ip, helo, mail_from in connections]
    verdicts.write_text("".join(f"{text}\n" for text in words), encoding="ascii")
    cpu, wall = [], []
    for _ in range(passes):
        wall_start, cpu_start = time.perf_counter(), time.process_time()
        for ip, helo, mail_from in connections:
            check(ip, mail_from, helo)
        cpu.append(time.process_time() - cpu_start)
        wall.append(time.perf_counter() - wall_start)
    report = {
        "peer": peer,
        "version": version,
        "checks": len(connections),
        "cpu_seconds": cpu,
        "wall_seconds": wall,
        "rss_kib": peak_rss_kib(),
    }
    print(json.dumps(report))
