"""The life of policy tables: when they are made, shared, and when they die."""

from __future__ import annotations

import random
from typing import Any

import pytest
from support.scripted import IP, Clock, Scripted, address, policy, run_threads
from support.tables import eager_engine

import senderid_fast as sf
from senderid_fast._core.answers import AnswerStore

TXT = sf.RRType.TXT
INSIDE, OUTSIDE = "198.51.100.7", "203.0.113.9"


def replies(records: dict[str, Any]) -> Scripted:
    """A resolver that answers with what records holds when it is asked: text or (text, ttl)."""

    def reply(question: sf.Question, timeout: float) -> sf.Answer:
        found = records.get(question.name)
        if found is None:
            return sf.Answer(sf.Status.NXDOMAIN, ttl=3600)
        text, ttl = found if isinstance(found, tuple) else (found, 3600)
        return policy(text, ttl) if question.rrtype is TXT else address(text, ttl=ttl)

    return Scripted(reply)


def tables(engine: sf.Engine) -> int:
    return engine.statistics()["tables"]


PROVIDED = {
    "a.example": "v=spf1 include:p.example -all",
    "b.example": "v=spf1 include:p.example -all",
    "p.example": "v=spf1 ip4:198.51.100.0/24 a:h.example ~all",
    "h.example": "192.0.2.1",
}


def test_hosts_with_the_same_record_share_a_table() -> None:
    engine = eager_engine(replies(PROVIDED))
    for _ in range(4):
        for domain in ("a.example", "b.example"):
            assert engine.check_host(INSIDE, domain).result == "pass"
            assert engine.check_host(OUTSIDE, domain).result == "fail"
    counts = engine.statistics()
    assert counts["tables"] == 1
    assert 0 < counts["table_octets"] < 2000
    assert counts["octets"] > counts["table_octets"]


@pytest.mark.parametrize(
    ("start", "between", "made"),
    [
        ("a:h.example ", " ", 1),
        ("a:h.example ", " x=y ", 0),
        (f"a:{'%{d}.' * 300}h.example ", " ", 0),
        (f"?a:{'%_' * 300}h.example ", " ", 0),
    ],
)
def test_a_walk_ends_after_so_many_steps(start: str, between: str, made: int) -> None:
    """What a stranger's record has before its networks is gone through again in each range."""
    networks = between.join(f"ip4:198.51.{place // 100}.{place % 100 * 2}" for place in range(500))
    records = {"a.example": f"v=spf1 {start}{networks} -all", "h.example": "192.0.2.1"}
    engine = eager_engine(replies(records))
    for _ in range(3):
        assert engine.check_host("198.51.4.198", "a.example").result == "pass"
        assert engine.check_host("198.51.4.197", "a.example").result == "fail"
    assert engine.statistics()["tables_made"] == made


def test_a_record_that_speaks_of_its_host_has_a_table_for_each() -> None:
    records = {
        "a.example": "v=spf1 a:%{d} -all",
        "b.example": "v=spf1 a:%{d} -all",
    }

    def reply(question: sf.Question, timeout: float) -> sf.Answer:
        if question.rrtype is TXT:
            return policy(records[question.name], 3600)
        return address("192.0.2.1" if question.name == "a.example" else "192.0.2.2", ttl=3600)

    engine = eager_engine(Scripted(reply))
    for _ in range(4):
        assert engine.check_host("192.0.2.1", "a.example").result == "pass"
        assert engine.check_host("192.0.2.1", "b.example").result == "fail"
        assert engine.check_host("192.0.2.2", "b.example").result == "pass"
    assert tables(engine) == 2


def test_no_table_where_a_setting_says_so() -> None:
    engine = sf.Engine(replies(PROVIDED), policy_tables=False)
    for _ in range(200):
        assert engine.check_host(INSIDE, "a.example").result == "pass"
    assert engine.statistics()["tables_made"] == 0
    with pytest.raises(sf.InputError, match="policy_tables"):
        sf.Engine(policy_tables=1)  # type: ignore[arg-type]


def test_a_table_comes_after_many_evaluations() -> None:
    engine = sf.Engine(replies(PROVIDED))
    for _ in range(20):
        engine.check_host(INSIDE, "a.example")
    assert tables(engine) == 0
    for _ in range(20):
        engine.check_host(INSIDE, "a.example")
    assert tables(engine) > 0


