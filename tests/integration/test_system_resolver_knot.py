"""SystemResolver against knot, a real authoritative server (RFC 1035, 2308, 6604)."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from senderid_fast.questions import Answer, Question, RRType, Status
from senderid_fast.resolver import SystemResolver

TXT, A, AAAA, MX, PTR = RRType.TXT, RRType.A, RRType.AAAA, RRType.MX, RRType.PTR


@pytest.fixture
def resolver(knot: Any) -> SystemResolver:
    return SystemResolver([knot.address])


@pytest.mark.parametrize(
    ("question", "records", "ttl"),
    [
        (Question("spf.test", TXT), (b"v=spf1 mx -all",), 300),
        (Question("strings.spf.test", TXT), (b"v=spf1 ip4:192.0.2.1 -all",), 300),
        (Question("empty.spf.test", TXT), (b"",), 300),
        (Question("octets.spf.test", TXT), (b'v=spf1 \xe9\x00\xff "x" -all',), 300),
        (Question("mail.spf.test", A), ("192.0.2.10", "192.0.2.11"), 300),
        (Question("mail.spf.test", AAAA), ("2001:db8::10",), 300),
        (Question("spf.test", MX), ((10, "mail.spf.test"), (20, "mail2.spf.test")), 300),
        (Question("null-mx.spf.test", MX), ((0, ""),), 300),
        (Question("10.reverse.spf.test", PTR), ("a.dot.spf.test", "mail.spf.test"), 300),
        (Question("\u00c3\u00a9\\x.spf.test", TXT), (b"odd name",), 300),
        (Question("x.wild.spf.test", A), ("192.0.2.99",), 300),
        (Question("alias.spf.test", TXT), (b"v=spf1 ip4:192.0.2.77 -all",), 60),
        (Question("away.spf.test", TXT), (b"v=spf1 include:other.test -all",), 30),
    ],
)
def test_records(
    ask: Any, resolver: SystemResolver, question: Question, *, records: Any, ttl: int
) -> None:
    answer = ask(resolver, question)
    # A server gives the records of an RRset in any order.
    assert sorted(answer.records) == sorted(records)
    assert answer == Answer(Status.OK, answer.records, ttl)


@pytest.mark.parametrize(
    ("name", "status", "ttl"),
    [
        ("no-such-name.spf.test", Status.NXDOMAIN, 120),  # RFC 2308 5: the SOA's MINIMUM
        ("mail.spf.test", Status.NODATA, 120),
        ("wild.spf.test", Status.NODATA, 120),  # it has only names below it
        ("nowhere.spf.test", Status.NXDOMAIN, 120),  # RFC 6604 3: that of the alias's target
        ("no-data.spf.test", Status.NODATA, 120),
        ("away-empty.spf.test", Status.NODATA, 30),
    ],
)
def test_no_records(
    ask: Any, resolver: SystemResolver, name: str, status: Status, ttl: int
) -> None:
    assert ask(resolver, Question(name, TXT)) == Answer(status, ttl=ttl)


def test_alias_loop(ask: Any, resolver: SystemResolver) -> None:
    answer = ask(resolver, Question("loop-a.spf.test", TXT))
    assert answer.status is Status.SERVFAIL
    assert answer.detail == "the CNAMEs of loop-a.spf.test form a loop"


def test_other_zone_is_refused(ask: Any, resolver: SystemResolver, knot: Any) -> None:
    answer = ask(resolver, Question("example.com", TXT))
    assert answer == Answer(Status.REFUSED, detail=f"{knot.address} answered REFUSED")


@pytest.mark.parametrize("payload", [0, 512, 1232])
def test_truncated_answer_is_asked_over_tcp(ask: Any, knot: Any, payload: int) -> None:
    resolver = SystemResolver([knot.address], edns_payload=payload)
    answer = ask(resolver, Question("big.spf.test", TXT))
    assert answer.status is Status.OK
    assert sorted(answer.records) == [b"v=spf1 record %02d " % n + b"x" * 100 for n in range(20)]


def test_many_addresses(ask: Any, resolver: SystemResolver) -> None:
    answer = ask(resolver, Question("many.spf.test", A))
    assert len(set(answer.records)) == 1500


def test_dead_first_server(ask: Any, knot: Any, dead_server: Any) -> None:
    resolver = SystemResolver([dead_server.address, knot.address], try_seconds=0.2)
    assert ask(resolver, Question("away.spf.test", TXT)).status is Status.OK


def test_closed_first_server(ask: Any, knot: Any) -> None:
    """Where nobody listens the network says so at once: no try_seconds are spent."""
    resolver = SystemResolver(["127.0.0.1:1", knot.address], try_seconds=30)
    assert ask(resolver, Question("spf.test", TXT)).status is Status.OK


def test_resolv_conf(ask: Any, knot: Any, tmp_path: Any) -> None:
    conf = tmp_path / "resolv.conf"
    resolver = SystemResolver(port=knot.port, config_file=str(conf))
    missing = ask(resolver, Question("spf.test", TXT))
    assert missing.status is Status.ERROR
    assert str(conf) in missing.detail
    # The search list is not used: the name asked is the whole name.
    conf.write_text("# servers\nsearch spf.test\nnameserver 127.0.0.1\noptions ndots:5\n")
    assert ask(resolver, Question("mail.spf.test", A)).status is Status.OK
    assert ask(resolver, Question("mail", A)).status is Status.REFUSED


def test_many_threads_share_a_resolver(resolver: SystemResolver) -> None:
    answers: list[Answer] = []

    def run() -> None:
        answers.append(resolver.resolve(Question("spf.test", TXT), 5))

    threads = [threading.Thread(target=run) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status for answer in answers] == [Status.OK] * 16


def test_many_tasks_share_a_resolver(resolver: SystemResolver) -> None:
    async def run() -> list[Answer]:
        question = Question("spf.test", TXT)
        return await asyncio.gather(*(resolver.resolve_async(question, 5) for _ in range(50)))

    assert {answer.status for answer in asyncio.run(run())} == {Status.OK}
