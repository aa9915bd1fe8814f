"""check_batch where answers are missing: what is asked, kept, emitted and given up."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pytest
from support.scripted import Scripted, policy, run_threads, zone_reply

import senderid_fast as sf
from senderid_fast._core.answers import AnswerStore

IP = "192.0.2.1"


def many(count: int) -> tuple[dict[str, Any], pa.Table]:
    """A zone of that many domains, each with three questions, and two rows for each."""
    zone: dict[str, Any] = {"_spf.example": [{"TXT": "v=spf1 ip4:198.51.100.0/24 -all"}]}
    for number in range(count):
        zone[f"d{number}.example"] = [
            {"TXT": f"v=spf1 a:h{number}.example include:_spf.example ~all"}
        ]
        zone[f"h{number}.example"] = [{"A": "192.0.2.1" if number % 3 else "192.0.2.2"}]
    paths = [f"u@d{number}.example" for number in range(count)] * 2
    return zone, pa.table({"ip": [IP] * len(paths), "mail_from": paths})


def expected(count: int) -> list[str]:
    return ["pass" if number % 3 else "softfail" for number in range(count)] * 2


@pytest.mark.parametrize("ttl", [0, 60])
@pytest.mark.parametrize("store_octets", [1 << 16, 64 << 20])
def test_each_question_is_asked_once_whatever_is_kept(ttl: int, store_octets: int) -> None:
    zone, table = many(3_000)
    resolver = Scripted(zone_reply(zone, ttl))
    engine = sf.Engine(resolver, store_octets=store_octets, concurrency=8)
    got = engine.check_batch(table, threads=2)
    assert got.column("spf_result").to_pylist() == expected(3_000)
    assert set(resolver.counts.values()) == {1}
    assert len(resolver.questions) == engine.statistics()["asked"] == 6_001
    assert engine.statistics()["octets"] <= store_octets
    again = engine.check_batch(table)
    assert again.equals(got)
    if ttl == 60 and store_octets == 64 << 20:
        assert len(resolver.questions) == 6_001


@pytest.mark.parametrize("threads", [1, 2, 4, 7])
def test_the_number_of_threads_changes_nothing(threads: int) -> None:
    zone, table = many(9_000)
    resolver = sf.ZoneResolver(zone)
    got = sf.Engine(resolver).check_batch(table, threads=threads, counts=True)
    assert got.column("spf_result").to_pylist() == expected(9_000)
    assert got.equals(sf.Engine(resolver).check_batch(table, threads=1, counts=True))
    emitted = sf.Engine(resolver).check_batch(table, threads=threads, missing="emit")
    one = sf.Engine(resolver).check_batch(table, threads=1, missing="emit")
    assert emitted.questions == one.questions
    assert emitted.rows.equals(one.rows)


def test_a_resolver_that_answers_many_at_once_is_called_once_a_round() -> None:
    zone, table = many(50)
    calls: list[int] = []

    class Bulk(Scripted):
        def resolve_many(self, questions: Sequence[sf.Question], timeout: float) -> list[Any]:
            calls.append(len(questions))
            assert len(set(questions)) == len(questions)
            return [self.reply(question, timeout) for question in questions]

    bulk = Bulk(zone_reply(zone))
    got = sf.Engine(bulk).check_batch(table)
    assert got.column("spf_result").to_pylist() == expected(50)
    assert calls == [50, 50, 1]
    assert bulk.questions == []


@pytest.mark.parametrize("broken", ["raises", "short", "none"])
def test_a_bulk_resolver_that_fails_is_temperror(broken: str) -> None:
    class Bulk(Scripted):
        def resolve_many(self, questions: Sequence[sf.Question], timeout: float) -> Any:
            if broken == "raises":
                raise OSError("no network")
            return [] if broken == "short" else None

    _, table = many(3)
    got = sf.Engine(Bulk(zone_reply({}))).check_batch(table)
    assert set(got.column("spf_reason").to_pylist()) == {"resolver-failed"}


def test_a_resolver_that_raises_is_temperror_for_its_rows_alone() -> None:
    zone, table = many(30)
    answers = zone_reply(zone)

    def reply(question: sf.Question, timeout: float) -> Any:
        if question.name == "d7.example":
            raise OSError("no route")
        return answers(question, timeout)

    got = sf.Engine(Scripted(reply)).check_batch(table)
    want = expected(30)
    want[7] = want[37] = "temperror"
    assert got.column("spf_result").to_pylist() == want
    assert got.column("spf_reason")[7].as_py() == "resolver-failed"


@pytest.mark.parametrize("way", ["sync", "asyncio"])
def test_time_is_over_for_the_rows_whose_own_questions_took_it(way: str) -> None:
    zone, table = many(60)
    answers = zone_reply(zone)

    def late(question: sf.Question, timeout: float) -> sf.Answer:
        return sf.Answer(sf.Status.TIMEOUT)

    def reply(question: sf.Question, timeout: float) -> Any:
        if question.name in ("h5.example", "d9.example"):
            time.sleep(timeout + 0.01)  # to the end of the time that the check has
            return late(question, timeout)
        return answers(question, timeout)

    resolver = Scripted(reply)
    limits = sf.Limits(seconds=0.5)
    if way == "sync":
        got = sf.Engine(resolver, limits=limits).check_batch(table)
    else:

        class OnlyBlocking:
            resolve = staticmethod(reply)

        async def run() -> Any:
            async with sf.AsyncEngine(OnlyBlocking(), limits=limits) as engine:
                return await engine.check_batch(table)

        got = asyncio.run(run())
    reasons = got.column("spf_reason").to_pylist()
    assert [row for row in range(120) if reasons[row] == "time-limit"] == [5, 9, 65, 69]
    assert got.column("spf_result")[5].as_py() == "temperror"


def test_emitting_asks_nothing_and_ends_at_a_fixed_point() -> None:
    zone, table = many(40)

    class Set:
        store = AnswerStore(1 << 24)

    resolver = sf.ZoneResolver(zone)
    engine = sf.Engine(Scripted(zone_reply(zone)))
    asked = []
    for _ in range(5):
        outcome = engine.check_batch(table, answers=Set(), missing="emit", helo_result=True)
        if not outcome.questions:
            break
        asked.append(len(outcome.questions))
        results = outcome.table.column("spf_result")
        assert [
            row for row in range(80) if results[row].as_py() is None
        ] == outcome.rows.to_pylist()
        assert all(results[row].as_py() is None for row in outcome.rows.to_pylist())
        for question in outcome.questions:
            Set.store.put(question, resolver.resolve(question), -5, -10)  # long expired
    assert asked == [40, 40, 1]
    assert outcome.rows.to_pylist() == []
    assert outcome.table.column("spf_result").to_pylist() == expected(40)
    assert engine.statistics()["asked"] == 0
    assert len(engine.check_batch(table, answers=Set())) == 80
    assert engine.statistics()["asked"] == 0


def test_a_stream_is_checked_as_it_is_read() -> None:
    zone, table = many(500)
    read: list[int] = []

    def source() -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(table.to_batches(100)):
            read.append(number)
            yield batch

    reader = pa.RecordBatchReader.from_batches(table.schema, source())
    got = sf.Engine(sf.ZoneResolver(zone)).check_batch(reader, batch_rows=30)
    assert isinstance(got, pa.RecordBatchReader)
    assert read == []
    first = got.read_next_batch()
    assert first.num_rows == 30
    assert read == [0]
    rest = pa.Table.from_batches([first, *got])
    assert rest.column("spf_result").to_pylist() == expected(500)


def test_an_error_of_a_stream_comes_to_whoever_reads_it() -> None:
    def source() -> Iterator[pa.RecordBatch]:
        yield many(3)[1].to_batches()[0]
        raise OSError("the disk is gone")

    table = many(3)[1]
    reader = pa.RecordBatchReader.from_batches(table.schema, source())
    got = sf.Engine(sf.ZoneResolver(many(3)[0])).check_batch(reader)
    assert got.read_next_batch().num_rows == 6
    with pytest.raises(OSError, match="the disk is gone"):
        got.read_next_batch()


def test_emitting_from_a_stream() -> None:
    zone, table = many(20)
    engine = sf.Engine(sf.ZoneResolver(zone))
    outcomes = engine.check_batch(table.to_reader(10), missing="emit")
    first = next(outcomes)
    assert first.table.num_rows == len(first.questions) == 10


def test_threads_share_an_engine_and_what_it_asks() -> None:
    zone, table = many(400)
    resolver = Scripted(zone_reply(zone))
    engine = sf.Engine(resolver, concurrency=4)
    found: dict[int, Any] = {}

    def work(number: int) -> None:
        found[number] = engine.check_batch(table, threads=2)

    run_threads(3, work)
    assert all(one.column("spf_result").to_pylist() == expected(400) for one in found.values())


@pytest.mark.parametrize("allowed", [0, 2])
def test_fewer_threads_than_wanted_ask_all_the_same(
    monkeypatch: pytest.MonkeyPatch, allowed: int
) -> None:
    zone, table = many(50)
    started: list[threading.Thread] = []
    true_start = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if "asker" in thread.name:
            if len(started) == allowed:
                raise RuntimeError("can't start new thread")
            started.append(thread)
        true_start(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    got = sf.Engine(Scripted(zone_reply(zone))).check_batch(table, threads=1)
    assert got.column("spf_result").to_pylist() == expected(50)
    assert len(started) == allowed


def test_an_interrupt_ends_it_and_the_engine_goes_on() -> None:
    zone, table = many(20)
    answers = zone_reply(zone)
    interrupted = threading.Event()

    def reply(question: sf.Question, timeout: float) -> Any:
        if question.name == "d3.example" and not interrupted.is_set():
            interrupted.set()
            raise KeyboardInterrupt
        return answers(question, timeout)

    engine = sf.Engine(Scripted(reply), concurrency=2)
    with pytest.raises(KeyboardInterrupt):
        engine.check_batch(table)
    assert engine.check_batch(table).column("spf_result").to_pylist() == expected(20)


def test_asyncio_gives_tables_streams_and_what_it_lacks() -> None:
    zone, table = many(200)

    async def run() -> None:
        async with sf.AsyncEngine(Scripted(zone_reply(zone, 0)), concurrency=5) as engine:
            emitted = await engine.check_batch(table, missing="emit")
            assert len(emitted.questions) == 200
            whole = await engine.check_batch(table, threads=2)
            assert whole.column("spf_result").to_pylist() == expected(200)
            stream = await engine.check_batch(table.to_reader(150))
            batches = [batch async for batch in stream]
            assert pa.Table.from_batches(batches).to_pydict() == whole.to_pydict()
            lacking = await engine.check_batch(table.to_reader(150), missing="emit")
            assert [len(outcome.rows) async for outcome in lacking] == [150, 150, 100]

    asyncio.run(run())


def test_an_answer_of_the_wrong_kind_is_temperror() -> None:
    _, table = many(2)
    got = sf.Engine(Scripted(lambda question, timeout: None)).check_batch(table)
    assert set(got.column("spf_result").to_pylist()) == {"temperror"}
    odd = sf.Engine(Scripted(lambda question, timeout: policy("v=spf1 +all", ttl="soon")))
    assert set(odd.check_batch(table).column("spf_result").to_pylist()) == {"pass"}
