"""The time of a check (RFC 7208 4.6.4), questions asked once for all, and cancellation."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from support.scripted import IP, Clock, Scripted, address, ask, policy, run_threads

import senderid_fast as sf

TXT = sf.RRType.TXT
TEN = "v=spf1 " + " ".join(f"?a:h{number}.example" for number in range(10)) + " +all"


def run(work: Callable[[], Awaitable[None]]) -> None:
    """Run ``work`` in a loop of its own; it leaves no task and no error that nobody has seen."""
    unseen: list[Any] = []

    async def checked() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
        await work()
        for _ in range(10):  # a cancelled task ends in one of the next rounds
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(checked())
    gc.collect()
    assert unseen == []


def ten_answers(question: sf.Question) -> sf.Answer:
    return policy(TEN) if question.rrtype is TXT else address("198.51.100.1")


@pytest.mark.parametrize(
    ("seconds", "each", "result", "questions"),
    [
        (20, 4, "temperror", 5),  # ten terms, none slow, all together too slow
        (20, 1.8, "pass", 11),
        (20, 1.9, "temperror", 11),
        (50, 4, "pass", 11),
        (2, 4, "temperror", 1),
    ],
)
def test_the_sum_of_all_waits_is_limited(
    monkeypatch: pytest.MonkeyPatch, seconds: float, each: float, result: str, questions: int
) -> None:
    clock = Clock(monkeypatch)
    began = clock.now

    def reply(question: sf.Question, timeout: float) -> sf.Answer:
        clock.advance(min(each, timeout))
        return ten_answers(question) if each <= timeout else sf.Answer(sf.Status.TIMEOUT)

    resolver = Scripted(reply)
    verdict = ask("sync", resolver, limits=sf.Limits(seconds=seconds))
    assert verdict.result == result
    assert (verdict.reason is sf.Reason.TIME_LIMIT) == (result == "temperror")
    assert len(resolver.questions) == questions
    assert clock.now - began <= seconds * 1e9
    # Each question is given what is left.
    left = [seconds - number * each for number in range(questions)]
    assert resolver.timeouts == pytest.approx(left, abs=1e-6)


def test_a_resolver_that_is_late_ends_the_check_and_its_answer_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)

    def reply(question: sf.Question, timeout: float) -> sf.Answer:
        clock.advance(25)
        return policy("v=spf1 +all")

    engine = sf.Engine(Scripted(reply))
    verdict = engine.check_host(IP, "a.example")
    assert (verdict.result, verdict.reason) == ("temperror", sf.Reason.TIME_LIMIT)
    assert verdict.mechanism is None
    trace = engine.trace_host(IP, "a.example")
    assert trace.verdict == verdict
    assert trace.steps[0].steps[-1].outcome == "open"


def test_a_check_that_needs_no_question_has_time_enough() -> None:
    limits = sf.Limits(seconds=1e-9)
    assert ask("sync", sf.ZoneResolver({}), "host", IP, "localhost", limits=limits).result == "none"
    engine = sf.Engine(sf.ZoneResolver({"a.example": [{"TXT": "v=spf1 +all"}]}), limits=limits)
    assert engine.check_host(IP, "a.example").reason is sf.Reason.TIME_LIMIT


def test_an_async_resolver_that_ignores_its_timeout() -> None:
    async def reply(question: sf.Question, timeout: float) -> sf.Answer:
        await asyncio.sleep(30)
        return policy("v=spf1 +all")

    async def work() -> None:
        engine = sf.AsyncEngine(
            Scripted(reply),
            limits=sf.Limits(seconds=0.05),
        )
        began = time.monotonic()
        verdicts = await asyncio.gather(*(engine.check_host(IP, "a.example") for _ in range(3)))
        assert time.monotonic() - began < 5
        for verdict in verdicts:
            assert (verdict.result, verdict.reason) == ("temperror", sf.Reason.TIME_LIMIT)

    run(work)


def test_an_async_check_ends_at_its_limit_though_each_answer_comes() -> None:
    async def slow(question: sf.Question) -> sf.Answer:
        await asyncio.sleep(0.03)
        return ten_answers(question)

    async def work() -> None:
        resolver = Scripted(lambda question, _: slow(question))
        engine = sf.AsyncEngine(resolver, limits=sf.Limits(seconds=0.1))
        verdict = await engine.check_host(IP, "a.example")
        assert verdict.reason is sf.Reason.TIME_LIMIT
        assert 1 <= len(resolver.questions) <= 4

    run(work)


def test_an_async_engine_passes_on_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a thread that asks for it waits on long after the check."""
    clock = Clock(monkeypatch)

    def reply(question: sf.Question, timeout: float) -> sf.Answer:
        clock.advance(4)
        return ten_answers(question)

    resolver = Scripted(reply)
    assert ask("asyncio", resolver).reason is sf.Reason.TIME_LIMIT
    assert resolver.timeouts == pytest.approx([20, 16, 12, 8, 4], abs=1e-6)


