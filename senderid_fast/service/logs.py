"""Log: one line for each message and each event, as key=value pairs or as JSON.

What may live here: levels, the time of a line, and the limit of the rate of faults. Lines are
written by the core (src/loglines.pyx). Where they go is in sinks.py; what is said about a message
is in application.py.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import PurePath
from time import gmtime, monotonic, strftime, time

from senderid_fast._core.loglines import LINE_MOST, VALUE_MOST, write_line
from senderid_fast.service.sinks import PRIORITIES, LineSink

__all__ = [
    "LEVELS",
    "LINE_MOST",
    "VALUE_MOST",
    "Bridge",
    "Log",
    "Value",
    "place_of",
]

LEVELS = tuple(PRIORITIES)
BURST = 10  # faults of one kind that are logged at once
REFILL = 6.0  # seconds after which another one is

Value = str | bytes | int | float | None


class Log:
    """Writes lines. Nothing here waits or raises: what cannot be written is counted.

    sink      where to
    form      "plain" or "json"
    level     what is below it is not written
    lost      called for each line that was lost
    """

    def __init__(
        self,
        sink: LineSink,
        form: str = "plain",
        level: str = "info",
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._sink = sink
        self.lost = lost
        self.set_up(form, level)
        self._second = 0
        self._shown = ""
        self._rates: dict[str, _Rate] = {}

    def set_up(self, form: str, level: str) -> None:
        """Write in this form from now on, and what is of this level or above."""
        self._as_json = form == "json"
        self._most = PRIORITIES[level]

    def line(self, level: str, fields: Mapping[str, Value]) -> None:
        """Write a line with these fields; those that are None are left out."""
        if PRIORITIES[level] > self._most:
            return
        try:
            when = None if self._sink.has_time else self._time()
            if not self._sink.write(level, write_line(when, level, fields, self._as_json)):
                self.lost()
        except Exception:  # noqa: BLE001 - a log line is no reason for a message to fail
            self.lost()

    def event(self, level: str, words: str, **fields: Value) -> None:
        """Write what happened to the service itself."""
        self.line(level, {"event": words, **fields})

    def limited(self, level: str, kind: str, words: str, **fields: Value) -> None:
        """As event(), for what strangers can cause: at most BURST lines of a kind at once, then one
        every REFILL seconds, which tells how many were left out."""
        rate = self._rates.get(kind)
        if rate is None:
            rate = self._rates[kind] = _Rate()
        left_out = rate.may()
        if left_out is not None:
            self.event(level, words, **fields, left_out=left_out or None)

    def reopen(self) -> None:
        """After a file was moved away by whoever rotates logs."""
        if not self._sink.reopen():
            self.lost()
            self.event("error", "the log file cannot be opened again: the old one is written on")

    def close(self) -> None:
        """Write nothing any more."""
        self._sink.close()

    def _time(self) -> str:
        now = time()
        second = int(now)
        if second != self._second:
            self._second, self._shown = second, strftime("%Y-%m-%dT%H:%M:%S", gmtime(second))
        return f"{self._shown}.{int((now - second) * 1000):03d}Z"


class Bridge(logging.Handler):
    """Takes what libraries, and our protocol servers, tell the logging of the standard library."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write it as an event, if there are not too many from the same place."""
        try:
            words = record.getMessage()
        except Exception:  # noqa: BLE001 - the arguments do not fit the words
            words = str(record.msg)
        level = "error" if record.levelno >= logging.ERROR else "warning"
        error = record.exc_info[1] if record.exc_info else None
        self._log.limited(
            level,
            f"{record.module}:{record.lineno}",
            words,
            logger=record.name,
            problem=None if error is None else f"{type(error).__name__}: {error}",
            place=place_of(error),
        )


def place_of(error: BaseException | None) -> str | None:
    """Where an error was raised: file and line."""
    trace = None if error is None else error.__traceback__
    if trace is None:
        return None
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


class _Rate:
    """A bucket of tokens, and what was left out meanwhile."""

    def __init__(self) -> None:
        self._tokens = float(BURST)
        self._at = monotonic()
        self._left_out = 0

    def may(self) -> int | None:
        """How many were left out before this one; None: this one is left out, too."""
        now = monotonic()
        self._tokens = min(self._tokens + (now - self._at) / REFILL, float(BURST))
        self._at = now
        if self._tokens < 1:
            self._left_out += 1
            return None
        self._tokens -= 1
        left_out, self._left_out = self._left_out, 0
        return left_out
