"""Questions of later terms, asked together with the one that a check waits for."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from support.drivers import RecordingResolver
from support.scripted import Clock

import senderid_fast as sf

Zone = dict[str, list[Any]]
POLICY = (
    "v=spf1 include:a.example a:b.example exists:%{i}.c.example mx ip4:192.0.2.1 a:d.example -all"
)
ZONE: Zone = {
    "example.com": [{"TXT": POLICY}, {"MX": [10, "mx.example.com"]}],
    "a.example": [{"TXT": "v=spf1 ip4:198.51.100.0/24 -all"}],
    "b.example": [{"A": "198.51.100.1"}],
    "mx.example.com": [{"A": "198.51.100.2"}],
    "d.example": [{"A": "203.0.113.9"}],
}
BEFORE_IP4 = {"a.example", "b.example", "192.0.2.9.c.example", "example.com", "mx.example.com"}


class Together:
    """Answers nothing until so many questions are being asked at the same time (or it is late)."""

    def __init__(self, zone: Zone, wanted: int) -> None:
        self.zone = sf.ZoneResolver(zone)
        self.wanted = wanted
        self.now = self.most = 0
        self.enough = threading.Event()
        self.lock = threading.Lock()

    def _begin(self) -> None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
            if self.most >= self.wanted:
                self.enough.set()

    def resolve(self, question: sf.Question, timeout: float) -> sf.Answer:
        if question.rrtype is sf.RRType.TXT and question.name == "example.com":
            return self.zone.resolve(question, timeout)
        self._begin()
        self.enough.wait(min(timeout, 5))
        with self.lock:
            self.now -= 1
        return self.zone.resolve(question, timeout)

    async def resolve_async(self, question: sf.Question, timeout: float) -> sf.Answer:
        if question.rrtype is sf.RRType.TXT and question.name == "example.com":
            return self.zone.resolve(question, timeout)
        self._begin()
        for _ in range(500):
            if self.enough.is_set():
                break
            await asyncio.sleep(0.01)
        self.now -= 1
        return self.zone.resolve(question, timeout)


async def check_async(engine: sf.AsyncEngine, ip: str) -> sf.Verdict:
    async with engine:
        return await engine.check_mail_from(ip, "u@example.com")


@pytest.mark.parametrize("driver", ["sync", "async"])
def test_later_terms_are_asked_at_the_same_time(driver: str) -> None:
    resolver = Together(ZONE, 4)
    if driver == "sync":
        verdict = sf.Engine(resolver, prefetch=3).check_mail_from("192.0.2.9", "u@example.com")
    else:
        verdict = asyncio.run(check_async(sf.AsyncEngine(resolver, prefetch=3), "192.0.2.9"))
    assert resolver.enough.is_set()
    assert resolver.most == 4  # the one that is waited for, and three
    assert verdict == sf.Engine(sf.ZoneResolver(ZONE)).check_mail_from("192.0.2.9", "u@example.com")


class LateInclude:
    """b.example is answered at once; a.example, which comes before it, five seconds later."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.zone = sf.ZoneResolver(
            {
                "example.com": [{"TXT": "v=spf1 include:a.example a:b.example -all"}],
                "a.example": [{"TXT": "v=spf1 ip4:198.51.100.0/24 -all"}],
                "b.example": [{"A": "192.0.2.9"}],
            }
        )
        self.asked: list[str] = []

    def answer(self, question: sf.Question) -> sf.Answer:
        self.asked.append(question.name)
        ttl = 3 if question.name == "b.example" else 300
        return self.zone.resolve(question, 1)._replace(ttl=ttl)

    def resolve(self, question: sf.Question, timeout: float) -> sf.Answer:
        if question.name == "a.example":
            while any(each.name == "senderid-fast prefetch" for each in threading.enumerate()):
                time.sleep(0.01)
            self.clock.advance(5)
        return self.answer(question)

    async def resolve_async(self, question: sf.Question, timeout: float) -> sf.Answer:
        if question.name == "a.example":
            for _ in range(20):
                await asyncio.sleep(0)
            self.clock.advance(5)
        return self.answer(question)


@pytest.mark.parametrize("driver", ["sync", "async"])
def test_the_time_to_live_counts_from_when_an_answer_came(
    monkeypatch: pytest.MonkeyPatch, driver: str
) -> None:
    resolver = LateInclude(Clock(monkeypatch))

    async def twice(engine: sf.AsyncEngine) -> list[sf.Verdict]:
        return [await engine.check_mail_from("192.0.2.9", "u@example.com") for _ in range(2)]

    if driver == "sync":
        engine = sf.Engine(resolver, prefetch=3)
        found = [engine.check_mail_from("192.0.2.9", "u@example.com") for _ in range(2)]
    else:
        found = asyncio.run(twice(sf.AsyncEngine(resolver, prefetch=3)))
    assert [str(verdict.result) for verdict in found] == ["pass", "pass"]
    assert resolver.asked.count("a.example") == 1
    assert resolver.asked.count("b.example") == 2


def test_it_is_off_by_default() -> None:
    resolver = RecordingResolver(ZONE)
    sf.Engine(resolver).check_mail_from("198.51.100.7", "u@example.com")
    assert [question.name for question in resolver.questions] == ["example.com", "a.example"]


