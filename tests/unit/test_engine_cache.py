"""An engine with a cache: what is asked where, how long it is kept, and caches that misbehave."""

from __future__ import annotations

import asyncio
import copy
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pytest
from support.caches import Hanging, Junk, Memory, Raising, cached, question
from support.scripted import Clock, Scripted, forked, policy, run_threads, zone_reply

import senderid_fast as sf
from senderid_fast.cache.base import CachedAnswer
from senderid_fast.cache.guard import FAILURES

IP = "192.0.2.1"
ZONE = {
    "a.example": [{"TXT": "v=spf1 a:h.example include:b.example -all"}],
    "b.example": [{"TXT": "v=spf1 ip4:192.0.2.1 -all"}],
    "h.example": [{"A": "192.0.2.9"}],
}
ASKED = [question("a.example"), question("h.example", "A"), question("b.example")]
WAYS = ["check", "batch", "async check", "async batch"]


def run(way: str, resolver: Any, **settings: Any) -> tuple[str, dict[str, int]]:
    """The result of IP and a.example with a new engine, and the engine's counts."""

    def rows() -> pa.RecordBatch:
        return pa.record_batch({"ip": [IP], "mail_from": ["u@a.example"]})

    if way == "check":
        engine = sf.Engine(resolver, **settings)
        return engine.check_mail_from(IP, "u@a.example").result, engine.statistics()
    if way == "batch":
        engine = sf.Engine(resolver, **settings)
        return engine.check_batch(rows())["spf_result"][0].as_py(), engine.statistics()

    async def awaited() -> tuple[str, dict[str, int]]:
        fresh = sf.AsyncEngine(resolver, **settings)
        if way == "async check":
            verdict = await fresh.check_mail_from(IP, "u@a.example")
            return verdict.result, fresh.statistics()
        table = await fresh.check_batch(rows())
        return table["spf_result"][0].as_py(), fresh.statistics()

    return asyncio.run(awaited())


class Bulk(Scripted):
    """A resolver that is asked many questions at once."""

    def resolve_many(self, questions: Sequence[sf.Question], timeout: float) -> list[sf.Answer]:
        return [self.resolve(each, timeout) for each in questions]


@pytest.mark.parametrize("way", WAYS)
class TestWhatIsAsked:
    def test_the_second_engine_asks_no_dns(self, way: str) -> None:
        cache, dns = Memory(), Scripted(zone_reply(ZONE))
        result, counts = run(way, dns, cache=cache)
        assert result == "pass"
        assert dns.questions == ASKED
        assert (counts["cache_hits"], counts["cache_misses"]) == (0, 3)
        assert set(cache.kept) == set(ASKED)
        silent = Scripted(lambda *_: pytest.fail("DNS was asked"))
        result, counts = run(way, silent, cache=cache)
        assert result == "pass"
        assert silent.questions == []
        assert (counts["cache_hits"], counts["cache_misses"]) == (3, 0)
        assert (counts["asked"], counts["failed"]) == (0, 0)

    def test_what_is_missing_in_the_cache_is_asked_of_dns(self, way: str) -> None:
        cache, dns = Memory(), Scripted(zone_reply(ZONE))
        run(way, dns, cache=cache)
        del cache.kept[ASKED[1]]
        again = Scripted(zone_reply(ZONE))
        result, counts = run(way, again, cache=cache)
        assert result == "pass"
        assert again.questions == [ASKED[1]]
        assert (counts["cache_hits"], counts["cache_misses"]) == (2, 1)
        # The cache was asked for each once.
        assert sorted(str(each) for some in cache.asked[-3:] for each in some) == sorted(
            map(str, ASKED)
        )

    def test_answers_without_a_time_to_live_are_not_shared(self, way: str) -> None:
        cache = Memory()
        run(way, Scripted(zone_reply(ZONE, ttl=0)), cache=cache)
        assert cache.kept == {}

    @pytest.mark.parametrize("failure_ttl", [0, 0.5, 7])
    def test_errors_are_shared_for_failure_ttl_and_for_their_question_alone(
        self, way: str, failure_ttl: float
    ) -> None:
        def reply(asked: sf.Question, timeout: float) -> sf.Answer:
            if asked.name == "h.example":
                return sf.Answer(sf.Status.SERVFAIL, ttl=3_600, detail="broken")
            return sf.ZoneResolver(ZONE).resolve(asked, timeout)

        cache = Memory()
        result, _ = run(way, Scripted(reply), cache=cache, failure_ttl=failure_ttl)
        assert result == "temperror"
        kept = {ASKED[0]: 3_600} | ({ASKED[1]: 7} if failure_ttl == 7 else {})
        assert {each: found.answer.ttl for each, found in cache.kept.items()} == kept
        # One whose setting is that errors are not kept does not take it from others either.
        again = Scripted(zone_reply(ZONE))
        result, _ = run(way, again, cache=cache, failure_ttl=0)
        assert result == "pass"
        assert again.questions == ASKED[1:]


