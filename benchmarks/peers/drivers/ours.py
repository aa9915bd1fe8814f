"""senderid_fast by its Python API. VARIANT says how it is called:

""                    Engine.check_mail_from, one call a check
"batch"               Engine.check_batch, all connections in one call, tables of policies on
"batch-no-tables"     the same with tables off
"batch-2-threads"     the same with tables on and two threads
"threads", "async"    cold only: one Engine for all threads, one AsyncEngine for all tasks, with
                      UdpResolver, as "batch" then has it; "" is one Engine with SystemResolver
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

import senderid_fast as sf
from benchmarks.peers.drivers.harness import Connection, Job, Zone

__all__ = ["KnownZone", "engine_of", "reason_against"]

PEER, VERSION = "senderid_fast", version("senderid-fast")
STORE_OCTETS = 1 << 30  # room for every answer of the largest load: nothing is evicted
TTL = 86_400


class KnownZone:
    """Answers from a zone until it is taken away; a question that comes later ends the run.

    ZoneResolver would compile the whole zone at the start of each process: half a minute for the
    largest. Here a name is read when it is asked for.
    """

    def __init__(self, zone: Zone) -> None:
        self.zone: Zone | None = zone

    def take_away(self) -> None:
        self.zone = None

    def resolve(self, question: sf.Question, timeout: float) -> sf.Answer:
        if self.zone is None:
            sys.exit(f"{question} was asked while answers were to be known")
        resources = self.zone.get(question.name)
        if resources is None:
            return sf.Answer(sf.Status.NXDOMAIN, ttl=TTL)
        rrtype = str(question.rrtype)
        found = tuple(record_of(rrtype, one[rrtype]) for one in resources if rrtype in one)
        return sf.Answer(sf.Status.OK if found else sf.Status.NODATA, found, TTL)


def record_of(rrtype: str, data: Any) -> Any:
    """A record of zone.json as an Answer has it."""
    if rrtype == "TXT":
        return "".join(data).encode("ascii")
    return tuple(data) if rrtype == "MX" else data


def reason_against(variant: str) -> str | None:
    """Why this checkout cannot run the variant, or None."""
    if not variant.startswith("batch"):
        return None
    if not hasattr(sf.Engine, "check_batch"):
        return "this checkout has no Engine.check_batch"
    if "policy_tables" not in inspect.signature(sf.Engine).parameters:
        return "this checkout has no Engine(policy_tables=...)"
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        return "pyarrow is missing: pip install 'senderid_fast[batch]'"
    return None


def engine_of(resolver: Any, **options: Any) -> Any:
    return sf.Engine(resolver, store_octets=STORE_OCTETS, **options)


def single(job: Job) -> None:
    known = KnownZone(job.zone())
    check = engine_of(known).check_mail_from
    job.drive(PEER, VERSION, check, lambda verdict: str(verdict.result), known.take_away)


def columns_of(job: Job) -> Any:
    """The connections as a table. Read by pyarrow itself: from lists it would import pandas."""
    import pyarrow as pa
    from pyarrow import csv

    names = ("ip", "helo", "mail_from")
    return csv.read_csv(
        job.data / "connections.tsv",
        csv.ReadOptions(use_threads=False, column_names=names),
        csv.ParseOptions(delimiter="\t", quote_char=False),
        csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    )


def batch(job: Job) -> None:
    known = KnownZone(job.zone())
    engine = engine_of(known, policy_tables=job.variant != "batch-no-tables")
    threads = 2 if job.variant == "batch-2-threads" else 1
    table = columns_of(job)
    words = engine.check_batch(table, threads=threads)["spf_result"].to_pylist()
    # Twice before it counts: a table is made of a policy that was met before.
    if engine.check_batch(table, threads=threads)["spf_result"].to_pylist() != words:
        sys.exit("a second pass has other results than the first")
    job.write(words)
    known.take_away()
    job.time(PEER, VERSION, len(table), lambda: engine.check_batch(table, threads=threads))


def cold_batch(table: Any, resolver: Any) -> list[str]:
    # Of all rows of a batch the last is the one that waits longest.
    engine = engine_of(resolver, limits=sf.Limits(seconds=600))
    words: list[str] = engine.check_batch(table, threads=1)["spf_result"].to_pylist()
    return words


def cold_threads(connections: Sequence[Connection], tasks: int, resolver: Any) -> list[str]:
    engine = engine_of(resolver)

    def check(connection: Connection) -> str:
        ip, helo, mail_from = connection
        return str(engine.check_mail_from(ip, mail_from, helo).result)

    if tasks == 1:
        return list(map(check, connections))
    with ThreadPoolExecutor(tasks) as pool:
        return list(pool.map(check, connections))


async def cold_tasks(connections: Sequence[Connection], tasks: int, resolver: Any) -> list[str]:
    words = [""] * len(connections)
    async with sf.AsyncEngine(resolver, store_octets=STORE_OCTETS) as engine:

        async def work(rows: Iterator[tuple[int, Connection]]) -> None:
            for row, (ip, helo, mail_from) in rows:
                words[row] = str((await engine.check_mail_from(ip, mail_from, helo)).result)

        rows = iter(enumerate(connections))
        await asyncio.gather(*(work(rows) for _ in range(tasks)))
    return words


def cold(job: Job) -> None:
    assert job.cold is not None
    table: Any = None
    if job.variant == "batch":
        table = columns_of(job)[: job.cold.checks]
        # pyarrow imports pandas, if it is there, when it is first used: a program starts once.
        sf.Engine(sf.ZoneResolver({})).check_batch(table[:1])["spf_result"].to_pylist()
    servers = [f"127.0.0.1:{job.cold.port}"]
    resolver = sf.UdpResolver(servers) if job.variant else sf.SystemResolver(servers)

    def run(connections: Sequence[Connection], tasks: int) -> list[str]:
        if job.variant == "batch":
            return cold_batch(table, resolver)
        if job.variant == "async":
            return asyncio.run(cold_tasks(connections, tasks, resolver))
        return cold_threads(connections, tasks, resolver)

    job.drive_cold(PEER, VERSION, run)


def main() -> None:
    job = Job()
    if reason := reason_against(job.variant):
        sys.exit(reason)
    if job.cold:
        cold(job)
    elif job.variant:
        batch(job)
    else:
        single(job)


if __name__ == "__main__":
    main()
