"""Exim: its main log (and what its reject log has in the same form) as rows.

What may live here: the lines of Exim that tell who a client is.

    2026-01-01 00:00:00 1vb1Aa-000000001Ab-0001 <= user@example.com H=host (helo) [192.0.2.1]:25 ...
    2026-01-01 00:00:00 H=(helo) [192.0.2.1] F=<user@example.com> rejected RCPT <bob@example.org>:

Each is a row at once. Everything up to the address is read by a grammar, blank by blank, so that no
text of the client can take its place.
"""

from __future__ import annotations

import re
from itertools import islice

from senderid_fast.rows.base import Place, RowSource
from senderid_fast.rows.logs.source import LogRow, LogSource, Unfit
from senderid_fast.rows.logs.syslog import LITERAL, LOCAL_PART, TIME, address_of, unreadable

__all__ = ["open_exim"]


def open_exim(path: str, *, place: Place | None = None, batch_rows: int = 65_536) -> RowSource:
    """The rows of a main log of Exim, from a place on. Raises RowsError, MissingExtraError."""
    return LogSource(path, EximReader(), place, batch_rows)


# Through syslog or the journal, Exim's own time may stand there, too, or be left out. A process id
# if log_selector has +pid. Groups: the time of syslog, and Exim's own.
_HEAD = (
    rb"(?:(?:(" + TIME + rb") )?[^\s\[]{1,255} exim[^\s\[]{0,32}\[\d{1,10}\]: )?"
    rb"(?:(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?(?: [+-]\d{4})?) )?"
    rb"(?:\[\d{1,10}\] )?"
)
# Up to Exim 4.96 and since.
_ID = (
    rb"([0-9A-Za-z]{6}-[0-9A-Za-z]{6}-[0-9A-Za-z]{2}|[0-9A-Za-z]{6}-[0-9A-Za-z]{11}-[0-9A-Za-z]{4})"
)
# The name in DNS, HELO in parentheses if it is another, and the address with its port.
_HOST = (
    rb"(?:DS )?H=(?:([^\s()\[\]]{1,255}) )?(?:\(([^()]{0,1024})\) )?\["
    + LITERAL
    + rb"\](?::\w{1,6})?(?= [A-Za-z]|\s*\Z)"
)
_KNOWN = re.compile(
    _HEAD
    + rb"(?:"
    + _ID
    + rb" |(?:DS )?H=|exim [\dx]|(?:Start|End) queue run|SMTP (?:call|connection|protocol|command)"
    rb"|no (?:host name|IP address) found|[\w.-]{1,64} authenticator failed|TLS error"
    rb"|unexpected disconn)"
)
_ARRIVAL = re.compile(
    _HEAD + _ID + rb" (?:<=|\(=) (<>|" + LOCAL_PART + rb")(?: R=\S{1,64})?(?= |\Z)"
)
_ARRIVAL_HOST = re.compile(rb" " + _HOST)
_SENDER = rb"F=<?(" + LOCAL_PART + rb")>?"
_VALUE = rb'(?:"(?:[^"\\]|\\.)*+"|\S*+)'
_REFUSED = re.compile(_HEAD + rb"(?:" + _ID + rb" )?(?:" + _SENDER + rb" )?" + _HOST)
_REFUSED_REST = re.compile(
    rb"(?: (?:" + _SENDER + rb"|TFO|[A-Z][A-Za-z]{0,7}=" + _VALUE + rb"))*+ (?:temporarily )?"
    rb"rejected (?:(connection)|MAIL <?(" + LOCAL_PART + rb")>?)?"
)


class EximReader:
    """A LogReader for Exim."""

    name = "exim"
    expected = 'lines of a main log of Exim, such as "2026-01-01 00:00:00 1vb1Aa-0000Ab-Cd <= ..."'

    def __init__(self) -> None:
        self.counts = {"no_client": 0, "no_identity": 0}

    def knows(self, line: bytes) -> bool:
        found = _KNOWN.match(line)
        return found is not None and (found[1] or found[2]) is not None

    def read(self, lines: list[bytes], at: int, number: int, rows: list[LogRow], most: int) -> int:
        start = at
        for line in islice(lines, start, None):
            at += 1
            if b" <= " in line or b" (= " in line:
                self._arrival(line, number + at - start, rows)
            elif b"rejected " in line:
                self._refused(line, number + at - start, rows)
            else:
                continue
            if len(rows) >= most:
                break
        return at

    def _arrival(self, line: bytes, number: int, rows: list[LogRow]) -> None:
        found = _ARRIVAL.match(line)
        if found is None:
            return
        host = _ARRIVAL_HOST.match(line, found.end())
        if host is None:
            end = found.end()
            if not line.startswith((b" H=", b" DS H="), end):
                self.counts["no_client"] += 1
                return
        by_syslog, own, queue_id, mail_from = found.groups()
        row = LogRow(
            own or by_syslog or b"",
            queue_id,
            None,
            None,
            b"" if mail_from == b"<>" else mail_from,
            number,
        )
        if host is None:
            rows.append(
                row._replace(reason=unreadable(number, found.end() + 4, line[found.end() + 3 :]))
            )
            return
        name, helo, literal = host.groups()
        ip = address_of(literal)
        reason = "" if ip is not None else unreadable(number, host.start(3) + 1, literal)
        # Without parentheses HELO was the name in DNS.
        rows.append(row._replace(ip=ip, helo=name if helo is None else helo, reason=reason))

    def _refused(self, line: bytes, number: int, rows: list[LogRow]) -> None:
        found = _REFUSED.match(line)
        if found is None:
            return
        rest = _REFUSED_REST.match(line, found.end())
        if rest is None:
            return
        by_syslog, own, queue_id, before, name, helo, literal = found.groups()
        behind, connection, of_mail = rest.groups()
        mail_from = next((each for each in (before, behind, of_mail) if each is not None), None)
        if helo is None and connection is None:
            helo = name
        if helo is None and mail_from is None:
            self.counts["no_identity"] += 1
            return
        ip = address_of(literal)
        reason = "" if ip is not None else unreadable(number, found.start(7) + 1, literal)
        rows.append(LogRow(own or by_syslog or b"", queue_id, ip, helo, mail_from, number, reason))

    def state(self) -> str:
        return ""

    def restore(self, state: str) -> None:
        if state:
            raise Unfit
