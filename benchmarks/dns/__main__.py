"""python -m benchmarks.dns: queries a second and CPU time per query, of resolvers beside dnsperf.

The server is knot on the last core, everything else is on the first. CPU time is that of the client
alone, all its threads together, parsing included. Answers are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import resource
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import dns.message

import senderid_fast as sf
from benchmarks.peers.server import Knot, knot
from benchmarks.peers.zone import World, generate
from senderid_fast._core.wire import read_answer, write_query
from senderid_fast.questions import Answer, Question, RRType
from senderid_fast.resolver.messages import Chain, make_query, read_reply, text_to_name

TIMEOUT = 60.0


class Figure(NamedTuple):
    name: str
    queries: int
    cpu: float
    wall: float

    def __str__(self) -> str:
        micros, rate = self.cpu / self.queries * 1e6, self.queries / self.wall
        return f"{self.name:44} {self.queries:8,} {micros:9.2f} {rate:12,.0f}"


def timed(name: str, queries: int, work: Callable[[], object], rounds: int) -> Figure:
    """The round with the median of CPU time."""
    found = []
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        found.append(Figure(name, queries, time.process_time() - cpu, time.perf_counter() - wall))
    middle = statistics.median_low(figure.cpu for figure in found)
    return next(figure for figure in found if figure.cpu == middle)


def codec(octets: bytes, question: Question, rounds: int) -> list[Figure]:
    """One answer read and one query written, without any network."""
    name, rrtype = question
    query_id = int.from_bytes(octets[:2], "big")

    def ours() -> None:
        for _ in range(20_000):
            write_query(name, rrtype, query_id)
            read_answer(octets, name, rrtype, query_id)

    def theirs() -> None:
        for _ in range(1_000):
            make_query(text_to_name(name), rrtype, 1232).to_wire()
            read_reply(dns.message.from_wire(octets), Chain(text_to_name(name)), rrtype)

    return [
        timed("codec: compiled", 20_000, ours, rounds),
        timed("codec: dnspython", 1_000, theirs, rounds),
    ]


def many(port: int, questions: Sequence[Question], in_flight: int) -> Callable[[], object]:
    resolver = sf.UdpResolver([f"127.0.0.1:{port}"], in_flight=in_flight)

    def work() -> None:
        answers = resolver.resolve_many(questions, TIMEOUT)
        assert not any(answer.status.is_error for answer in answers)

    return work


def one_by_one(resolver: Any, questions: Sequence[Question], threads: int) -> Callable[[], object]:
    def work() -> None:
        with ThreadPoolExecutor(threads) as pool:
            answers = list(pool.map(lambda one: resolver.resolve(one, TIMEOUT), questions))
        assert not any(answer.status.is_error for answer in answers)

    return work


def tasks(resolver: Any, questions: Sequence[Question], count: int) -> Callable[[], object]:
    async def run() -> None:
        waiting = iter(questions)

        async def task() -> None:
            for question in waiting:
                answer = await resolver.resolve_async(question, TIMEOUT)
                assert not answer.status.is_error

        await asyncio.gather(*[task() for _ in range(count)])

    return lambda: asyncio.run(run())


def dnsperf(port: int, questions: Sequence[Question], rounds: int) -> list[Figure]:
    program = shutil.which("dnsperf")
    if program is None:
        print("dnsperf is not installed: apt-get install dnsperf")
        return []
    found = []
    with TemporaryDirectory() as folder:
        data = Path(folder) / "questions"
        data.write_text("".join(f"{name} {rrtype.name}\n" for name, rrtype in questions))
        command = [program, "-s", "127.0.0.1", "-p", str(port), "-d", str(data), "-n", "1"]
        command += ["-c", "4", "-q", "64", "-e"]
        for _ in range(rounds):
            before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            match = re.search(r"Queries completed: +(\d+)", done.stdout)
            assert match is not None
            wall = time.perf_counter() - wall
            found.append(Figure("dnsperf -c 4 -q 64", int(match[1]), cpu, wall))
    middle = statistics.median_low(figure.cpu for figure in found)
    return [next(figure for figure in found if figure.cpu == middle)]


def cold_batch(name: str, resolver: Any, world: World, server: Knot) -> None:
    """check_batch with every domain new: nothing is known."""
    import pyarrow as pa

    rows = world.connections
    table = pa.table(
        {
            "ip": [row.ip for row in rows],
            "helo": [row.helo for row in rows],
            "mail_from": [row.mail_from for row in rows],
        }
    )
    engine = sf.Engine(resolver, limits=sf.Limits(seconds=600))
    asked, wall, cpu = server.queries(), time.perf_counter(), time.process_time()
    done = engine.check_batch(table)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    asked = server.queries() - asked
    results = done["spf_result"].value_counts().to_pylist()
    counts = {one["values"]: one["counts"] for one in results}
    print(
        f"{name:44} {len(rows):8,} {cpu / len(rows) * 1e6:9.2f} {len(rows) / wall:12,.0f}"
        f"   {asked / len(rows):.2f} queries a check   {dict(sorted(counts.items()))}"
    )


def compare(port: int, questions: Sequence[Question]) -> bytes:
    """Both resolvers say the same. The octets of one answer."""
    address = f"127.0.0.1:{port}"
    ours = sf.UdpResolver([address]).resolve_many(questions, TIMEOUT)
    system = sf.SystemResolver([address])
    theirs = [system.resolve(question, TIMEOUT) for question in questions]

    def plain(answers: Sequence[Answer]) -> list[Answer]:
        return [one._replace(records=tuple(sorted(one.records))) for one in answers]

    assert plain(ours) == plain(theirs)
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        octets = write_query(questions[0].name, questions[0].rrtype, 7)
        assert octets is not None
        sock.sendto(octets, ("127.0.0.1", port))
        return sock.recv(4096)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dns")
    parser.add_argument("--domains", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    world = generate(options.domains, options.domains, "once")
    questions = [Question(domain.name, RRType.TXT) for domain in world.domains]
    few, rounds = questions[: options.domains // 10], options.rounds
    with knot(world.resources, cores[-1]) as server:
        os.sched_setaffinity(0, cores[:1])
        address = f"127.0.0.1:{server.port}"
        octets = compare(server.port, questions[:300])
        udp, system = sf.UdpResolver([address]), sf.SystemResolver([address])
        print(f"{'':44} {'queries':>8} {'us CPU':>9} {'a second':>12}")
        for figure in codec(octets, questions[0], rounds):
            print(figure)
        for in_flight in (16, 64, 128, 256):
            work = many(server.port, questions, in_flight)
            name = f"UdpResolver.resolve_many, {in_flight} in flight"
            print(timed(name, len(questions), work, rounds))
        for figure in dnsperf(server.port, questions, rounds):
            print(figure)
        print(timed("UdpResolver.resolve_async, 256 tasks", len(few), tasks(udp, few, 256), rounds))
        print(timed("SystemResolver.resolve_async, 64 tasks", len(few), tasks(system, few, 64), 3))
        print(timed("UdpResolver.resolve, 1 thread", len(few), one_by_one(udp, few, 1), rounds))
        print(timed("UdpResolver.resolve, 8 threads", len(few), one_by_one(udp, few, 8), rounds))
        print(timed("SystemResolver.resolve, 1 thread", len(few), one_by_one(system, few, 1), 3))
        print(timed("SystemResolver.resolve, 8 threads", len(few), one_by_one(system, few, 8), 3))
        print(f"\n{'':44} {'checks':>8} {'us CPU':>9} {'a second':>12}")
        cold_batch("check_batch cold, UdpResolver", udp, world, server)
        cold_batch("check_batch cold, SystemResolver", system, world, server)


if __name__ == "__main__":
    main()
