"""Stale answers that come from a cache which processes share."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.caches import Hanging, Junk, Memory, Raising, cached, put, question
from support.failing import Failing, FailingBulk, every
from support.scripted import Clock

import senderid_fast as sf
from senderid_fast.cache import CachedAnswer, LmdbCache, ValkeyCache, open_cache

IP = "192.0.2.1"
DAY = 86_400
RECORD = b"v=spf1 ip4:192.0.2.1 -all"
ASKED = question("a.example")
WAYS = ["check", "batch", "bulk", "async check", "async batch"]


def dead(kind: type[Failing] = Failing) -> Failing:
    dns = kind({})
    dns.fails = every
    return dns


def run(way: str, cache: Any, stale: float = DAY, **settings: Any) -> tuple[str, bool]:
    """The result of IP and a.example with a new engine whose DNS is dead, and its mark."""
    rows = pa.record_batch({"ip": [IP], "mail_from": ["u@a.example"]})
    dns = dead(FailingBulk if way == "bulk" else Failing)
    options: dict[str, Any] = {"cache": cache, "stale_seconds": stale, **settings}

    def of(table: Any) -> tuple[str, bool]:
        return table["spf_result"][0].as_py(), table["spf_stale"][0].as_py()

    async def awaited() -> tuple[str, bool]:
        async with sf.AsyncEngine(dns, **options) as engine:
            if way == "async batch":
                return of(await engine.check_batch(rows, stale=True))
            verdict = await engine.check_mail_from(IP, "u@a.example")
            return str(verdict.result), verdict.stale

    if way.startswith("async"):
        return asyncio.run(awaited())
    engine = sf.Engine(dns, **options)
    if way == "check":
        verdict = engine.check_mail_from(IP, "u@a.example")
        return str(verdict.result), verdict.stale
    return of(engine.check_batch(rows, stale=True))


def memory(entry: CachedAnswer) -> Memory:
    cache = Memory()
    cache.kept[ASKED] = entry
    return cache


@pytest.fixture
def lmdb(tmp_path: Path) -> Iterator[Callable[..., LmdbCache]]:
    made: list[LmdbCache] = []

    def make(**options: Any) -> LmdbCache:
        made.append(LmdbCache(tmp_path / "cache", **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize("way", WAYS)
class TestAnyCache:
    """One that knows nothing of stale answers, and gives what it has."""

    def test_in_place_of_an_error(self, way: str) -> None:
        assert run(way, memory(cached(RECORD, ttl=60, age=100))) == ("pass", True)

    def test_not_unless_it_is_wanted(self, way: str) -> None:
        assert run(way, memory(cached(RECORD, ttl=60, age=100)), 0) == ("temperror", False)

    def test_its_age_is_bounded(self, way: str) -> None:
        assert run(way, memory(cached(RECORD, ttl=60, age=100)), 50) == ("pass", True)
        assert run(way, memory(cached(RECORD, ttl=60, age=120)), 50) == ("temperror", False)

    def test_max_ttl_counts(self, way: str) -> None:
        cache = memory(cached(RECORD, ttl=3_600, age=100))
        assert run(way, cache, 60, max_ttl=50) == ("pass", True)
        assert run(way, cache, 40, max_ttl=50) == ("temperror", False)

    def test_an_answer_to_come_is_none(self, way: str) -> None:
        assert run(way, memory(cached(RECORD, ttl=60, age=-200_000))) == ("temperror", False)

    def test_an_error_is_none(self, way: str) -> None:
        entry = CachedAnswer(sf.Answer(sf.Status.SERVFAIL, (), 5), cached(age=8).fetched_at)
        assert run(way, memory(entry)) == ("temperror", False)

    def test_one_without_a_time_to_live_is_none(self, way: str) -> None:
        assert run(way, memory(cached(RECORD, ttl=0, age=8))) == ("temperror", False)

    @pytest.mark.parametrize("records", [(1,), ("text",), None, ((1, 2),)])
    def test_one_that_cannot_be_read_is_none(self, way: str, records: Any) -> None:
        entry = cached(RECORD, ttl=60, age=100)
        entry = entry._replace(answer=entry.answer._replace(records=records))
        assert run(way, memory(entry)) == ("temperror", False)

    @pytest.mark.parametrize("kind", [Raising, Hanging])
    def test_caches_that_fail(self, way: str, kind: type[Memory]) -> None:
        cache = kind()
        assert run(way, cache) == ("temperror", False)
        if isinstance(cache, Hanging):
            cache.go_on.set()

    @pytest.mark.parametrize("ttl", [None, "60", float("nan"), -60])
    def test_a_lying_cache(self, way: str, ttl: Any) -> None:
        entry = CachedAnswer(sf.Answer(sf.Status.OK, (RECORD,), ttl), cached(age=8).fetched_at)
        cache = Junk(lambda questions: dict.fromkeys(questions, entry))
        assert run(way, cache) == ("temperror", False)


class TestErrorsAndTheCache:
    def test_an_error_does_not_displace_what_is_over(self) -> None:
        cache = memory(cached(RECORD, ttl=60, age=100))
        for _ in range(3):
            assert run("check", cache) == ("pass", True)
        assert cache.kept[ASKED].answer.status is sf.Status.OK
        empty = Memory()
        assert run("check", empty) == ("temperror", False)
        assert empty.kept == {}

    def test_they_are_put_there_otherwise(self) -> None:
        cache = Memory()
        run("check", cache, 0)
        assert cache.kept[ASKED].answer.status is sf.Status.SERVFAIL

    def test_an_error_of_another_process(self, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = Clock(monkeypatch)
        dns = Failing({"a.example": [{"TXT": RECORD.decode()}]})
        cache = Memory()
        engine = sf.Engine(dns, cache=cache, stale_seconds=DAY)
        assert engine.check_mail_from(IP, "u@a.example").result == "pass"
        cache.kept[ASKED] = CachedAnswer(sf.Answer(sf.Status.TIMEOUT, (), 5), cached().fetched_at)
        clock.advance(61)
        found = engine.check_mail_from(IP, "u@a.example")
        assert (found.result, found.stale) == ("pass", True)
        assert len(dns.questions) == 1

    def test_what_has_no_time_to_live_displaces_what_is_over(self) -> None:
        cache = memory(cached(RECORD, ttl=60, age=100))
        dns = Failing({"b.example": []}, ttl=0)
        engine = sf.Engine(dns, cache=cache, stale_seconds=DAY)
        assert engine.check_mail_from(IP, "u@a.example").result == "none"
        assert run("check", cache) == ("temperror", False)

    def test_a_stale_answer_is_not_put_there(self) -> None:
        cache = memory(cached(RECORD, ttl=60, age=100))
        before = dict(cache.kept)
        assert run("check", cache) == ("pass", True)
        assert cache.kept == before

    def test_what_the_engine_has_counts_if_it_is_newer(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = Clock(monkeypatch)
        dns = Failing({"a.example": [{"TXT": RECORD.decode()}]})
        cache = Memory()
        engine = sf.Engine(dns, cache=cache, stale_seconds=DAY)
        engine.check_mail_from(IP, "u@a.example")
        cache.kept[ASKED] = cached(b"v=spf1 -all", ttl=60, age=200)
        clock.advance(61)
        dns.fails = every
        assert engine.check_mail_from(IP, "u@a.example").result == "pass"


class TestLmdb:
    @pytest.mark.parametrize("way", WAYS)
    def test_in_place_of_an_error(self, lmdb: Callable[..., LmdbCache], way: str) -> None:
        cache = lmdb(stale_seconds=DAY)
        put(cache, (ASKED, cached(RECORD, ttl=60, age=100)))
        assert run(way, cache) == ("pass", True)
        assert run(way, cache, 0) == ("temperror", False)

    def test_off_by_default(self, lmdb: Callable[..., LmdbCache]) -> None:
        cache = lmdb()
        put(cache, (ASKED, cached(RECORD, ttl=60, age=100)))
        assert cache.get_many([ASKED]) == {}
        assert run("check", cache) == ("temperror", False)

    def test_its_age_is_bounded(self, lmdb: Callable[..., LmdbCache]) -> None:
        cache = lmdb(stale_seconds=50)
        other = question("b.example")
        put(cache, (ASKED, cached(RECORD, ttl=60, age=100)))
        put(cache, (other, cached(RECORD, ttl=60, age=120)))
        assert list(cache.get_many([ASKED, other])) == [ASKED]

    def test_only_what_is_good_is_listed(self, lmdb: Callable[..., LmdbCache]) -> None:
        cache = lmdb(stale_seconds=DAY)
        put(cache, (ASKED, cached(RECORD, ttl=60, age=100)))
        assert list(cache.entries()) == []

    def test_it_is_one_of_its_settings(self, lmdb: Callable[..., LmdbCache]) -> None:
        cache = lmdb(stale_seconds=DAY)
        assert pickle.loads(pickle.dumps(cache)) == cache
        assert lmdb() != cache


@pytest.mark.parametrize("value", [-1, 604_801, float("nan"), "1", True, None])
@pytest.mark.parametrize("kind", ["lmdb", "valkey"])
def test_the_setting(tmp_path: Path, kind: str, value: Any) -> None:
    name = f"lmdb:{tmp_path / 'cache'}" if kind == "lmdb" else "valkey://127.0.0.1:1"
    with pytest.raises(sf.InputError, match="stale_seconds"):
        open_cache(name, stale_seconds=value)


def test_a_valkey_cache_is_known_by_it() -> None:
    one, other = (ValkeyCache("valkey://127.0.0.1:1", stale_seconds=s) for s in (0, 5))
    assert one != other
    assert pickle.loads(pickle.dumps(other)) == other