@pytest.mark.parametrize("resolver", [Scripted, Bulk])
def test_a_batch_asks_the_cache_for_a_round_at_once(resolver: type[Scripted]) -> None:
    names = [f"d{number}.example" for number in range(50)]
    zone = {name: [{"TXT": f"v=spf1 include:{name}.inc.example -all"}] for name in names}
    zone |= {f"{name}.inc.example": [{"TXT": "v=spf1 ip4:192.0.2.1"}] for name in names}
    rows = pa.record_batch({"ip": [IP] * 50, "mail_from": [f"u@{name}" for name in names]})
    cache, dns = Memory(), resolver(zone_reply(zone))
    first = sf.Engine(dns, cache=cache).check_batch(rows)
    assert len(dns.questions) == 100
    cache.asked.clear()
    silent = resolver(lambda *_: pytest.fail("DNS was asked"))
    engine = sf.Engine(silent, cache=cache)
    assert engine.check_batch(rows).equals(first)
    assert [len(some) for some in cache.asked] == [50, 50]
    assert silent.questions == []


@pytest.mark.parametrize("kind", [sf.Engine, sf.AsyncEngine])
@pytest.mark.parametrize("resolver", [Scripted, Bulk])
def test_fetch_asks_the_cache_for_a_round_at_once(
    resolver: type[Scripted], kind: type[Any]
) -> None:
    def fetch(engine: Any) -> sf.Closure:
        if isinstance(engine, sf.Engine):
            return engine.fetch(["a.example"])
        found: sf.Closure = asyncio.run(engine.fetch(["a.example"]))
        return found

    cache, dns = Memory(), resolver(zone_reply(ZONE))
    assert fetch(kind(dns, cache=cache)).questions == ()
    assert len(cache.kept) == len(dns.questions) == 4  # h.example has AAAA, too
    cache.asked.clear()
    silent = resolver(lambda *_: pytest.fail("DNS was asked"))
    assert fetch(kind(silent, cache=cache)).questions == ()
    assert [len(some) for some in cache.asked] == [1, 3]


class TestTimeToLive:
    def test_what_is_left_of_it_counts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cache = Memory()
        cache.kept[question("a.example")] = cached(b"v=spf1 -all", ttl=100, age=60)
        dns = Scripted(lambda *_: policy("v=spf1 +all"))
        # Neither the time that it once had, nor min_ttl, makes it live longer.
        engine = sf.Engine(dns, cache=cache, min_ttl=90, max_ttl=90)
        clock = Clock(monkeypatch)
        assert engine.check_host(IP, "a.example").result == "fail"
        cache.kept.clear()
        clock.advance(29)
        assert engine.check_host(IP, "a.example").result == "fail"
        clock.advance(2)
        assert engine.check_host(IP, "a.example").result == "pass"

    @pytest.mark.parametrize("age", [300.5, 1e6, -61, -1e9, float("nan")])
    def test_what_is_over_or_to_come_is_none(self, age: float) -> None:
        cache = Memory()
        cache.kept[question("a.example")] = cached(b"v=spf1 -all", ttl=300, age=age)
        dns = Scripted(lambda *_: policy("v=spf1 +all"))
        engine = sf.Engine(dns, cache=cache, max_ttl=300)
        assert engine.check_host(IP, "a.example").result == "pass"
        assert engine.statistics()["cache_misses"] == 1

    def test_a_long_one_is_cut_to_max_ttl(self) -> None:
        cache = Memory()
        dns = Scripted(lambda *_: policy("v=spf1 +all", ttl=10_000))
        sf.Engine(dns, cache=cache, max_ttl=500).check_host(IP, "a.example")
        assert cache.kept[question("a.example")].answer.ttl == 500

    def test_an_error_of_a_check_whose_time_is_over_is_not_shared(self) -> None:
        def reply(asked: sf.Question, timeout: float) -> sf.Answer:
            time.sleep(timeout)
            return sf.Answer(sf.Status.TIMEOUT)

        cache = Memory()
        engine = sf.Engine(Scripted(reply), cache=cache, limits=sf.Limits(seconds=0.05))
        assert engine.check_host(IP, "a.example").result == "temperror"
        assert cache.kept == {}


