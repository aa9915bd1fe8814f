"""SystemResolver against servers that fail: a definite answer, in time, and never an exception."""

from __future__ import annotations

import time
from typing import Any

import pytest
from support.faulty import flooding
from support.udp import QUESTION, cancel

from senderid_fast.questions import Answer, Question, RRType, Status
from senderid_fast.resolver import SystemResolver

GOOD = Answer(Status.OK, (b"v=spf1 ip4:192.0.2.1 -all",), 300)


@pytest.mark.parametrize(
    ("behaviour", "status", "detail"),
    [
        ("servfail", Status.SERVFAIL, "answered SERVFAIL"),
        ("refused", Status.REFUSED, "answered REFUSED"),
        ("notimp", Status.ERROR, "answered NOTIMP"),
        ("garbage", Status.MALFORMED, "sent octets that are no DNS message"),
        ("noise", Status.MALFORMED, "sent no octets that answer the query within 0.3 s"),
        ("wrong-id", Status.MALFORMED, "sent no octets that answer the query within 0.3 s"),
        ("wrong-question", Status.MALFORMED, "answered another question than the one asked"),
        ("silent", Status.TIMEOUT, "did not answer within 0.3 s (2 times)"),
        ("late", Status.TIMEOUT, "did not answer within 0.3 s (2 times)"),
        ("truncated-always", Status.MALFORMED, "sent a truncated answer over TCP"),
        ("partial-tcp", Status.MALFORMED, "closed the TCP connection before its answer was whole"),
        ("referral", Status.ERROR, "answered with a referral: it does not resolve this name"),
    ],
)
def test_failure(ask: Any, faulty_server: Any, behaviour: str, status: Status, detail: str) -> None:
    server = faulty_server({"*": behaviour})
    alone = SystemResolver([server.address], try_seconds=0.3, tries=2)
    answer = ask(alone, QUESTION)
    assert answer.status is status
    assert f"{server.address} {detail}" in answer.detail
    assert answer.records == ()

    # The next server is asked, and its answer is the answer.
    second = faulty_server({"*": "good"})
    resolver = SystemResolver([server.address, second.address], try_seconds=0.3)
    assert ask(resolver, QUESTION) == GOOD
    assert second.queries == [("name.example", "TXT", "udp")]


def test_status_that_says_most_is_told(ask: Any, faulty_server: Any, dead_server: Any) -> None:
    first, third = faulty_server({"*": "refused"}), faulty_server({"*": "servfail"})
    servers = [first.address, dead_server.address, third.address]
    answer = ask(SystemResolver(servers, try_seconds=0.1, tries=1), QUESTION)
    assert answer.status is Status.SERVFAIL
    assert answer.detail == (
        f"{first.address} answered REFUSED; {dead_server.address} did not answer within 0.1 s; "
        f"{third.address} answered SERVFAIL"
    )


def test_failed_server_is_not_asked_twice(ask: Any, faulty_server: Any, dead_server: Any) -> None:
    server = faulty_server({"*": "servfail"})
    resolver = SystemResolver([server.address, dead_server.address], try_seconds=0.1, tries=3)
    answer = ask(resolver, QUESTION)
    assert "did not answer within 0.1 s (3 times)" in answer.detail
    assert len(server.queries) == 1


@pytest.mark.parametrize("behaviour", ["silent", "wrong-id", "partial-tcp", "endless"])
def test_total_time_is_kept(ask: Any, faulty_server: Any, dead_server: Any, behaviour: str) -> None:
    server = faulty_server({"*": behaviour})
    resolver = SystemResolver([dead_server.address, server.address], try_seconds=30, tries=9)
    start = time.monotonic()
    answer = ask(resolver, QUESTION, 0.5)
    assert answer.status.is_error
    assert 0.4 < time.monotonic() - start < 1.5


def test_flood_of_datagrams_does_not_hold_the_wait(ask: Any) -> None:
    """Datagrams that are there already never make recv() wait; time passes all the same."""
    with flooding(lambda query: [b"noise"]) as address:
        start = time.monotonic()
        assert ask(SystemResolver([address], tries=1), QUESTION, 0.3).status is Status.MALFORMED
        assert time.monotonic() - start < 1.3


def test_all_dead_is_a_timeout(ask: Any, dead_server: Any) -> None:
    resolver = SystemResolver([dead_server.address], try_seconds=0.2, tries=100)
    start = time.monotonic()
    assert ask(resolver, QUESTION, 0.5).status is Status.TIMEOUT
    assert 0.4 < time.monotonic() - start < 1.5


