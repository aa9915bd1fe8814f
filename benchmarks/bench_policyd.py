"""What the policy service costs: its part of Postfix's wait for each recipient.

Every answer is known, so that no DNS is in it. Answers are asserted before anything is timed.

    python -m pytest benchmarks/bench_policyd.py
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import senderid_fast as sf
from benchmarks.zones import INCLUDES, MEMBER
from senderid_fast.policyd import PolicyServer, RequestReader
from senderid_fast.reception import Envelope, Outcome, Receiver

COUNT = 200
ATTRIBUTES = """\
request=smtpd_access_policy
protocol_state=RCPT
protocol_name=ESMTP
client_address={ip}
client_name=mail.sender.example
client_port=41002
reverse_client_name=mail.sender.example
server_address=192.0.2.25
server_port=25
helo_name=mail.sender.example
sender=info@sender.example
recipient=user{recipient}@receiver.example
recipient_count=0
queue_id=
instance=2bd1.6565a1e3.{message}.0
size=1204
etrn_domain=
stress=
sasl_method=
sasl_username=
sasl_sender=
ccert_subject=
ccert_issuer=
ccert_fingerprint=
ccert_pubkey_fingerprint=
encryption_protocol=
encryption_cipher=
encryption_keysize=0
policy_context=

"""


@dataclass
class Counting:
    """An application that only counts."""

    receiver: Receiver
    engine: sf.AsyncEngine
    max_header_octets: int = 65_536
    idle_seconds: float = 3_600.0
    answered: int = 0

    def opened(self) -> bool:
        return True

    def closed(self) -> None:
        pass

    def done(self, service: str, envelope: Envelope, outcome: Outcome, action: str) -> None:
        self.answered += 1

    def fault(self, service: str, words: str) -> None:
        raise AssertionError(words)


def request(message: int, recipient: int = 0) -> bytes:
    return ATTRIBUTES.format(ip=MEMBER, message=message, recipient=recipient).encode()


class Wire(asyncio.Transport):
    """Where answers go that nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = 0
        self.last = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.answers += 1
        self.last = bytes(data)

    def is_closing(self) -> bool:
        return False


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def server(loop: asyncio.AbstractEventLoop) -> PolicyServer:
    engine = sf.AsyncEngine(sf.ZoneResolver(INCLUDES))
    application = Counting(Receiver("mx.receiver.example"), engine)
    for helo, sender in (("mail.sender.example", "info@sender.example"),):
        loop.run_until_complete(engine.check_mail_from(MEMBER, sender, helo))
        loop.run_until_complete(engine.check_helo(MEMBER, helo))
    return PolicyServer(lambda: application)


Run = Callable[[list[bytes]], None]


@pytest.fixture
def in_process(loop: asyncio.AbstractEventLoop, server: PolicyServer) -> Run:
    """Requests are handed to the protocol, each by itself."""

    async def run(requests: list[bytes]) -> None:
        protocol, wire = server.protocol(), Wire()
        protocol.connection_made(wire)
        for each in requests:
            protocol.data_received(each)
        protocol.connection_lost(None)
        assert wire.answers == len(requests)
        assert wire.last.startswith(b"action=")

    return lambda requests: loop.run_until_complete(run(requests))


@pytest.fixture
def over_sockets(loop: asyncio.AbstractEventLoop, server: PolicyServer) -> Iterator[Run]:
    """Over a pair of sockets, as Postfix does it: a request, its answer, the next request."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    loop.run_until_complete(loop.connect_accepted_socket(server.protocol, theirs))

    async def run(requests: list[bytes]) -> None:
        for each in requests:
            await loop.sock_sendall(ours, each)
            answer = await loop.sock_recv(ours, 4_096)
            assert answer.endswith(b"\n\n")

    yield lambda requests: loop.run_until_complete(run(requests))
    ours.close()
    loop.run_until_complete(asyncio.sleep(0.01))


def fresh() -> Callable[[], tuple[tuple[list[bytes]], dict[str, object]]]:
    """Messages that were never asked about, for each round."""
    messages = iter(range(1 << 40))
    return lambda: (([request(next(messages)) for _ in range(COUNT)],), {})


@pytest.mark.benchmark(group=f"policyd: {COUNT} requests")
class TestRequests:
    """Each is a message of its own, or they are the recipients of one."""

    def test_read_only(self, benchmark: BenchmarkFixture) -> None:
        octets = b"".join(request(at) for at in range(COUNT))

        def read() -> int:
            reader, count = RequestReader(), 0
            reader.feed(octets)
            while reader.next_request() is not None:
                count += 1
            return count

        assert benchmark(read) == COUNT

    def test_messages_in_process(self, benchmark: BenchmarkFixture, in_process: Run) -> None:
        benchmark.pedantic(in_process, setup=fresh(), rounds=30)  # type: ignore[no-untyped-call]

    def test_recipients_in_process(self, benchmark: BenchmarkFixture, in_process: Run) -> None:
        benchmark(in_process, [request(0, recipient) for recipient in range(COUNT)])

    def test_messages_over_sockets(self, benchmark: BenchmarkFixture, over_sockets: Run) -> None:
        benchmark.pedantic(over_sockets, setup=fresh(), rounds=30)  # type: ignore[no-untyped-call]

    def test_recipients_over_sockets(self, benchmark: BenchmarkFixture, over_sockets: Run) -> None:
        benchmark(over_sockets, [request(0, recipient) for recipient in range(COUNT)])
