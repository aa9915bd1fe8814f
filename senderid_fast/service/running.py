"""Worker: one process that serves: an event loop, an engine, a protocol server.

What may live here: the life of a worker, from its fork to its end, reloads included. Which workers
there are is decided in supervising.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from senderid_fast.errors import SenderIDError
from senderid_fast.service import families
from senderid_fast.service.accepting import Acceptor
from senderid_fast.service.application import Books, ServiceApplication
from senderid_fast.service.counters import Board, Slot, State
from senderid_fast.service.logs import Bridge, Log, place_of

if TYPE_CHECKING:
    from senderid_fast.async_engine import AsyncEngine
    from senderid_fast.config.config import Config
    from senderid_fast.service.listening import Listener
    from senderid_fast.service.words import Current, ProtocolServer

__all__ = ["Plan", "Worker", "run_loop"]

BEAT = 1.0  # seconds between two signs of life
CACHE_PAUSE = 0.5  # seconds after which a cache that cannot be opened is tried once more


@dataclass(frozen=True, slots=True)
class Plan:
    """What all processes of a service are given.

    service  "milter" or "policyd"
    server   makes the protocol server
    load     reads the configuration anew. Raises SenderIDError
    board    the counters that they share
    """

    service: str
    server: Callable[[Current, Config], ProtocolServer]
    load: Callable[[], Config]
    board: Board


def run_loop(work: Callable[[], Any]) -> None:
    """Run a coroutine on a loop of its own: uvloop's if that is installed."""
    factory = None
    with contextlib.suppress(ImportError):
        from uvloop import new_event_loop

        factory = new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(work())


