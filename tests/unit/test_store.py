"""The store of answers: bounded in octets, and nothing that is evicted changes a verdict."""

from __future__ import annotations

import random
from typing import Any

import pytest
from support.scripted import IP, Scripted, address, policy, run_threads

import senderid_fast as sf
from senderid_fast._core.answers import AnswerStore

LEAST = 65_536
SECOND = 1_000_000_000
TXT = sf.RRType.TXT


def question(number: int, rrtype: sf.RRType = TXT) -> sf.Question:
    return sf.Question(f"d{number}.example", rrtype)


def test_a_store_keeps_what_it_is_given() -> None:
    store = AnswerStore(1 << 20)
    assert len(store) == 0
    for number in range(100):
        store.put(question(number), policy("v=spf1 -all"), 5 * SECOND, 0)
        store.put(question(number, sf.RRType.A), address(IP), 5 * SECOND, 0)
    counts = store.statistics()
    assert len(store) == counts["answers"] == counts["stored"] == 200
    assert 0 < counts["octets"] < counts["limit"] == 1 << 20
    octets = counts["octets"]
    # The same question again: in place of the older answer.
    for number in range(100):
        store.put(question(number), policy("v=spf1 -all"), 5 * SECOND, 0)
    assert len(store) == 200
    assert store.statistics()["octets"] == octets
    store.put(question(0), policy("v=spf1 " + "a " * 1000), 5 * SECOND, 0)
    assert len(store) == 200
    assert store.statistics()["octets"] > octets + 2000
    store.clear()
    assert len(store) == store.statistics()["octets"] == 0
    assert store.statistics()["stored"] == 301
    store.after_fork()
    store.put(question(1), policy("v=spf1 -all"), 5 * SECOND, 0)
    assert len(store) == 1


@pytest.mark.parametrize("name", ["", "x" * 254, "\u20ac.example"])
def test_a_store_refuses_what_is_no_name(name: str) -> None:
    store = AnswerStore(1 << 20)
    with pytest.raises(ValueError, match=r".+"):
        store.put(sf.Question(name, TXT), policy("v=spf1 -all"), SECOND, 0)
    assert len(store) == 0


def test_expired_answers_go_first() -> None:
    store = AnswerStore(LEAST)
    for number in range(100):
        store.put(question(number), policy("v=spf1 -all"), 10 * SECOND, 0)
    number = 100
    while store.statistics()["expired"] < 50 and number < 5000:
        store.put(question(number), policy("v=spf1 -all"), 90 * SECOND, 20 * SECOND)
        number += 1
    assert store.statistics()["expired"] >= 50
    assert store.statistics()["octets"] <= LEAST


@pytest.mark.parametrize("seed", range(5))
def test_the_limit_holds_for_answers_of_all_sizes(seed: int) -> None:
    chance = random.Random(seed)
    store = AnswerStore(LEAST)
    for step in range(3000):
        kind = chance.choice(["txt", "broken", "a", "mx", "empty", "large"])
        number = chance.randrange(500)
        length = chance.randrange(60)
        answer: Any = {
            "txt": policy("v=spf1 " + "ip4:192.0.2.0/24 " * length),
            "broken": policy("v=spf1 a:" + "x" * length),
            "a": address(*[f"192.0.2.{n}" for n in range(length)]),
            "mx": sf.Answer(sf.Status.OK, tuple((n, f"m{n}.example") for n in range(length))),
            "empty": sf.Answer(sf.Status.SERVFAIL, detail="x" * length),
            "large": policy("v=spf1 " + "x=y " * 9000),
        }[kind]
        rrtype = {"a": sf.RRType.A, "mx": sf.RRType.MX}.get(kind, TXT)
        store.put(question(number, rrtype), answer, (step + chance.randrange(100)) * SECOND, step)
        counts = store.statistics()
        assert counts["octets"] <= counts["limit"] == LEAST
        assert counts["answers"] == len(store)
        assert (counts["octets"] == 0) == (counts["answers"] == 0)
    counts = store.statistics()
    # What came either is there, was replaced, or went.
    assert counts["stored"] + counts["refused"] == 3000
    assert counts["answers"] + counts["evicted"] + counts["expired"] <= counts["stored"]
    assert counts["evicted"] > 0
    assert counts["refused"] > 0  # one that is large does not push many others out