class Liar:
    """An object whose every field raises."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


def _lies() -> Iterator[Callable[[Sequence[sf.Question]], Any]]:
    good = cached(b"v=spf1 -all")
    yield lambda asked: None
    yield lambda asked: 7
    yield lambda asked: Liar()
    yield lambda asked: [good]
    yield lambda asked: dict.fromkeys(asked, b"v=spf1 -all")
    yield lambda asked: dict.fromkeys(asked, Liar())
    yield lambda asked: dict.fromkeys(asked, good.answer)
    yield lambda asked: dict.fromkeys(asked, CachedAnswer(Liar(), time.time()))  # type: ignore[arg-type]
    yield lambda asked: dict.fromkeys(asked, good._replace(answer=good.answer._replace(ttl="9")))
    yield lambda asked: dict.fromkeys(asked, good._replace(fetched_at="now"))  # type: ignore[arg-type]
    yield lambda asked: dict.fromkeys(asked, good._replace(answer=good.answer[:2]))  # type: ignore[arg-type]


@pytest.mark.parametrize("way", WAYS)
class TestBadCaches:
    def test_one_that_raises(self, way: str) -> None:
        dns = Scripted(zone_reply(ZONE))
        result, counts = run(way, dns, cache=Raising())
        assert result == "pass"
        assert dns.questions == ASKED
        assert counts["cache_failures"] >= 3

    @pytest.mark.parametrize("lie", list(_lies()))
    def test_one_that_gives_no_answers(
        self, way: str, lie: Callable[[Sequence[sf.Question]], Any]
    ) -> None:
        dns = Scripted(zone_reply(ZONE))
        result, counts = run(way, dns, cache=Junk(lie))
        assert result == "pass"
        assert dns.questions == ASKED
        assert counts["cache_failures"] > 0 or lie([]) is None

    def test_answers_to_other_questions_are_not_taken(self, way: str) -> None:
        other = {question("b.example"): cached(b"v=spf1 -all"), "a.example TXT": cached(b"x")}
        dns = Scripted(zone_reply(ZONE))
        result, counts = run(way, dns, cache=Junk(lambda asked: other if ASKED[0] in asked else {}))
        assert result == "pass"
        assert dns.questions == ASKED
        assert counts["cache_hits"] == 0

    def test_one_that_hangs(self, way: str) -> None:
        cache, dns = Hanging(), Scripted(zone_reply(ZONE))
        try:
            result, counts = run(way, dns, cache=cache)
            assert result == "pass"
            assert dns.questions == ASKED
            assert counts["cache_failures"] == 3
            # It was waited for at each question, and is not asked any more for a while.
            assert len(cache.asked) == FAILURES == 3
        finally:
            cache.go_on.set()


class TestBreaker:
    def test_a_cache_that_fails_is_left_alone_for_a_while(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = [1000.0]
        monkeypatch.setattr("senderid_fast.cache.guard.monotonic", lambda: now[0])
        cache = Junk(lambda asked: (_ for _ in ()).throw(OSError("gone")))
        engine = sf.Engine(Scripted(lambda *_: policy("v=spf1 +all", ttl=0)), cache=cache)

        def check(count: int) -> int:
            cache.asked.clear()
            for _ in range(count):
                assert engine.check_host(IP, "a.example").result == "pass"
            return len(cache.asked)

        assert check(20) == 3
        now[0] += 0.9
        assert check(20) == 0
        now[0] += 0.2
        assert check(20) == 1  # one trial; it failed, so the pause is longer
        now[0] += 1.1
        assert check(20) == 0
        now[0] += 1
        cache.reply = lambda asked: {}
        assert check(20) == 20
        assert engine.statistics()["cache_failures"] == 4

    def test_many_checks_do_not_wait_for_one_that_hangs(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Counted, not timed: each thread may wait for it once, and what comes later does not."""
        monkeypatch.setattr("senderid_fast.cache.guard.monotonic", lambda: 1000.0)
        cache = Hanging()
        engine = sf.Engine(Scripted(lambda *_: policy("v=spf1 +all", ttl=0)), cache=cache)
        try:
            names = [
                [f"a{number}.t{thread}.example" for number in range(20)] for thread in range(8)
            ]

            def work(number: int) -> None:
                for name in names[number]:
                    assert engine.check_host(IP, name).result == "pass"

            run_threads(8, work)
            counts = engine.statistics()
            # 160 checks; those that waited are the first of each thread.
            assert FAILURES <= counts["cache_failures"] <= FAILURES + 8
            assert counts["cache_misses"] == 160
        finally:
            cache.go_on.set()


class TestSettings:
    @pytest.mark.parametrize("cache", [7, "lmdb:/x", object(), {"a": 1}])
    def test_what_is_no_cache(self, cache: Any) -> None:
        with pytest.raises(sf.InputError, match="must have get_many and put_many") as caught:
            sf.Engine(cache=cache)
        assert caught.value.field == "cache"

    def test_without_a_cache_there_are_no_counts_of_one(self) -> None:
        assert not [name for name in sf.Engine().statistics() if name.startswith("cache")]

    def test_close_closes_the_cache(self) -> None:
        cache = Memory()
        with sf.Engine(Scripted(zone_reply(ZONE)), cache=cache):
            pass
        assert cache.closed == 1

        async def run_async() -> None:
            async with sf.AsyncEngine(Scripted(zone_reply(ZONE)), cache=cache):
                pass

        asyncio.run(run_async())
        assert cache.closed == 2
        sf.Engine(cache=Raising()).close()

    def test_an_error_of_caches_pickles(self) -> None:
        from senderid_fast.errors import CacheError

        error = CacheError("lmdb:/x", "is damaged")
        assert str(pickle.loads(pickle.dumps(error))) == str(copy.copy(error)) == str(error)


def test_the_child_of_a_fork_asks_its_cache() -> None:
    cache = Hanging()
    cache.go_on.set()
    engine = sf.Engine(Scripted(lambda *_: policy("v=spf1 +all", ttl=0)), cache=cache)
    engine.check_host(IP, "a.example")  # starts a thread, which the child does not have

    def child() -> bool:
        cache.asked.clear()
        engine.check_host(IP, "a.example")
        return len(cache.asked) == 1

    assert forked(child)