class Worker:
    """One worker process.

    plan       of the service
    slot       its numbers on the board
    config     in force when it was forked
    listeners  shared with other workers
    lifeline   a pipe whose other end only the supervisor has: it ends when that does
    most       connections that there are file descriptors for
    """

    def __init__(
        self,
        plan: Plan,
        slot: Slot,
        config: Config,
        listeners: Sequence[Listener],
        log: Log,
        lifeline: int,
        most: int,
    ) -> None:
        self._plan = plan
        self._slot = slot
        self._config = config
        self._listeners = listeners
        self._lifeline = lifeline
        self._log = log
        self._most = most
        self._supervisor = os.getppid()
        self._published: dict[str, int] = {}
        self._books = Books(plan.service, plan.board, slot, log, most)

    def run(self) -> None:
        """Serve until SIGTERM comes or the supervisor is gone."""
        logging.getLogger().addHandler(Bridge(self._log))
        run_loop(self._serve)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._unexpected)
        self._stopping = asyncio.Event()
        self._generation = self._slot.generation
        self._engine = await self._first_engine(self._config)
        self._application = self._new_application(self._config)
        self._server = server = self._plan.server(self._current, self._config)
        sockets = [each.socket for each in self._listeners]
        acceptor = Acceptor(loop, sockets, server.protocol, self._not_accepted)
        loop.add_signal_handler(signal.SIGTERM, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        loop.add_reader(self._lifeline, self._stopping.set)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGHUP))
        beating = loop.create_task(self._beat())
        acceptor.start()
        self._tell(State.SERVING)
        await self._stopping.wait()
        loop.remove_reader(self._lifeline)
        acceptor.stop()
        self._slot.state = State.ENDING
        busy = server.busy
        cut = await server.drain(self._config.process.grace_seconds)
        level = "warning" if cut else "info"
        self._log.event(level, "worker ends", worker=self._slot.index, in_hand=busy, cut_off=cut)
        self._publish()
        beating.cancel()
        await self._engine.close()

    def _current(self) -> ServiceApplication:
        return self._application

    def _tell(self, state: int) -> None:
        """Note what this process does, and wake the supervisor to see it."""
        self._slot.generation = self._generation
        self._slot.state = state
        if os.getppid() == self._supervisor:
            with contextlib.suppress(OSError):
                os.kill(self._supervisor, signal.SIGUSR1)

    # ---- settings ---------------------------------------------------------------------------

    async def _first_engine(self, config: Config) -> AsyncEngine:
        """The engine to begin with. A cache that has become useless since the service started is
        left out: mail does not wait for it, nor do workers end for it again and again."""
        try:
            return self._new_engine(config)
        except SenderIDError:
            await asyncio.sleep(CACHE_PAUSE)  # another worker may be mending it
        try:
            return self._new_engine(config)
        except SenderIDError as error:
            engine = self._new_engine(replace(config, cache=replace(config.cache, url="")))
            self._log.event(
                "error",
                "the cache cannot be used: this worker goes on without it until the next reload",
                worker=self._slot.index,
                problem=str(error),
            )
            return engine

    def _new_engine(self, config: Config, old: AsyncEngine | None = None) -> AsyncEngine:
        """The engine of a configuration: the old one, which is warm, if its settings are the same.

        Another one takes over the old cache if that is the same; what only the old one had is
        closed when the last message that uses it has ended.
        """
        from senderid_fast.async_engine import AsyncEngine

        settings = config.settings()
        if old is not None:
            if settings == old.settings:
                return old
            if settings.cache == old.settings.cache:
                settings = replace(settings, cache=old.settings.cache)
        engine = AsyncEngine.from_settings(settings)
        if settings.cache is not None:
            loop = asyncio.get_running_loop()
            weakref.finalize(engine, self._left_behind, loop, settings.cache).atexit = False
        return engine

    def _new_application(self, config: Config) -> ServiceApplication:
        self._books.messages = config.log.messages
        self._books.max_connections = min(config.process.max_connections, self._most)
        return ServiceApplication(
            self._books,
            config.receiver(),
            self._engine,
            config.process.max_header_octets,
            config.process.idle_seconds,
        )

    def _left_behind(self, loop: asyncio.AbstractEventLoop, cache: Any) -> None:
        """Nobody uses an engine any more: its cache is closed, unless the next one has it."""
        if loop.is_closed() or self._engine.settings.cache is cache:
            return
        with contextlib.suppress(RuntimeError):  # the loop may be closing
            loop.call_soon_threadsafe(lambda: loop.create_task(_close(cache)))

    def _reload(self) -> None:
        """SIGHUP: the supervisor has found the new configuration to be good, or asks only that the
        log be opened anew."""
        self._log.reopen()
        wanted = self._plan.board.supervisor.generation
        if wanted == self._generation or self._stopping.is_set():
            return
        self._publish()  # what the engine has counted, before another takes its place
        try:
            config = self._plan.load()
            engine, before = self._new_engine(config, self._engine), self._engine
            self._engine = engine
            try:
                application = self._new_application(config)
            except BaseException:
                self._engine = before
                raise
        except SenderIDError as error:  # it has changed again meanwhile
            self._log.event(
                "error", "reload refused by a worker", worker=self._slot.index, problem=str(error)
            )
        else:
            if engine is not before:  # it counts from nothing
                self._published = {}
            self._application = application
            self._config = config
            self._log.set_up(config.log.format, config.log.level)
        self._generation = wanted
        self._tell(State.SERVING)

    # ---- signs of life ----------------------------------------------------------------------

    async def _beat(self) -> None:
        while True:
            self._slot.beat()
            self._publish()
            await asyncio.sleep(BEAT)

    def _publish(self) -> None:
        """Put on the board what is counted elsewhere."""
        slot = self._slot
        slot.set(families.BUSY, self._server.busy)
        counts = self._engine.statistics()
        for name, family in families.OF_ENGINE.items():
            if (count := counts.get(name)) is None:
                continue
            if family.kind == "gauge":
                slot.set(family, count)
            else:
                slot.add(family, amount=max(count - self._published.get(name, 0), 0))
        self._published = counts

    # ---- what should not happen -------------------------------------------------------------

    def _not_accepted(self, error: OSError) -> None:
        self._slot.add(families.ACCEPT_ERRORS)
        self._log.limited(
            "error",
            "accept",
            "no connection can be accepted",
            problem=error.strerror or str(error),
            service=self._plan.service,
        )

    def _unexpected(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What reached the loop: an error of ours in a callback or a task."""
        error = context.get("exception")
        self._log.limited(
            "error",
            "loop",
            str(context.get("message")),
            problem=None if error is None else f"{type(error).__name__}: {error}",
            place=place_of(error),
        )


async def _close(cache: Any) -> None:
    close_async = getattr(cache, "close_async", None)
    with contextlib.suppress(Exception):
        if close_async is not None:
            await close_async()
        await asyncio.to_thread(cache.close)
