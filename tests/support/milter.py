"""The MTA's side of the milter protocol: commands written, replies read, sessions without a socket.

What may live here: that, written from the layouts and apart from the package's own codec, and an
application that keeps what it is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from struct import pack, unpack
from typing import Any, NamedTuple

from senderid_fast import AsyncEngine, ZoneResolver
from senderid_fast.milter.codec import PACKET_MOST, Changes, Protocol
from senderid_fast.milter.negotiation import Negotiator
from senderid_fast.milter.session import Session
from senderid_fast.questions import Answer, Question
from senderid_fast.receiver.policy import ReceiverPolicy
from senderid_fast.reception.begun import Begun
from senderid_fast.reception.envelope import Envelope
from senderid_fast.reception.outcome import Outcome
from senderid_fast.reception.receiver import Receiver

ZONE = {
    "pass.example": [{"TXT": "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all"}],
    "fail.example": [{"TXT": "v=spf1 -all"}],
    "softfail.example": [{"TXT": "v=spf1 ~all"}],
    "permerror.example": [{"TXT": "v=spf1 ip4:nonsense -all"}],
    "temperror.example": ["TIMEOUT"],
    "plain.example": [{"A": "198.51.100.1"}],
    "mail.pass.example": [{"TXT": "v=spf1 ip4:192.0.2.0/24 -all"}],
}


def packet(code: str, *parts: bytes) -> bytes:
    data = b"".join(parts)
    return pack(">I", 1 + len(data)) + code.encode("ascii") + data


def strings(*texts: bytes) -> bytes:
    return b"".join(text + b"\0" for text in texts)


def offer(version: int = 6, changes: int = 0x1FF, protocol: int = 0x1FFFFF) -> bytes:
    """All that there is, as Postfix 3.7 and Sendmail 8.17 offer it."""
    return packet("O", pack(">III", version, changes, protocol))


def connect(
    address: bytes = b"192.0.2.1", name: bytes = b"mail.pass.example", family: bytes = b"4"
) -> bytes:
    if family == b"U":
        return packet("C", strings(name), b"U")
    return packet("C", strings(name), family, pack(">H", 25), strings(address))


def helo(name: bytes = b"mail.pass.example") -> bytes:
    return packet("H", strings(name))


def macros(command: str, **values: bytes) -> bytes:
    """Macros of a command; those with long names get their braces."""
    pairs = [
        strings(f"{{{name}}}".encode() if len(name) > 1 else name.encode(), value)
        for name, value in values.items()
    ]
    return packet("D", command.encode("ascii"), *pairs)


def mail(path: bytes = b"<user@pass.example>", *parameters: bytes) -> bytes:
    return packet("M", strings(path, *parameters))


def rcpt(path: bytes = b"<bob@example.org>", *parameters: bytes) -> bytes:
    return packet("R", strings(path, *parameters))


def header(name: bytes, value: bytes) -> bytes:
    return packet("L", strings(name, value))


DATA, EOH, END = packet("T"), packet("N"), packet("E")
ABORT, QUIT, QUIT_NC = packet("A"), packet("Q"), packet("K")

HEADERS = (
    (b"Received", b"from mail.pass.example by mx.example.org;\n\tThu, 1 Jan 2026 00:00:00 +0000"),
    (b"From", b"User <user@pass.example>"),
    (b"To", b"bob@example.org"),
    (b"Subject", b"Hello"),
)


def message(
    path: bytes = b"<user@pass.example>",
    recipients: Iterable[bytes] = (b"<bob@example.org>",),
    headers: Iterable[tuple[bytes, bytes]] = HEADERS,
    *parameters: bytes,
) -> bytes:
    """The commands of a message as an MTA sends them that was asked for no more than is needed."""
    return b"".join(
        [
            mail(path, *parameters),
            *map(rcpt, recipients),
            *(header(*each) for each in headers),
            macros("E", i=b"4XyZ1abc"),
            END,
        ]
    )


# Replies ------------------------------------------------------------------------------------------


def replies(octets: bytes) -> list[tuple[str, bytes]]:
    """The packets of a milter: code and data of each."""
    found, at = [], 0
    while at < len(octets):
        (length,) = unpack(">I", octets[at : at + 4])
        whole = octets[at + 4 : at + 4 + length]
        assert len(whole) == length > 0
        found.append((chr(whole[0]), whole[1:]))
        at += 4 + length
    return found


def codes(octets: bytes) -> str:
    """The codes of the replies, in order."""
    return "".join(code for code, _ in replies(octets))


def indexed(data: bytes) -> tuple[int, bytes, bytes]:
    """Index, name and value of INSHEADER and CHGHEADER."""
    name, value, rest = data[4:].split(b"\0")
    assert rest == b""
    return int.from_bytes(data[:4], "big"), name, value


# Applications -------------------------------------------------------------------------------------


@dataclass
class Done:
    """A message that an application was told of."""

    service: str
    envelope: Envelope
    outcome: Outcome
    action: str


@dataclass
class Application:
    """What a service gives a server; it keeps what it is told."""

    receiver: Receiver = field(default_factory=lambda: Receiver("mx.example.org"))
    engine: AsyncEngine = field(default_factory=lambda: AsyncEngine(ZoneResolver(ZONE)))
    max_header_octets: int = 1 << 20
    idle_seconds: float = 60.0
    most: int = 1000
    messages: list[Done] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    connections: int = 0

    def opened(self) -> bool:
        if self.connections >= self.most:
            return False
        self.connections += 1
        return True

    def closed(self) -> None:
        self.connections -= 1

    def done(self, service: str, envelope: Envelope, outcome: Outcome, action: str) -> None:
        self.messages.append(Done(service, envelope, outcome, action))

    def fault(self, service: str, words: str) -> None:
        assert service == "milter"
        self.faults.append(words)

    @property
    def last(self) -> Done:
        return self.messages[-1]


# Sessions -----------------------------------------------------------------------------------------


def new_session(
    application: Application,
    *,
    quarantine: bool = False,
    make: Callable[..., Any] | None = None,
) -> Session:
    further = {} if make is None else {"make": make}
    negotiator = Negotiator(quarantine=quarantine)
    return Session(lambda: application, negotiator, quarantine=quarantine, **further)


async def exchange(session: Session, octets: bytes) -> bytes:
    """What a session says to octets, waiting for whatever it waits for."""
    session.receive(octets)
    while (pending := session.pending) is not None:
        await settle(session, pending)
    said = b"".join(session.output)
    session.output.clear()
    return said


async def settle(session: Session, pending: Coroutine[Any, Any, Any]) -> None:
    begun = Begun(pending)
    if begun.task is not None:
        await begun.task
    if begun.error is None:
        session.resume(begun.result)
    else:
        session.fail(begun.error)


def play(application: Application, *parts: bytes, **options: Any) -> list[bytes]:
    """What a new session says to each part, from its beginning to where the connection is lost."""

    async def run() -> list[bytes]:
        session = new_session(application, **options)
        said = [await exchange(session, part) for part in parts]
        session.lost()
        return said

    return asyncio.run(run())


def receiver_with(policy: dict[str, object] | None = None, **settings: Any) -> Receiver:
    """A receiver with a policy as TOML has it."""
    return Receiver("mx.example.org", policy=ReceiverPolicy.from_mapping(policy or {}), **settings)


class Ready:
    """A resolver of a zone that answers at once, without a thread."""

    def __init__(self) -> None:
        self._zone = ZoneResolver(ZONE)

    async def resolve_async(self, question: Question, timeout: float) -> Answer:
        return self._zone.resolve(question, timeout)


class Transcript(NamedTuple):
    """All that came of the octets of a connection.

    said      what the MTA was told
    messages  envelope, fields added and removed, and action of each message
    faults    the words of each
    held      octets still held in the end
    ended     whether the session ended the connection by itself
    """

    said: bytes
    messages: list[tuple[Any, ...]]
    faults: list[str]
    held: int
    ended: bool


async def transcript(application: Application, parts: Iterable[bytes]) -> Transcript:
    """A whole connection whose octets come in these parts."""
    session = new_session(application, quarantine=True)
    said = []
    for part in parts:
        said.append(await exchange(session, part))
        assert session.held <= PACKET_MOST + 4
    held, ended = session.held, session.ended
    session.lost()
    messages: list[tuple[Any, ...]] = [
        (done.envelope, done.outcome.add, done.outcome.remove, done.outcome.dropped, done.action)
        for done in application.messages
    ]
    return Transcript(b"".join(said), messages, application.faults, held, ended)


def cut(octets: bytes, places: Iterable[int]) -> list[bytes]:
    """Octets in parts that end at these places."""
    ends = sorted({min(place, len(octets)) for place in places} | {len(octets)})
    return [octets[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


# What was said ---------------------------------------------------------------------------------

BEGIN = offer() + connect() + helo()
REJECTS = {"mailfrom": {"fail": "reject", "temperror": "defer"}, "pra": {"fail": "reject"}}
FAIL = b"<user@fail.example>"


def chosen(said: bytes) -> tuple[int, Changes, Protocol]:
    ((code, data),) = replies(said)
    assert code == "O"
    version, changes, protocol = unpack(">III", data[:12])
    return version, Changes(changes), Protocol(protocol)


def inserted(said: bytes) -> list[tuple[bytes, bytes]]:
    """Names and values of the fields that are put in, the topmost first."""
    found = [indexed(data) for code, data in replies(said) if code == "i"]
    assert all(index == 0 for index, _, _ in found)
    return [(name, value) for _, name, value in reversed(found)]


def changed(said: bytes) -> list[tuple[int, bytes, bytes]]:
    return [indexed(data) for code, data in replies(said) if code == "m"]


def reply_text(said: bytes) -> str:
    ((code, data),) = replies(said)
    assert code == "y"
    assert data[-1:] == b"\0"
    return data[:-1].decode("ascii")
