"""Exim: its main log (and what its reject log has in the same form) as rows.

What may live here: the lines of Exim that tell who a client is.

    2026-01-01 00:00:00 1vb1Aa-000000001Ab-0001 <= user@example.com H=host (helo) [192.0.2.1]:25 ...
    2026-01-01 00:00:00 H=(helo) [192.0.2.1] F=<user@example.com> rejected RCPT <bob@example.org>:

Each is a row at once. Everything up to the address is read by a grammar, blank by blank, so that no
text of the client can take its place.
"""

from __future__ import annotations

import re

from senderid_fast.rows.base import Place, RowSource
from senderid_fast.rows.logs.source import LogRows, LogSource, Unfit
from senderid_fast.rows.logs.syslog import LITERAL, LOCAL_PART, TIME, client_of

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
    _HEAD + _ID + rb" (?:<=|\(=) (<>|" + LOCAL_PART + rb")(?: R=\S{1,64})?(?=\s|\Z)"
)
_ARRIVAL_HOST = re.compile(rb" " + _HOST)
_SENDER = rb"F=<?(" + LOCAL_PART + rb")>?"
_VALUE = rb'(?:"(?:[^"\\]|\\.)*+"|\S*+)'
_REFUSED = re.compile(_HEAD + rb"(?:" + _ID + rb" )?(?:" + _SENDER + rb" )?" + _HOST)
_REFUSED_REST = re.compile(
    rb"(?: (?:" + _SENDER + rb"|TFO|[A-Z][A-Za-z]{0,7}=" + _VALUE + rb"))*+ (?:temporarily )?"
    rb"rejected (?:(connection)|MAIL <?(" + LOCAL_PART + rb")>?)?"
)


_REFUSAL = 2  # index of the needle


class EximReader:
    """A LogReader for Exim."""

    name = "exim"
    expected = 'lines of a main log of Exim, such as "2026-01-01 00:00:00 1vb1Aa-0000Ab-Cd <= ..."'
    needles: tuple[bytes, ...] = (b" <= ", b" (= ", b"rejected ")

    def __init__(self) -> None:
        self.counts = {"no_client": 0, "no_identity": 0}

    def knows(self, line: bytes) -> bool:
        found = _KNOWN.match(line)
        return found is not None and (found[1] or found[2]) is not None

    def take(self, line: bytes, needle: int, number: int, rows: LogRows) -> None:
        # A refusal may quote what marks an arrival.
        if needle == _REFUSAL or not self._arrival(line, number, rows):
            self._refused(line, number, rows)

    def _arrival(self, line: bytes, number: int, rows: LogRows) -> bool:
        found = _ARRIVAL.match(line)
        if found is None:
            return False
        end = found.end()
        by_syslog, own, queue_id, mail_from = found.groups()
        host = _ARRIVAL_HOST.match(line, end)
        if host is not None:
            name, helo, literal = host.groups()
            # Without parentheses HELO was the name in DNS.
            helo = name if helo is None else helo
            known = client_of(literal, helo, number, host.start(3) + 1)
        elif line.startswith((b" H=", b" DS H="), end):
            at = line.index(b"H=", end) + 2
            known = client_of(line[at:], None, number, at + 1)
        else:
            self.counts["no_client"] += 1
            return True
        path = b"" if mail_from == b"<>" else mail_from
        rows.add(own or by_syslog or b"", queue_id, known, path, number)
        return True

    def _refused(self, line: bytes, number: int, rows: LogRows) -> None:
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
        known = client_of(literal, helo, number, found.start(7) + 1)
        rows.add(own or by_syslog or b"", queue_id, known, mail_from, number)

    def state(self) -> str:
        return ""

    def restore(self, state: str) -> None:
        if state:
            raise Unfit
