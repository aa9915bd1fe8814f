"""Verdicts on real domains' records, over the DNS data that they reach."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from support.shared import gzip_lines, shared_file, tsv_rows
from support.tables import eager_engine

import senderid_fast as sf

CHECKS = 6_230
SHOWN = 40

Rows = list[dict[str, str]]


def _octets_as_text(text: str) -> str:
    """One character for one octet, as zone data has it."""
    return text.encode("utf-8").decode("latin-1")


@pytest.fixture(scope="module")
def zone() -> dict[str, list[dict[str, Any]]]:
    zone: dict[str, list[dict[str, Any]]] = {}
    for line in gzip_lines(shared_file("corpus/eval-zone.jsonl.gz")):
        name, rrtype, data, *_ = json.loads(line)
        if rrtype == "TXT":
            text = _octets_as_text(data)
            data = [text[start : start + 255] for start in range(0, len(text), 255)] or [""]
        zone.setdefault(name.lower(), []).append({rrtype: data})
    return zone


@pytest.fixture(scope="module")
def rows() -> Rows:
    return list(tsv_rows(shared_file("corpus/expected.tsv.gz")))


def _sync(resolver: sf.ZoneResolver, rows: Rows) -> list[sf.Verdict]:
    engine = sf.Engine(resolver=resolver)
    return [engine.check_mail_from(row["ip"], row["sender"], row["helo"]) for row in rows]


def _asyncio(resolver: sf.ZoneResolver, rows: Rows) -> list[sf.Verdict]:
    async def run() -> list[sf.Verdict]:
        async with sf.AsyncEngine(resolver=resolver) as engine:
            checks = (engine.check_mail_from(row["ip"], row["sender"], row["helo"]) for row in rows)
            return await asyncio.gather(*checks)

    return asyncio.run(run())


def _trace(resolver: sf.ZoneResolver, rows: Rows) -> list[sf.Verdict]:
    engine = sf.Engine(resolver=resolver)
    return [engine.trace_mail_from(row["ip"], row["sender"], row["helo"]).verdict for row in rows]


def _tables(resolver: sf.ZoneResolver, rows: Rows) -> list[sf.Verdict]:
    """Evaluated, then looked up in the table that was made at once, where there is one."""
    engine = eager_engine(resolver, store_octets=1 << 30)
    verdicts = []
    for row in rows:
        for _ in range(3):
            verdict = engine.check_mail_from(row["ip"], row["sender"], row["helo"])
        verdicts.append(verdict)
    assert engine.statistics()["tables_made"] > 1_000
    return verdicts


@pytest.mark.parametrize("driver", [_sync, _asyncio, _trace, _tables])
def test_verdicts(
    zone: dict[str, list[dict[str, Any]]],
    rows: Rows,
    driver: Callable[[sf.ZoneResolver, Rows], list[sf.Verdict]],
) -> None:
    assert len(rows) == CHECKS
    differences = []
    for row, verdict in zip(rows, driver(sf.ZoneResolver(zone), rows), strict=True):
        allowed = {row["verdict"], *row["also_ok"].split()}
        if str(verdict.result) not in allowed:
            differences.append(
                f"{row['domain']} {row['ip']}: {verdict.result} ({verdict.reason}: "
                f"{verdict.detail}), should be {row['verdict']} {row['note']}"
            )
    shown = "\n".join(differences[:SHOWN])
    assert not differences, f"{len(differences)} of {len(rows)} verdicts differ:\n{shown}"


def test_tables_and_batches_say_the_same(zone: dict[str, list[dict[str, Any]]], rows: Rows) -> None:
    """Every field; each domain is asked for the clients of other rows, too."""
    resolver = sf.ZoneResolver(zone)
    plain = sf.Engine(resolver, policy_tables=False, store_octets=1 << 30)
    tabled = eager_engine(resolver, store_octets=1 << 30)
    clients = [row["ip"] for row in rows]
    columns: dict[str, list[str]] = {"ip": [], "helo": [], "mail_from": []}
    expected = []
    for shift in (0, 1, 7):
        for number, row in enumerate(rows):
            check = clients[number - shift], row["sender"], row["helo"]
            verdict = plain.check_mail_from(*check)
            assert tabled.check_mail_from(*check) == verdict
            for name, value in zip(("ip", "mail_from", "helo"), check, strict=True):
                columns[name].append(value)
            expected.append((str(verdict.result), str(verdict.reason), verdict.lookups))
    for engine in (plain, tabled):
        done = engine.check_batch(pa.table(columns), counts=True)
        names = ("spf_result", "spf_reason", "spf_lookups")
        found = list(zip(*(done[name].to_pylist() for name in names), strict=True))
        assert found == expected
