"""DNS servers on the loopback address that fail in a way that a test chooses.

BEHAVIOURS  the ways, by name; run_faulty_server runs a server whose way depends on the name asked
flooding    a server that sends datagrams without end; answering: several to one query
"""

from __future__ import annotations

import contextlib
import random
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

__all__ = [
    "BEHAVIOURS",
    "GOOD",
    "Behaviour",
    "FaultyServer",
    "Partial",
    "Several",
    "answering",
    "flooding",
    "free_port",
    "make_reply",
    "run_faulty_server",
]


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


LATE_SECONDS = 0.4


class Partial(bytes):
    """Of these octets TCP sends the half, then closes."""

    __slots__ = ()


class Several(tuple[bytes, ...]):
    """UDP sends each of these as a datagram of its own, TCP the last one alone."""

    __slots__ = ()


Reply = bytes | Several | None
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
    request_queue_size = 128


class _Datagram(socketserver.BaseRequestHandler):
    server: _Datagrams

    def handle(self) -> None:
        octets, sock = self.request
        reply = self.server.faulty.reply(octets, False)
        if reply is not None:
            with contextlib.suppress(OSError):  # a late answer, after the end of the test
                for datagram in reply if isinstance(reply, Several) else (reply,):
                    sock.sendto(datagram, self.client_address)


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
        if isinstance(reply, Several):
            reply = reply[-1]
        message = len(reply).to_bytes(2, "big") + reply
        if isinstance(reply, Partial):
            message = message[: len(message) // 2]
        with contextlib.suppress(OSError):
            self.wfile.write(message)


@contextlib.contextmanager
def run_faulty_server(
    behaviours: Mapping[str, Behaviour], port: int | None = None
) -> Iterator[FaultyServer]:
    faulty = FaultyServer(behaviours, port=free_port() if port is None else port)
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


@contextlib.contextmanager
def flooding(replies: Any) -> Any:
    """A server that sends datagrams without end once it was asked; its address."""
    stop = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(5)

        def flood() -> None:
            query, client = sock.recvfrom(4096)
            end = time.monotonic() + 5
            while not stop.is_set() and time.monotonic() < end:
                for octets in replies(query):
                    with contextlib.suppress(OSError):
                        sock.sendto(octets, client)

        thread = threading.Thread(target=flood)
        thread.start()
        try:
            yield f"127.0.0.1:{sock.getsockname()[1]}"
        finally:
            stop.set()
            thread.join()


@contextlib.contextmanager
def answering(replies: Any) -> Any:
    """A server that answers one query by several datagrams; its address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(5)

        def answer() -> None:
            query, client = sock.recvfrom(4096)
            for octets in replies(query):
                sock.sendto(octets, client)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield f"127.0.0.1:{sock.getsockname()[1]}"
        finally:
            thread.join()
