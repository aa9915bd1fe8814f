"""Inputs that may keep their reader waiting: standard input, pipes, terminals.

What may live here: reading from what is no file on a disk, and how such a read is left. What the
octets mean is not known here.

A read of a pipe returns when somebody has written to it, which may be never. Here it ends as well
once the event is set that stops the work: with InputStopped, so that nobody takes it for the end of
the input. A source hands out the whole rows that it has by then, and raises it again behind them.

Whoever wants his work to be stoppable says so by stoppable(), once for the whole process, since a
process has one standard input.
"""

from __future__ import annotations

import io
import os
import select
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["InputStopped", "WaitingInput", "is_stopped", "open_raw", "stoppable"]

# How often the event is looked at while nothing comes.
LOOK_MILLISECONDS = 50

_stops: list[threading.Event] = []


class InputStopped(Exception):
    """The work was stopped: the input has not ended, and is not read on."""


@contextmanager
def stoppable(stop: threading.Event | None) -> Iterator[None]:
    """Within it, reads that wait end once the event is set, in whichever thread."""
    if stop is None:
        yield
        return
    _stops.append(stop)
    try:
        yield
    finally:
        _stops.remove(stop)


def is_stopped() -> bool:
    """Whether the work that reads has been stopped."""
    return any(stop.is_set() for stop in _stops)


class WaitingInput(io.RawIOBase):
    """A stream whose reads give what there is, and end when the work is stopped.

    stream  is read without a buffer of ours; None: standard input, which stays open
    """

    def __init__(self, stream: Any = None) -> None:
        self._own = stream is not None
        self._stream: Any = stream if self._own else sys.stdin.buffer
        # What there is, or None if somebody else has taken it.
        self._read: Callable[[int], bytes | None]
        self._read = getattr(self._stream, "read" if self._own else "read1")
        self._poll: select.poll | None = select.poll()
        try:
            self._poll.register(self._stream.fileno(), select.POLLIN)
        except OSError:  # it is in memory
            self._poll = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """What there is, at most as much as fits; 0 at the end. Raises InputStopped, OSError."""
        octets: bytes | None = None
        while octets is None:
            self._wait()
            octets = self._read(len(buffer))
        buffer[: len(octets)] = octets
        return len(octets)

    def _wait(self) -> None:
        while True:
            # Also of an input that never waits nothing more is wanted.
            if is_stopped():
                raise InputStopped
            if self._poll is None or self._poll.poll(LOOK_MILLISECONDS):
                return

    def close(self) -> None:
        """Let go of the stream, if it is not standard input."""
        if self._own:
            self._stream.close()
        super().close()


def open_raw(path: str) -> tuple[io.RawIOBase, int | None]:
    """A file without a buffer and its size; what has no size is one that may wait.

    Raises OSError, and ValueError for a name with NUL.
    """
    mode = Path(path).stat().st_mode
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        raw = Path(path).open("rb", buffering=0)  # noqa: SIM115 - the caller closes it
        return raw, os.fstat(raw.fileno()).st_size
    # Without O_NONBLOCK a named pipe is opened when somebody writes to it.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    return WaitingInput(os.fdopen(handle, "rb", buffering=0)), None
