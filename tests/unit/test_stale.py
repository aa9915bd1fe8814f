"""Stale answers (RFC 8767): when they are used, for how long, and how often DNS is asked again."""

from __future__ import annotations

from typing import Any

import pytest
from support.failing import Failing, every
from support.scripted import Clock, run_threads
from support.stale import DAY, IP, PLAIN, ROWS, Zone, check, warmed

import senderid_fast as sf
from senderid_fast._core.answers import AnswerStore
from senderid_fast._core.checks import Check, Evaluator
from senderid_fast.questions import StaleAnswer
from senderid_fast.stale import WAIT_SECONDS


class TestWhen:
    def test_off_by_default(self, clock: Clock) -> None:
        engine, _ = warmed(clock, PLAIN, stale_seconds=sf.Settings().stale_seconds)
        found = check(engine)
        assert (found.result, found.stale) == ("temperror", False)
        assert engine.statistics()["stale"] == 0

    def test_a_check_that_ends_at_its_first_question_tells(self) -> None:
        store = AnswerStore()
        question = sf.Question("a.example", sf.RRType.TXT)
        store.put(question, StaleAnswer(sf.Status.OK, (b"v=spf1 a:h.example -all",)), 9, 1)
        evaluator = Evaluator(store, (10, 2, 10, 10, 20.0), b"", False, 0, None)
        going = evaluator.check_mail_from(IP, "u@a.example", "mx.a.example", 2)
        assert isinstance(going, Check)
        found = going.expire()
        assert (found.reason, found.lookups, found.stale) == ("time-limit", 1, True)

    def test_in_place_of_an_error(self, clock: Clock) -> None:
        engine, dns = warmed(clock, PLAIN)
        found = check(engine)
        assert (found.result, found.mechanism, found.stale) == ("pass", "ip4:192.0.2.0/24", True)
        assert engine.statistics()["stale"] == len(dns.questions) == 1
        assert engine.statistics()["failed"] == 1

    @pytest.mark.parametrize("status", [each for each in sf.Status if each.is_error])
    def test_every_error(self, clock: Clock, status: sf.Status) -> None:
        engine, dns = warmed(clock, PLAIN)
        dns.failure = sf.Answer(status)
        assert check(engine).stale

    @pytest.mark.parametrize(
        "failure", [RuntimeError("broken"), None, "no answer"], ids=["raised", "None", "text"]
    )
    def test_a_broken_resolver(self, clock: Clock, failure: Any) -> None:
        engine, dns = warmed(clock, PLAIN)
        dns.failure = failure
        assert check(engine).stale

    @pytest.mark.parametrize(("over", "stale"), [(1, True), (DAY, True), (DAY + 1, False)])
    def test_its_age_is_bounded(self, clock: Clock, over: float, stale: bool) -> None:
        engine, _ = warmed(clock, PLAIN, over=over)
        found = check(engine)
        assert (found.result, found.stale) == ("pass" if stale else "temperror", stale)

    def test_its_age_is_not_renewed(self, clock: Clock) -> None:
        engine, _ = warmed(clock, PLAIN, stale_seconds=60, failure_ttl=7)
        results = []
        for _ in range(10):
            results.append(str(check(engine).result))
            clock.advance(7.5)
        assert results == ["pass"] * 8 + ["temperror"] * 2

    def test_it_does_not_outlive_its_age_in_the_store(self, clock: Clock) -> None:
        engine, _ = warmed(clock, PLAIN, over=50, stale_seconds=60, failure_ttl=300)
        assert check(engine).stale
        clock.advance(9)
        assert check(engine).stale
        clock.advance(2)
        assert check(engine).result == "temperror"

    @pytest.mark.parametrize("gone", ["nxdomain", "nodata"])
    def test_what_dns_says_is_never_replaced(self, clock: Clock, gone: str) -> None:
        # RFC 8767 4: RCODE 3 and an empty answer refresh what is known.
        engine, dns = warmed(clock, PLAIN)
        dns.failure = sf.Answer(sf.Status(gone), ttl=60)
        found = check(engine)
        assert (found.result, found.stale) == ("none", False)
        dns.failure = sf.Answer(sf.Status.SERVFAIL)
        clock.advance(61)
        found = check(engine)
        assert (found.result, found.stale) == ("none", True)

    @pytest.mark.parametrize("way", ["check", "batch", "fetch"])
    def test_an_answer_without_a_time_to_live_refreshes(self, clock: Clock, way: str) -> None:
        engine, dns = warmed(clock, PLAIN)
        dns.failure = sf.Answer(sf.Status.NXDOMAIN, ttl=0)
        if way == "check":
            assert check(engine).result == "none"
        elif way == "batch":
            engine.check_batch(ROWS)
        else:
            engine.fetch(["a.example"])
        dns.failure = sf.Answer(sf.Status.TIMEOUT)
        found = check(engine)
        assert (found.result, found.stale) == ("temperror", False)

    def test_a_ttl_of_zero_leaves_nothing(self, clock: Clock) -> None:
        dns = Failing(PLAIN, ttl=0)
        engine = sf.Engine(dns, stale_seconds=DAY)
        assert check(engine).result == "pass"
        dns.fails = every
        assert check(engine).result == "temperror"

    def test_other_names_get_nothing(self, clock: Clock) -> None:
        engine, _ = warmed(clock, PLAIN)
        assert check(engine).stale
        for name in ("b.example", "x.a.example", "example"):
            found = engine.check_host(IP, name)
            assert (found.result, found.stale) != ("pass", True)
            assert not found.stale

    def test_the_type_matters(self, clock: Clock) -> None:
        zone = {"a.example": [{"TXT": "v=spf1 a -all"}, {"A": "192.0.2.1"}]}
        engine, dns = warmed(clock, zone)
        dns.fails = lambda question: question.rrtype == sf.RRType.TXT
        found = check(engine)
        assert (found.result, found.stale) == ("pass", True)
        assert engine.statistics()["stale"] == 1

    def test_dns_that_is_back(self, clock: Clock) -> None:
        engine, dns = warmed(clock, PLAIN)
        assert check(engine).stale
        dns.fails = lambda question: False
        dns.publish({"a.example": [{"TXT": "v=spf1 -all"}]})
        clock.advance(6)
        found = check(engine)
        assert (found.result, found.stale) == ("fail", False)


