"""What the store of answers costs: to put one in, to find it in a check, and to make room for it.

Putting an answer in compiles it: that is the parsing of the record, for TXT.
"""

from __future__ import annotations

import itertools
import time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import senderid_fast as sf
from benchmarks.zones import HELO, MEMBER, networks
from senderid_fast._core.answers import AnswerStore

HOUR = 3_600 * 10**9
ANSWERS = {
    "no such name": (sf.RRType.TXT, sf.Answer(sf.Status.NXDOMAIN, (), 3_600)),
    "A, one address": (sf.RRType.A, sf.Answer(sf.Status.OK, ("192.0.2.1",), 3_600)),
    "A, 20 addresses": (
        sf.RRType.A,
        sf.Answer(sf.Status.OK, tuple(f"192.0.2.{number}" for number in range(20)), 3_600),
    ),
    "MX, two": (
        sf.RRType.MX,
        sf.Answer(sf.Status.OK, ((10, "mx1.sender.example"), (20, "mx2.sender.example")), 3_600),
    ),
    "TXT, a short policy": (
        sf.RRType.TXT,
        sf.Answer(sf.Status.OK, (b"site-verification=1", b"v=spf1 mx -all"), 3_600),
    ),
    "TXT, 100 networks": (
        sf.RRType.TXT,
        sf.Answer(sf.Status.OK, (f"v=spf1 {networks(100)} -all".encode(),), 3_600),
    ),
}


@pytest.mark.benchmark(group="put: an answer in the place of an older one")
@pytest.mark.parametrize("name", ANSWERS)
def test_put(benchmark: BenchmarkFixture, name: str) -> None:
    rrtype, answer = ANSWERS[name]
    store, question, now = AnswerStore(), sf.Question("sender.example", rrtype), time.monotonic_ns()
    benchmark(store.put, question, answer, now + HOUR, now)
    assert len(store) == 1
    assert store.statistics()["refused"] == 0


@pytest.mark.benchmark(group="check_mail_from: the policy among others in the store")
@pytest.mark.parametrize("others", [0, 1_000, 100_000])
def test_look_up(benchmark: BenchmarkFixture, others: int) -> None:
    """One check with one answer. It is always the same, so it stays in the processor's caches."""
    policy = {"TXT": "v=spf1 ip4:203.0.113.0/24 -all"}
    zone = {"sender.example": [policy]}
    engine = sf.Engine(sf.ZoneResolver(zone), store_octets=1 << 30, policy_tables=False)
    rrtype, answer = ANSWERS["TXT, a short policy"]
    now = time.monotonic_ns()
    for number in range(others):
        question = sf.Question(f"other{number}.example", rrtype)
        engine._store.put(question, answer, now + HOUR, now)
    assert engine.check_mail_from(MEMBER, "info@sender.example", HELO).result is sf.Result.PASS
    assert engine.statistics()["answers"] == others + 1
    verdict = benchmark(engine.check_mail_from, MEMBER, "info@sender.example", HELO)
    assert verdict.result is sf.Result.PASS
    assert engine.statistics()["asked"] == 1


@pytest.mark.benchmark(group="put: a new name in a full store")
def test_eviction(benchmark: BenchmarkFixture) -> None:
    limit = 1 << 20
    store, now = AnswerStore(limit), time.monotonic_ns()
    rrtype, answer = ANSWERS["TXT, a short policy"]
    numbers = itertools.count()

    def put() -> None:
        store.put(sf.Question(f"d{next(numbers)}.example", rrtype), answer, now + HOUR, now)

    while not store.statistics()["evicted"]:
        put()
    before = store.statistics()
    benchmark(put)
    after = store.statistics()
    # Since it was full, about as many went as came.
    came, went = after["stored"] - before["stored"], after["evicted"] - before["evicted"]
    assert came > 0
    assert after["octets"] <= limit
    assert abs(came - went) <= max(8, came // 10)
