"""Guard and Breaker: a call that may hang or fail, without harm to the one who calls.

What may live here: waiting for at most so long, and not asking for a while what failed. Nothing
here knows what is asked.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, TypeVar

__all__ = ["Breaker", "Guard", "Late"]

FAILURES = 3  # one after another, after which nobody is asked for a while
PAUSE = 1.0  # seconds; doubled each time that the trial after it fails, too
LONGEST_PAUSE = 30.0
MOST_THREADS = 8
SECONDS_IDLE = 5.0

Result = TypeVar("Result")


class Late(Exception):
    """The call did not end in time."""


class Breaker:
    """Says whether to ask. After some failures in a row: not for a while, then one at a time.

    No lock: two threads that count at once may be off by one, which does no harm.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._pause = PAUSE
        self._until = 0.0

    def may_ask(self) -> bool:
        """Whether to ask now. True once for each pause that is over, until that call has ended."""
        if self._failures < FAILURES:
            return True
        now = monotonic()
        if now < self._until:
            return False
        self._until = now + self._pause  # this is the trial; others wait for what it finds
        return True

    def succeeded(self) -> None:
        """A call ended well."""
        self._failures = 0
        self._pause = PAUSE

    def failed(self) -> None:
        """A call failed, or was late."""
        self._failures += 1
        if self._failures > FAILURES:
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
        if self._failures >= FAILURES:
            self._until = monotonic() + self._pause


class Guard:
    """Runs calls in threads of its own, so that whoever waits can stop waiting.

    A call that hangs keeps its thread. At most MOST_THREADS are there: when all hang, calls are
    late without having begun. The threads are daemons and end when they have nothing to do.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._calls: SimpleQueue[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]]
        self._calls = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._idle = 0

    def submit(self, call: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Have call(*arguments) run; the future of what it gives."""
        if os.getpid() != self._process:  # the child of a fork has none of the threads
            self._begin()
        future: Future[Result] = Future()
        self._calls.put((future, call, arguments))
        with self._lock:
            start = self._idle < self._calls.qsize() and self._threads < MOST_THREADS
            self._threads += start
        if start:
            thread = threading.Thread(target=self._work, name="senderid-fast cache", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads: the call will be late
                with self._lock:
                    self._threads -= 1
        return future

    def run(self, seconds: float, call: Callable[..., Result], *arguments: Any) -> Result:
        """What call(*arguments) gives or raises. Raises Late after ``seconds``."""
        future = self.submit(call, *arguments)
        try:
            return future.result(seconds)
        except TimeoutError:
            if future.done() and not future.cancelled():
                return future.result()  # its own TimeoutError, or it ended at the last moment
            future.cancel()
            raise Late from None
        except CancelledError:
            raise Late from None

    def _work(self) -> None:
        calls = self._calls
        while True:
            with self._lock:
                self._idle += 1
            try:
                future, call, arguments = calls.get(timeout=SECONDS_IDLE)
            except Empty:
                with self._lock:
                    self._idle -= 1
                    if calls.empty():
                        self._threads -= 1
                        return
                continue
            with self._lock:
                self._idle -= 1
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = call(*arguments)
            except BaseException as error:  # noqa: BLE001 - for whoever waits
                future.set_exception(error)
            else:
                future.set_result(result)
            del future, call, arguments