def numbered(question: sf.Question, timeout: float) -> sf.Answer:
    """d<n>.example passes 10.<n high>.<n low>.0/24 by an include, h<n>.example has one address."""
    name = question.name.split(".")[0]
    number = int(name[1:])
    if question.rrtype is not TXT:
        return address(f"10.{number >> 8}.{number & 255}.9", ttl=86_400)
    network = f"ip4:10.{number >> 8}.{number & 255}.0/28"
    if name[0] == "i":
        return policy(f"v=spf1 {network} -all", 86_400)
    return policy(f"v=spf1 include:i{number}.example a:h{number}.example/30 ~all", 86_400)


def results_of(engine: sf.Engine, number: int) -> list[str]:
    prefix = f"10.{number >> 8}.{number & 255}"
    domain = f"d{number}.example"
    ips = (f"{prefix}.1", f"{prefix}.11", f"{prefix}.33")
    return [str(engine.check_host(ip, domain).result) for ip in ips]


RIGHT = ["pass", "pass", "softfail"]


def test_a_small_store_gives_the_verdicts_of_a_large_one() -> None:
    resolver = Scripted(numbered)
    engine = sf.Engine(resolver, store_octets=LEAST)
    chance = random.Random(7)
    for step in range(6000):
        number = step if step < 3000 else chance.randrange(3000)
        assert results_of(engine, number) == RIGHT
        counts = engine.statistics()
        assert counts["octets"] <= LEAST
    assert counts["evicted"] > 3000
    assert counts["asked"] == len(resolver.questions) > 9000


def test_a_policy_larger_than_the_store_is_evaluated_all_the_same() -> None:
    large = "v=spf1 " + " ".join(f"ip4:10.{n >> 8}.{n & 255}.0/24" for n in range(3500)) + " -all"
    assert len(large) > LEAST - 10_000
    resolver = Scripted(lambda *_: policy(large))
    engine = sf.Engine(resolver, store_octets=LEAST)
    for _ in range(2):
        assert engine.check_host("10.13.171.1", "a.example").result == "pass"
        assert engine.check_host("10.13.172.1", "a.example").result == "fail"
        assert engine.statistics()["octets"] <= LEAST


def test_names_made_for_one_message_push_no_policy_out() -> None:
    def reply(question: sf.Question, timeout: float) -> sf.Answer:
        if question.rrtype is TXT:
            return policy("v=spf1 exists:%{i}.%{l}.made.example ptr:%{o} ?a:%{h} -all", 86_400)
        if question.rrtype is sf.RRType.PTR:
            return sf.Answer(sf.Status.OK, (f"p{question.name}",), 86_400)
        return sf.Answer(sf.Status.NODATA, ttl=86_400)

    resolver = Scripted(reply)
    engine = sf.Engine(resolver, store_octets=1 << 19, limits=sf.Limits(void_lookups=50))
    domains = [f"d{number}.example" for number in range(100)]
    for domain in domains:
        engine.check_host(IP, domain)
    for number in range(20_000):
        domain = domains[number % 100]
        ip = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        sender, helo = f"u{number}@{domain}", f"h{number}.relay.example"
        assert engine.check_mail_from(ip, sender, helo).result == "fail"
    txt = {name: count for name, count in resolver.counts.items() if name.endswith("TXT")}
    assert txt == {f"{domain} TXT": 1 for domain in domains}
    counts = engine.statistics()
    assert counts["evicted"] > 10_000
    assert counts["octets"] <= 1 << 19


def test_what_is_used_often_stays() -> None:
    resolver = Scripted(numbered)
    engine = sf.Engine(resolver, store_octets=LEAST)
    for number in range(5000):
        assert results_of(engine, 1) == RIGHT
        engine.check_host(IP, f"d{10 + number}.example")
    assert resolver.counts["d1.example TXT"] == 1


def test_threads_in_a_small_store_that_is_cleared() -> None:
    engine = sf.Engine(Scripted(numbered), store_octets=LEAST)

    def work(thread: int) -> None:
        chance = random.Random(thread)
        for step in range(400):
            if thread == 0 and step % 5 == 0:
                engine.clear()
            assert results_of(engine, chance.randrange(300)) == RIGHT
            assert engine.statistics()["octets"] <= LEAST

    run_threads(8, work)
