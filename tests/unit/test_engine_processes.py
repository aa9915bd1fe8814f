"""Engines in threads, over fork, in other processes, and whatever of them can be pickled."""

from __future__ import annotations

import copy
import gc
import multiprocessing
import os
import pickle
import threading
import time
import weakref
from typing import Any

import pytest
from support.scripted import (
    IP,
    Scripted,
    address,
    forked,
    policy,
    run_threads,
    verdict_in_another_process,
)

import senderid_fast as sf

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
# Python 3.12 and later warn of a fork beside threads, which is what is tried here.
forks = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

ZONE: dict[str, Any] = {
    **{
        f"d{number}.example": [{"TXT": f"v=spf1 include:i{number % 10}.example ~all"}]
        for number in range(200)
    },
    **{
        f"i{number}.example": [{"TXT": f"v=spf1 ip4:192.0.2.{number} a:h.example -all"}]
        for number in range(10)
    },
    "h.example": [{"A": "198.51.100.1"}],
}


def is_right(engine: sf.Engine, number: int) -> bool:
    domain, own = f"d{number % 200}.example", number % 10
    return (
        engine.check_host(f"192.0.2.{own}", domain).result == "pass"
        and engine.check_host("198.51.100.1", domain).result == "pass"
        and engine.check_host(f"192.0.2.{own + 100}", domain).result == "softfail"
    )


def test_many_threads_with_an_engine_that_is_cleared() -> None:
    engine = sf.Engine(sf.ZoneResolver(ZONE))
    ended = threading.Event()

    def work(thread: int) -> None:
        if thread == 0:
            while not ended.wait(0.001):
                engine.clear()
                engine.statistics()
            return
        try:
            for number in range(500):
                assert is_right(engine, number * thread)
                trace = engine.trace_host(IP, f"d{number % 200}.example")
                assert trace.verdict.result in ("pass", "softfail")
        finally:
            if thread == 1:
                ended.set()

    run_threads(8, work)
    counts = engine.statistics()
    assert 0 <= counts["answers"] <= 411


@needs_fork
@forks
@pytest.mark.parametrize("warm", [True, False])
def test_a_child_of_a_fork_checks_on(warm: bool) -> None:
    resolver = Scripted(sf.ZoneResolver(ZONE).resolve)
    engine = sf.Engine(resolver)
    if warm:
        assert all(is_right(engine, number) for number in range(200))
    asked = len(resolver.questions)

    def child() -> bool:
        right = all(is_right(engine, number) for number in range(200))
        return right and (not warm or len(resolver.questions) == asked)

    assert forked(child)
    assert is_right(engine, 5)
    assert len(resolver.questions) == (asked if warm else 3)


@needs_fork
@forks
@pytest.mark.parametrize("kind", [sf.Engine, sf.AsyncEngine])
def test_a_fork_while_another_thread_waits_for_an_answer(kind: type[Any]) -> None:
    """The child does not wait for a question that only its parent has asked."""
    import asyncio

    asked, go = threading.Event(), threading.Event()
    parent = os.getpid()

    def reply(question: sf.Question, timeout: float) -> sf.Answer:
        if os.getpid() == parent:
            asked.set()
            assert go.wait(20)
        return policy("v=spf1 +all")

    class Plain:
        def resolve(self, question: sf.Question, timeout: float) -> sf.Answer:
            return reply(question, timeout)

    engine = kind(Plain())

    def check() -> bool:
        outcome = engine.check_host(IP, "a.example")
        if kind is sf.AsyncEngine:

            async def wait() -> sf.Verdict:
                return await outcome  # type: ignore[no-any-return]

            outcome = asyncio.run(wait())
        return bool(outcome.result == "pass")

    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(check()), daemon=True)
    thread.start()
    assert asked.wait(10)
    try:
        assert forked(check)
    finally:
        go.set()
        thread.join(10)
    assert results == [True]


