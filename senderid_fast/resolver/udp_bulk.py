"""The blocking way through a UdpResolver: any number of questions, until all have answers.

What may live here: which questions of a call are asked by its own thread, which are waited for
because another thread asks them already, and how the answers come together.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from time import monotonic_ns

from senderid_fast._core.queries import Query
from senderid_fast.askers import Askers
from senderid_fast.questions import Answer, Question
from senderid_fast.resolver.failures import NO_TIME
from senderid_fast.resolver.udp_aside import Aside
from senderid_fast.resolver.udp_exchange import Exchange
from senderid_fast.resolver.udp_home import Home

__all__ = ["ask_all"]

AHEAD = 256  # questions that are made ready before there is room for them
THREADS = 16  # for what is put aside: answers over TCP, and odd ones


def ask_all(home: Home, questions: Sequence[Question], end: int) -> list[Answer]:
    """The answers to questions in their order, by ``end`` (nanoseconds of monotonic_ns())."""
    answers: list[Answer] = [NO_TIME] * len(questions)
    open_: Sequence[int] = range(len(questions))
    while open_ and monotonic_ns() < end:
        exchange = home.take_exchange()
        run = _Run(home, exchange, questions, answers, open_, end)
        try:
            run.ask()
        except BaseException:
            run.give_up()
            home.drop(exchange)
            raise
        home.give_back(exchange)
        # Others had these under way. One that ended without an answer, as its asker had less time
        # than we have, is ours now.
        open_ = run.wait()
    return answers


class _Run:
    """One pass: what nobody asks yet is asked, by one exchange."""

    def __init__(
        self,
        home: Home,
        exchange: Exchange,
        questions: Sequence[Question],
        answers: list[Answer],
        open_: Sequence[int],
        end: int,
    ) -> None:
        self._home = home
        self._exchange = exchange
        self._questions = questions
        self._answers = answers
        self._open = open_
        self._end = end
        self._next = 0  # position in _open
        self._joined: list[tuple[int, Query]] = []
        self._asides: dict[Question, tuple[Query, Aside]] = {}

    def ask(self) -> None:
        """Ask, until all of our questions have answers."""
        exchange, flights = self._exchange, self._exchange.flights
        seconds = max(self._end - monotonic_ns(), 0)
        with Askers(self._ask_aside, seconds, THREADS) as askers:
            while True:
                if self._next < len(self._open):
                    self._claim()
                if not (exchange.busy or flights.finished or flights.aside):
                    if self._next < len(self._open):
                        continue  # others ask all of that part already; the next may be ours
                    break
                exchange.step(self._end)
                if flights.finished:
                    self._settle()
                if flights.aside:
                    self._put_aside(askers)
            while self._asides:
                for question, answer, _ in askers.answered():
                    query, _ = self._asides.pop(question)
                    query.answer = answer
                    self._end_all([query])

    def _claim(self) -> None:
        """Make further questions ready, unless another thread has them under way."""
        home, flights, end = self._home, self._exchange.flights, self._end
        room = AHEAD - flights.waiting
        if room < AHEAD // 2:
            return
        if monotonic_ns() >= end:
            self._next = len(self._open)  # no time was left for these
            return
        places = self._open[self._next : self._next + room]
        with home.lock:
            others = flights.claim(home.open, self._questions, places, end, self)
            for _, query in others:
                if query.waiters is None:
                    query.waiters = threading.Event()
        self._joined += others
        self._next += room

    def _settle(self) -> None:
        """Give out the answers of queries that are finished."""
        with self._home.lock:
            left = self._exchange.flights.settle(self._home.open, self._answers)
        if left:
            self._end_all(left)

    def _end_all(self, queries: list[Query]) -> None:
        """Give out the answers of these, to whoever waits for them."""
        home, answers = self._home, self._answers
        for query in queries:
            if query.answer is None:
                query.answer = home.answer_of(query)
            answers[query.index] = query.answer
        with home.lock:
            for query in queries:
                query.owner = None
                del home.open[query.question]
                if query.waiters is not None:
                    query.waiters.set()

    def _put_aside(self, askers: Askers) -> None:
        aside = self._exchange.flights.aside
        for query, server, tcp, octets in aside:
            one = self._home.aside(query, server, tcp, octets, self._end)
            if len(self._questions) == 1:  # a thread of its own is not worth it
                query.answer = one.resolve()
                self._end_all([query])
            else:
                self._asides[query.question] = query, one
                askers.add((query.question,))
        aside.clear()

    def _ask_aside(self, question: Question, end: int) -> Answer:
        _, aside = self._asides[question]
        return aside.resolve()

    def give_up(self) -> None:
        """Something was raised: whoever waits for our questions asks them itself."""
        home = self._home
        self._asides.clear()
        with home.lock:
            for query in [one for one in home.open.values() if one.owner is self]:
                query.answer = query.owner = None
                del home.open[query.question]
                if query.waiters is not None:
                    query.waiters.set()

    def wait(self) -> list[int]:
        """Wait for what other threads asked. The questions that are still open."""
        left: list[int] = []
        for index, query in self._joined:
            seconds = (self._end - monotonic_ns()) / 1e9
            done = seconds > 0 and query.waiters.wait(seconds)
            if done and query.answer is not None and not query.late:
                self._answers[index] = query.answer
            else:
                left.append(index)
        return left
