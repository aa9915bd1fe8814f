"""A policy service in one process: what it is told, what it answers, what it tells its application.

What may live here: requests in Postfix's words, a resolver that counts and can be slow, and talking
to a PolicyServer over a pair of sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import senderid_fast as sf
from senderid_fast.policyd import PolicyServer
from senderid_fast.questions import Answer, Question
from senderid_fast.receiver import ReceiverPolicy
from senderid_fast.reception import Envelope, Outcome, Receiver
from senderid_fast.service.words import Application

__all__ = [
    "INSTANCE",
    "MX",
    "REJECT",
    "ZONE",
    "Asked",
    "Line",
    "Recorded",
    "Served",
    "Service",
    "Talk",
    "Wire",
    "answered",
    "answers",
    "ask",
    "one",
    "recorded",
    "request",
    "result_of",
]

ZONE: dict[str, list[Any]] = {
    "strict.example": [{"TXT": "v=spf1 ip4:192.0.2.1 -all"}],
    "soft.example": [{"TXT": "v=spf1 ~all"}],
    "broken.example": [{"TXT": "v=spf1 ipv4:192.0.2.1 -all"}],
    "dead.example": ["TIMEOUT"],
    "explained.example": [{"TXT": "v=spf1 -all exp=why.explained.example"}],
    "why.explained.example": [{"TXT": "see our page, %{i} is 100%% unknown"}],
    "mail.example.org": [{"TXT": "v=spf1 ip4:203.0.113.0/24 -all"}],
}
MX = "mx.example.net"
REJECT = {"mailfrom": {"fail": "reject", "permerror": "reject", "temperror": "defer"}}
INSTANCE = "2bd1.6565a1e3.%d.0"


class Asked:
    """A resolver that counts questions, and holds answers back while it is closed."""

    def __init__(self, zone: Mapping[str, Any]) -> None:
        self._zone = sf.ZoneResolver(zone)
        self.questions: list[Question] = []
        self.open = asyncio.Event()
        self.open.set()

    def resolve(self, question: Question, timeout: float) -> Answer:
        self.questions.append(question)
        return self._zone.resolve(question, timeout)

    async def resolve_async(self, question: Question, timeout: float) -> Answer:
        self.questions.append(question)
        await self.open.wait()
        return self._zone.resolve(question, timeout)


class Line(NamedTuple):
    """What an application was told about one answer."""

    service: str
    envelope: Envelope
    outcome: Outcome
    action: str


@dataclass
class Recorded:
    """An Application that remembers."""

    receiver: Receiver
    engine: sf.AsyncEngine
    resolver: Asked
    max_header_octets: int = 65_536
    idle_seconds: float = 60.0
    most: int = 1_000
    lines: list[Line] = field(default_factory=list)
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
        self.lines.append(Line(service, envelope, outcome, action))

    def fault(self, service: str, words: str) -> None:
        assert service == "policyd"
        self.faults.append(words)


def recorded(zone: Mapping[str, Any] = ZONE, **settings: Any) -> Recorded:
    """An application with its own engine. ``settings`` are those of Receiver."""
    policy = settings.pop("policy", None)
    if isinstance(policy, Mapping):
        policy = ReceiverPolicy.from_mapping(policy)
    if policy is not None:
        settings["policy"] = policy
    resolver = Asked(zone)
    application = Recorded(Receiver(MX, **settings), sf.AsyncEngine(resolver), resolver)
    _: Application = application  # it is one
    return application


def request(**attributes: str | bytes) -> bytes:
    """A request in the words of Postfix 3.7; "state" is short for protocol_state."""
    values: dict[str, str | bytes] = {
        "request": "smtpd_access_policy",
        "protocol_state": attributes.pop("state", "RCPT"),
        "protocol_name": "ESMTP",
        "client_address": "203.0.113.9",
        "client_name": "unknown",
        "client_port": "41002",
        "reverse_client_name": "unknown",
        "server_address": "127.0.0.1",
        "server_port": "25",
        "helo_name": "mail.elsewhere.example",
        "sender": "grace@strict.example",
        "recipient": "bob@example.net",
        "recipient_count": "0",
        "queue_id": "",
        "instance": "2bd1.6565a1e3.1f2b4.0",
        "size": "1204",
        "etrn_domain": "",
        "stress": "",
        "sasl_method": "",
        "sasl_username": "",
        "sasl_sender": "",
        "ccert_subject": "",
        "encryption_protocol": "",
        "policy_context": "",
    } | attributes
    lines = (
        name.encode() + b"=" + (value.encode() if isinstance(value, str) else value) + b"\n"
        for name, value in values.items()
    )
    return b"".join(lines) + b"\n"


class Talk:
    """A client's end of a connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def answer(self) -> str:
        """What follows "action=" in the next answer."""
        octets = await asyncio.wait_for(self.reader.readuntil(b"\n\n"), 20)
        assert octets.startswith(b"action=")
        assert octets.count(b"\n") == 2
        return octets[7:-2].decode("ascii")

    async def ask(self, **attributes: str | bytes) -> str:
        self.send(request(**attributes))
        return await self.answer()

    async def rest(self) -> bytes:
        """All that comes until the server closes the connection."""
        return await asyncio.wait_for(self.reader.read(), 20)

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


