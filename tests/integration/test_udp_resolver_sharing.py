"""One UdpResolver for several threads, tasks, loops and processes, some of which end early."""

from __future__ import annotations

import asyncio
import gc
import pickle
import threading
import time
from typing import Any

import pytest
from support.scripted import forked
from support.udp import GOOD, QUESTION, ask_together, cancel, numbered

from senderid_fast.questions import Answer, Question, Status
from senderid_fast.resolver import UdpResolver
from senderid_fast.resolver.udp_aside import Aside
from senderid_fast.resolver.udp_bulk import _Run
from senderid_fast.resolver.udp_exchange import Exchange
from senderid_fast.resolver.udp_loop import ASIDE_MOST, LoopExchange


def test_one_question_is_asked_once(faulty_server: Any) -> None:
    server = faulty_server({"*": "late"})
    resolver = UdpResolver([server.address], try_seconds=5)
    found: list[list[Answer]] = []
    threads = [
        threading.Thread(target=lambda: found.append(resolver.resolve_many(numbered(5), 10.0)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[GOOD] * 5] * 8
    assert len(server.queries) == 5
    server.queries.clear()
    assert ask_together("tasks", resolver, numbered(5) * 8) == [GOOD] * 40
    assert len(server.queries) == 5
    server.queries.clear()
    assert resolver.resolve_many(numbered(5) * 8, 10.0) == [GOOD] * 40
    assert len(server.queries) == 5


def test_more_questions_than_another_thread_has_under_way(
    faulty_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = faulty_server({"*": "good"})
    resolver = UdpResolver([server.address], tries=10)
    true_step = Exchange.step
    found: list[list[Answer]] = []
    questions = numbered(600)
    other = threading.Thread(target=lambda: found.append(resolver.resolve_many(questions, 20.0)))

    def step(exchange: Exchange, end: int) -> None:
        # All that the second thread finds at first is asked by this one already.
        if threading.current_thread() is not other and other.ident is None:
            other.start()
            time.sleep(0.2)
        true_step(exchange, end)

    with monkeypatch.context() as patched:
        patched.setattr(Exchange, "step", step)
        assert resolver.resolve_many(questions, 20.0) == [GOOD] * 600
        other.join()
    assert found == [[GOOD] * 600]


def test_asker_with_more_time_asks_again(faulty_server: Any) -> None:
    server = faulty_server({"*": "late"})
    resolver = UdpResolver([server.address], try_seconds=5)
    hasty: list[Answer] = []
    thread = threading.Thread(target=lambda: hasty.append(resolver.resolve(QUESTION, 0.2)))
    thread.start()
    while not server.queries:
        time.sleep(0.01)
    assert resolver.resolve(QUESTION, 10.0) == GOOD
    thread.join()
    assert hasty[0].status is Status.TIMEOUT

    async def two() -> list[Answer]:
        tasks = [asyncio.create_task(resolver.resolve_async(QUESTION, s)) for s in (0.2, 10.0, 0.1)]
        return await asyncio.gather(*tasks)

    answers = asyncio.run(two())
    assert [answer.status for answer in answers] == [Status.TIMEOUT, Status.OK, Status.TIMEOUT]


def test_what_is_put_aside_takes_a_bounded_number_of_sockets(
    faulty_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = faulty_server({"*": "truncated"})
    now = most = 0

    async def resolve_async(aside: Aside) -> Answer:
        nonlocal now, most
        now += 1
        most = max(most, now)
        for _ in range(1_000):  # until as many have come as may
            await asyncio.sleep(0.01)
            if most >= ASIDE_MOST:
                break
        now -= 1
        return GOOD if aside.tcp else Answer(Status.ERROR)

    monkeypatch.setattr(Aside, "resolve_async", resolve_async)
    resolver = UdpResolver([server.address], tries=10)
    assert ask_together("tasks", resolver, numbered(ASIDE_MOST * 3)) == [GOOD] * ASIDE_MOST * 3
    assert most == ASIDE_MOST

    async def no_end(aside: Aside) -> Answer:
        await asyncio.sleep(3600)
        return GOOD

    monkeypatch.setattr(Aside, "resolve_async", no_end)

    async def late() -> Answer:
        tasks = [
            asyncio.create_task(resolver.resolve_async(each, 60)) for each in numbered(ASIDE_MOST)
        ]
        while resolver.statistics()["truncated"] < ASIDE_MOST * 4:
            await asyncio.sleep(0.01)
        answer = await resolver.resolve_async(QUESTION, 0.5)
        for task in tasks:
            task.cancel()
        return answer

    assert asyncio.run(late()).status is Status.TIMEOUT


def test_cancelled_task_is_cancelled(dead_server: Any) -> None:
    cancel(UdpResolver([dead_server.address], try_seconds=30))


def test_interrupted_call_leaves_nothing_behind(
    faulty_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = faulty_server({"*": "late"})
    resolver = UdpResolver([server.address], try_seconds=5)
    true_step = Exchange.step
    found: list[Answer] = []
    other = threading.Thread(target=lambda: found.append(resolver.resolve(QUESTION, 10.0)))

    def step(exchange: Exchange, end: int) -> None:
        if threading.current_thread() is other:
            true_step(exchange, end)
            return
        other.start()  # it waits for the question that is asked here
        time.sleep(0.2)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Exchange, "step", step)
        with pytest.raises(KeyboardInterrupt):
            resolver.resolve(QUESTION, 10.0)
        other.join()
    assert found == [GOOD]
    assert resolver.resolve(QUESTION, 10.0) == GOOD


def test_fork_leaves_the_loop_of_the_parent_alone(faulty_server: Any) -> None:
    server = faulty_server({"*": "good"})
    resolver = UdpResolver([server.address], try_seconds=5, sockets=1)

    async def run() -> None:
        assert await resolver.resolve_async(QUESTION, 10.0) == GOOD
        assert forked(lambda: resolver.resolve(QUESTION, 10.0) == GOOD)
        for question in numbered(3):
            assert await resolver.resolve_async(question, 10.0) == GOOD

    asyncio.run(run())
    assert resolver.statistics()["timed_out"] == 0


def test_loops_come_and_go(faulty_server: Any) -> None:
    server = faulty_server({"*": "good"})
    resolver = UdpResolver([server.address])
    for _ in range(3):
        assert ask_together("tasks", resolver, numbered(3)) == [GOOD] * 3


def test_fork_and_pickle(faulty_server: Any) -> None:
    server = faulty_server({"*": "good"})
    resolver = UdpResolver([server.address], try_seconds=5)
    assert resolver.resolve(QUESTION, 10.0) == GOOD
    assert forked(lambda: resolver.resolve(QUESTION, 10.0) == GOOD)
    assert resolver.resolve(QUESTION, 10.0) == GOOD
    assert resolver.statistics()["sent"] == 2
    copy = pickle.loads(pickle.dumps(resolver))
    assert copy == resolver
    assert hash(copy) == hash(resolver)
    assert copy.statistics()["sent"] == 0
    assert copy.resolve(QUESTION, 10.0) == GOOD
    resolver.close()
    assert resolver.resolve(QUESTION, 10.0) == GOOD


# --- memory: the garbage collector does not see through a Query ----------------------------------


def alive(kind: type) -> int:
    gc.collect()
    return sum(type(each) is kind for each in gc.get_objects())


def test_what_asked_is_forgotten(faulty_server: Any) -> None:
    """A call that waits for a query of its own, or for one of a call that waits for it."""
    barrier = threading.Barrier(2)
    resolver = UdpResolver([faulty_server({"*": "good"}).address], in_flight=1)
    before = alive(_Run)

    def ask(questions: list[Question]) -> None:
        barrier.wait()
        resolver.resolve_many(questions, 20.0)

    for _ in range(2):
        assert resolver.resolve_many([QUESTION, QUESTION], 20.0) == [GOOD, GOOD]
        threads = [
            threading.Thread(target=ask, args=(questions,))
            for questions in (numbered(400), numbered(400)[::-1])
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert alive(_Run) == before


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_loop_that_is_left_with_open_questions_is_forgotten(dead_server: Any) -> None:
    before = alive(LoopExchange)

    async def leave(resolver: UdpResolver) -> None:
        tasks.append(asyncio.create_task(resolver.resolve_async(QUESTION, 20.0)))
        await asyncio.sleep(0.01)

    loop, tasks = asyncio.new_event_loop(), []
    loop.run_until_complete(leave(UdpResolver([dead_server.address])))
    assert alive(LoopExchange) == before + 1
    loop.set_exception_handler(lambda loop, context: None)  # a task is destroyed: so it is
    loop.close()
    del loop
    tasks.clear()
    assert alive(LoopExchange) == before
