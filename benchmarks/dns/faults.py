"""python -m benchmarks.dns.faults: verdicts and time while DNS servers fail.

Two servers lose 5 % of the queries, take 50 ms for half of the answers, answer 2 % with SERVFAIL
and 1 % with octets that are no message; a third one is dead, and is the first to be asked. Every
verdict is compared with that of answers from the zone itself: it has to be the same, or temperror.
Exit 1 if one is wrong, or later than its limit.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

import senderid_fast as sf
from benchmarks.peers.zone import Connection, World, generate, mapping

LOST, DELAYED, SERVFAIL, GARBAGE = 0.05, 0.5, 0.02, 0.01
DELAY = 0.05  # seconds
LIMIT = 20.0  # seconds of a check
TASKS = 100


def written(record: Any, rrtype: str) -> str:
    """A record of an Answer as a zone file has it."""
    if rrtype == "TXT":
        octets: bytes = record
        parts = [octets[at : at + 255] for at in range(0, len(octets), 255)]
        return " ".join(f'"{part.decode("latin-1")}"' for part in parts)
    if rrtype == "MX":
        return f"{record[0]} {record[1]}."
    return f"{record}." if rrtype == "PTR" else str(record)


class Failing(asyncio.DatagramProtocol):
    """A server with the answers of a zone, which fails as said above."""

    def __init__(self, zone: sf.ZoneResolver) -> None:
        self.zone = zone
        self.transport: Any = None
        self.seen: Counter[str] = Counter()
        self.random = random.Random(7)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, octets: bytes, client: Any) -> None:
        self.seen["queries"] += 1
        draw = self.random.random()
        if draw < LOST:
            self.seen["lost"] += 1
            return
        reply = self.reply(octets)
        if draw < LOST + SERVFAIL:
            self.seen["servfail"] += 1
            reply.answer.clear()
            reply.set_rcode(dns.rcode.SERVFAIL)
        out = reply.to_wire()
        if LOST + SERVFAIL <= draw < LOST + SERVFAIL + GARBAGE:
            self.seen["garbage"] += 1
            out = out[:4] + self.random.randbytes(40)
        if self.random.random() < DELAYED:
            self.seen["delayed"] += 1
            asyncio.get_running_loop().call_later(DELAY, self.transport.sendto, out, client)
        else:
            self.transport.sendto(out, client)

    def reply(self, octets: bytes) -> dns.message.Message:
        query = dns.message.from_wire(octets)
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.AA | dns.flags.RA
        (question,) = query.question
        name = question.name.to_text(omit_final_dot=True).lower()
        rrtype = question.rdtype.name
        answer = self.zone.resolve(sf.Question(name, sf.RRType[rrtype]), 1)
        if answer.status is sf.Status.NXDOMAIN:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif answer.records:
            texts = [written(record, rrtype) for record in answer.records]
            reply.answer.append(dns.rrset.from_text(question.name, 300, "IN", rrtype, *texts))
        return reply


@contextlib.contextmanager
def servers(zone: sf.ZoneResolver, count: int) -> Iterator[tuple[list[str], list[Failing]]]:
    """Failing servers in a thread of their own: their addresses, and what they saw."""
    failing = [Failing(zone) for _ in range(count)]
    addresses: list[str] = []
    ready, loop = threading.Event(), asyncio.new_event_loop()

    async def start() -> None:
        for one in failing:
            await loop.create_datagram_endpoint(lambda one=one: one, local_addr=("127.0.0.1", 0))
            addresses.append(f"127.0.0.1:{one.transport.get_extra_info('sockname')[1]}")
        ready.set()

    def run() -> None:
        loop.run_until_complete(start())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        ready.wait(10)
        yield addresses, failing
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        for one in failing:
            one.transport.close()
        loop.close()


def batch(engine: sf.Engine, rows: Sequence[Connection]) -> tuple[list[str], float]:
    """The results of one check_batch(), and how long it took."""
    import pyarrow as pa

    columns = {
        "ip": [row.ip for row in rows],
        "helo": [row.helo for row in rows],
        "mail_from": [row.mail_from for row in rows],
    }
    began = time.monotonic()
    results = engine.check_batch(pa.table(columns))["spf_result"].to_pylist()
    return results, time.monotonic() - began


async def tasks(engine: sf.AsyncEngine, rows: Sequence[Connection]) -> tuple[list[str], float]:
    """The results of TASKS tasks, and how long the slowest check took."""
    results, slowest = [""] * len(rows), 0.0
    waiting = iter(enumerate(rows))

    async def work() -> None:
        nonlocal slowest
        for number, row in waiting:
            began = time.monotonic()
            verdict = await engine.check_mail_from(row.ip, row.mail_from, row.helo)
            slowest = max(slowest, time.monotonic() - began)
            results[number] = str(verdict.result)
            assert verdict.result is not sf.Result.TEMPERROR or verdict.detail

    async with engine:
        await asyncio.gather(*(work() for _ in range(TASKS)))
    return results, slowest


def told(name: str, truth: Sequence[str], results: Sequence[str], seconds: float) -> bool:
    """Print how the results stand to the truth. Whether none is wrong and none was late."""
    right = sum(one == other for one, other in zip(truth, results, strict=True))
    temperror = sum(one != other == "temperror" for one, other in zip(truth, results, strict=True))
    wrong = len(truth) - right - temperror
    print(
        f"{name:28} {len(truth):7,} checks: {right:,} right, {temperror} temperror, {wrong} wrong; "
        f"{seconds:.2f} s"
    )
    return wrong == 0 and seconds <= LIMIT


def measured(world: World) -> bool:
    """Both drivers over the failing servers. Whether all went well."""
    zone = sf.ZoneResolver(mapping(world.resources))
    rows = world.connections
    truth, _ = batch(sf.Engine(zone), rows)
    limits = sf.Limits(seconds=LIMIT)
    good = True
    with servers(zone, 2) as (addresses, failing):
        dead = "127.0.0.1:1"  # nobody listens there
        resolver = sf.UdpResolver([dead, *addresses], try_seconds=0.5)
        results, seconds = batch(sf.Engine(resolver, limits=limits), rows)
        good &= told("check_batch, whole batch", truth, results, seconds)
        resolver = sf.UdpResolver([dead, *addresses], try_seconds=0.5)
        results, seconds = asyncio.run(tasks(sf.AsyncEngine(resolver, limits=limits), rows))
        good &= told(f"{TASKS} tasks, the slowest check", truth, results, seconds)
        seen = sum((one.seen for one in failing), Counter())
    share = {name: f"{count / seen['queries']:.1%}" for name, count in sorted(seen.items())}
    print(f"{seen['queries']:,} queries: {share}")
    return good


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dns.faults")
    parser.add_argument("--domains", type=int, default=3_000)
    domains = parser.parse_args().domains
    raise SystemExit(0 if measured(generate(domains, domains, "once")) else 1)


if __name__ == "__main__":
    main()