class TestHowOften:
    def test_dns_is_asked_again_after_failure_ttl(self, clock: Clock) -> None:
        # RFC 8767 5, the failure recheck timer.
        engine, dns = warmed(clock, PLAIN, failure_ttl=30)
        for _ in range(5):
            assert check(engine).stale
        assert len(dns.questions) == 1
        clock.advance(29)
        assert check(engine).stale
        assert len(dns.questions) == 1
        clock.advance(2)
        assert check(engine).stale
        assert len(dns.questions) == 2

    def test_each_time_if_failures_are_not_kept(self, clock: Clock) -> None:
        engine, dns = warmed(clock, PLAIN, failure_ttl=0)
        for _ in range(3):
            assert check(engine).stale
        assert len(dns.questions) == 3

    def test_nobody_waits_long_who_could_have_it(self, clock: Clock) -> None:
        # RFC 8767 5, the client response timer.
        engine, dns = warmed(clock, PLAIN)
        dns.timeouts.clear()
        assert check(engine).stale
        assert engine.check_host(IP, "b.example").result == "temperror"
        assert dns.timeouts == [WAIT_SECONDS, 20]

    def test_time_is_left_for_the_other_questions(self, clock: Clock) -> None:
        names = [f"n{number}.example" for number in range(9)]
        zone: Zone = {name: [{"TXT": "v=spf1 ?all"}] for name in names}
        terms = " ".join(f"include:{name}" for name in names)
        zone["a.example"] = [{"TXT": f"v=spf1 {terms} ip4:{IP} -all"}]
        engine, dns = warmed(clock, zone, limits=sf.Limits(seconds=4))
        slow = dns.reply

        def reply(question: sf.Question, timeout: float) -> Any:
            clock.advance(timeout)
            return slow(question, timeout)

        dns.reply = reply
        found = check(engine)
        assert (found.result, found.stale) == ("pass", True)

    def test_threads_ask_once(self, clock: Clock) -> None:
        engine, dns = warmed(clock, PLAIN)
        found: list[sf.Verdict] = []
        run_threads(8, lambda number: found.append(check(engine)))
        assert [each.stale for each in found] == [True] * 8
        assert len(dns.questions) == 1


class TestStore:
    def test_stale_answers_are_not_exported(self, clock: Clock) -> None:
        engine, _ = warmed(clock, PLAIN)
        assert check(engine).stale
        assert len(engine.answers()) == 0

    def test_room_comes_first(self, clock: Clock) -> None:
        """What is over goes before what is used, whatever it might be good for."""
        dns = Failing({f"n{n}.example": [{"TXT": f"v=spf1 ip4:{IP} -all"}] for n in range(3_000)})
        engine = sf.Engine(dns, stale_seconds=DAY, store_octets=1 << 16)
        for n in range(3_000):
            engine.check_host(IP, f"n{n}.example")
            clock.advance(1)
        counts = engine.statistics()
        assert counts["octets"] <= counts["limit"]
        assert counts["expired"] > 1_000

    def test_clear_forgets_them(self, clock: Clock) -> None:
        engine, _ = warmed(clock, PLAIN)
        engine.clear()
        assert check(engine).result == "temperror"


@pytest.mark.parametrize("value", [-1, 604_801, float("nan"), "1", True, None])
def test_the_setting(value: Any) -> None:
    with pytest.raises(sf.InputError, match="stale_seconds"):
        sf.Settings(stale_seconds=value)
