"""Log: one line for each message and each event, as key=value pairs or as JSON.

What may live here: how a line is written, levels, and the limit of the rate of faults. Where lines
go is in sinks.py; what is said about a message is in application.py.

Values come from strangers. In either form a line is visible ASCII with spaces, each value is cut at
VALUE_MOST octets, and the line at LINE_MOST.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import starmap
from json.encoder import encode_basestring_ascii as _string
from pathlib import PurePath
from time import gmtime, monotonic, strftime, time
from typing import Any

from senderid_fast.service.sinks import PRIORITIES, LineSink

__all__ = [
    "LEVELS",
    "LINE_MOST",
    "LOOKED_AT",
    "VALUE_MOST",
    "Bridge",
    "Log",
    "Value",
    "cut",
    "place_of",
]

LEVELS = tuple(PRIORITIES)
VALUE_MOST = 256
LOOKED_AT = VALUE_MOST + 1  # characters or octets: one more, so that it is seen to be cut
SHORT = 32  # octets of a value in a line that would be too long
KEPT = 2_048  # values that have been written
LINE_MOST = 4_000  # a pipe takes 4,096 octets at once; <6> and the line end are ours
BURST = 10  # faults of one kind that are logged at once
REFILL = 6.0  # seconds after which another one is

Value = str | bytes | int | float | None

_BARE = re.compile(r"[!#-<>-\[\]-~]+").fullmatch  # without space, '"', "=" and "\"
_IN_QUOTES = re.compile(r"[ !#-\[\]-~]*+").fullmatch
_ESCAPED = re.compile(r"[^ !#-\[\]-~]")


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
        self._write = _json_line if form == "json" else _plain_line
        self._most = PRIORITIES[level]

    def line(self, level: str, fields: Mapping[str, Value]) -> None:
        """Write a line with these fields; those that are None are left out.

        What is written is kept for a while, so values of strangers are to be cut() before.
        """
        if PRIORITIES[level] > self._most:
            return
        try:
            head: dict[str, Value] = {} if self._sink.has_time else {"time": self._time()}
            head["level"] = level
            head.update(fields)
            if not self._sink.write(level, self._write(head)):
                self.lost()
        except Exception:  # noqa: BLE001 - a log line is no reason for a message to fail
            self.lost()

    def event(self, level: str, words: str, **fields: Value) -> None:
        """Write what happened to the service itself."""
        self.line(level, {"event": cut(words), **{key: cut(fields[key]) for key in fields}})

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


def cut(value: Any) -> Any:
    """The value, or as much of it as is looked at."""
    return value[:LOOKED_AT] if isinstance(value, (str, bytes)) else value


# ---- lines ------------------------------------------------------------------------------------


def _plain_line(fields: Mapping[str, Value]) -> bytes:
    text = " ".join(filter(None, starmap(_plain, fields.items())))
    if len(text) > LINE_MOST:
        text = " ".join(
            [f"{key}={_quoted(value, SHORT)}" for key, value in fields.items() if value is not None]
        )[:LINE_MOST]
    return text.encode("ascii")


def _json_line(fields: Mapping[str, Value]) -> bytes:
    text = ",".join(filter(None, starmap(_json, fields.items())))
    if len(text) > LINE_MOST - 2:
        text = ",".join(
            [
                f'"{key}":{_dumped(value, SHORT)}'
                for key, value in fields.items()
                if value is not None
            ]
        )
    return f"{{{text}}}".encode("ascii")


def _quoted(value: str | bytes | float, most: int) -> str:
    r"""The value in quotes where it needs them; in there " and \ have a \ before them, and any
    other octet that is not visible ASCII is \xNN."""
    if isinstance(value, (int, float)):
        return str(value)
    if len(value) <= most and value.isascii():
        text = value if isinstance(value, str) else value.decode("ascii")
    else:
        text = _octets(value, most).decode("latin-1")
    if _BARE(text):
        return text
    return f'"{text if _IN_QUOTES(text) else _ESCAPED.sub(_escape, text)}"'


def _dumped(value: str | bytes | float, most: int) -> str:
    if isinstance(value, (int, float)):
        return str(value)
    if type(value) is str and len(value) <= most and value.isascii():
        text = value
    else:
        text = _octets(value, most).decode("utf-8", "backslashreplace")
    # DEL is the one control character that JSON leaves as it is.
    return _string(text).replace("\x7f", r"\u007f")


# Most values come again and again: results, actions, reasons, names of hosts.
@lru_cache(KEPT)
def _plain(key: str, value: Value) -> str:
    return "" if value is None else f"{key}={_quoted(value, VALUE_MOST)}"


@lru_cache(KEPT)
def _json(key: str, value: Value) -> str:
    return "" if value is None else f'"{key}":{_dumped(value, VALUE_MOST)}'


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    return f"\\{character}" if character in '"\\' else f"\\x{ord(character):02x}"


def _octets(value: str | bytes, most: int) -> bytes:
    if isinstance(value, str):
        text = value[: most + 1]  # a character has an octet at least
        try:
            value = text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:  # half a surrogate pair, which no octets stand for
            value = text.encode("utf-8", "surrogatepass")
    return value if len(value) <= most else value[: most - 3] + b"..."
