"""What the Python drivers share: command line, data, clock and report. Standard library only."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.drivers.harness import peak_rss_kib

__all__ = ["Answer", "answer_line", "drive", "read_sections"]

# The field, and the mailbox in it; None for what there is not.
Answer = tuple[str | None, bytes | None]


def read_sections(file: Path) -> list[bytes]:
    octets, at, sections = file.read_bytes(), 0, []
    while at < len(octets):
        end = at + 4 + int.from_bytes(octets[at : at + 4], "little")
        sections.append(octets[at + 4 : end])
        at = end
    return sections


def answer_line(answer: Answer) -> str:
    field, mailbox = answer
    return f"{field or '-'} {mailbox.hex() if mailbox else '-'}\n"


def drive(
    peer: str,
    version: str,
    one_pass: Callable[[list[bytes]], object],
    answers: Callable[[list[bytes]], list[Answer]],
) -> None:
    """`one_pass` is what is timed; `answers` does the same and tells what came out."""
    folder, file, passes = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    sections = read_sections(folder / "sections.bin")
    file.write_text("".join(map(answer_line, answers(sections))), encoding="ascii")
    cpu, wall = [], []
    for _ in range(passes):
        wall_start, cpu_start = time.perf_counter(), time.process_time()
        one_pass(sections)
        cpu.append(time.process_time() - cpu_start)
        wall.append(time.perf_counter() - wall_start)
    report = {
        "peer": peer,
        "version": version,
        "checks": len(sections),
        "cpu_seconds": cpu,
        "wall_seconds": wall,
        "rss_kib": peak_rss_kib(),
    }
    print(json.dumps(report))
