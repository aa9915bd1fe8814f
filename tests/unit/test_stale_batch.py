"""Stale answers (RFC 8767) in batches and with asyncio."""

from __future__ import annotations

import asyncio
from typing import Any

import pyarrow as pa
import pytest
from support.failing import Failing, FailingBulk, every
from support.scripted import Clock
from support.stale import DAY, IP, PLAIN, ROWS, check, warmed

import senderid_fast as sf

COLUMNS = ["spf_result", "spf_stale", "helo_stale", "pra_stale"]


class TestBatch:
    @pytest.mark.parametrize("kind", [Failing, FailingBulk])
    def test_columns(self, clock: Clock, kind: type[Failing]) -> None:
        zone = PLAIN | {"mx.a.example": [{"TXT": "v=spf1 -all"}]}
        engine, dns = warmed(clock, zone, kind=kind)
        headers = pa.array(["From: u@a.example\r\n\r\n", ""])
        rows = ROWS.append_column("headers", headers)
        fresh = sf.Engine(sf.ZoneResolver(zone), stale_seconds=DAY)
        wanted = {"helo_result": True, "stale": True, "counts": True}
        before = fresh.check_batch(rows, **wanted)
        dns.fails = lambda question: question.name == "a.example"
        found = engine.check_batch(rows, **wanted)
        assert found.drop_columns(COLUMNS[1:]).equals(before.drop_columns(COLUMNS[1:]))
        assert found.select(COLUMNS[1:]).to_pydict() == {
            "spf_stale": [True, False],
            "helo_stale": [False, False],
            "pra_stale": [True, False],
        }
        assert before.select(COLUMNS[1:]).to_pydict() == {
            name: [False, False] for name in COLUMNS[1:]
        }
        assert found.schema.field("spf_stale").type == pa.bool_()

    def test_helo_that_stands_in(self, clock: Clock) -> None:
        dns = Failing({"mx.a.example": [{"TXT": "v=spf1 -all"}]})
        engine = sf.Engine(dns, stale_seconds=DAY)
        rows = ROWS.slice(1)
        engine.check_batch(rows)
        clock.advance(61)
        dns.fails = every
        found = engine.check_batch(rows, helo_result=True, stale=True)
        assert found.select(COLUMNS[:3]).to_pylist() == [
            {"spf_result": "fail", "spf_stale": True, "helo_stale": True}
        ]

    def test_not_unless_they_are_wanted(self, clock: Clock) -> None:
        engine, _ = warmed(clock, PLAIN)
        found = engine.check_batch(ROWS, helo_result=True, counts=True)
        assert not [name for name in found.column_names if name.endswith("_stale")]

    def test_rows_without_an_answer(self, clock: Clock) -> None:
        engine = sf.Engine(Failing(PLAIN))
        outcome = engine.check_batch(ROWS, stale=True, missing="emit")
        assert outcome.table.column("spf_stale").to_pylist() == [None, None]

    @pytest.mark.parametrize("kind", [Failing, FailingBulk])
    def test_what_it_kept_is_used_by_others(self, clock: Clock, kind: type[Failing]) -> None:
        engine, dns = warmed(clock, PLAIN, kind=kind)
        engine.check_batch(ROWS.slice(0, 1))
        assert check(engine).stale
        assert len(dns.questions) == 1

    def test_a_silent_dns_takes_no_more_of_a_row_than_of_a_check(self, clock: Clock) -> None:
        zone = {
            "a.example": [{"TXT": "v=spf1 include:b.example"}],
            "b.example": [{"TXT": "v=spf1 include:c.example"}],
            "c.example": [{"TXT": "v=spf1 +all"}],
        }
        engine, dns = warmed(clock, zone, kind=FailingBulk)
        slow = dns.reply

        def reply(question: sf.Question, timeout: float) -> Any:
            clock.advance(timeout)
            return slow(question, timeout)

        dns.reply = reply
        found = engine.check_batch(ROWS.slice(0, 1), stale=True)
        assert found.select(COLUMNS[:2]).to_pylist() == [{"spf_result": "pass", "spf_stale": True}]

    def test_fetch(self, clock: Clock) -> None:
        engine, dns = warmed(clock, PLAIN)
        assert engine.fetch(["a.example"]).questions == ()
        assert check(engine).stale
        assert len(dns.questions) == 1


class TestAsyncio:
    @pytest.mark.parametrize("kind", ["answers", "hangs"])
    def test_in_place_of_an_error(self, clock: Clock, kind: str) -> None:
        dns = Failing(PLAIN)
        plain = dns.reply

        def reply(question: sf.Question, timeout: float) -> Any:
            if not dns.fails(question):
                return plain(question, timeout)
            return asyncio.sleep(60) if kind == "hangs" else dns.failure

        dns.reply = reply

        async def run() -> None:
            limits = sf.Limits(seconds=0.4)
            async with sf.AsyncEngine(dns, stale_seconds=DAY, limits=limits) as engine:
                await engine.check_mail_from(IP, "u@a.example")
                clock.advance(61)
                dns.fails = every
                dns.questions.clear()
                several = [engine.check_mail_from(IP, "u@a.example") for _ in range(5)]
                for found in await asyncio.gather(*several):
                    assert (found.result, found.stale) == ("pass", True)
                rows = await engine.check_batch(ROWS.slice(0, 1), stale=True)
                assert rows.column("spf_stale").to_pylist() == [True]
                assert len(dns.questions) == 1
                assert engine.statistics()["stale"] == 1

        asyncio.run(run())
