"""Real and faulty DNS servers on the loopback address.

What may live here: fixtures that start servers and end them, and the ways in which one fails.

knot            an authoritative server with the zones below: host, port, "127.0.0.1:port"
faulty_server   a factory: faulty_server({"name": "behaviour"}); "*" is for all other names
ask             sync and async: ask(resolver, question, timeout) -> Answer
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rrset
import pytest

from senderid_fast.questions import Answer, Question
from senderid_fast.resolver import SystemResolver, UdpResolver

Ask = Callable[..., Answer]
INSTALL = "the DNS server knot is not installed: run scripts/install-test-servers.sh"


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    def ask_sync(
        resolver: SystemResolver | UdpResolver, question: Question, timeout: float = 5.0
    ) -> Answer:
        return resolver.resolve(question, timeout)

    def ask_async(
        resolver: SystemResolver | UdpResolver, question: Question, timeout: float = 5.0
    ) -> Answer:
        return asyncio.run(resolver.resolve_async(question, timeout))

    return ask_sync if request.param == "sync" else ask_async


@dataclass(frozen=True)
class DnsServer:
    host: str
    port: int

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


def free_port() -> int:
    """A port of the loopback address that nobody uses, neither over UDP nor over TCP."""
    for _ in range(50):
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        ):
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            with contextlib.suppress(OSError):
                udp.bind(("127.0.0.1", port))
                return port
    raise OSError("no port is free over both UDP and TCP")


# ---- knot: zones as they are published --------------------------------------------------------

MANY_ADDRESSES = 1500

SPF_TEST = r"""
$ORIGIN spf.test.
$TTL 300
@           SOA   ns host 1 3600 600 86400 120
            NS    ns
            TXT   "v=spf1 mx -all"
            MX    10 mail
            MX    20 Mail2.Spf.Test.
ns          A     127.0.0.1
mail        A     192.0.2.10
            A     192.0.2.11
            AAAA  2001:db8::10
strings     TXT   "v=spf1 " "ip4:192.0.2.1" "" " -all"
empty       TXT   ""
octets      TXT   "v=spf1 \233\000\255 \"x\" -all"
null-mx     MX    0 .
alias       60    CNAME alias2
alias2      CNAME target
target      900   TXT "v=spf1 ip4:192.0.2.77 -all"
away        CNAME target.other.test.
away-empty  CNAME empty.other.test.
nowhere     CNAME no-such-name
no-data     CNAME mail
loop-a      CNAME loop-b
loop-b      CNAME loop-a
10.reverse  PTR   Mail.Spf.Test.
            PTR   a\.dot.spf.test.
\195\169\\x TXT   "odd name"
*.wild      A     192.0.2.99
"""

OTHER_TEST = """
$ORIGIN other.test.
$TTL 300
@           SOA   ns host 1 3600 600 86400 30
            NS    ns
ns          A     127.0.0.1
target      30    TXT "v=spf1 include:other.test -all"
empty       A     192.0.2.5
"""


def _zone_text() -> str:
    big = "".join(f'big TXT "v=spf1 record {number:02} {"x" * 100}"\n' for number in range(20))
    many = "".join(
        f"many A 10.0.{number // 250}.{number % 250}\n" for number in range(MANY_ADDRESSES)
    )
    return SPF_TEST + big + many


KNOT_CONF = """
server:
    listen: 127.0.0.1@{port}
    rundir: "{folder}"
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: warning
database:
    storage: "{folder}"
template:
  - id: default
    storage: "{folder}"
    zonefile-sync: -1
    journal-content: none
zone:
  - domain: spf.test
    file: spf.test.zone
  - domain: other.test
    file: other.test.zone
