"""Stale answers (RFC 8767): when they are used, for how long, and what tells of them."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pyarrow as pa
import pytest
from support.failing import Failing, FailingBulk, every
from support.scripted import Clock, run_threads
from support.tables import eager_engine

import senderid_fast as sf
from senderid_fast._core.answers import AnswerStore
from senderid_fast._core.checks import Check, Evaluator
from senderid_fast.questions import StaleAnswer
from senderid_fast.stale import WAIT_SECONDS

IP = "192.0.2.1"
DAY = 86_400
PLAIN = {"a.example": [{"TXT": "v=spf1 ip4:192.0.2.0/24 -all"}]}
Zone = dict[str, Any]


def warmed(
    clock: Clock, zone: Zone, *, over: float = 1, kind: type[Failing] = Failing, **settings: Any
) -> tuple[sf.Engine, Failing]:
    """An engine whose answers have been over for ``over`` seconds, and its DNS, which is dead."""
    dns = kind(zone)
    engine = sf.Engine(dns, **{"stale_seconds": DAY, **settings})
    assert not check(engine).stale
    dns.fails = every
    clock.advance(dns.ttl + over)
    dns.questions.clear()
    return engine, dns


def check(engine: sf.Engine, ip: str = IP) -> sf.Verdict:
    return engine.check_mail_from(ip, "u@a.example", "mx.a.example")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    import senderid_fast.batch  # noqa: F401 - so that the clock stands in for its, too

    return Clock(monkeypatch)


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


ROWS = pa.table(
    {"ip": [IP, "203.0.113.1"], "helo": ["mx.a.example"] * 2, "mail_from": ["u@a.example", ""]}
)
COLUMNS = ["spf_result", "spf_stale", "helo_stale", "pra_stale"]


class TestBatch:
    @pytest.mark.parametrize("kind", [Failing, FailingBulk])
    def test_columns(self, clock: Clock, kind: type[Failing]) -> None:
        zone = PLAIN | {"mx.a.example": [{"TXT": "v=spf1 -all"}]}
        engine, dns = warmed(clock, zone, kind=kind)
        headers = pa.array(["From: u@a.example\r\n\r\n", ""])
        rows = ROWS.append_column("headers", headers)
        fresh = sf.Engine(sf.ZoneResolver(zone), stale_seconds=DAY)
        wanted = {"helo_result": True, "stale": True, "counts": True}
        before = fresh.check_batch(rows, **wanted)
        dns.fails = lambda question: question.name == "a.example"
        found = engine.check_batch(rows, **wanted)
        assert found.drop_columns(COLUMNS[1:]).equals(before.drop_columns(COLUMNS[1:]))
        assert found.select(COLUMNS[1:]).to_pydict() == {
            "spf_stale": [True, False],
            "helo_stale": [False, False],
            "pra_stale": [True, False],
        }
        assert before.select(COLUMNS[1:]).to_pydict() == {
            name: [False, False] for name in COLUMNS[1:]
        }
        assert found.schema.field("spf_stale").type == pa.bool_()

    def test_helo_that_stands_in(self, clock: Clock) -> None:
        dns = Failing({"mx.a.example": [{"TXT": "v=spf1 -all"}]})
        engine = sf.Engine(dns, stale_seconds=DAY)
        rows = ROWS.slice(1)
        engine.check_batch(rows)
        clock.advance(61)
        dns.fails = every
        found = engine.check_batch(rows, helo_result=True, stale=True)
        assert found.select(COLUMNS[:3]).to_pylist() == [
            {"spf_result": "fail", "spf_stale": True, "helo_stale": True}
        ]

    def test_not_unless_they_are_wanted(self, clock: Clock) -> None:
        engine, _ = warmed(clock, PLAIN)
        found = engine.check_batch(ROWS, helo_result=True, counts=True)
        assert not [name for name in found.column_names if name.endswith("_stale")]

    def test_rows_without_an_answer(self, clock: Clock) -> None:
        engine = sf.Engine(Failing(PLAIN))
        outcome = engine.check_batch(ROWS, stale=True, missing="emit")
        assert outcome.table.column("spf_stale").to_pylist() == [None, None]

    @pytest.mark.parametrize("kind", [Failing, FailingBulk])
    def test_what_it_kept_is_used_by_others(self, clock: Clock, kind: type[Failing]) -> None:
        engine, dns = warmed(clock, PLAIN, kind=kind)
        engine.check_batch(ROWS.slice(0, 1))
        assert check(engine).stale
        assert len(dns.questions) == 1

    def test_a_silent_dns_takes_no_more_of_a_row_than_of_a_check(self, clock: Clock) -> None:
        zone = {
            "a.example": [{"TXT": "v=spf1 include:b.example"}],
            "b.example": [{"TXT": "v=spf1 include:c.example"}],
            "c.example": [{"TXT": "v=spf1 +all"}],
        }
        engine, dns = warmed(clock, zone, kind=FailingBulk)
        slow = dns.reply

        def reply(question: sf.Question, timeout: float) -> Any:
            clock.advance(timeout)
            return slow(question, timeout)

        dns.reply = reply
        found = engine.check_batch(ROWS.slice(0, 1), stale=True)
        assert found.select(COLUMNS[:2]).to_pylist() == [{"spf_result": "pass", "spf_stale": True}]

    def test_fetch(self, clock: Clock) -> None:
        engine, dns = warmed(clock, PLAIN)
        assert engine.fetch(["a.example"]).questions == ()
        assert check(engine).stale
        assert len(dns.questions) == 1


class TestAsyncio:
    @pytest.mark.parametrize("kind", ["answers", "hangs"])
    def test_in_place_of_an_error(self, clock: Clock, kind: str) -> None:
        dns = Failing(PLAIN)
        plain = dns.reply

        def reply(question: sf.Question, timeout: float) -> Any:
            if not dns.fails(question):
                return plain(question, timeout)
            return asyncio.sleep(60) if kind == "hangs" else dns.failure

        dns.reply = reply

        async def run() -> None:
            limits = sf.Limits(seconds=0.4)
            async with sf.AsyncEngine(dns, stale_seconds=DAY, limits=limits) as engine:
                await engine.check_mail_from(IP, "u@a.example")
                clock.advance(61)
                dns.fails = every
                dns.questions.clear()
                several = [engine.check_mail_from(IP, "u@a.example") for _ in range(5)]
                for found in await asyncio.gather(*several):
                    assert (found.result, found.stale) == ("pass", True)
                rows = await engine.check_batch(ROWS.slice(0, 1), stale=True)
                assert rows.column("spf_stale").to_pylist() == [True]
                assert len(dns.questions) == 1
                assert engine.statistics()["stale"] == 1

        asyncio.run(run())


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
