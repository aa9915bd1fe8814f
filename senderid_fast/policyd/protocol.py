"""The protocol of Postfix's policy services, in octets: requests read, answers written.

What may live here: the form of both, without I/O. What is answered is in answering.py.

A request is lines "name=value", each ended by a line feed, and an empty line. So is an answer; its
one name is "action" (SMTPD_POLICY_README of Postfix, access(5)).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from senderid_fast.receiver.escaping import visible
from senderid_fast.receiver.fields import Field
from senderid_fast.receiver.replies import Reply

__all__ = [
    "DUNNO",
    "LINES_MOST",
    "LINE_OCTETS",
    "REQUEST_OCTETS",
    "Request",
    "RequestFault",
    "RequestReader",
    "discard",
    "prepend",
    "refuse",
]

# Postfix sends some thirty lines. The longest values are addresses, within its line_length_limit of
# 2,048, and the subject of a TLS certificate.
REQUEST_OCTETS = 65_536
LINE_OCTETS = 16_384
LINES_MOST = 256

_END = re.compile(rb"\n\r?\n")
_LINE_END = re.compile(rb"\r$", re.MULTILINE)
_PAIRS = re.compile(rb"^([^\n=]*+)=([^\n]*+)", re.MULTILINE).findall
_KIND = b"smtpd_access_policy"

DUNNO = b"action=DUNNO\n\n"
_TEXT_OCTETS = 900  # of an answer that Postfix logs and does not send
_FIELD_OCTETS = 998  # RFC 5322 2.1.1
# RFC 5321 4.5.3.1.5 gives a reply line 512 octets. Postfix puts its own words before ours:
# "<user@example.com>: Recipient address rejected: ".
_REPLY_OCTETS = 510
_WORDS_OF_POSTFIX = len("<>: Recipient address rejected: ")
_TEXT_LEAST = 160  # whatever the length of the address


class RequestFault(ValueError):
    """Octets that are no request. Nothing that follows on their connection can be trusted."""


class Request(NamedTuple):
    """What is used of a request; b"" for what it does not say. Any octets but NUL and line feeds.

    state      protocol_state: CONNECT, EHLO, HELO, MAIL, RCPT, DATA, END-OF-MESSAGE, VRFY, ETRN
    instance   from RCPT on the same for all requests about one message, and for no others
    sender     the reverse-path without "<>"; b"" is the null reverse-path
    recipient  of state RCPT, and of a later one if there is only one
    """

    state: bytes = b""
    instance: bytes = b""
    client_address: bytes = b""
    client_name: bytes = b""
    helo_name: bytes = b""
    sender: bytes = b""
    recipient: bytes = b""
    sasl_username: bytes = b""
    queue_id: bytes = b""


_NAMES = (
    b"protocol_state",
    b"instance",
    b"client_address",
    b"client_name",
    b"helo_name",
    b"sender",
    b"recipient",
    b"sasl_username",
    b"queue_id",
)


class RequestReader:
    """Reads requests from octets in pieces of any size. It holds no more than is fed to it: whoever
    does so stops while ``pending`` is above REQUEST_OCTETS.
    """

    __slots__ = ("_octets", "_seen")

    def __init__(self) -> None:
        self._octets = bytearray()
        self._seen = 0  # no request ends before

    @property
    def pending(self) -> int:
        """Octets that have been fed and belong to no request that was given out."""
        return len(self._octets)

    def feed(self, octets: bytes) -> None:
        """More octets, as they came."""
        self._octets += octets

    def next_request(self) -> Request | None:
        """The next whole request; None if more octets are needed. Raises RequestFault."""
        octets = self._octets
        if octets.startswith((b"\n", b"\r\n")):
            raise RequestFault("a request without a line")
        found = _END.search(octets, self._seen)
        if found is None:
            if len(octets) > REQUEST_OCTETS:
                raise RequestFault(f"a request of more than {REQUEST_OCTETS} octets")
            self._seen = max(0, len(octets) - 2)
            return None
        if found.end() > REQUEST_OCTETS:
            raise RequestFault(f"a request of more than {REQUEST_OCTETS} octets")
        request = _read(bytes(octets[: found.start()]))
        del octets[: found.end()]
        self._seen = 0
        return request


def _read(block: bytes) -> Request:
    if b"\0" in block:
        raise RequestFault("a request with a NUL octet")
    if block.count(b"\n") >= LINES_MOST:
        raise RequestFault(f"a request of more than {LINES_MOST} lines")
    if len(block) > LINE_OCTETS and max(map(len, block.split(b"\n"))) > LINE_OCTETS:
        raise RequestFault(f"a line of more than {LINE_OCTETS} octets")
    if b"\r" in block:
        block = _LINE_END.sub(b"", block)
    pairs = _PAIRS(block)
    if len(pairs) <= block.count(b"\n"):
        wrong = next(line for line in block.split(b"\n") if b"=" not in line)
        raise RequestFault(f'a line without "=": {visible(wrong, 80)}')
    # Postfix says nothing twice. Of two values the first counts, so that a line that somebody
    # smuggles in at the end changes nothing.
    pairs.reverse()
    values = dict(pairs)
    if values.get(b"request") != _KIND:
        kind = visible(values.get(b"request", b""), 80)
        raise RequestFault(f"a request of the kind {kind!r}, which is not smtpd_access_policy")
    return Request(*[values.get(name, b"") for name in _NAMES])


# What follows "action=" is one line; nothing that a stranger chose may end it.


def prepend(field: Field) -> bytes:
    """A field is put before those of the message."""
    return f"action=PREPEND {visible(str(field), _FIELD_OCTETS)}\n\n".encode("ascii")


def refuse(reply: Reply, request: Request) -> bytes:
    """The command is refused with the codes of the reply, and as much of its text as fits."""
    codes = f"{reply.code} {reply.enhanced} "
    named = max(map(len, (request.recipient, request.sender, request.helo_name)))
    room = max(_REPLY_OCTETS - len(codes) - _WORDS_OF_POSTFIX - named, _TEXT_LEAST)
    return f"action={codes}{visible(reply.text, room)}\n\n".encode("ascii")


def discard(reason: str) -> bytes:
    """The message is accepted and delivered to nobody. The reason is for Postfix's log."""
    return f"action=DISCARD {visible(reason, _TEXT_OCTETS)}\n\n".encode("ascii")
