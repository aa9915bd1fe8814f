"""How long an answer is kept, for whom it counts, how much is asked (by the clock of a test)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.scripted import IP, Clock, Scripted, address, policy, zone_reply

import senderid_fast as sf

TXT = sf.RRType.TXT
Status = sf.Status


def one_answer(answer: sf.Answer, **settings: Any) -> tuple[sf.Engine, Scripted]:
    resolver = Scripted(lambda question, _: answer)
    return sf.Engine(resolver, **settings), resolver


def asked_after(
    clock: Clock, engine: sf.Engine, resolver: Scripted, waits: tuple[float, ...]
) -> list[int]:
    """How many questions there were in all, at once and after each wait."""
    counts = []
    for wait in (0.0, *waits):
        clock.advance(wait)
        engine.check_host(IP, "a.example")
        counts.append(len(resolver.questions))
    return counts


@pytest.mark.parametrize(
    ("answer", "settings", "waits", "counts"),
    [
        # the time to live of the answer
        (policy("v=spf1 -all", 60), {}, (0, 59, 2), [1, 1, 1, 2]),
        (policy("v=spf1 -all", 1), {}, (0.5, 1.5), [1, 1, 2]),
        (policy("v=spf1 -all", 0), {}, (0, 0), [1, 2, 3]),
        (policy("v=spf1 -all", -60), {}, (0, 0), [1, 2, 3]),
        # least and most
        (policy("v=spf1 -all", 0), {"min_ttl": 30}, (29, 2), [1, 1, 2]),
        (policy("v=spf1 -all", -5), {"min_ttl": 30}, (29, 2), [1, 1, 2]),
        (policy("v=spf1 -all", 3600), {"max_ttl": 60}, (59, 2), [1, 1, 2]),
        (policy("v=spf1 -all", 2**31 - 1), {}, (86_399, 2), [1, 1, 2]),
        (policy("v=spf1 -all", 2**31 - 1), {"max_ttl": 0}, (0,), [1, 2]),
        (policy("v=spf1 -all", 10), {"min_ttl": 20, "max_ttl": 20}, (19, 2), [1, 1, 2]),
        # RFC 2308 5: negative answers, for as long as the resolver says; without SOA not at all
        (sf.Answer(Status.NXDOMAIN, ttl=30), {}, (29, 2), [1, 1, 2]),
        (sf.Answer(Status.NODATA, ttl=30), {}, (29, 2), [1, 1, 2]),
        (sf.Answer(Status.NODATA, ttl=0), {}, (0, 0), [1, 2, 3]),
        (sf.Answer(Status.OK, (), ttl=30), {}, (29, 2), [1, 1, 2]),
        # RFC 2308 7: failures, for seconds, whatever the time to live of the answer
        (sf.Answer(Status.SERVFAIL, ttl=3600), {}, (4, 2), [1, 1, 2]),
        (sf.Answer(Status.TIMEOUT), {}, (4, 2), [1, 1, 2]),
        (sf.Answer(Status.REFUSED), {"failure_ttl": 60}, (59, 2), [1, 1, 2]),
        (sf.Answer(Status.ERROR), {"failure_ttl": 0}, (0, 0), [1, 2, 3]),
        (sf.Answer(Status.MALFORMED), {"failure_ttl": 0, "min_ttl": 60}, (0,), [1, 2]),
    ],
)
def test_how_long_an_answer_is_kept(
    clock: Clock,
    answer: sf.Answer,
    settings: dict[str, Any],
    waits: tuple[float, ...],
    counts: list[int],
) -> None:
    engine, resolver = one_answer(answer, **settings)
    assert asked_after(clock, engine, resolver, waits) == counts


def test_an_answer_that_cannot_be_read_is_not_kept_as_if_it_could(clock: Clock) -> None:
    engine, resolver = one_answer(sf.Answer(Status.OK, (None,), 3600))  # type: ignore[arg-type]
    assert engine.check_host(IP, "a.example").result == "temperror"
    clock.advance(6)  # failure_ttl is over: the resolver may do better now
    resolver.reply = lambda *_: policy("v=spf1 +all")
    assert engine.check_host(IP, "a.example").result == "pass"


def test_a_hit_does_not_make_an_answer_live_longer(clock: Clock) -> None:
    texts = iter(f"v=spf1 +all v={number}" for number in range(100))
    resolver = Scripted(lambda *_: policy(next(texts), 1))
    engine = sf.Engine(resolver)
    for _ in range(11):  # every half second for five seconds
        engine.check_host(IP, "a.example")
        clock.advance(0.5)
    assert 4 <= len(resolver.questions) <= 6
    # With no hit within its time it is asked again, too.
    before = len(resolver.questions)
    clock.advance(2)
    engine.check_host(IP, "a.example")
    assert len(resolver.questions) == before + 1


def test_a_verdict_follows_the_answer_that_ends_first(clock: Clock) -> None:
    addresses = iter(["198.51.100.1", IP])

    def reply(question: sf.Question, timeout: float) -> sf.Answer:
        if question.rrtype is TXT:
            return policy("v=spf1 a:h.example -all", 3600)
        return address(next(addresses), ttl=10)

    resolver = Scripted(reply)
    engine = sf.Engine(resolver)
    assert engine.check_host(IP, "a.example").result == "fail"
    clock.advance(9)
    assert engine.check_host(IP, "a.example").result == "fail"
    clock.advance(2)
    assert engine.check_host(IP, "a.example").result == "pass"
    assert resolver.counts == {"a.example TXT": 1, "h.example A": 2}


def test_a_failure_is_of_one_name_and_type_only(clock: Clock) -> None:
    zone: dict[str, Any] = {
        "x.sub.example.com": ["TIMEOUT"],
        "sub.example.com": [{"TXT": "v=spf1 +all"}],
        "other.example.com": [{"TXT": "v=spf1 a:half.example.com -all"}],
        "half.example.com": [{"A": IP}, "SERVFAIL"],
    }
    resolver = Scripted(zone_reply(zone))
    engine = sf.Engine(resolver)
    assert engine.check_host(IP, "x.sub.example.com").reason is sf.Reason.DNS_TIMEOUT
    assert engine.check_host(IP, "half.example.com").reason is sf.Reason.DNS_ERROR
    for domain in ("sub.example.com", "other.example.com"):
        assert engine.check_host(IP, domain).result == "pass"
    assert engine.check_host("2001:db8::1", "other.example.com").result == "temperror"
    # Once the failure is forgotten and the server is well, so is the name.
    resolver.reply = zone_reply({"x.sub.example.com": [{"TXT": "v=spf1 +all"}]})
    assert engine.check_host(IP, "x.sub.example.com").result == "temperror"
    clock.advance(5.1)
    assert engine.check_host(IP, "x.sub.example.com").result == "pass"


def test_an_answer_without_time_to_live_counts_for_the_whole_check() -> None:
    terms = "a:h.example/32 a:h.example/31 mx:m.example exists:%{p}.x.example ptr:y.example"

    def reply(question: sf.Question, timeout: float) -> sf.Answer:
        if question.rrtype is TXT:
            return policy(f"v=spf1 {terms} include:b.example -all", 0)
        if question.rrtype is sf.RRType.MX:
            return sf.Answer(Status.OK, ((1, "h.example"), (2, "k.example")), 0)
        if question.rrtype is sf.RRType.PTR:
            return sf.Answer(Status.OK, ("h.example",), 0)
        return address("198.51.100.1", ttl=0)

    resolver = Scripted(reply)
    engine = sf.Engine(resolver, limits=sf.Limits(lookups=50))
    engine.check_host(IP, "a.example")
    assert set(resolver.counts.values()) == {1}
    engine.check_host(IP, "a.example")
    assert set(resolver.counts.values()) == {2}
    assert engine.statistics()["answers"] == 0


SENDERS = "v=spf1 exists:{}.users.example -all"


@pytest.mark.parametrize(
    ("record", "good", "bad"),
    [
        (SENDERS.format("%{l}"), {}, {"sender": "bob@a.example"}),
        (SENDERS.format("%{s}"), {}, {"sender": "bob@a.example"}),
        (SENDERS.format("%{o}"), {}, {"sender": "amy@b.example"}),
        (SENDERS.format("%{h}"), {}, {"helo": "other.relay.example"}),
        (SENDERS.format("%{i}"), {}, {"ip": "192.0.2.2"}),
        (SENDERS.format("%{ir}.%{v}"), {}, {"ip": "2001:db8::1"}),
        (SENDERS.format("%{p}"), {}, {"ip": "192.0.2.2"}),
        ("v=spf1 ptr:relay.example -all", {}, {"ip": "192.0.2.2"}),
        ("v=spf1 a:mta.relay.example -all", {}, {"ip": "2001:db8::1"}),
        ("v=spf1 include:%{l}.pol.example -all", {}, {"sender": "bob@a.example"}),
        ("v=spf1 redirect=%{h}.pol.example", {}, {"helo": "other.relay.example"}),
    ],
)
def test_what_depends_on_a_message_is_kept_for_that_message_only(
    record: str, good: dict[str, str], bad: dict[str, str]
) -> None:
    """RFC 7208 7.3, last paragraph."""
    usual = {"ip": IP, "sender": "amy@a.example", "helo": "mta.relay.example"}
    users = ("amy", "amy@a.example", "a.example", "mta.relay.example", IP, "1.2.0.192.in-addr")
    zone: dict[str, Any] = {f"{user}.users.example": [{"A": "127.0.0.2"}] for user in users}
    zone |= {
        "a.example": [{"TXT": record}],
        "amy.pol.example": [{"TXT": "v=spf1 +all"}],
        "bob.pol.example": [{"TXT": "v=spf1 -all"}],
        "mta.relay.example.pol.example": [{"TXT": "v=spf1 +all"}],
        "other.relay.example.pol.example": [{"TXT": "v=spf1 -all"}],
        "1.2.0.192.in-addr.arpa": [{"PTR": "mta.relay.example"}],
        "2.2.0.192.in-addr.arpa": [{"PTR": "mta.relay.example"}],
        "mta.relay.example": [{"A": IP}, {"AAAA": "2001:db8::2"}],
    }
    engine = sf.Engine(sf.ZoneResolver(zone))

    def result(**changed: str) -> str:
        who = {**usual, **changed}
        return str(engine.check_host(who["ip"], "a.example", who["sender"], who["helo"]).result)

    for _ in range(2):  # asked, then known
        assert result(**good) == "pass"
        assert result(**bad) == "fail"
        assert result(**bad) == "fail"
        assert result(**good) == "pass"


def bulk() -> Iterator[tuple[str, str]]:
    for number in range(10_000):
        yield f"10.0.{number % 2000 >> 8}.{number % 2000 & 255}", f"d{number % 50}.example"


def test_bulk_asks_each_question_once(clock: Clock) -> None:
    zone: dict[str, Any] = {
        f"d{number}.example": [
            {"TXT": f"v=spf1 include:shared.example mx a:h{number % 7}.example ~all"},
            {"MX": [10, f"m{number % 5}.example"]},
        ]
        for number in range(50)
    }
    zone |= {f"{kind}{n}.example": [{"A": "10.0.0.1"}] for kind in "hm" for n in range(10)}
    zone["shared.example"] = [{"TXT": "v=spf1 ip4:10.0.1.0/24 -all"}]
    resolver = Scripted(zone_reply(zone))
    engine = sf.Engine(resolver)
    for ip, domain in bulk():
        result = "pass" if ip.startswith("10.0.1.") or ip == "10.0.0.1" else "softfail"
        assert engine.check_host(ip, domain).result == result
    assert set(resolver.counts.values()) == {1}
    assert len(resolver.questions) == 50 + 50 + 1 + 7 + 5
    counts = engine.statistics()
    assert counts["asked"] == counts["stored"] == counts["answers"] == len(resolver.questions)
    assert counts["failed"] == counts["evicted"] == counts["expired"] == 0


@pytest.mark.parametrize("record", ["a:%{h} a:h.example", "a:h.example a:%{h}", "mx a:%{o}"])
def test_a_name_is_asked_once_whichever_way_it_is_come_by(record: str) -> None:
    """Spelled out in one record and made by a macro in another: it is the same question."""
    zone: dict[str, Any] = {
        "a.example": [
            {"TXT": f"v=spf1 {record} -all"},
            {"MX": [1, "a.example"]},
            {"A": "10.0.0.1"},
        ],
        "b.example": [{"TXT": "v=spf1 a:h.example a:a.example -all"}],
        "h.example": [{"A": "10.0.0.1"}],
    }
    resolver = Scripted(zone_reply(zone))
    engine = sf.Engine(resolver)
    for domain in ("a.example", "b.example", "a.example"):
        assert engine.check_host(IP, domain, "u@a.example", "h.example").result == "fail"
    assert set(resolver.counts.values()) == {1}


@pytest.mark.parametrize(("data", "result"), [("A", "permerror"), ("AAAA", "fail")])
def test_the_questions_of_one_mail_are_bounded(data: str, result: str) -> None:
    """RFC 7208 4.6.4, 11.1: ten terms of ten exchanges each, for HELO and MAIL FROM."""
    records = " ".join(f"mx:m{number}.example" for number in range(10))
    zone: dict[str, Any] = {
        "a.example": [{"TXT": f"v=spf1 {records} -all exp=why.example"}],
        "why.example": [{"TXT": "no"}],
    }
    for term in range(10):
        zone[f"m{term}.example"] = [{"MX": [1, f"x{n}.m{term}.example"]} for n in range(10)]
        for n in range(10):
            zone[f"x{n}.m{term}.example"] = [
                {data: "198.51.100.1" if data == "A" else "2001:db8::1"}
            ]
    resolver = Scripted(zone_reply(zone))
    engine = sf.Engine(resolver)
    for _ in range(2):
        assert engine.check_helo("2001:db8::2", "a.example").result == result
        verdict = engine.check_mail_from("2001:db8::2", "u@a.example", "a.example")
        assert verdict.result == result
    # Without addresses, the third void lookup ends it; with them, 10 terms do.
    terms = 3 if result == "permerror" else 10
    assert len(resolver.questions) == 1 + terms * 11 + (result == "fail")
    assert engine.statistics()["asked"] == len(resolver.questions)
    assert verdict.void_lookups == (3 if result == "permerror" else 0)


def test_clear_forgets_everything() -> None:
    engine, resolver = one_answer(policy("v=spf1 +all"))
    for times in range(1, 4):
        engine.check_host(IP, "a.example")
        engine.clear()
        assert engine.statistics()["answers"] == engine.statistics()["octets"] == 0
        assert len(resolver.questions) == times
    assert engine.statistics()["stored"] == 3
