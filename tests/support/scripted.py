"""Resolvers that do what a test says, a clock that a test moves, one way to call each engine."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

import senderid_fast as sf

__all__ = [
    "IP",
    "WAYS",
    "Clock",
    "Scripted",
    "address",
    "ask",
    "forked",
    "policy",
    "run_threads",
    "verdict_in_another_process",
    "zone_reply",
]

IP = "192.0.2.1"
WAYS = ("sync", "asyncio", "trace", "async-trace")
Reply = Callable[[sf.Question, float], Any]


class Scripted:
    """Answers what ``reply(question, timeout)`` gives, and keeps what it was asked."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.questions: list[sf.Question] = []
        self.timeouts: list[float] = []

    @property
    def counts(self) -> Counter[str]:
        return Counter(map(str, self.questions))

    def resolve(self, question: sf.Question, timeout: float) -> Any:
        self.questions.append(question)
        self.timeouts.append(timeout)
        return self.reply(question, timeout)

    async def resolve_async(self, question: sf.Question, timeout: float) -> Any:
        answer = self.resolve(question, timeout)
        return await answer if asyncio.iscoroutine(answer) else answer


def policy(text: str | bytes, ttl: Any = 60) -> sf.Answer:
    """The answer of a name whose only TXT record is ``text``."""
    octets = text.encode("latin-1") if isinstance(text, str) else text
    return sf.Answer(sf.Status.OK, (octets,), ttl)


def address(*texts: str, ttl: Any = 60) -> sf.Answer:
    return sf.Answer(sf.Status.OK, texts, ttl)


def zone_reply(zone: dict[str, Any], ttl: int = 3600) -> Reply:
    return sf.ZoneResolver(zone, ttl=ttl).resolve


def ask(way: str, resolver: Any, method: str = "host", *args: Any, **settings: Any) -> sf.Verdict:
    """One check of a new engine: ``method`` is host, helo or mail_from, ``way`` one of WAYS.

    Without arguments, check_host() for a.example.
    """
    args = args or (IP, "a.example", "user@a.example", "mta.relay.example")
    name = f"{'trace' if 'trace' in way else 'check'}_{method}"
    if way in ("sync", "trace"):
        outcome = getattr(sf.Engine(resolver, **settings), name)(*args)
    else:

        async def run() -> Any:
            async with sf.AsyncEngine(resolver, **settings) as fresh:
                return await getattr(fresh, name)(*args)

        outcome = asyncio.run(run())
    verdict = outcome.verdict if "trace" in way else outcome
    assert isinstance(verdict, sf.Verdict)
    return verdict


class Clock:
    """Stands in for monotonic_ns() wherever the package has imported it; moves when told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000_000_000_000
        places = [
            module
            for name, module in sys.modules.items()
            if name.startswith("senderid_fast") and hasattr(module, "monotonic_ns")
        ]
        assert places
        for module in places:
            monkeypatch.setattr(module, "monotonic_ns", lambda: self.now)

    def advance(self, seconds: float) -> None:
        self.now += int(seconds * 1e9)


def run_threads(count: int, work: Callable[[int], None], timeout: float = 60) -> None:
    """``work(number)`` in ``count`` threads that start together; the first error is raised."""
    errors: list[BaseException] = []
    together = threading.Barrier(count)

    def guarded(number: int) -> None:
        try:
            together.wait(timeout)
            work(number)
        except BaseException as error:  # noqa: BLE001 - handed to the thread of the test
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(n,), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout)
        assert not thread.is_alive(), "a thread hangs"
    if errors:
        raise errors[0]


def forked(work: Callable[[], bool], seconds: int = 10) -> bool:
    """Whether ``work()`` is true in the child of a fork; an alarm ends a child that hangs."""
    import signal

    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)
        status = 1
        try:
            status = 0 if work() else 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def verdict_in_another_process(engine: Any, domain: str) -> tuple[sf.Verdict, bool, int, int]:
    """(verdict, whether engine_for finds this engine, questions asked, process), for a pool."""
    verdict = engine.check_host(IP, domain)
    found = sf.engine_for(engine.settings) is engine
    return verdict, found, engine.statistics()["asked"], os.getpid()