class Service:
    """A server in this loop, and connections to it.

        async with Service(application) as service:
            answer = await (await service.connect()).ask(sender="user@example.com")

    applications  the last one is the current one
    """

    def __init__(self, *applications: Recorded) -> None:
        self.applications = list(applications)
        self.server = PolicyServer(lambda: self.applications[-1])
        self._talks: list[Talk] = []

    async def __aenter__(self) -> Service:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for talk in self._talks:
            await talk.close()
        await self.server.drain(1)
        assert self.server.busy == 0

    async def connect(self) -> Talk:
        ours, theirs = socket.socketpair()
        await asyncio.get_running_loop().connect_accepted_socket(self.server.protocol, theirs)
        talk = Talk(*await asyncio.open_connection(sock=ours))
        self._talks.append(talk)
        return talk


class Served:
    """A server in a thread of its own, at a socket that every user may connect to."""

    def __init__(self, socket: Path, zone: Mapping[str, Any] = ZONE, **settings: Any) -> None:
        self.socket, self._zone = socket, zone
        self._settings = settings
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self.application: Recorded

    def use(self, **settings: Any) -> None:
        """Other settings, as after a reload."""
        self._loop.call_soon_threadsafe(self._use, settings)

    def _use(self, settings: Mapping[str, Any]) -> None:
        self.application = recorded(self._zone, **settings)

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self._use(self._settings)
        self.server = PolicyServer(lambda: self.application)
        listening = await self._loop.create_unix_server(self.server.protocol, self.socket)
        self.socket.chmod(0o666)
        self._ready.set()
        await self._end.wait()
        listening.close()
        await self.server.drain(5)
        self.socket.unlink()

    def __enter__(self) -> Served:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)
        assert not self._thread.is_alive()


class Wire(asyncio.Transport):
    """A transport without a socket: what is written stays here."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def answered(application: Recorded, parts: Iterable[bytes]) -> Wire:
    """The octets of a connection, and what was written by the time when nothing is in hand."""
    server, wire = PolicyServer(lambda: application), Wire()
    protocol = server.protocol()
    protocol.connection_made(wire)
    for part in parts:
        if wire.closed:
            break
        protocol.data_received(part)
        while server.busy:
            await asyncio.sleep(0)
    protocol.connection_lost(None)
    return wire


async def answers(application: Recorded, *requests: Mapping[str, str | bytes]) -> list[str]:
    """The answers to requests over one connection."""
    async with Service(application) as service:
        talk = await service.connect()
        return [await talk.ask(**each) for each in requests]


def ask(application: Recorded, *requests: Mapping[str, str | bytes]) -> list[str]:
    """The answers to requests of one connection."""
    return asyncio.run(answers(application, *requests))


def one(zone: Mapping[str, Any] | None = None, *, settings: Any = None, **attributes: Any) -> str:
    """The answer to one request."""
    application = recorded(zone, **settings or {}) if zone else recorded(**settings or {})
    return ask(application, attributes)[0]


def result_of(answer: str) -> str:
    """The result in the field that an answer prepends."""
    found = re.fullmatch(r"PREPEND Received-SPF: (\w+) \(.*", answer)
    assert found is not None, answer
    return found[1]
