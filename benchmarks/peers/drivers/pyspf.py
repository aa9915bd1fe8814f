"""pyspf, strict as it is by default, with a dictionary in place of its DNS look-up.

Cold, it keeps its own look-up, which is dnspython's, and runs in threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

import spf  # type: ignore[import-not-found]

from benchmarks.peers.drivers.harness import Check, Connection, Job, Zone

__all__ = ["prepare"]


def answer_of(name: str, rrtype: str, data: Any) -> tuple[tuple[str, str], Any]:
    """One record as pyspf's own look-up returns it."""
    if rrtype == "TXT":
        strings = [data] if isinstance(data, str) else data
        return (name, rrtype), tuple(string.encode("ascii") for string in strings)
    return (name, rrtype), tuple(data) if rrtype == "MX" else data


def prepare(zone: Zone) -> Check[tuple[str, str]]:
    answers: dict[tuple[str, str], list[Any]] = {}
    for name, records in zone.items():
        for record in records:
            for rrtype, data in record.items():
                answers.setdefault((name, rrtype), []).append(answer_of(name, rrtype, data))

    def look_up(name: str, rrtype: str, *_args: object, **_options: object) -> list[Any]:
        return answers.get((name, rrtype), [])

    spf.DNSLookup = look_up
    check: Check[tuple[str, str]] = spf.check2
    return check


def cold(connections: Sequence[Connection], tasks: int, port: int) -> list[str]:
    import dns.resolver

    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], port
    dns.resolver.default_resolver = resolver  # whom dns.resolver.resolve() asks, and so pyspf

    def check(connection: Connection) -> str:
        ip, helo, mail_from = connection
        return str(spf.check2(ip, mail_from, helo)[0])

    with ThreadPoolExecutor(tasks) as pool:
        return list(pool.map(check, connections))


def main() -> None:
    job = Job()
    if job.cold:
        port = job.cold.port
        job.drive_cold("pyspf", version("pyspf"), lambda rows, tasks: cold(rows, tasks, port))
    else:
        job.drive("pyspf", version("pyspf"), prepare(job.zone()), lambda outcome: outcome[0])


if __name__ == "__main__":
    main()
