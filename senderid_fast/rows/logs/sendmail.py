"""Sendmail: its syslog lines as rows.

What may live here: the lines of Sendmail that tell who a client is.

    sm-mta[1]: 4QZ1...: from=<user@example.com>, size=..., relay=host [192.0.2.1] (may be forged)
    sm-mta[1]: 4QZ1...: ruleset=check_mail, arg1=<user@example.com>, relay=[192.0.2.1], reject=...

Each is a row at once. HELO is in none of them. The relay stands at the end of the first: what is
before it (the message-id) is the sender's.
"""

from __future__ import annotations

import re

from senderid_fast.rows.base import Place, RowSource
from senderid_fast.rows.logs.source import LogRows, LogSource, Unfit
from senderid_fast.rows.logs.syslog import HEAD, LITERAL, LOCAL_PART, client_of

__all__ = ["open_sendmail"]


def open_sendmail(path: str, *, place: Place | None = None, batch_rows: int = 65_536) -> RowSource:
    """The rows of a log of Sendmail, from a place on. Raises RowsError, MissingExtraError."""
    return LogSource(path, SendmailReader(), place, batch_rows)


# sendmail, sm-mta, sm-msp-queue, or what -L says.
_PROGRAM = rb"([^\s/\[:]{1,64})\[\d{1,10}\]: (?:\[ID \d{1,10} [^\]\s]{1,32}\] )?"
_QUEUE_ID = rb"([0-9A-Za-z]{8,32}): "
_KNOWN = re.compile(
    HEAD
    + rb"(?:(?:sendmail|sm-)[^\s/\[:]{0,64}\[|"
    + _PROGRAM
    + _QUEUE_ID
    + rb"(?:from=\S{1,1024}, size=|to=\S{1,1024}, .{0,1024}mailer=|ruleset=))"
)
_PATH = rb"(?:<(" + LOCAL_PART + rb")>|(" + LOCAL_PART.replace(rb"\s", rb"\s,") + rb"))"
_FROM = re.compile(HEAD + _PROGRAM + _QUEUE_ID + rb"from=" + _PATH + rb", size=")
_REFUSED = re.compile(
    HEAD
    + _PROGRAM
    + rb"(?:"
    + _QUEUE_ID
    + rb")?ruleset=check_mail, arg1="
    + _PATH
    + rb"(?:, arg2=\S{0,255})?(?=, relay=)"
)
_REFUSED_ELSE = re.compile(
    HEAD + _PROGRAM + rb"(?:" + _QUEUE_ID + rb")?ruleset=check_\w{1,32}, .*, reject="
)
_RELAY = rb", relay=(?:[^\s\[\]]{1,512} )?\[" + LITERAL + rb"\](?: \(may be forged\))?"
_RELAY_AT_END = re.compile(_RELAY + rb"\s*\Z")
_RELAY_BEFORE = re.compile(_RELAY + rb", reject=")


class SendmailReader:
    """A LogReader for Sendmail."""

    name = "sendmail"
    expected = "lines of syslog with a program such as sendmail[1234] or sm-mta[1234]"
    needles: tuple[bytes, ...] = (b": from=", b"ruleset=check_")

    def __init__(self) -> None:
        self.counts = {"no_client": 0, "no_identity": 0}

    def knows(self, line: bytes) -> bool:
        return _KNOWN.match(line) is not None

    def take(self, line: bytes, needle: int, number: int, rows: LogRows) -> None:
        found, pattern = _FROM.match(line), _RELAY_AT_END
        relay = line.rfind(b", relay=")
        if found is None:
            found, pattern = _REFUSED.match(line), _RELAY_BEFORE
            if found is None:
                # check_rcpt does not tell the sender; the line with from= that follows does.
                self.counts["no_identity"] += _REFUSED_ELSE.match(line) is not None
                return
            relay = found.end()
        # No address: submitted on the host, "relay=root@localhost".
        if relay < found.end() or line.find(b"[", relay) < 0:
            self.counts["no_client"] += 1
            return
        time, _, _, queue_id, quoted, bare = found.groups()
        match = pattern.match(line, relay)
        relay += len(b", relay=")
        literal, column = (line[relay:], relay) if match is None else (match[1], match.start(1))
        known = client_of(literal, None, number, column + 1)
        rows.add(time, queue_id, known, quoted if quoted is not None else bare, number)

    def state(self) -> str:
        return ""

    def restore(self, state: str) -> None:
        if state:
            raise Unfit
