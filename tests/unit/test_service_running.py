"""A worker's reload that is refused after all; a supervisor's end while signals come."""

from __future__ import annotations

import asyncio
import os
import signal
from types import SimpleNamespace
from typing import Any, cast

from support.scripted import IP, forked

import senderid_fast as sf
from senderid_fast.config.config import Config
from senderid_fast.service import families
from senderid_fast.service.counters import Board
from senderid_fast.service.logs import Log
from senderid_fast.service.notify import Notifier
from senderid_fast.service.running import Plan, Worker
from senderid_fast.service.sinks import open_sink
from senderid_fast.service.supervising import Role, Supervisor

ZONE = {"a.example": [{"TXT": "v=spf1 -all"}]}


def config_of(receiver: Any, **settings: Any) -> Config:
    found = SimpleNamespace(
        settings=lambda: sf.Settings(sf.ZoneResolver(ZONE), **settings),
        receiver=receiver,
        log=SimpleNamespace(messages=True, format="plain", level="error"),
        process=SimpleNamespace(max_connections=9, max_header_octets=9, idle_seconds=9),
    )
    return cast(Config, found)


def refusing() -> Any:
    raise sf.InputError("authserv_id", "was changed meanwhile")


async def questions_after_a_refused_reload() -> float:
    board = Board(1)
    slot = board.workers[0]
    slot.begin(os.getpid(), 1)
    log = Log(open_sink(os.devnull, "test"))
    plan = Plan("milter", lambda _: cast(Any, None), lambda: config_of(refusing, min_ttl=9), board)
    worker: Any = Worker(plan, slot, config_of(lambda: None), [], log, 0, 9)
    worker._supervisor = 0  # the process that runs the tests is to get no signal
    worker._stopping = asyncio.Event()
    worker._server = SimpleNamespace(busy=0)
    worker._generation = 1
    worker._engine = engine = worker._new_engine(worker._config)
    worker._application = worker._new_application(worker._config)
    await engine.check_mail_from(IP, "user@a.example")
    worker._publish()
    board.supervisor.generation = 2
    worker._reload()
    assert worker._engine is engine
    worker._publish()
    await engine.close()
    return slot.get(families.QUESTIONS)


def test_a_reload_that_a_worker_refuses_counts_nothing_twice() -> None:
    assert asyncio.run(questions_after_a_refused_reload()) == 1


def stops_with_signals_pending() -> bool:
    board = Board(1)
    role = Role("worker 1", board.workers[0], lambda _: os.kill(os.getppid(), signal.SIGTERM))

    def closing() -> None:
        """The worker has ended; what it, or an administrator, had to say comes last."""
        os.waitid(os.P_PID, role.process, os.WEXITED | os.WNOWAIT)
        for number in (signal.SIGUSR1, signal.SIGHUP):
            os.kill(os.getpid(), number)

    supervisor = Supervisor(
        board,
        [role],
        Log(open_sink(os.devnull, "test")),
        Notifier({}),
        lambda: None,
        closing,
        lambda: 5.0,
    )
    return supervisor.run() == 0


def test_a_signal_that_comes_at_the_end_is_not_the_end_of_the_supervisor() -> None:
    assert forked(stops_with_signals_pending)