# --- one question, many checks -------------------------------------------------------------------


def test_threads_ask_one_question_once() -> None:
    def reply(question: sf.Question, timeout: float) -> sf.Answer:
        time.sleep(0.1)
        return policy("v=spf1 +all", 0)

    resolver = Scripted(reply)
    engine = sf.Engine(resolver)

    def work(number: int) -> None:
        # Different clients and senders, one domain.
        verdict = engine.check_host(f"192.0.2.{number}", "a.example", f"u{number}@a.example")
        assert verdict.result == "pass"

    run_threads(16, work)
    assert resolver.counts == {"a.example TXT": 1}
    assert engine.statistics()["asked"] == 1


def test_tasks_ask_one_question_once() -> None:
    async def reply(question: sf.Question) -> sf.Answer:
        await asyncio.sleep(0.02)
        return ten_answers(question)

    async def work() -> None:
        resolver = Scripted(lambda question, _: reply(question))
        engine = sf.AsyncEngine(resolver)
        checks = (engine.check_host(f"192.0.2.{number}", "a.example") for number in range(200))
        for verdict in await asyncio.gather(*checks):
            assert verdict.result == "pass"
        assert set(resolver.counts.values()) == {1}
        assert len(resolver.counts) == 11
        assert engine.statistics()["asked"] == 11

    run(work)


def test_one_failed_question_is_counted_once() -> None:
    def reply(question: sf.Question, timeout: float) -> sf.Answer:
        time.sleep(0.1)
        return sf.Answer(sf.Status.SERVFAIL)

    engine = sf.Engine(Scripted(reply))

    def work(number: int) -> None:
        assert engine.check_host(IP, "a.example").result == "temperror"

    run_threads(6, work)
    counts = engine.statistics()
    assert (counts["asked"], counts["failed"]) == (1, 1)


def test_who_has_more_time_asks_again() -> None:
    """A question of a check that has little time left is no answer for one that has more."""
    shared = threading.Event()

    def reply(question: sf.Question, timeout: float) -> sf.Answer:
        if question.name == "a.example":
            time.sleep(0.3)
        if question.rrtype is TXT:
            return policy("v=spf1 a:h.example -all")
        if shared.is_set():
            return address(IP)
        shared.set()
        time.sleep(timeout + 0.02)
        return sf.Answer(sf.Status.TIMEOUT)

    engine = sf.Engine(Scripted(reply), limits=sf.Limits(seconds=0.6))

    def work(number: int) -> None:
        if number == 0:
            assert engine.check_host(IP, "a.example").reason is sf.Reason.TIME_LIMIT
        else:
            assert shared.wait(10)
            time.sleep(0.1)
            assert engine.check_host(IP, "b.example").result == "pass"

    run_threads(2, work)


# --- cancellation --------------------------------------------------------------------------------


