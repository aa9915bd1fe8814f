"""Home: what a UdpResolver has in one process: exchanges, which servers answer, who asks what.

What may live here: state that the threads of a process share, and the end of a question: its answer
reaches all who wait for it. A forked child begins with a Home of its own.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from senderid_fast._core.queries import Port, Query, Servers
from senderid_fast.questions import Answer, Question, Status
from senderid_fast.resolver.failures import Failure, failure_answer
from senderid_fast.resolver.pace import Pace
from senderid_fast.resolver.servers import Server
from senderid_fast.resolver.udp_aside import Aside
from senderid_fast.resolver.udp_exchange import Exchange

__all__ = ["STRATEGIES", "Home", "UdpSettings"]

STRATEGIES = ("first", "in-turn", "hash")
COUNTED = ("sent", "answered", "retried", "timed_out", "truncated", "odd", "late", "forged")
IDLE_MOST = 8  # exchanges that are kept for the next thread that asks


class UdpSettings(NamedTuple):
    """What UdpResolver was made with, checked."""

    servers: tuple[Server, ...]
    try_seconds: float
    tries: int
    sockets: int
    in_flight: int
    rate: float | None
    strategy: str


class Home:
    """The state of one resolver in this process."""

    def __init__(self, settings: UdpSettings) -> None:
        self.settings = settings
        self.process = os.getpid()
        self.lock = threading.Lock()
        self.open: dict[Question, Query] = {}  # of the threads; a loop has its own
        self.loops: dict[int, object] = {}
        self._health = Servers(len(settings.servers), STRATEGIES.index(settings.strategy))
        self._pace = None if settings.rate is None else Pace(settings.rate)
        self._idle: list[Exchange] = []
        self._all: list[Exchange] = []
        self._before = Counter(dict.fromkeys(COUNTED, 0))  # of exchanges that are gone

    def new_exchange(
        self,
        opened: Callable[[Port], None] | None = None,
        closed: Callable[[Port], None] | None = None,
    ) -> Exchange:
        """An exchange, to be given back by drop()."""
        settings = self.settings
        exchange = Exchange(
            settings.servers,
            self._health,
            rounds=settings.tries,
            nanoseconds=int(settings.try_seconds * 1e9),
            sockets=settings.sockets,
            in_flight=settings.in_flight,
            pace=self._pace,
            opened=opened,
            closed=closed,
        )
        with self.lock:
            self._all.append(exchange)
        return exchange

    def take_exchange(self) -> Exchange:
        """An exchange for the thread that asks, to be given back by give_back() or drop()."""
        with self.lock:
            if self._idle:
                return self._idle.pop()
        return self.new_exchange()

    def give_back(self, exchange: Exchange) -> None:
        """Keep an exchange for the next one that asks."""
        with self.lock:
            if len(self._idle) < IDLE_MOST:
                self._idle.append(exchange)
                return
        self.drop(exchange)

    def drop(self, exchange: Exchange) -> None:
        """Close an exchange for good; what it counted stays."""
        with self.lock:
            self._all.remove(exchange)
            self._before.update(exchange.flights.counts())
        exchange.close()

    def close(self) -> None:
        """Close the sockets of exchanges that nobody uses."""
        with self.lock:
            idle, self._idle = self._idle, []
        for exchange in idle:
            self.drop(exchange)

    def abandon(self) -> None:
        """Close all sockets: nobody will ask any more, or this is a forked child with copies.

        The lock may be held by a thread that is not in the child, so it is not taken.
        """
        here = self.process == os.getpid()
        for exchange in self._all:
            if here:
                exchange.close()
            else:
                exchange.abandon()

    def counts(self) -> dict[str, int]:
        """What all exchanges counted."""
        with self.lock:
            total = Counter(self._before)
            for exchange in self._all:
                total.update(exchange.flights.counts())
        return dict(total)

    def aside(
        self, query: Query, server: int, tcp: bool, octets: bytes | None, deadline: int
    ) -> Aside:
        """A question that was put aside, for the look-up of SystemResolver."""
        settings = self.settings
        first = settings.servers[server]
        others = (other for other in settings.servers if other != first)
        return Aside(
            query.question,
            (first, *others),
            tcp,
            octets,
            settings.try_seconds,
            settings.tries,
            deadline,
        )

    def answer_of(self, query: Query) -> Answer:
        """The answer of a query that is finished."""
        if query.answer is not None:
            return query.answer
        failures: Counter[tuple[Server, Failure]] = Counter()
        for server, word, detail in query.failures or ():
            failures[self.settings.servers[server], _failure(word, detail)] += 1
        return failure_answer(failures)


def _failure(word: str, detail: object) -> Failure:
    match word:
        case "servfail":
            return Failure(Status.SERVFAIL, "answered SERVFAIL")
        case "refused":
            return Failure(Status.REFUSED, "answered REFUSED")
        case "timeout":
            return Failure(Status.TIMEOUT, f"did not answer within {detail:.3g} s")
        case _:
            return Failure(Status.ERROR, str(detail))