def test_a_table_ends_with_the_first_answer_it_stands_on(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    records: dict[str, Any] = {**PROVIDED, "h.example": ("192.0.2.1", 60)}
    engine = eager_engine(replies(records))
    for _ in range(4):
        assert engine.check_host(IP, "a.example").result == "pass"
    assert tables(engine) == 1
    records["h.example"] = ("192.0.2.77", 60)
    clock.advance(59)
    assert engine.check_host(IP, "a.example").result == "pass"
    clock.advance(2)
    for _ in range(4):
        assert engine.check_host(IP, "a.example").result == "fail"
        assert engine.check_host("192.0.2.77", "a.example").result == "pass"
    assert tables(engine) == 1  # in place of the one that is over


def test_a_table_ends_when_an_answer_is_replaced() -> None:
    engine = eager_engine(replies(PROVIDED))
    for _ in range(4):
        assert engine.check_host(INSIDE, "a.example").result == "pass"
    assert tables(engine) == 1
    never = 1 << 62
    engine._store.put(sf.Question("p.example", TXT), policy("v=spf1 ?all"), never, 0)
    for _ in range(4):
        assert engine.check_host(INSIDE, "a.example").result == "fail"
    engine._store.put(sf.Question("a.example", TXT), policy("v=spf1 ~all"), never, 0)
    assert engine.check_host(INSIDE, "a.example").result == "softfail"
    assert engine.check_host(INSIDE, "b.example").result == "fail"


def test_clear_forgets_tables() -> None:
    engine = eager_engine(replies(PROVIDED))
    for _ in range(4):
        engine.check_host(INSIDE, "a.example")
    engine.clear()
    counts = engine.statistics()
    assert counts["tables"] == counts["table_octets"] == counts["octets"] == counts["records"] == 0
    assert engine.check_host(INSIDE, "a.example").result == "pass"


def test_a_range_that_was_not_known_is_filled_in_later() -> None:
    """The include is asked for only when a client comes that is not in the first network."""
    records = {
        "a.example": "v=spf1 ip4:198.51.100.0/24 include:p.example -all",
        "p.example": "v=spf1 ip4:203.0.113.0/24 a:h.example -all",
        "h.example": "192.0.2.1",
    }
    resolver = replies(records)
    engine = eager_engine(resolver)
    for _ in range(4):
        assert engine.check_host(INSIDE, "a.example").result == "pass"
    assert [str(question) for question in resolver.questions] == ["a.example TXT"]
    assert engine.statistics()["tables_made"] == 1
    for _ in range(10):
        assert engine.check_host(IP, "a.example").result == "pass"
    assert engine.statistics()["tables_made"] > 1
    made = engine.statistics()["tables_made"]
    for _ in range(100):
        assert engine.check_host(IP, "a.example").mechanism == "include:p.example"
    assert engine.statistics()["tables_made"] == made


def test_a_table_keeps_what_it_stands_on() -> None:
    """Nobody looks up the included record while a table stands for it, and yet it stays."""
    records: dict[str, Any] = dict(PROVIDED)
    resolver = replies(records)
    engine = eager_engine(resolver, store_octets=1 << 17)
    for number in range(20_000):
        records[f"d{number}.example"] = "v=spf1 ip4:192.0.2.0/24 -all"
        engine.check_host(INSIDE, f"d{number}.example")
        assert engine.check_host(INSIDE, "a.example").result == "pass"
        del records[f"d{number}.example"]
    assert engine.statistics()["evicted"] > 10_000
    assert resolver.counts["p.example TXT"] == resolver.counts["a.example TXT"] == 1


def test_tables_count_in_the_limit() -> None:
    """Policies whose tables are larger than their records."""

    def reply(question: sf.Question, timeout: float) -> sf.Answer:
        number = int(question.name.split(".")[0][1:])
        if question.name[0] == "p":
            networks = " ".join(f"ip4:10.{number % 200}.{n}.0/25" for n in range(0, 250, 2))
            return policy(f"v=spf1 {networks} ~all", 3600)
        return policy(
            f"v=spf1 ip4:192.0.2.{number % 256} include:p{number % 50}.example -all", 3600
        )

    limit = 1 << 18
    engine = eager_engine(Scripted(reply), store_octets=limit)
    for number in range(3000):
        for _ in range(3):
            ip = f"10.{number % 50}.4.1"
            assert engine.check_host(ip, f"d{number}.example").result == "pass"
        counts = engine.statistics()
        assert counts["octets"] <= limit
        assert counts["table_octets"] <= counts["octets"]
    assert counts["tables"] > 10
    engine.clear()
    assert engine.statistics()["table_octets"] == 0


def test_more_ranges_than_a_table_may_have() -> None:
    """Such a policy is evaluated each time; it is not tried again and again."""
    blocks = [
        "v=spf1 " + " ".join(f"ip4:{first}.{n >> 8}.{n & 255}.0/25" for n in range(3000)) + " ?all"
        for first in range(10, 14)
    ]
    records = {f"p{n}.example": text for n, text in enumerate(blocks)}
    records["a.example"] = "v=spf1 " + " ".join(f"include:{name}" for name in records) + " -all"
    engine = eager_engine(replies(records))
    for _ in range(40):
        assert engine.check_host("13.11.183.1", "a.example").result == "pass"
        assert engine.check_host("13.11.183.200", "a.example").result == "fail"
    assert engine.statistics()["tables_made"] < 10


def test_threads_while_tables_come_and_go() -> None:
    def reply(question: sf.Question, timeout: float) -> sf.Answer:
        number = int(question.name.split(".")[0][1:])
        if question.name[0] == "p":
            return policy(f"v=spf1 ip4:10.{number}.0.0/16 ~all", 86_400)
        if question.name[0] == "r":
            return policy(f"v=spf1 redirect=d{number}.example", 86_400)
        return policy(f"v=spf1 include:p{number % 7}.example -all", 86_400)

    engine = eager_engine(Scripted(reply), store_octets=65_536)

    def work(thread: int) -> None:
        chance = random.Random(thread)
        for step in range(3000):
            number = chance.randrange(200)
            name = f"{chance.choice('dr')}{number}.example"
            verdict = engine.check_host(f"10.{chance.randrange(8)}.1.1", name)
            inside = verdict.result == "pass"
            assert inside or (verdict.result == "fail" and verdict.mechanism == "-all")
            assert (
                engine.check_host(f"10.{number % 7}.9.9", f"{name}{number}.example").result
                == "pass"
            )
            if thread == 0 and step % 500 == 0:
                engine.clear()
            if thread == 1 and step % 50 == 0:
                engine._store.put(
                    sf.Question(f"p{number % 7}.example", TXT),
                    policy(f"v=spf1 ip4:10.{number % 7}.0.0/16 ?all"),
                    1 << 62,
                    0,
                )

    run_threads(6, work)
    assert engine.statistics()["tables_made"] > 20


def test_a_shared_record_is_read_as_an_explanation() -> None:
    """The text of exp= is that of a record which another name had first, and which is held once."""
    shared = "v=spf1 ?all " + "x=" + "y" * 200
    records = dict.fromkeys(("first.example", "why.example"), shared)
    records |= {f"a{n}.example": "v=spf1 -all exp=why.example" for n in range(50)}
    engine = sf.Engine(replies(records))
    engine.check_host(OUTSIDE, "first.example")
    for number in range(50):
        verdict = engine.check_host(OUTSIDE, f"a{number}.example")
        assert verdict.explanation == shared
        records[f"z{number}.example"] = "v=spf1 " + "z" * 3 + "=" + "q" * 205
        engine.check_host(OUTSIDE, f"z{number}.example")


def test_export_and_put_give_the_same_verdicts() -> None:
    answers: dict[sf.Question, sf.Answer] = {
        sf.Question("one.example", TXT): policy("v=spf1 MX A:Host.Example -all exp=why.example"),
        sf.Question("two.example", TXT): sf.Answer(
            sf.Status.OK, (b"v=spf1 -all", b"v=spf1 +all", b"other"), 60
        ),
        sf.Question("why.example", TXT): policy("no"),
        sf.Question("many.example", TXT): sf.Answer(sf.Status.OK, (b"x", b"v=spf1 -all"), 60),
        sf.Question("host.example", sf.RRType.A): address("192.0.2.9", "192.0.2.1"),
        sf.Question("host.example", sf.RRType.AAAA): address("2001:db8::9"),
        sf.Question("one.example", sf.RRType.MX): sf.Answer(
            sf.Status.OK, ((20, "b.example"), (10, "a.example"), (30, ".")), 60
        ),
        sf.Question("1.2.0.192.in-addr.arpa", sf.RRType.PTR): sf.Answer(
            sf.Status.OK, ("p.example",), 60
        ),
        sf.Question("gone.example", TXT): sf.Answer(sf.Status.NXDOMAIN, (), 60),
        sf.Question("dead.example", TXT): sf.Answer(sf.Status.SERVFAIL, (), 0, "no server"),
        sf.Question("over.example", TXT): policy("v=spf1 -all"),
    }
    second = 1_000_000_000
    store = AnswerStore(1 << 20)
    for question, answer in answers.items():
        ends = 5 if question.name == "over.example" else 70
        store.put(question, answer, ends * second, 10 * second)
    rows = {
        sf.Question(name, rrtype): (status, expires, ttl, records)
        for name, rrtype, status, expires, ttl, records in store.export(10 * second)
    }
    assert set(rows) == {question for question in answers if question.name != "over.example"}
    assert {row[1] for row in rows.values()} == {70 * second}
    assert {row[2] for row in rows.values()} == {60}
    shown = {str(question): row[3] for question, row in rows.items() if row[3]}
    assert shown == {
        "one.example TXT": (b"v=spf1 MX A:Host.Example -all exp=why.example",),
        "two.example TXT": (b"v=spf1 -all", b"v=spf1 +all", b""),
        "why.example TXT": (b"no",),
        "many.example TXT": (b"v=spf1 -all", b""),
        "host.example A": ("192.0.2.1", "192.0.2.9"),
        "host.example AAAA": ("2001:db8::9",),
        "one.example MX": ((0, "a.example"), (1, "b.example"), (2, ".")),
        "1.2.0.192.in-addr.arpa PTR": ("p.example",),
    }
    again = AnswerStore(1 << 20)
    for question, (status, expires, _, records) in rows.items():
        again.put(question, sf.Answer(status, records, 60), expires, 10 * second)
    assert sorted(again.export(0)) == sorted(store.export(10 * second))
