"""Behind: one thread that writes what others have put, so that no check waits for a write.

What may live here: the bounded queue and the thread. How an entry is written is the cache's matter.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any

__all__ = ["Behind"]

MOST_TOGETHER = 1_000  # entries of one write
SECONDS_AT_EXIT = 1.0
SECONDS_IDLE = 5.0


class Behind:
    """Hands entries to write(entries), in their order, in a thread that starts with the first.

    write  returns how many it wrote; may raise: what it was given then is dropped, and counted
    most   entries that may wait; further ones are dropped, and counted

    ``written`` and ``dropped`` count entries, ``failures`` writes that raised. The child of a fork
    begins with nothing that waits: its parent writes that. What waits when the process ends has a
    second to be written.
    """

    def __init__(self, write: Callable[[list[Any]], int], most: int) -> None:
        self._write = write
        self._most = most
        self.written = 0
        self.dropped = 0
        self.failures = 0
        self._begin()
        self._hooked = False

    def _begin(self) -> None:
        self._process = os.getpid()
        self._waiting: deque[Any] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._busy = False

    def put(self, entries: Iterable[Any]) -> None:
        """Have these written. Never waits."""
        if os.getpid() != self._process:
            self._begin()
        with self._changed:
            for entry in entries:
                if len(self._waiting) < self._most:
                    self._waiting.append(entry)
                else:
                    self.dropped += 1
            if not self._waiting:
                return
            if self._thread is None or not self._thread.is_alive():
                self._start()
            self._changed.notify_all()

    def _start(self) -> None:
        if not self._hooked:
            import atexit

            self._hooked = True
            atexit.register(_at_exit, weakref.WeakMethod(self.flush))
        # A daemon: a program that ends does not wait for a disk or a server that is stuck.
        self._thread = threading.Thread(target=self._work, name="senderid-fast cache", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no more threads, or the interpreter ends
            self._thread = None
            self.dropped += len(self._waiting)
            self._waiting.clear()

    def flush(self, timeout: float) -> bool:
        """Wait until nothing waits, at most ``timeout`` seconds; whether nothing does."""
        if os.getpid() != self._process:
            return True
        end = monotonic() + timeout
        with self._changed:
            while self._waiting or self._busy:
                left = end - monotonic()
                if left <= 0 or self._thread is None or not self._thread.is_alive():
                    return False
                self._changed.wait(left)
        return True

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    if not self._changed.wait(SECONDS_IDLE) and not self._waiting:
                        self._thread = None  # so that nothing holds a cache that nobody uses
                        return
                some = [
                    self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_TOGETHER))
                ]
                self._busy = True
            try:
                self.written += self._write(some)
            except Exception:  # noqa: BLE001 - a cache may raise anything, and the next may do
                self.failures += 1
                self.dropped += len(some)
            finally:
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()


def _at_exit(flush: weakref.WeakMethod[Callable[[float], bool]]) -> None:
    method = flush()
    if method is not None:
        method(SECONDS_AT_EXIT)
