"""What a message costs in the milter: the whole session in Python, every answer known.

The octets are those that Postfix 3.7 sends for a message with ten header fields: 29 packets, of
which it waits for the answer to the last. Answers are asserted before anything is timed. CPU time
is taken, as a pass is long enough for others on the machine to break into it.

    session     from octets to octets, without a socket
    socket      the same through asyncio and a pair of unix sockets, the MTA's side included
    milter      the session alone: the reception is one that has its outcome ready
    service     as "session", with the application of a service: its counters and its log line
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from struct import pack
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import senderid_fast as sf
from senderid_fast.milter.negotiation import Negotiator
from senderid_fast.milter.server import MilterServer
from senderid_fast.milter.session import Session
from senderid_fast.reception.begun import Begun
from senderid_fast.reception.outcome import Outcome
from senderid_fast.reception.receiver import Receiver
from senderid_fast.service.application import Books, ServiceApplication
from senderid_fast.service.counters import Board
from senderid_fast.service.logs import Log
from senderid_fast.service.sinks import open_sink
from senderid_fast.service.words import Application as AnyApplication

MESSAGES = 200
ZONE = {
    name: [{"TXT": "v=spf1 ip4:192.0.2.0/24 -all"}]
    for name in ("pass.example", "mail.pass.example")
}
QUEUE_ID = b"i\x00899749B41D4\0"
FIELDS = (
    (b"Received", b"from a.pass.example by mail.pass.example; Thu, 1 Jan 2026 00:00:00 +0000"),
    (b"Date", b"Thu, 1 Jan 2026 00:00:00 +0000"),
    (b"From", b"User <user@pass.example>"),
    (b"To", b"bob@example.org"),
    (b"Subject", b"Hello"),
    (b"Message-Id", b"<1@pass.example>"),
    (b"MIME-Version", b"1.0"),
    (b"Content-Type", b"text/plain; charset=utf-8"),
    (b"Authentication-Results", b"other.example; spf=pass"),
    (b"X-Mailer", b"mailer of some version"),
)


def packet(code: bytes, data: bytes = b"") -> bytes:
    return pack(">I", 1 + len(data)) + code + data


BEGIN = (
    packet(b"O", pack(">III", 6, 0x1FF, 0x1FFFFF))
    + packet(b"C", b"mail.pass.example\0004\0\x19192.0.2.1\0")
    + packet(b"H", b"mail.pass.example\0")
)
MESSAGE = (
    packet(b"D", b"M")
    + packet(b"M", b"<user@pass.example>\0SIZE=288\0")
    + packet(b"D", b"R{rcpt_addr}\0bob@example.org\0{rcpt_host}\0example.org\0")
    + packet(b"R", b"<bob@example.org>\0")
    + packet(b"D", b"T" + QUEUE_ID)
    + b"".join(packet(b"D", b"L" + QUEUE_ID) + packet(b"L", b"%b\0%b\0" % each) for each in FIELDS)
    + packet(b"D", b"E" + QUEUE_ID)
    + packet(b"E")
)
ABORT = packet(b"A")


class Application:
    """What a service is to the server; it keeps the last outcome."""

    max_header_octets = 1 << 20
    idle_seconds = 7200.0

    def __init__(self) -> None:
        self.receiver = Receiver("mx.example.org")
        self.engine = sf.AsyncEngine(sf.ZoneResolver(ZONE))
        self.outcome: Outcome | None = None
        self.count = 0

    def opened(self) -> bool:
        return True

    def closed(self) -> None: ...

    def done(self, _service: str, _envelope: object, outcome: Outcome, _action: str) -> None:
        self.outcome = outcome
        self.count += 1

    def fault(self, _service: str, words: str) -> None:
        raise AssertionError(words)


class Known:
    """A reception that has its outcome."""

    outcome: Outcome

    def __init__(self, *_: object) -> None:
        self.envelope: Any = None

    def begin(self) -> None: ...
    def cancel(self) -> None: ...

    async def at_end_of_header(self, *_: object) -> Outcome:
        return self.outcome


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


def answer_of(session: Session, octets: bytes) -> bytes:
    session.receive(octets)
    while session.pending is not None:
        begun = Begun(session.pending)
        assert begun.task is None  # every answer is known
        session.resume(begun.result)
    said = b"".join(session.output)
    session.output.clear()
    return said


async def known_session(application: AnyApplication, **options: Any) -> tuple[Session, bytes]:
    """A session that has had a message, and the answer to that."""
    session = Session(lambda: application, Negotiator(quarantine=False), **options)
    session.receive(BEGIN + MESSAGE)
    while session.pending is not None:  # nothing is known yet
        session.resume(await session.pending)
    session.output.clear()
    said = answer_of(session, MESSAGE)
    assert said.count(b"Received-SPF\0pass (mx.example.org: ") == 1
    assert said.count(b"Authentication-Results\0mx.example.org; spf=pass") == 1
    assert said.endswith(packet(b"c"))
    return session, said


@pytest.mark.benchmark(group=f"milter: {MESSAGES} messages", timer=time.process_time)
class TestMessages:
    def test_session(self, benchmark: BenchmarkFixture, runner: asyncio.Runner) -> None:
        session, expected = runner.run(known_session(Application()))

        async def messages() -> None:
            for _ in range(MESSAGES):
                assert answer_of(session, MESSAGE) == expected

        benchmark(lambda: runner.run(messages()))

    def test_milter(self, benchmark: BenchmarkFixture, runner: asyncio.Runner) -> None:
        application = Application()
        _, expected = runner.run(known_session(application))
        assert application.outcome is not None
        Known.outcome = application.outcome
        session, _ = runner.run(known_session(application, make=Known))

        async def messages() -> None:
            for _ in range(MESSAGES):
                assert answer_of(session, MESSAGE) == expected

        benchmark(lambda: runner.run(messages()))

    def test_service(
        self, benchmark: BenchmarkFixture, runner: asyncio.Runner, tmp_path: Path
    ) -> None:
        bare, board, path = Application(), Board(1), tmp_path / "log"
        books = Books("milter", board, board.workers[0], Log(open_sink(str(path), "x")), 1_000)
        made = ServiceApplication(books, bare.receiver, bare.engine, bare.max_header_octets, 60)
        session, expected = runner.run(known_session(made))

        async def messages() -> None:
            for _ in range(MESSAGES):
                assert answer_of(session, MESSAGE) == expected

        before = path.read_bytes().count(b"\n")
        runner.run(messages())
        assert path.read_bytes().count(b"\n") == before + MESSAGES
        benchmark(lambda: runner.run(messages()))
        books.log.close()

    def test_socket(self, benchmark: BenchmarkFixture, runner: asyncio.Runner) -> None:
        application = Application()
        server = MilterServer(lambda: application)
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)

        async def begin() -> bytes:
            loop = asyncio.get_running_loop()
            await loop.connect_accepted_socket(server.protocol, ours)
            _, expected = await known_session(application)
            await loop.sock_sendall(theirs, BEGIN)
            await loop.sock_recv(theirs, 65536)
            return expected

        async def messages(expected: bytes) -> None:
            loop = asyncio.get_running_loop()
            for _ in range(MESSAGES):
                await loop.sock_sendall(theirs, MESSAGE + ABORT)
                assert await loop.sock_recv(theirs, 65536) == expected

        expected = runner.run(begin())
        before = application.count
        runner.run(messages(expected))
        assert application.count == before + MESSAGES
        benchmark(lambda: runner.run(messages(expected)))
        theirs.close()
        runner.run(server.drain(0))