def test_no_time_at_all(ask: Any, faulty_server: Any) -> None:
    server = faulty_server({"*": "good"})
    answer = ask(SystemResolver([server.address]), QUESTION, 0.0)
    assert answer == Answer(Status.TIMEOUT, detail="no time was left to ask a DNS server")
    assert server.queries == []


def test_late_answer_in_time(ask: Any, faulty_server: Any) -> None:
    server = faulty_server({"*": "late"})
    assert ask(SystemResolver([server.address], try_seconds=3), QUESTION) == GOOD


def test_truncated_then_tcp(ask: Any, faulty_server: Any) -> None:
    server = faulty_server({"*": "truncated"})
    assert ask(SystemResolver([server.address]), QUESTION) == GOOD
    assert [transport for _, _, transport in server.queries] == ["udp", "tcp"]


def test_server_without_edns(ask: Any, faulty_server: Any) -> None:
    server = faulty_server({"*": "no-edns"})
    assert ask(SystemResolver([server.address]), QUESTION) == GOOD
    assert len(server.queries) == 2
    # Without EDNS its FORMERR would be an answer.
    assert ask(SystemResolver([server.address], edns_payload=0), QUESTION) == GOOD
    assert len(server.queries) == 3


def test_other_records_are_not_used(ask: Any, faulty_server: Any) -> None:
    server = faulty_server({"name.example": "poison", "more.example": "only-additional"})
    resolver = SystemResolver([server.address])
    assert ask(resolver, QUESTION) == GOOD
    answer = ask(resolver, Question("more.example", RRType.TXT))
    assert answer == Answer(Status.NODATA)  # without SOA it may not be kept: ttl 0


def test_nxdomain_without_soa_is_not_kept(ask: Any, faulty_server: Any) -> None:
    server = faulty_server({"*": "nxdomain"})
    assert ask(SystemResolver([server.address]), QUESTION) == Answer(Status.NXDOMAIN, ttl=0)


def test_alias_loop(ask: Any, faulty_server: Any) -> None:
    server = faulty_server({"*": "loop"})
    answer = ask(SystemResolver([server.address]), QUESTION)
    assert answer.status is Status.SERVFAIL
    assert answer.detail == "the CNAMEs of name.example form a loop"
    assert len(server.queries) == 1


def test_endless_aliases(ask: Any, faulty_server: Any) -> None:
    server = faulty_server({"*": "endless"})
    answer = ask(SystemResolver([server.address]), QUESTION)
    assert answer.status is Status.SERVFAIL
    assert "more than 16 CNAMEs" in answer.detail
    assert len(server.queries) == 17


def test_alias_target_fails(ask: Any, faulty_server: Any) -> None:
    server = faulty_server({"n1.example": "servfail", "*": "endless"})
    answer = ask(SystemResolver([server.address]), QUESTION)
    assert answer == Answer(
        Status.SERVFAIL,
        detail=f"{server.address} answered SERVFAIL when asked for the alias n1.example",
    )


def test_server_that_knew_the_alias_is_asked_first(ask: Any, faulty_server: Any) -> None:
    first = faulty_server({"*": "refused"})
    second = faulty_server({"n1.example": "good", "*": "endless"})
    resolver = SystemResolver([first.address, second.address])
    assert ask(resolver, QUESTION) == GOOD
    assert [name for name, _, _ in first.queries] == ["name.example"]


def test_all_servers_are_asked_for_the_alias(ask: Any, faulty_server: Any) -> None:
    first = faulty_server({"n1.example": "good", "*": "servfail"})
    second = faulty_server({"n1.example": "refused", "*": "endless"})
    assert ask(SystemResolver([first.address, second.address]), QUESTION) == GOOD


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("a..example", "empty label"),
        ("", "empty label"),
        ("x" * 64 + ".example", "63 octets"),
        (".".join(["x" * 60] * 5), "255 octets"),
        ("\u0100.example", "U+00FF"),
    ],
)
def test_name_that_is_none(ask: Any, faulty_server: Any, name: str, problem: str) -> None:
    server = faulty_server({"*": "good"})
    answer = ask(SystemResolver([server.address]), Question(name, RRType.TXT))
    assert answer.status is Status.ERROR
    assert problem in answer.detail
    assert server.queries == []


def test_cancelled_task_is_cancelled(dead_server: Any) -> None:
    cancel(SystemResolver([dead_server.address], try_seconds=30))
