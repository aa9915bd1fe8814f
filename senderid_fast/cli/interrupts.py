"""SIGINT and SIGTERM in a long command: the first one asks it to stop, the second one ends it.

What may live here: the handlers of signals. What stopping means is the command's to say.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any, Self

__all__ = ["Interrupts"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """While it is entered, SIGINT and SIGTERM set ``stop``; a second one ends the process at once.

    stop    an event that the command's work looks at
    status  the exit status that shells give such a command (128 + the signal), or None
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.status: int | None = None
        self._before: list[tuple[signal.Signals, Any]] = []

    def __enter__(self) -> Self:
        # Python has handlers in its main thread alone: elsewhere the caller's own remain.
        if threading.current_thread() is threading.main_thread():
            for each in SIGNALS:
                self._before.append((each, signal.signal(each, self._handle)))
        return self

    def __exit__(self, *exc_info: object) -> None:
        for each, handler in self._before:
            signal.signal(each, handler)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self.status is not None:
            # The work's threads may be waiting for DNS: nothing is waited for any more.
            os._exit(128 + number)
        self.status = 128 + number
        self.stop.set()
