"""Postfix: its syslog lines as rows.

What may live here: the lines of Postfix that tell who a client is, and how they are joined.

    smtpd[1]: 4QZ1: client=mail.example.com[192.0.2.1]      remembered by queue id
    qmgr[2]: 4QZ1: from=<user@example.com>, size=...        the row
    smtpd[1]: NOQUEUE: reject: RCPT from host[192.0.2.1]: ...; from=<...> to=<...> ... helo=<...>

The last is a row at once. Only what Postfix itself saw is taken for an address: behind "client="
and "orig_client=", and the first behind the command that was refused. What follows may hold
anything.
"""

from __future__ import annotations

import re

from senderid_fast.rows.base import Place, RowSource
from senderid_fast.rows.logs.source import LogRows, LogSource
from senderid_fast.rows.logs.syslog import (
    HEAD,
    HELO_MOST,
    LITERAL,
    Pending,
    client_of,
)

__all__ = ["open_postfix"]


def open_postfix(path: str, *, place: Place | None = None, batch_rows: int = 65_536) -> RowSource:
    """The rows of a log of Postfix, from a place on. Raises RowsError, MissingExtraError."""
    return LogSource(path, PostfixReader(), place, batch_rows)


# postfix/smtpd[7]: postfix-in/submission/smtpd[7]: Solaris writes an [ID ...] behind it.
def _program(names: bytes) -> bytes:
    return rb"[^\s\[]{1,128}/(?:" + names + rb")\[\d{1,10}\]: (?:\[ID \d{1,10} [^\]\s]{1,32}\] )?"


_QUEUE_ID = rb"([0-9A-Za-z]{5,32}): "
_HOST = rb"[^\s\[\]]{0,255}\[" + LITERAL + rb"\](?::\d{1,5})?"
_KNOWN = re.compile(
    HEAD
    + _program(
        rb"smtpd|qmgr|nqmgr|cleanup|pickup|smtp|lmtp|local|virtual|pipe|bounce|error|discard|postscreen"
        rb"|anvil|master|trivial-rewrite|verify|scache|proxymap|tlsproxy|tlsmgr|dnsblog|flush|qmqpd"
        rb"|postfix-script|postqueue|postsuper|sendmail|defer|trace"
    )
)
_FROM = re.compile(
    HEAD + _program(rb"n?qmgr") + _QUEUE_ID + rb"from=<(.{0,1024})>, (?:size|status)="
)
_CLIENT = re.compile(HEAD + _program(rb"smtpd|qmqpd") + _QUEUE_ID + rb"client=" + _HOST)
_ORIGINAL_CLIENT = re.compile(rb", orig_client=" + _HOST + rb"\s*\Z")
# The place is a command, such as RCPT or END-OF-MESSAGE. cleanup may have a header in its place:
# what is said there is the sender's, so no address is read from it.
_SESSION = re.compile(
    HEAD
    + _program(rb"smtpd|postscreen|cleanup")
    + _QUEUE_ID
    + rb"([a-z]+(?:-[a-z]+)?): (?:([A-Z][A-Z-]{2,31}) from "
    + _HOST
    + rb":)?"
)
# postscreen writes commas. What is not known is left out.
_ENVELOPE = re.compile(
    rb";(?: from=<(.{0,1024}?)>,?(?= to=<| proto=))?(?: to=<.{0,1024}?>,?(?= proto=))?"
    rb" proto=\w{1,16}(?:,? helo=<(.{0,1024}?)>(?=[\s:,]|\Z))?"
)
_REFUSED = frozenset((b"reject", b"milter-reject", b"proxy-reject", b"discard", b"milter-discard"))
_AT_END = b"END-OF-MESSAGE"


class PostfixReader:
    """A LogReader for Postfix."""

    name = "postfix"
    expected = "lines of syslog with a program such as postfix/smtpd[1234]"
    needles: tuple[bytes, ...] = (b": from=<", b": client=", b" proto=", b"reject: ")

    def __init__(self) -> None:
        self.counts = {"no_client": 0, "no_identity": 0, "pushed_out": 0}
        self._pending = Pending()  # by host and queue id

    def knows(self, line: bytes) -> bool:
        return _KNOWN.match(line) is not None

    def take(self, line: bytes, needle: int, number: int, rows: LogRows) -> None:
        # In a line about a session, the client may have written what marks the others.
        done = False
        if needle == 0:
            done = self._from(line, number, rows)
        elif needle == 1:
            done = self._client(line, number)
        if not done:
            self._session(line, number, rows)

    def _from(self, line: bytes, number: int, rows: LogRows) -> bool:
        found = _FROM.match(line)
        if found is None:
            return False
        time, host, queue_id, mail_from = found.groups()
        known = self._pending.pop(host + b" " + queue_id, None)
        if known is None:
            # Submitted on the host (pickup), or read before: qmgr repeats the line at each try.
            self.counts["no_client"] += 1
        else:
            rows.add(time, queue_id, known, mail_from, number)
        return True

    def _client(self, line: bytes, number: int) -> bool:
        found = _CLIENT.match(line)
        if found is None:
            return False
        _, host, queue_id, literal = found.groups()
        column = found.start(4)
        if b", orig_client=" in line:
            original = _ORIGINAL_CLIENT.search(line, found.end())
            if original is not None:
                literal, column = original[1], original.start(1)
        if queue_id != b"NOQUEUE":
            known = client_of(literal, None, number, column + 1)
            self._pending.put(host + b" " + queue_id, known)
            self.counts["pushed_out"] = self._pending.pushed_out
        return True

    def _session(self, line: bytes, number: int, rows: LogRows) -> None:
        found = _SESSION.match(line)
        if found is None:
            return
        time, host, queue_id, action, command, literal = found.groups()
        # The last one is Postfix's own, unless the client has written another into its HELO.
        start = line.rfind(b"; from=<", found.end())
        envelope = (
            _ENVELOPE.search(line, found.end()) if start < 0 else _ENVELOPE.match(line, start)
        )
        mail_from, helo = (None, None) if envelope is None else envelope.groups()
        key = host + b" " + queue_id
        known = self._pending.get(key)
        if known is not None and helo is not None:
            known = known._replace(helo=helo[:HELO_MOST])
            self._pending.put(key, known)
        if action not in _REFUSED:
            return
        if known is not None and (command is None or command == _AT_END):
            self._pending.pop(key, None)
        if literal is not None:
            known = client_of(literal, helo, number, found.start(6) + 1)
        if known is None:
            self.counts["no_client"] += 1
        elif known.helo is None and mail_from is None:
            self.counts["no_identity"] += 1
        else:
            name = None if queue_id == b"NOQUEUE" else queue_id
            rows.add(time, name, known, mail_from, number)

    def state(self) -> str:
        return self._pending.state()

    def restore(self, state: str) -> None:
        self._pending.restore(state)
        self._pending.pushed_out = self.counts["pushed_out"]
