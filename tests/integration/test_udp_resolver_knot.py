"""UdpResolver and knot, a real server: SystemResolver's answers, in every way to ask."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import senderid_fast as sf
from senderid_fast.questions import Answer, Question, RRType, Status
from senderid_fast.resolver import SystemResolver, UdpResolver

pytest.importorskip("dns")
NAMES = [
    "spf.test",
    "mail.spf.test",
    "strings.spf.test",
    "empty.spf.test",
    "octets.spf.test",
    "null-mx.spf.test",
    "alias.spf.test",
    "away.spf.test",
    "away-empty.spf.test",
    "nowhere.spf.test",
    "no-data.spf.test",
    "loop-a.spf.test",
    "10.reverse.spf.test",
    "\xc3\xa9\\x.spf.test",
    "any.wild.spf.test",
    "big.spf.test",
    "many.spf.test",
    "absent.spf.test",
    "other.test",
    "elsewhere.invalid",
]
QUESTIONS = [Question(name, rrtype) for name in NAMES for rrtype in RRType]


def without_server(answer: Answer) -> Answer:
    """Records as a set: knot turns them from answer to answer."""
    return answer._replace(records=tuple(sorted(answer.records)))


@pytest.fixture(scope="module")
def expected(knot: Any) -> list[Answer]:
    resolver = SystemResolver([knot.address])
    answers = [without_server(resolver.resolve(question, 10.0)) for question in QUESTIONS]
    assert {Status.OK, Status.NODATA, Status.NXDOMAIN} <= {answer.status for answer in answers}
    return answers


def test_many(knot: Any, expected: list[Answer]) -> None:
    resolver = UdpResolver([knot.address], try_seconds=5)
    answers = resolver.resolve_many(QUESTIONS, 60.0)
    assert [without_server(answer) for answer in answers] == expected
    statistics = resolver.statistics()
    assert statistics["truncated"]
    assert statistics["odd"]
    assert statistics["forged"] == statistics["late"] == 0


def test_one_at_a_time(knot: Any, expected: list[Answer]) -> None:
    resolver = UdpResolver([knot.address], try_seconds=5)
    answers = [resolver.resolve(question, 60.0) for question in QUESTIONS]
    assert [without_server(answer) for answer in answers] == expected


def test_tasks(knot: Any, expected: list[Answer]) -> None:
    async def run() -> list[Answer]:
        resolver = UdpResolver([knot.address], try_seconds=5)
        return await asyncio.gather(*[resolver.resolve_async(one, 60.0) for one in QUESTIONS])

    assert [without_server(answer) for answer in asyncio.run(run())] == expected


def test_sockets_are_renewed(knot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from senderid_fast.resolver import udp_exchange

    opened: list[int] = []
    true_open = udp_exchange.Exchange._open

    def counted(exchange: Any, server: int, now: int) -> Any:
        port = true_open(exchange, server, now)
        opened.append(port.socket.getsockname()[1])
        return port

    monkeypatch.setattr(udp_exchange, "MOST_QUERIES", 50)
    monkeypatch.setattr(udp_exchange.Exchange, "_open", counted)
    resolver = UdpResolver([knot.address], sockets=2, in_flight=20, try_seconds=5)
    questions = [Question(f"n{number}.wild.spf.test", RRType.A) for number in range(1_000)]
    answers = resolver.resolve_many(questions, 60.0)
    assert {answer.records for answer in answers} == {("192.0.2.99",)}
    assert 1_000 // (50 + 64) <= len(opened) <= 60
    assert len(set(opened)) > 2


@pytest.mark.parametrize("way", ["check", "batch", "async"])
def test_engines(knot: Any, way: str) -> None:
    resolver = UdpResolver([knot.address], try_seconds=5)
    if way == "check":
        verdict = sf.Engine(resolver).check_mail_from(
            "192.0.2.10", "user@spf.test", "mail.spf.test"
        )
        assert str(verdict.result) == "pass"
    elif way == "async":

        async def run() -> Any:
            async with sf.AsyncEngine(resolver) as engine:
                return await engine.check_mail_from("192.0.2.10", "user@spf.test", "mail.spf.test")

        assert str(asyncio.run(run()).result) == "pass"
    else:
        pa = pytest.importorskip("pyarrow")
        table = pa.table(
            {
                "ip": ["192.0.2.10", "192.0.2.12", "192.0.2.77"],
                "mail_from": ["a@spf.test", "a@spf.test", "a@alias.spf.test"],
                "helo": ["mail.spf.test"] * 3,
            }
        )
        done = sf.Engine(resolver).check_batch(table)
        assert done["spf_result"].to_pylist() == ["pass", "fail", "pass"]