"""


@pytest.fixture(scope="session")
def knot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DnsServer]:
    """knot on a free port, with spf.test and other.test."""
    program = shutil.which("knotd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.fail(INSTALL)
    folder = tmp_path_factory.mktemp("knot")
    server = DnsServer("127.0.0.1", free_port())
    (folder / "spf.test.zone").write_text(_zone_text())
    (folder / "other.test.zone").write_text(OTHER_TEST)
    conf = folder / "knot.conf"
    conf.write_text(KNOT_CONF.format(port=server.port, folder=folder))
    log = folder / "knot.log"
    with (
        log.open("wb") as output,
        subprocess.Popen([program, "-c", conf], stdout=output, stderr=output) as process,
    ):
        try:
            _wait_for(server, process, log)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for(server: DnsServer, process: subprocess.Popen[bytes], log: Path) -> None:
    query = dns.message.make_query("other.test.", "SOA")
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError, dns.exception.DNSException):
            reply = dns.query.udp(query, server.host, 0.2, server.port)
            if reply.rcode() == dns.rcode.NOERROR:
                return
        time.sleep(0.02)
    pytest.fail(f"knot did not start: {log.read_text(errors='replace')}")


# ---- a server that fails in a way that the asked name chooses ---------------------------------

LATE_SECONDS = 0.4


class Partial(bytes):
    """Of these octets TCP sends the half, then closes."""

    __slots__ = ()


Reply = bytes | None
Behaviour = Callable[[dns.message.Message, bool], Reply]


def make_reply(query: dns.message.Message, *answer: tuple[Any, ...], ttl: int = 300) -> Any:
    """A reply with records (name or "" for that of the question, type, text...)."""
    reply = dns.message.make_response(query, recursion_available=True)
    for name, rrtype, *texts in answer:
        owner = name or query.question[0].name
        reply.answer.append(dns.rrset.from_text(owner, ttl, "IN", rrtype, *texts))
    return reply


GOOD = {
    "TXT": ['"v=spf1 ip4:192.0.2.1 -all"'],
    "A": ["192.0.2.1"],
    "AAAA": ["2001:db8::1"],
    "MX": ["10 mail.example."],
    "PTR": ["mail.example."],
}


def _good_reply(query: dns.message.Message) -> Any:
    rrtype = query.question[0].rdtype.name
    return make_reply(query, ("", rrtype, *GOOD[rrtype]))


def good(query: dns.message.Message, tcp: bool) -> Reply:
    return bytes(_good_reply(query).to_wire())


def silent(query: dns.message.Message, tcp: bool) -> Reply:
    return None


def late(query: dns.message.Message, tcp: bool) -> Reply:
    time.sleep(LATE_SECONDS)
    return good(query, tcp)


def garbage(query: dns.message.Message, tcp: bool) -> Reply:
    """The right id and QR, then octets that are no message."""
    return query.id.to_bytes(2, "big") + b"\x80\x00" + b"\xff" * 40


def noise(query: dns.message.Message, tcp: bool) -> Reply:
    return b"\x01\x02\x03"


def wrong_id(query: dns.message.Message, tcp: bool) -> Reply:
    octets = _good_reply(query).to_wire()
    return bytes(((query.id + 1) % 0x10000).to_bytes(2, "big") + octets[2:])


def wrong_question(query: dns.message.Message, tcp: bool) -> Reply:
    other = dns.message.make_query("another.example.", query.question[0].rdtype, id=query.id)
    return good(other, tcp)


def _rcode(rcode: dns.rcode.Rcode) -> Behaviour:
    def behaviour(query: dns.message.Message, tcp: bool) -> Reply:
        reply = make_reply(query)
        reply.set_rcode(rcode)
        return bytes(reply.to_wire())

    return behaviour


def no_edns(query: dns.message.Message, tcp: bool) -> Reply:
    """An old server: FORMERR when there is an OPT record."""
    return _rcode(dns.rcode.FORMERR)(query, tcp) if query.edns >= 0 else good(query, tcp)


def truncated(query: dns.message.Message, tcp: bool) -> Reply:
    if tcp:
        return good(query, tcp)
    reply = _good_reply(query)
    reply.flags |= dns.flags.TC
    reply.answer.clear()
    return bytes(reply.to_wire())


def truncated_always(query: dns.message.Message, tcp: bool) -> Reply:
    return truncated(query, False)


def partial_tcp(query: dns.message.Message, tcp: bool) -> Reply:
    octets = truncated(query, tcp)
    return Partial(octets or b"") if tcp else octets


def poison(query: dns.message.Message, tcp: bool) -> Reply:
    """A good answer among records that nobody asked for, in every section."""
    rrtype = query.question[0].rdtype.name
    reply = make_reply(
        query,
        ("other.example.", "TXT", '"v=spf1 +all"'),
        ("", rrtype, *GOOD[rrtype]),
        ("other.example.", "CNAME", "good.example."),
    )
    owner = query.question[0].name
    for section in (reply.authority, reply.additional):
        section.append(dns.rrset.from_text(owner, 300, "IN", "TXT", '"v=spf1 +all"'))
    return bytes(reply.to_wire())


def only_additional(query: dns.message.Message, tcp: bool) -> Reply:
    reply = make_reply(query)
    owner = query.question[0].name
    reply.additional.append(dns.rrset.from_text(owner, 300, "IN", "TXT", '"v=spf1 +all"'))
    return bytes(reply.to_wire())


def loop(query: dns.message.Message, tcp: bool) -> Reply:
    owner = query.question[0].name
    reply = make_reply(query, ("", "CNAME", "b.example."), ("b.example.", "CNAME", str(owner)))
    return bytes(reply.to_wire())


def endless(query: dns.message.Message, tcp: bool) -> Reply:
    """Each name is an alias of the next; no reply holds two."""
    label = query.question[0].name.labels[0].decode()
    number = int(label.removeprefix("n")) if label[1:].isdigit() else 0
    return bytes(make_reply(query, ("", "CNAME", f"n{number + 1}.example.")).to_wire())


def referral(query: dns.message.Message, tcp: bool) -> Reply:
    reply = make_reply(query)
    reply.authority.append(dns.rrset.from_text("example.", 300, "IN", "NS", "ns.example."))
    return bytes(reply.to_wire())


def flaky(query: dns.message.Message, tcp: bool) -> Reply:
    """Good, but one datagram of twenty is lost, some are slow, and some are nonsense or errors."""
    draw = random.random()
    for share, behaviour in FLAWS:
        draw -= share
        if draw < 0:
            return BEHAVIOURS[behaviour](query, tcp)
    if draw > 0.7:
        time.sleep(0.01)
    return good(query, tcp)


FLAWS = (
    (0.05, "silent"),
    (0.01, "garbage"),
    (0.01, "wrong-id"),
    (0.01, "wrong-question"),
    (0.01, "noise"),
    (0.02, "servfail"),
    (0.01, "refused"),
    (0.02, "truncated"),
)
BEHAVIOURS: Mapping[str, Behaviour] = {
    "flaky": flaky,
    "good": good,
    "silent": silent,
    "late": late,
    "garbage": garbage,
    "noise": noise,
    "wrong-id": wrong_id,
    "wrong-question": wrong_question,
    "servfail": _rcode(dns.rcode.SERVFAIL),
    "refused": _rcode(dns.rcode.REFUSED),
    "notimp": _rcode(dns.rcode.NOTIMP),
    "nxdomain": _rcode(dns.rcode.NXDOMAIN),
    "no-edns": no_edns,
    "truncated": truncated,
    "truncated-always": truncated_always,
    "partial-tcp": partial_tcp,
    "poison": poison,
    "only-additional": only_additional,
    "loop": loop,
    "endless": endless,
    "referral": referral,
}


@dataclass
class FaultyServer:
    """A running server. ``queries``: (name, type, "udp" or "tcp") of what it was asked."""

    behaviours: Mapping[str, Behaviour]
    host: str = "127.0.0.1"
    port: int = 0
    queries: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def reply(self, octets: bytes, tcp: bool) -> Reply:
        query = dns.message.from_wire(octets)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True)
        self.queries.append((name, question.rdtype.name, "tcp" if tcp else "udp"))
        behaviour = self.behaviours.get(name) or self.behaviours.get("*", silent)
        return behaviour(query, tcp)


class _Datagrams(socketserver.ThreadingUDPServer):
    faulty: FaultyServer


class _Streams(socketserver.ThreadingTCPServer):
    faulty: FaultyServer
    allow_reuse_address = True


class _Datagram(socketserver.BaseRequestHandler):
    server: _Datagrams

    def handle(self) -> None:
        octets, sock = self.request
        reply = self.server.faulty.reply(octets, False)
        if reply is not None:
            with contextlib.suppress(OSError):  # a late answer, after the end of the test
                sock.sendto(reply, self.client_address)


class _Stream(socketserver.StreamRequestHandler):
    server: _Streams
    timeout = 5.0

    def handle(self) -> None:
        size = int.from_bytes(self.rfile.read(2), "big")
        octets = self.rfile.read(size)
        if not octets:
            return
        reply = self.server.faulty.reply(octets, True)
        if reply is None:
            self.rfile.read(1)  # until the client gives up
            return
        message = len(reply).to_bytes(2, "big") + reply
        if isinstance(reply, Partial):
            message = message[: len(message) // 2]
        with contextlib.suppress(OSError):
            self.wfile.write(message)


@contextlib.contextmanager
def run_faulty_server(behaviours: Mapping[str, Behaviour]) -> Iterator[FaultyServer]:
    faulty = FaultyServer(behaviours, port=free_port())
    address = (faulty.host, faulty.port)
    with _Datagrams(address, _Datagram) as udp, _Streams(address, _Stream) as tcp:
        threads = []
        for server in (udp, tcp):
            server.faulty = faulty
            thread = threading.Thread(target=server.serve_forever, args=(0.02,))
            thread.start()
            threads.append(thread)
        try:
            yield faulty
        finally:
            udp.shutdown()
            tcp.shutdown()
            for thread in threads:
                thread.join(5)


StartFaulty = Callable[[Mapping[str, str | Behaviour]], FaultyServer]


@pytest.fixture
def faulty_server() -> Iterator[StartFaulty]:
    """Starts a server whose behaviour, a word of BEHAVIOURS or a function, depends on the name."""
    with contextlib.ExitStack() as stack:

        def start(behaviours: Mapping[str, str | Behaviour]) -> FaultyServer:
            functions = {
                name: BEHAVIOURS[behaviour] if isinstance(behaviour, str) else behaviour
                for name, behaviour in behaviours.items()
            }
            return stack.enter_context(run_faulty_server(functions))

        yield start


@pytest.fixture
def dead_server() -> Iterator[DnsServer]:
    """An address where datagrams arrive and nobody reads them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield DnsServer("127.0.0.1", sock.getsockname()[1])
