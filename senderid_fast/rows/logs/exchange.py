"""Exchange: message tracking logs and SMTP receive protocol logs as rows.

What may live here: the lines of Exchange that tell who a client is.

Both are lines of CSV (RFC 4180) below lines with "#". "#Fields:" names the columns, and by those it
is told which of the two logs it is; a file may have more than one, as logs are put together.

    message tracking: a line with source SMTP and event-id RECEIVE is a row
    SMTP receive:     "<", EHLO or HELO is remembered by session-id; "<", MAIL FROM is the row
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable

from senderid_fast.rows.base import Place, RowSource
from senderid_fast.rows.logs.source import Known, LogRows, LogSource, Unfit
from senderid_fast.rows.logs.syslog import (
    HELO_MOST,
    LOCAL_PART,
    Pending,
    client_of,
)

__all__ = ["open_exchange"]


def open_exchange(path: str, *, place: Place | None = None, batch_rows: int = 65_536) -> RowSource:
    """The rows of a log of Exchange, from a place on. Raises RowsError, MissingExtraError."""
    return LogSource(path, ExchangeReader(), place, batch_rows)


_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_FIELDS = b"#Fields:"
_COLUMNS_MOST = 256
_TRACKING = frozenset(("date-time", "client-ip", "source", "event-id"))
_RECEIVE = frozenset(("date-time", "session-id", "remote-endpoint", "event", "data"))
_HELO = re.compile(r"(?:EHLO|HELO) +(\S(?:.{0,2048}\S)?) *\Z", re.IGNORECASE)
_MAIL = re.compile(
    r"MAIL FROM: *(?:<(" + LOCAL_PART.decode() + r")>|(" + LOCAL_PART.decode() + r"))(?= |\Z)",
    re.IGNORECASE,
)
# "192.0.2.1:25", "[2001:db8::1]:25".
_ENDPOINT = re.compile(r"\[?([^\[\]]{1,64}?)\]?(?::\d{1,5})?\Z")

Read = Callable[[bytes, int, LogRows], None]


class ExchangeReader:
    """A LogReader for Exchange."""

    name = "exchange"
    expected = (
        "a line with #Fields: of a message tracking log (client-ip, source, event-id) or of an "
        "SMTP receive protocol log (session-id, remote-endpoint, event, data)"
    )

    needles: tuple[bytes, ...] = (_FIELDS, b",RECEIVE,", b",<,", b",-,")

    def __init__(self) -> None:
        self.counts = {"no_client": 0, "unreadable_lines": 0, "pushed_out": 0}
        self._fields: tuple[str, ...] = ()
        self._at: dict[str, int] = {}
        self._read: Read = _nothing
        self._sessions = Pending()  # by session-id: helo

    def knows(self, line: bytes) -> bool:
        line = line.removeprefix(_BYTE_ORDER_MARK)
        return line.startswith(_FIELDS) and self._reader_of(_names(line)) is not _nothing

    def _reader_of(self, fields: tuple[str, ...]) -> Read:
        if _TRACKING.issubset(fields):
            return self._tracked
        return self._received if _RECEIVE.issubset(fields) else _nothing

    def _take_fields(self, fields: tuple[str, ...]) -> None:
        self._fields = fields
        self._at = {name: at for at, name in enumerate(fields)}
        self._read = self._reader_of(fields)

    def take(self, line: bytes, needle: int, number: int, rows: LogRows) -> None:
        comment = line.removeprefix(_BYTE_ORDER_MARK)
        if comment.startswith(_FIELDS):
            self._take_fields(_names(comment))
        elif not comment.startswith(b"#"):
            self._read(line, number, rows)
            self.counts["pushed_out"] = self._sessions.pushed_out

    def _values(self, line: bytes) -> list[str] | None:
        """The values of a line, as many as there are columns, or None."""
        try:
            values = next(csv.reader((line.decode("utf-8", "replace").rstrip("\r"),)), [])
        except csv.Error:
            values = []
        if len(values) < len(self._fields):
            self.counts["unreadable_lines"] += 1
            return None
        return values

    def _tracked(self, line: bytes, number: int, rows: LogRows) -> None:
        if b"RECEIVE" not in line or (values := self._values(line)) is None:
            return
        at = self._at
        if values[at["event-id"]] != "RECEIVE" or values[at["source"]] != "SMTP":
            return

        def value(name: str) -> str:
            where = at.get(name)
            return "" if where is None else values[where]

        column = "original-client-ip" if value("original-client-ip") else "client-ip"
        address = value(column)
        if not address:
            self.counts["no_client"] += 1
            return
        known = client_of(
            address.encode("utf-8"), _octets(value("client-hostname")), number, column
        )
        # MAIL FROM is return-path, "<>" if it is null. sender-address is of the header: no matter
        # what else is missing, it is not taken in its place.
        path = value("return-path")
        mail_from = b"" if path == "<>" else _octets(path)
        name = _octets(value("internal-message-id"))
        rows.add(values[at["date-time"]].encode("utf-8"), name, known, mail_from, number)

    def _received(self, line: bytes, number: int, rows: LogRows) -> None:
        if b",<," not in line and b",-," not in line:
            return
        if (values := self._values(line)) is None:
            return
        at = self._at
        event, data = values[at["event"]], values[at["data"]]
        key = values[at["session-id"]][:64].encode("utf-8")
        if event == "-":
            self._sessions.pop(key, None)
        elif event == "<" and (found := _HELO.match(data)):
            self._sessions.put(key, Known(helo=found[1][:HELO_MOST].encode("utf-8")))
        elif event == "<" and (found := _MAIL.match(data)):
            greeted = self._sessions.get(key)
            helo = None if greeted is None else greeted.helo
            endpoint = values[at["remote-endpoint"]]
            address = _ENDPOINT.match(endpoint)
            literal = address[1] if address else endpoint
            known = client_of(literal.encode("utf-8"), helo, number, "remote-endpoint")
            path = found[1] if found[1] is not None else found[2]
            time = values[at["date-time"]].encode("utf-8")
            rows.add(time, key or None, known, path.encode("utf-8"), number)

    def state(self) -> str:
        return "\n".join((",".join(self._fields), self._sessions.state()))

    def restore(self, state: str) -> None:
        fields, separator, sessions = state.partition("\n")
        if not separator:
            raise Unfit
        self._take_fields(tuple(fields.split(",")))
        self._sessions.restore(sessions)
        self._sessions.pushed_out = self.counts["pushed_out"]


def _nothing(_line: bytes, _number: int, _rows: LogRows) -> None:
    """The reader of a log that is none of ours."""


def _names(line: bytes) -> tuple[str, ...]:
    names = line[len(_FIELDS) :].decode("utf-8", "replace").strip().split(",")
    return tuple(name.strip() for name in names[:_COLUMNS_MOST])


def _octets(text: str) -> bytes | None:
    return text.encode("utf-8") or None
