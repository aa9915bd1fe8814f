"""Askers: a bounded number of threads that ask the questions of a batch.

What may live here: handing questions to threads and collecting what they bring. How one question is
asked is the engine's matter; what an answer means is the core's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from time import monotonic_ns
from typing import Self

from senderid_fast.questions import Answer, Question

__all__ = ["Askers"]

Asked = tuple[Question, Answer | None, int]
MOMENT = 0.005  # seconds in which slow answers may join quick ones


class Askers:
    """Threads that ask, each one question at a time, until they are closed.

    ask          (question, end) -> the answer, or None if the time was over
    nanoseconds  that one question may take
    most         threads; no more are started than there are questions, or than the system allows:
                 where it allows none, the thread that waits asks
    """

    def __init__(
        self, ask: Callable[[Question, int], Answer | None], nanoseconds: int, most: int
    ) -> None:
        self._ask = ask
        self._nanoseconds = nanoseconds
        self._most = most
        self._open: SimpleQueue[Question | None] = SimpleQueue()
        self._done: SimpleQueue[Asked | BaseException] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._outstanding = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        # What nobody has begun to ask is not asked any more. A thread that is at a question ends
        # after it; nobody waits for that.
        while not self._open.empty():
            try:
                self._open.get_nowait()
            except Empty:
                break
        for _ in self._threads:
            self._open.put(None)

    def add(self, questions: Iterable[Question]) -> None:
        """Have these asked as well."""
        for question in questions:
            self._open.put(question)
            self._outstanding += 1
        while len(self._threads) < min(self._most, self._outstanding):
            # A daemon: a program that is told to stop does not wait for a silent DNS server.
            thread = threading.Thread(target=self._work, name="senderid-fast asker", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                self._most = len(self._threads)
                return
            self._threads.append(thread)

    def answered(self) -> list[Asked]:
        """Some questions with their answers and the nanoseconds these took: at least one.

        Half of what is asked is waited for, as running a batch again has its price; but not for
        slow answers while threads have nothing to do.
        """
        wanted = max(self._outstanding // 2, 1)
        found = [self._next()]
        while len(found) < wanted:
            try:
                found.append(self._next(MOMENT))
            except Empty:
                if self._open.empty():
                    break
        self._outstanding -= len(found)
        return found

    def _next(self, seconds: float | None = None) -> Asked:
        if not self._threads and not self._open.empty():
            self._ask_one(self._open.get())
        found = self._done.get(timeout=seconds)
        if isinstance(found, BaseException):
            raise found
        return found

    def _work(self) -> None:
        while self._ask_one(self._open.get()):
            pass

    def _ask_one(self, question: Question | None) -> bool:
        """Ask it; whether to go on."""
        if question is None:
            return False
        began = monotonic_ns()
        try:
            answer = self._ask(question, began + self._nanoseconds)
        except BaseException as error:  # noqa: BLE001 - for the thread that waits
            self._done.put(error)
            return False
        self._done.put((question, answer, monotonic_ns() - began))
        return True