def ahead_of(ip: str, zone: Zone, domain: str = "example.com") -> set[str]:
    """The names that are asked when only the record of the domain itself is known."""
    found: list[sf.Question] = []

    class Silent(RecordingResolver):
        async def resolve_async(self, question: sf.Question, timeout: float) -> sf.Answer:
            if question.name == domain and question.rrtype is sf.RRType.TXT:
                return self.resolve(question, timeout)
            found.append(question)
            return sf.Answer(sf.Status.TIMEOUT)

    engine = sf.AsyncEngine(Silent(zone), prefetch=32)

    async def check() -> None:
        async with engine:
            await engine.check_mail_from(ip, f"u@{domain}", "helo.example")

    asyncio.run(check())
    return {question.name for question in found}


def test_nothing_is_asked_behind_a_term_that_is_known_to_match() -> None:
    assert "d.example" not in ahead_of("192.0.2.1", ZONE)
    assert "d.example" in ahead_of("192.0.2.9", ZONE)


def test_macros_are_those_of_the_message() -> None:
    assert ahead_of("192.0.2.9", ZONE) == (BEFORE_IP4 | {"d.example"}) - {"mx.example.com"}


def test_a_name_that_needs_an_answer_is_not_guessed() -> None:
    zone = {"example.com": [{"TXT": "v=spf1 a:a.example exists:%{p}.b.example a:c.example -all"}]}
    names = {"a.example", "9.2.0.192.in-addr.arpa", "c.example"}
    assert ahead_of("192.0.2.9", zone) == names


def test_nothing_is_asked_beyond_the_limit_of_look_ups() -> None:
    terms = " ".join(f"a:a{number}.example" for number in range(10))
    zone = {"example.com": [{"TXT": f"v=spf1 {terms} -all"}]}
    assert len(ahead_of("192.0.2.9", zone)) == 10
    zone = {"example.com": [{"TXT": f"v=spf1 {terms} a:b.example -all"}]}
    assert "b.example" not in ahead_of("192.0.2.9", zone)


def test_a_dead_server_of_a_later_term_does_not_delay_a_verdict() -> None:
    class Hangs(RecordingResolver):
        async def resolve_async(self, question: sf.Question, timeout: float) -> sf.Answer:
            if question.name == "b.example":
                await asyncio.sleep(3600)
            return self.resolve(question, timeout)

    async def check() -> tuple[sf.Verdict, set[asyncio.Task[Any]]]:
        async with sf.AsyncEngine(Hangs(ZONE), prefetch=8) as engine:
            verdict = await asyncio.wait_for(
                engine.check_mail_from("198.51.100.7", "u@example.com"), 10
            )
            for _ in range(5):
                await asyncio.sleep(0)
            return verdict, asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]

    verdict, left = asyncio.run(check())
    assert verdict.result is sf.Result.PASS
    assert left == set()


def test_threads_of_dead_questions_are_bounded() -> None:
    release = threading.Event()

    class Hangs(RecordingResolver):
        def resolve(self, question: sf.Question, timeout: float) -> sf.Answer:
            if question.name.endswith("b.example"):
                release.wait(30)
            return super().resolve(question, timeout)

    zone = {
        f"d{number}.example": [
            {"TXT": f"v=spf1 include:a.example a:{number}.b.example a:{number}c.b.example -all"}
        ]
        for number in range(6)
    }
    engine = sf.Engine(Hangs({**ZONE, **zone}), prefetch=8, concurrency=5)
    try:
        for number in range(6):
            verdict = engine.check_mail_from("198.51.100.7", f"u@d{number}.example")
            assert verdict.result is sf.Result.PASS
        named = [each for each in threading.enumerate() if "prefetch" in each.name]
        assert 0 < len(named) <= 5
    finally:
        release.set()
    until = time.monotonic() + 10
    while any("prefetch" in each.name for each in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_an_answer_without_time_to_live_is_asked_once() -> None:
    class Fleeting(RecordingResolver):
        def resolve(self, question: sf.Question, timeout: float) -> sf.Answer:
            answer = super().resolve(question, timeout)
            return sf.Answer(answer.status, answer.records, ttl=0)

    resolver = Fleeting(ZONE)
    engine = sf.Engine(resolver, prefetch=8)
    verdict = engine.check_mail_from("192.0.2.9", "u@example.com")
    assert verdict.result is sf.Result.FAIL
    assert len(set(resolver.questions)) == len(resolver.questions)


def test_a_trace_is_the_same() -> None:
    plain = sf.Engine(sf.ZoneResolver(ZONE)).trace_mail_from("192.0.2.9", "u@example.com")
    ahead = sf.Engine(sf.ZoneResolver(ZONE), prefetch=8).trace_mail_from(
        "192.0.2.9", "u@example.com"
    )
    assert str(ahead) == str(plain)


@pytest.mark.parametrize("wrong", [-1, 33, 1.5, True, None])
def test_the_setting_is_bounded(wrong: Any) -> None:
    with pytest.raises(sf.InputError, match="prefetch"):
        sf.Engine(sf.ZoneResolver({}), prefetch=wrong)
