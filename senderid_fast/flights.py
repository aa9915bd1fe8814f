"""Flights: a question that several threads want is asked once.

What may live here: who asks and who waits. How a question is asked is the engine's matter.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic_ns

from senderid_fast.questions import Answer, Question

__all__ = ["Flights"]


class _Flight:
    """A question that a thread is asking; others wait for it."""

    __slots__ = ("answer", "done")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.answer: Answer | None = None


class Flights:
    """The questions that threads of one engine are asking now."""

    def __init__(self) -> None:
        self._under_way: dict[Question, _Flight] = {}
        self._lock = threading.Lock()

    def ask(
        self, question: Question, end: int, asking: Callable[[Question, int], Answer]
    ) -> Answer | None:
        """What asking(question, end) gives, to all threads that want it; None if the time is over.

        end  in nanoseconds of monotonic_ns()
        """
        while (left := end - monotonic_ns()) > 0:
            with self._lock:
                flight = self._under_way.get(question)
                if flight is None:
                    mine = self._under_way[question] = _Flight()
            if flight is None:
                return self._fly(mine, question, end, asking)
            # A flight may end without an answer: its thread was interrupted, or had less time left
            # than we have. Then the question is ours.
            if flight.done.wait(left / 1e9) and flight.answer is not None:
                return flight.answer
        return None

    def _fly(
        self,
        flight: _Flight,
        question: Question,
        end: int,
        asking: Callable[[Question, int], Answer],
    ) -> Answer:
        try:
            answer = asking(question, end)
            if monotonic_ns() < end:
                flight.answer = answer
            return answer
        finally:
            with self._lock:
                self._under_way.pop(question, None)
            flight.done.set()
