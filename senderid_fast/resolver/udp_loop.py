"""The asyncio way through a UdpResolver: all tasks of a loop share sockets and queries.

What may live here: readers and one timer on an event loop, and futures. The loop is woken once for
all that has arrived at a socket.
"""

from __future__ import annotations

import asyncio
from time import monotonic_ns
from typing import Any

from senderid_fast._core.queries import Port, Query
from senderid_fast.questions import Answer, Question
from senderid_fast.resolver.failures import NO_TIME
from senderid_fast.resolver.udp_home import Home

__all__ = ["LoopExchange", "exchange_of"]

ASIDE_MOST = 64  # at once, of what is put aside: each has a socket of its own


def exchange_of(home: Home, loop: asyncio.AbstractEventLoop) -> LoopExchange:
    """The one of a loop. Those of loops that are closed end here."""
    found = home.loops.get(id(loop))
    if isinstance(found, LoopExchange) and found.loop is loop:
        return found
    for other in [*home.loops.values()]:
        # Of two loops that see this at once, one gets it.
        if (
            isinstance(other, LoopExchange)
            and other.loop.is_closed()
            and home.loops.pop(id(other.loop), None) is other
        ):
            home.drop(other.exchange)
    found = home.loops.pop(id(loop), None)  # a new loop where another one was in memory
    if isinstance(found, LoopExchange):
        home.drop(found.exchange)
    made = home.loops[id(loop)] = LoopExchange(home, loop)
    return made


class LoopExchange:
    """An exchange that an event loop drives."""

    def __init__(self, home: Home, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.exchange = home.new_exchange(self._opened, self._closed)
        self._home = home
        # The futures stand beside the query, which the garbage collector does not see through.
        self._open: dict[tuple[str, int], tuple[Query, list[asyncio.Future[Answer]]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(ASIDE_MOST)
        self._soon = False  # _tick() is called in this turn of the loop
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0

    async def resolve(self, question: Question, end: int) -> Answer:
        """The answer to a question, by ``end`` (nanoseconds of monotonic_ns())."""
        while (now := monotonic_ns()) < end:
            found = self._open.get(question)
            future: asyncio.Future[Answer] = self.loop.create_future()
            if found is None:
                self._open[question] = self.exchange.flights.add(question, end), [future]
                if not self._soon:
                    self._soon = True
                    self.loop.call_soon(self._tick)
                return await future  # the query itself ends in time
            query, waiters = found
            waiters.append(future)
            try:
                async with asyncio.timeout((end - now) / 1e9):
                    answer = await future
            except TimeoutError:
                break
            if not query.late:  # else its asker had less time than we have
                return answer
        return NO_TIME

    def _tick(self) -> None:
        self._soon = False
        now = monotonic_ns()
        self.exchange.flights.expire(now)
        self._go_on(now)

    def _readable(self, port: Port) -> None:
        now = monotonic_ns()
        self.exchange.arrived(port, now)
        self._go_on(now)

    def _go_on(self, now: int) -> None:
        """Give out answers, send what there is room for, and see to the next time."""
        exchange, flights = self.exchange, self.exchange.flights
        delay = exchange.launch(now)
        if flights.aside:
            self._put_aside()
        if flights.finished:
            self._settle(flights.finished)
        due = flights.next_due(now)
        if delay and exchange.flights.waiting:
            due = now + delay if due < 0 else min(due, now + delay)
        if due >= 0 and (self._timer is None or due < self._timer_due):
            if self._timer is not None:
                self._timer.cancel()
            self._timer_due = due
            self._timer = self.loop.call_later(max(due - now, 0) / 1e9, self._timed)

    def _timed(self) -> None:
        self._timer = None
        self._tick()

    def _settle(self, finished: list[Query]) -> None:
        for query in finished:
            answer = self._home.answer_of(query)
            for future in self._open.pop(query.question)[1]:
                if not future.done():
                    future.set_result(answer)
        finished.clear()

    def _put_aside(self) -> None:
        aside = self.exchange.flights.aside
        for entry in aside:
            task = self.loop.create_task(self._ask_aside(*entry))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        aside.clear()

    async def _ask_aside(self, query: Query, server: int, tcp: bool, octets: Any) -> None:
        try:
            async with asyncio.timeout(max(query.deadline - monotonic_ns(), 0) / 1e9):
                await self._room.acquire()
            try:
                one = self._home.aside(query, server, tcp, octets, query.deadline)
                query.answer = await one.resolve_async()
            finally:
                self._room.release()
        except TimeoutError:
            query.answer = NO_TIME
        finally:
            self._settle([query])

    def _opened(self, port: Port) -> None:
        self.loop.add_reader(port.file, self._readable, port)

    def _closed(self, port: Port) -> None:
        if not self.loop.is_closed():
            self.loop.remove_reader(port.file)
