"""Log: one line for each message and each event, as key=value pairs or as JSON.

What may live here: how a line is written, levels, and the limit of the rate of faults. Where lines
go is in sinks.py; what is said about a message is in application.py.

Values come from strangers. In either form a line is visible ASCII with spaces, each value is cut at
VALUE_MOST octets, and the line at LINE_MOST.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from time import gmtime, monotonic, strftime, time

from senderid_fast.service.sinks import PRIORITIES, LineSink

__all__ = ["LEVELS", "LINE_MOST", "VALUE_MOST", "Log", "Value"]

LEVELS = tuple(PRIORITIES)
VALUE_MOST = 256
SHORT = 32  # octets of a value in a line that would be too long
LINE_MOST = 4_000  # a pipe takes 4,096 octets at once; <6> and the line end are ours
BURST = 10  # faults of one kind that are logged at once
REFILL = 6.0  # seconds after which another one is

Value = str | bytes | int | float | None

_BARE = re.compile(r"[!#-<>-\[\]-~]+").fullmatch  # without space, '"', "=" and "\"
_PRINTED = re.compile(r"[ -~]*").fullmatch
_ESCAPED = re.compile(r'[^ !#-\[\]-~]')
_json = json.JSONEncoder(separators=(",", ":")).encode


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
        self._write = _json_line if form == "json" else _plain_line
        self._most = PRIORITIES[level]
        self.lost = lost
        self._second = 0
        self._shown = ""
        self._rates: dict[str, _Rate] = {}

    def wants(self, level: str) -> bool:
        """Whether lines of this level are written."""
        return PRIORITIES[level] <= self._most

    def line(self, level: str, fields: Mapping[str, Value]) -> None:
        """Write a line with these fields; those that are None are left out."""
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


# ---- lines ------------------------------------------------------------------------------------


def _plain_line(fields: Mapping[str, Value]) -> bytes:
    text = _plain(fields.items(), VALUE_MOST)
    if len(text) > LINE_MOST:
        text = _plain(fields.items(), SHORT)[:LINE_MOST]
    return text.encode("ascii")


def _plain(fields: Iterable[tuple[str, Value]], most: int) -> str:
    pieces = []
    for key, value in fields:
        if value is None:
            continue
        if type(value) is str and len(value) <= most and _BARE(value):
            pieces.append(f"{key}={value}")
        elif type(value) is float:
            pieces.append(f"{key}={value:.4f}")
        else:
            pieces.append(f"{key}={_quoted(value, most)}")
    return " ".join(pieces)


def _quoted(value: str | bytes | float, most: int) -> str:
    r"""The value in quotes where it needs them; in there " and \ have a \ before them, and any
    other octet that is not visible ASCII is \xNN."""
    if isinstance(value, (int, float)):
        return str(value)
    text = _octets(value, most).decode("latin-1")
    return text if _BARE(text) else f'"{_ESCAPED.sub(_escape, text)}"'


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


def _json_line(fields: Mapping[str, Value]) -> bytes:
    text = _json(_values(fields, VALUE_MOST))
    if len(text) > LINE_MOST:
        text = _json(_values(fields, SHORT))
    # DEL is the one control character that JSON leaves as it is.
    return text.replace("\x7f", r"\u007f").encode("ascii")


def _values(fields: Mapping[str, Value], most: int) -> dict[str, str | int | float]:
    return {
        key: value if isinstance(value, (int, float)) else _text(value, most)
        for key, value in fields.items()
        if value is not None
    }


def _text(value: str | bytes, most: int) -> str:
    if isinstance(value, str) and len(value) <= most and _PRINTED(value):
        return value
    return _octets(value, most).decode("utf-8", "backslashreplace")
