"""UdpResolver against servers that fail, lose and forge: right answers or errors, in time."""

from __future__ import annotations

import socket
import time
from collections import Counter
from typing import Any

import dns.message
import dns.rrset
import pytest
from support.udp import GOOD, QUESTION, ask_together, numbered

from senderid_fast.questions import Answer, Question, RRType, Status
from senderid_fast.resolver import UdpResolver

COUNTS = {"sent", "answered", "retried", "timed_out", "truncated", "odd", "late", "forged"}


@pytest.mark.parametrize(
    ("behaviour", "status", "detail"),
    [
        ("servfail", Status.SERVFAIL, "answered SERVFAIL"),
        ("refused", Status.REFUSED, "answered REFUSED"),
        ("notimp", Status.ERROR, "answered NOTIMP"),
        ("garbage", Status.TIMEOUT, "did not answer within 0.1 s"),
        ("noise", Status.TIMEOUT, "did not answer within 0.1 s"),
        ("wrong-id", Status.TIMEOUT, "did not answer within 0.1 s"),
        ("wrong-question", Status.TIMEOUT, "did not answer within 0.1 s"),
        ("silent", Status.TIMEOUT, "did not answer within 0.2 s"),
        ("late", Status.TIMEOUT, "did not answer within 0.2 s"),
        ("truncated-always", Status.MALFORMED, "sent a truncated answer over TCP"),
        ("partial-tcp", Status.MALFORMED, "closed the TCP connection before its answer was whole"),
        ("referral", Status.ERROR, "answered with a referral: it does not resolve this name"),
    ],
)
def test_failure(ask: Any, faulty_server: Any, behaviour: str, status: Status, detail: str) -> None:
    server = faulty_server({"*": behaviour})
    answer = ask(UdpResolver([server.address], try_seconds=0.1, tries=2), QUESTION)
    assert answer.status is status
    assert f"{server.address} {detail}" in answer.detail
    assert answer.records == ()

    # The next server is asked, and its answer is the answer.
    second = faulty_server({"*": "good"})
    resolver = UdpResolver([server.address, second.address], try_seconds=0.1)
    assert ask(resolver, QUESTION) == GOOD
    assert second.queries == [("name.example", "TXT", "udp")]


@pytest.mark.parametrize(
    ("behaviour", "answer", "transports"),
    [
        ("good", GOOD, ["udp"]),
        ("poison", GOOD, ["udp"]),
        ("truncated", GOOD, ["udp", "tcp"]),
        ("no-edns", GOOD, ["udp", "udp"]),
        ("only-additional", Answer(Status.NODATA), ["udp"]),
        ("nxdomain", Answer(Status.NXDOMAIN), ["udp"]),
    ],
)
def test_answer(
    ask: Any, faulty_server: Any, behaviour: str, answer: Answer, transports: list[str]
) -> None:
    server = faulty_server({"*": behaviour})
    assert ask(UdpResolver([server.address]), QUESTION) == answer
    assert [transport for _, _, transport in server.queries] == transports


def test_aliases_that_lead_nowhere(ask: Any, faulty_server: Any) -> None:
    server = faulty_server({"loop.example": "loop", "*": "endless"})
    resolver = UdpResolver([server.address])
    answer = ask(resolver, Question("loop.example", RRType.TXT))
    assert answer == Answer(Status.SERVFAIL, detail="the CNAMEs of loop.example form a loop")
    assert "more than 16 CNAMEs" in ask(resolver, QUESTION).detail


@pytest.mark.parametrize("name", ["a..example", "", "x" * 64 + ".example", "\u0100.example"])
def test_name_that_is_none(ask: Any, faulty_server: Any, name: str) -> None:
    server = faulty_server({"*": "good"})
    answer = ask(UdpResolver([server.address]), Question(name, RRType.TXT))
    assert answer.status is Status.ERROR
    assert server.queries == []


def test_no_time_at_all(ask: Any, faulty_server: Any) -> None:
    server = faulty_server({"*": "good"})
    answer = ask(UdpResolver([server.address]), QUESTION, 0.0)
    assert answer == Answer(Status.TIMEOUT, detail="no time was left to ask a DNS server")
    assert server.queries == []


@pytest.mark.parametrize("behaviour", ["silent", "wrong-id", "partial-tcp", "endless"])
def test_total_time_is_kept(ask: Any, faulty_server: Any, dead_server: Any, behaviour: str) -> None:
    server = faulty_server({"*": behaviour})
    resolver = UdpResolver([dead_server.address, server.address], try_seconds=30, tries=9)
    start = time.monotonic()
    assert ask(resolver, QUESTION, 0.5).status.is_error
    assert 0.4 < time.monotonic() - start < 1.5