class Slow:
    """Answers after ``seconds``; says how often it was asked and cancelled."""

    def __init__(self, seconds: float, farewell: float = 0) -> None:
        self.seconds, self.farewell = seconds, farewell
        self.asked = self.cancelled = 0

    async def resolve_async(self, question: sf.Question, timeout: float) -> sf.Answer:
        self.asked += 1
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            await asyncio.sleep(self.farewell)
            raise
        return policy("v=spf1 +all", 0)


async def cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("method", ["check_host", "trace_host"])
def test_a_cancelled_check_leaves_nothing(method: str) -> None:
    async def work() -> None:
        resolver = Slow(30)
        engine = sf.AsyncEngine(resolver)
        task = asyncio.create_task(getattr(engine, method)(IP, "a.example"))
        await asyncio.sleep(0.01)
        await cancel(task)
        await asyncio.sleep(0)
        assert (resolver.asked, resolver.cancelled) == (1, 1)

    run(work)


def test_a_timeout_of_the_caller_ends_a_check() -> None:
    async def work() -> None:
        resolver = Slow(30)
        engine = sf.AsyncEngine(resolver)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await engine.check_host(IP, "a.example")
        await asyncio.sleep(0)
        assert resolver.cancelled == 1
        resolver.seconds = 0
        assert (await engine.check_host(IP, "a.example")).result == "pass"

    run(work)


@pytest.mark.parametrize("who", [0, 1, 2])
def test_a_shared_question_goes_on_for_the_others(who: int) -> None:
    async def work() -> None:
        resolver = Slow(0.05)
        engine = sf.AsyncEngine(resolver)
        tasks = [asyncio.create_task(engine.check_host(IP, "a.example")) for _ in range(3)]
        await asyncio.sleep(0.01)
        await cancel(tasks.pop(who))
        for verdict in await asyncio.gather(*tasks):
            assert verdict.result == "pass"
        assert (resolver.asked, resolver.cancelled) == (1, 0)

    run(work)


def test_a_cancelled_question_that_ends_late_takes_no_other_with_it() -> None:
    async def work() -> None:
        resolver = Slow(0.15, farewell=0.05)
        engine = sf.AsyncEngine(resolver)
        first = asyncio.create_task(engine.check_host(IP, "a.example"))
        await asyncio.sleep(0.01)
        await cancel(first)
        second = asyncio.create_task(engine.check_host(IP, "a.example"))
        await asyncio.sleep(0.1)  # the first question has ended, the second is open
        third = asyncio.create_task(engine.check_host(IP, "a.example"))
        for verdict in await asyncio.gather(second, third):
            assert verdict.result == "pass"
        assert resolver.asked == 2

    run(work)


def test_closing_ends_what_is_asked_and_leaves_no_failure_behind() -> None:
    async def work() -> None:
        resolver = Slow(30)
        engine = sf.AsyncEngine(resolver)
        task = asyncio.create_task(engine.check_host(IP, "a.example"))
        await asyncio.sleep(0.01)
        await engine.close()
        assert resolver.cancelled == 1
        assert (await task).result == "temperror"
        # The engine may be used again: that it was closed is no answer of DNS.
        resolver.seconds = 0
        assert (await engine.check_host(IP, "a.example")).result == "pass"

    run(work)


def test_closing_can_be_cancelled() -> None:
    async def work() -> None:
        engine = sf.AsyncEngine(Slow(30, farewell=0.2))
        check = asyncio.create_task(engine.check_host(IP, "a.example"))
        await asyncio.sleep(0.01)
        closing = asyncio.create_task(engine.close())
        await asyncio.sleep(0.01)
        await cancel(closing)
        assert (await check).result == "temperror"

    run(work)


def test_loops_in_threads_may_share_an_engine() -> None:
    async def reply(question: sf.Question) -> sf.Answer:
        await asyncio.sleep(0.01)
        return ten_answers(question)

    engine = sf.AsyncEngine(Scripted(lambda question, _: reply(question)))

    async def checks() -> None:
        for verdict in await asyncio.gather(
            *(engine.check_host(IP, f"d{number % 7}.example") for number in range(50))
        ):
            assert verdict.result == "pass"

    run_threads(6, lambda _: asyncio.run(checks()))