@needs_fork
@forks
def test_forks_while_threads_check_and_clear() -> None:
    engine = sf.Engine(sf.ZoneResolver(ZONE), store_octets=65_536)
    ended = threading.Event()

    def busy(thread: int) -> None:
        number = thread
        while not ended.is_set():
            is_right(engine, number)
            if thread == 0 and number % 50 == 0:
                engine.clear()
            number += 1

    threads = [threading.Thread(target=busy, args=(n,), daemon=True) for n in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            assert forked(lambda: all(is_right(engine, n) for n in range(100)), 20)
    finally:
        ended.set()
        for thread in threads:
            thread.join(10)


class SlowHash:
    """A resolver that takes its time to be hashed, as one with much data may."""

    def __init__(self) -> None:
        self.begun = threading.Event()

    def resolve(self, question: sf.Question, timeout: float) -> sf.Answer:
        return policy("v=spf1 +all")

    def __hash__(self) -> int:
        self.begun.set()
        time.sleep(0.3)
        return 1

    def __eq__(self, other: object) -> bool:
        return self is other


@needs_fork
@forks
def test_a_fork_while_another_thread_looks_for_its_engine() -> None:
    resolver = SlowHash()
    settings = sf.Settings(resolver=resolver)
    other = sf.Settings(resolver=sf.ZoneResolver(ZONE))
    sf.engine_for(other)
    thread = threading.Thread(target=sf.engine_for, args=(settings,), daemon=True)
    thread.start()
    assert resolver.begun.wait(10)
    try:
        assert forked(lambda: is_right(sf.engine_for(other), 3), seconds=3)
    finally:
        thread.join(10)


@pytest.mark.parametrize(
    "method",
    [pytest.param("fork", marks=[needs_fork, forks]), "spawn", "forkserver"],
)
def test_a_pool_finds_one_engine_in_each_process(method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    engine = sf.Engine(sf.ZoneResolver(ZONE), limits=sf.Limits(seconds=5))
    with multiprocessing.get_context(method).Pool(2) as pool:
        work = [(engine, f"d{number % 3}.example") for number in range(20)]
        outcomes = pool.starmap(verdict_in_another_process, work, chunksize=1)
    asked: dict[int, int] = {}
    for (_, domain), (verdict, found, questions, process) in zip(work, outcomes, strict=True):
        assert verdict == engine.check_host(IP, domain)
        assert found
        assert process != os.getpid()
        asked[process] = max(asked.get(process, 0), questions)
    # 3 domains, 3 includes and one address: asked once in a process, not once in a call.
    assert all(count <= 7 for count in asked.values())


def test_engines_pickle_as_their_settings() -> None:
    resolver = sf.ZoneResolver(ZONE)
    engine = sf.Engine(resolver, max_ttl=60, receiver="mx.example")
    engine.check_host(IP, "d1.example")
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(engine, protocol))
        assert type(again) is sf.Engine
        assert again.settings == engine.settings
        assert again is sf.engine_for(engine.settings)
        assert is_right(again, 3)
    background = pickle.loads(pickle.dumps(sf.AsyncEngine(resolver)))
    assert type(background) is sf.AsyncEngine
    assert background is sf.engine_for(sf.Settings(resolver=resolver), sf.AsyncEngine)
    assert background is not sf.engine_for(sf.Settings(resolver=resolver))


def test_the_engine_of_settings_is_the_same_for_equal_settings() -> None:
    first = sf.engine_for(sf.Settings(resolver=sf.ZoneResolver(ZONE)))
    assert sf.engine_for(sf.Settings(resolver=sf.ZoneResolver(dict(ZONE)))) is first
    assert sf.engine_for(sf.Settings(resolver=sf.ZoneResolver(ZONE), max_ttl=5)) is not first
    found: list[Any] = []
    settings = sf.Settings(resolver=sf.ZoneResolver({"x.example": []}))
    run_threads(8, lambda _: found.append(sf.engine_for(settings)))
    assert {id(engine) for engine in found} == {id(found[0])}


def test_engines_of_settings_are_kept_in_a_bounded_number() -> None:
    engines = []
    for number in range(100):
        engine = sf.engine_for(sf.Settings(resolver=sf.ZoneResolver({}), max_ttl=number))
        engines.append(weakref.ref(engine))
        del engine
    gc.collect()
    assert 1 <= sum(engine() is not None for engine in engines) <= 20
    assert engines[-1]() is sf.engine_for(sf.Settings(resolver=sf.ZoneResolver({}), max_ttl=99))


def test_an_engine_that_nobody_has_goes_away() -> None:
    engine = sf.Engine(sf.ZoneResolver(ZONE))
    engine.check_host(IP, "d1.example")
    gone = weakref.ref(engine)
    del engine
    gc.collect()
    assert gone() is None


VALUES: list[Any] = [
    sf.Settings(),
    sf.Settings(resolver=sf.ZoneResolver(ZONE), limits=sf.Limits(seconds=3), receiver="mx.example"),
    sf.Limits(lookups=3),
    sf.Question("a.example", sf.RRType.MX),
    address("192.0.2.1"),
    sf.parse_record(b"V=spf1  a:%{d}/24  -ALL "),
    sf.parse_record("spf2.0/pra,mfrom mx -all"),
    *(*sf.Result, *sf.Reason, *sf.Scope, *sf.Status, *sf.RRType),
]
ERRORS: list[sf.SenderIDError] = [
    sf.InputError("ip", "is none"),
    sf.RecordSyntaxError(b"v=spf1 a:", 9, "a:", "RFC 7208 7.1", "the domain name is missing"),
    sf.RecordSelectionError((b"v=spf1", b"v=spf1 -all"), "RFC 7208 4.5"),
    sf.ZoneError("zone.db", "line 3", "no such type"),
    sf.MissingExtraError("pyarrow", "arrow"),
    sf.SenderIDError("root"),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_pickle(value: Any) -> None:
    for again in (pickle.loads(pickle.dumps(value)), copy.deepcopy(value), copy.copy(value)):
        assert type(again) is type(value)
        assert again == value
        assert hash(again) == hash(value)
        assert str(again) == str(value)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_pickle(error: sf.SenderIDError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert isinstance(again, sf.SenderIDError)
    assert str(again) == str(error)
    assert again.args == error.args
    assert vars(again) == vars(error)


def test_settings_are_hashed_by_value() -> None:
    settings = sf.Settings(resolver=sf.ZoneResolver(ZONE))
    assert settings == sf.Settings(resolver=sf.ZoneResolver(ZONE))
    assert len({settings, sf.Settings(resolver=sf.ZoneResolver(ZONE)), sf.Settings()}) == 2
    assert settings != sf.Settings(resolver=sf.ZoneResolver(ZONE, ttl=5))
    with pytest.raises(AttributeError):
        settings.max_ttl = 5  # type: ignore[misc]
    with pytest.raises(TypeError):
        hash(sf.Settings(resolver=type("R", (), {"resolve": print, "__hash__": None})()))