def test_many_keep_the_time(dead_server: Any) -> None:
    resolver = UdpResolver([dead_server.address], try_seconds=30)
    start = time.monotonic()
    answers = resolver.resolve_many(numbered(2_000), 0.5)
    assert 0.4 < time.monotonic() - start < 3
    assert {answer.status for answer in answers} == {Status.TIMEOUT}


def test_server_where_nobody_listens_is_left_at_once(ask: Any, faulty_server: Any) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{sock.getsockname()[1]}"
    server = faulty_server({"*": "good"})
    start = time.monotonic()
    assert ask(UdpResolver([closed, server.address], try_seconds=30), QUESTION) == GOOD
    assert time.monotonic() - start < 5
    answer = ask(UdpResolver([closed], try_seconds=30), QUESTION)
    assert answer.status is Status.ERROR
    assert "could not be asked: Connection refused" in answer.detail


@pytest.mark.parametrize("way", ["many", "tasks"])
@pytest.mark.parametrize("strategy", ["first", "in-turn", "hash"])
def test_flaky_servers(way: str, strategy: str, faulty_server: Any, dead_server: Any) -> None:
    """Loss, delay, errors, garbage and a dead server: all right, or told as what they are."""
    servers = [faulty_server({"*": "flaky"}).address for _ in range(2)]
    servers.insert(1, dead_server.address)
    resolver = UdpResolver(servers, try_seconds=0.3, in_flight=32, strategy=strategy)
    start = time.monotonic()
    answers = ask_together(way, resolver, numbered(400))
    assert time.monotonic() - start < 20
    counts = Counter(answer.status for answer in answers)
    assert all(answer == GOOD or answer.status.is_error for answer in answers)
    assert counts[Status.OK] >= 390
    statistics = resolver.statistics()
    assert set(statistics) == COUNTS
    assert statistics["timed_out"]
    assert statistics["forged"]


@pytest.mark.parametrize("way", ["many", "tasks"])
def test_each_question_has_its_own_answer(way: str, knot_like: Any) -> None:
    questions = [
        Question(f"n{number}.example", rrtype) for number in range(300) for rrtype in RRType
    ]
    answers = ask_together(way, UdpResolver([knot_like.address], in_flight=64), questions)
    for (name, rrtype), answer in zip(questions, answers, strict=True):
        if rrtype is RRType.TXT:
            assert answer.records == (name.encode(),)
        else:
            assert answer.status is Status.NODATA


@pytest.fixture
def knot_like(faulty_server: Any) -> Any:
    """A server that answers TXT questions with the name asked."""

    def behaviour(query: Any, tcp: bool) -> bytes:
        reply = dns.message.make_response(query)
        question = query.question[0]
        if question.rdtype == RRType.TXT:
            text = question.name.to_text(omit_final_dot=True)
            reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", "TXT", f'"{text}"'))
        return reply.to_wire()

    return faulty_server({"*": behaviour})


def test_silent_server_is_avoided(ask: Any, faulty_server: Any) -> None:
    server, silent = faulty_server({"*": "good"}), faulty_server({"*": "silent"})
    resolver = UdpResolver([silent.address, server.address], try_seconds=0.2)
    for question in numbered(30):
        assert ask(resolver, question) == GOOD
    assert 3 <= len(silent.queries) <= 10  # one now and then, whether it is back


def test_strategies(faulty_server: Any) -> None:
    servers = [faulty_server({"*": "good"}) for _ in range(3)]
    addresses = [server.address for server in servers]

    def asked(strategy: str, questions: list[Question]) -> list[int]:
        before = [len(server.queries) for server in servers]
        resolver = UdpResolver(addresses, strategy=strategy, try_seconds=5, in_flight=16)
        assert set(resolver.resolve_many(questions, 20.0)) == {GOOD}
        return [len(server.queries) - count for server, count in zip(servers, before, strict=True)]

    assert asked("first", numbered(60)) == [60, 0, 0]
    assert asked("in-turn", numbered(60)) == [20, 20, 20]
    hashed = asked("hash", numbered(60))
    assert sum(hashed) == 60
    assert min(hashed) > 3
    assert asked("hash", numbered(60)) == hashed
    one = [Question("one.example", rrtype) for rrtype in (RRType.TXT,)]
    assert sorted(asked("hash", one)) == [0, 0, 1]


def test_rate(faulty_server: Any) -> None:
    server = faulty_server({"*": "good"})
    resolver = UdpResolver([server.address], rate=100, try_seconds=5)
    start = time.monotonic()
    assert set(resolver.resolve_many(numbered(60), 20.0)) == {GOOD}
    assert time.monotonic() - start > 0.5
    start = time.monotonic()
    assert set(ask_together("tasks", resolver, numbered(60))) == {GOOD}
    assert time.monotonic() - start > 0.4
