"""What tells of stale answers (RFC 8767): verdicts, traces, policy tables that hide none."""

from __future__ import annotations

import pickle

import pytest
from support.failing import Failing, every
from support.scripted import Clock
from support.stale import DAY, IP, PLAIN, check, warmed
from support.tables import eager_engine

import senderid_fast as sf

MARKED = {
    "include": ({"a.example": "v=spf1 include:b.example -all", "b.example": "v=spf1 +all"}, {}),
    "redirect": ({"a.example": "v=spf1 redirect=b.example", "b.example": "v=spf1 +all"}, {}),
    "a": ({"a.example": "v=spf1 a:b.example -all"}, {"b.example": [{"A": IP}]}),
    "mx": (
        {"a.example": "v=spf1 mx:b.example -all"},
        {"b.example": [{"MX": [1, "c.example"]}], "c.example": [{"A": IP}]},
    ),
    "exists": (
        {"a.example": "v=spf1 exists:%{ir}.b.example"},
        {"1.2.0.192.b.example": [{"A": IP}]},
    ),
    "ptr": (
        {"a.example": "v=spf1 ptr -all"},
        {"1.2.0.192.in-addr.arpa": [{"PTR": "x.a.example"}], "x.a.example": [{"A": IP}]},
    ),
}


class TestMark:
    @pytest.mark.parametrize("way", MARKED)
    def test_wherever_it_is_used(self, clock: Clock, way: str) -> None:
        texts, rest = MARKED[way]
        zone = {name: [{"TXT": text}] for name, text in texts.items()} | rest
        engine, dns = warmed(clock, zone)
        assert check(engine).stale
        # Only the last question has no answer: that alone is a mark.
        last = dns.questions[-1]
        dns.fails = lambda question: question == last
        clock.advance(dns.ttl + 6)
        found = check(engine)
        assert (found.result, found.stale) == ("pass", True)
        dns.fails = lambda question: False
        clock.advance(dns.ttl + 6)
        assert not check(engine).stale

    def test_an_explanation(self, clock: Clock) -> None:
        zone = {
            "a.example": [{"TXT": "v=spf1 -all exp=why.a.example"}],
            "why.a.example": [{"TXT": "because"}],
        }
        engine, dns = warmed(clock, zone)
        dns.fails = lambda question: question.name == "why.a.example"
        found = check(engine)
        assert (found.result, found.explanation, found.stale) == ("fail", "because", True)

    def test_a_verdict_tells(self, clock: Clock) -> None:
        engine, _ = warmed(clock, PLAIN)
        found = check(engine)
        assert found.as_dict()["stale"] is True
        assert found.detail == '"ip4:192.0.2.0/24" of a.example matches; stale answers took part'
        again = pickle.loads(pickle.dumps(found))
        assert again == found
        assert again.stale
        assert again != check(sf.Engine(sf.ZoneResolver(PLAIN)))

    def test_one_that_was_refused_has_no_mark(self, clock: Clock) -> None:
        engine, _ = warmed(clock, PLAIN)
        assert check(engine).stale
        assert not engine.check_helo(IP, "[192.0.2.1]").stale
        assert not engine.check_pra(IP, b"").stale

    def test_a_message(self, clock: Clock) -> None:
        zone = PLAIN | {"mx.a.example": [{"TXT": "v=spf1 a -all"}, {"A": IP}]}
        dns = Failing(zone)
        engine = sf.Engine(dns, stale_seconds=DAY)
        arguments = (IP, "mx.a.example", "u@a.example", b"From: u@a.example\r\n\r\n")
        engine.check_message(*arguments)
        clock.advance(61)
        dns.fails = lambda question: question.name == "a.example"
        found = engine.check_message(*arguments)
        assert found.helo is not None
        assert found.mail_from is not None
        assert found.pra is not None
        assert (found.helo.stale, found.mail_from.stale, found.pra.stale) == (False, True, True)

    def test_a_trace(self, clock: Clock) -> None:
        zone = {
            "a.example": [{"TXT": "v=spf1 include:b.example"}],
            "b.example": [{"TXT": "v=spf1"}],
        }
        engine, dns = warmed(clock, zone)
        dns.fails = lambda question: question.name == "b.example"
        trace = engine.trace_mail_from(IP, "u@a.example")
        assert trace.verdict.stale
        steps = [step for _, step in trace.walk() if step.kind == "question"]
        assert [(step.text, step.outcome, step.detail) for step in steps] == [
            ("a.example TXT", "ok", ""),
            ("b.example TXT", "ok", "stale"),
        ]

    @pytest.mark.parametrize("record", ["v=spf1 mx a:b.example -all", "v=spf1 a mx -all"])
    def test_answers_of_all_kinds_say_the_same(self, clock: Clock, record: str) -> None:
        zone = {
            "a.example": [
                {"TXT": "unrelated"},
                {"TXT": record},
                *({"MX": [20 - n, f"h{n}.example"]} for n in range(3)),
            ],
            "h2.example": [{"A": "192.0.2.7"}, {"A": IP}, {"AAAA": "2001:db8::1"}],
        }
        engine, _ = warmed(clock, zone)
        assert check(engine).result == "pass"
        fresh = sf.Engine(sf.ZoneResolver(zone))
        assert check(engine).as_dict() == check(fresh).as_dict() | {
            "stale": True,
            "detail": f"{check(fresh).detail}; stale answers took part",
        }


class TestTables:
    ZONE = {  # noqa: RUF012 - nobody changes it
        "a.example": [{"TXT": "v=spf1 ip4:192.0.2.0/24 include:b.example -all"}],
        "b.example": [{"TXT": "v=spf1 ip4:198.51.100.0/24 ~all"}],
    }

    def test_none_stands_on_a_stale_answer(self, clock: Clock) -> None:
        dns = Failing(self.ZONE)
        engine = eager_engine(dns, stale_seconds=DAY)
        for _ in range(3):
            assert not check(engine).stale
        made = engine.statistics()["tables_made"]
        assert made > 0
        clock.advance(61)
        dns.fails = every
        for _ in range(200):
            assert check(engine).stale
        assert engine.statistics()["tables_made"] == made

    def test_ranges_that_do_not_need_it_are_decided_without_it(self, clock: Clock) -> None:
        dns = Failing(self.ZONE)
        engine = eager_engine(dns, stale_seconds=DAY)
        check(engine, "198.51.100.1")
        clock.advance(61)
        dns.fails = lambda question: question.name == "b.example"
        for _ in range(8):
            inside, outside = check(engine), check(engine, "198.51.100.1")
            assert (inside.result, inside.stale) == ("pass", False)
            assert (outside.result, outside.stale) == ("pass", True)
        # DNS is back: the table is made anew, and nothing is marked any more.
        dns.fails = lambda question: False
        clock.advance(61)
        for _ in range(40):
            assert not check(engine).stale
            assert not check(engine, "198.51.100.1").stale
        assert engine.statistics()["tables"] > 0
