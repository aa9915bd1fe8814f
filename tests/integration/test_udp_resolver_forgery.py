"""UdpResolver where somebody else answers: floods, guessed ids, other questions and addresses."""

from __future__ import annotations

import contextlib
import random
import socket
import time
from typing import Any

import dns.message
import dns.rrset
from support.faulty import answering, flooding
from support.udp import QUESTION, numbered

from senderid_fast.questions import Answer, Status
from senderid_fast.resolver import UdpResolver


def test_flood_does_not_hold_the_wait(ask: Any) -> None:
    with flooding(lambda query: [b"noise"] * 50) as address:
        start = time.monotonic()
        assert ask(UdpResolver([address], tries=1), QUESTION, 0.3).status is Status.TIMEOUT
        assert time.monotonic() - start < 1.5


def test_guessed_ids_are_not_answers(ask: Any) -> None:
    """On the path of the port, without the id: all but one of 65,536 guesses are dropped."""
    forged = b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + (
        b"\x04name\x07example\x00\x00\x10\x00\x01"
        b"\xc0\x0c\x00\x10\x00\x01\x00\x00\x00\x3c\x00\x0c\x0bv=spf1 +all"
    )

    def wrong(query: bytes) -> list[bytes]:
        ours = int.from_bytes(query[:2], "big")
        others = [random.randrange(0x10000) for _ in range(50)]
        return [other.to_bytes(2, "big") + forged for other in others if other != ours]

    with flooding(wrong) as address:
        resolver = UdpResolver([address], tries=1)
        assert ask(resolver, QUESTION, 0.3).status is Status.TIMEOUT
        assert resolver.statistics()["forged"] > 50


def test_forger_off_the_path(faulty_server: Any) -> None:
    """Right ids and questions, from another address or port: the kernel drops them."""
    seen: list[tuple[str, bytes]] = []

    def forge(query: Any, tcp: bool) -> bytes:
        reply = good_with(query, "v=spf1 +all")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.2", 0))
            for port in range(32768, 61000, 1):
                with contextlib.suppress(OSError):
                    sock.sendto(reply, ("127.0.0.1", port))
        seen.append(("forged", reply))
        return good_with(query, "v=spf1 -all")

    server = faulty_server({"*": forge})
    resolver = UdpResolver([server.address], try_seconds=20)
    answers = resolver.resolve_many(numbered(3), 60.0)
    assert {answer.records for answer in answers} == {(b"v=spf1 -all",)}
    assert len(seen) == 3
    assert resolver.statistics()["forged"] == 0


def good_with(query: Any, text: str) -> bytes:
    reply = dns.message.make_response(query)
    name = query.question[0].name
    reply.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", f'"{text}"'))
    return bytes(reply.to_wire())


def test_other_questions_are_not_answers(ask: Any) -> None:
    """The right id and port with another name, type or class: dropped, and the truth is taken."""

    def replies(octets: bytes) -> list[bytes]:
        query = dns.message.from_wire(octets)
        true = good_with(query, "v=spf1 -all")
        lie = good_with(query, "v=spf1 +all")
        at = 12 + len(query.question[0].name.to_wire())
        return [
            lie.replace(b"\x04name", b"\x04mane"),
            lie[:at] + b"\x00\x01" + lie[at + 2 :],
            lie[: at + 2] + b"\x00\x03" + lie[at + 4 :],
            lie[:2] + b"\x01" + lie[3:],
            lie[:2] + b"\xa9" + lie[3:],
            lie[:10],
            b"",
            true,
            lie,  # too late by one datagram
        ]

    with answering(replies) as address:
        resolver = UdpResolver([address], try_seconds=5)
        assert ask(resolver, QUESTION) == Answer(Status.OK, (b"v=spf1 -all",), 60)
        assert resolver.statistics()["forged"] in (7, 8)
