"""Closures and fetch: answers for domains before there is any message."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.drivers import RecordingResolver

import senderid_fast as sf

END = "-all exp=why.example"
ZONE: dict[str, list[Any]] = {
    "a.example": [
        {"TXT": ["v=spf1 a:h.example mx include:p.example exists:%{i}.l.example ", END]},
        {"MX": [10, "m1.example"]},
        {"MX": [20, "m2.example"]},
        {"A": "192.0.2.9"},
    ],
    "p.example": [{"TXT": "v=spf1 ip4:192.0.2.0/24 ptr ~all a:behind.example exp=no.example"}],
    "r.example": [{"TXT": "v=spf1 ip4:192.0.2.1 redirect=a.example"}],
    "h.example": [{"A": "192.0.2.1"}],
    "m1.example": [{"A": "192.0.2.2"}, {"AAAA": "2001:db8::2"}],
    "m2.example": [{"A": "192.0.2.3"}],
    "why.example": [{"TXT": "not from %{i}"}],
}


def names(questions: Any) -> list[str]:
    return [str(question) for question in questions]


def test_rounds() -> None:
    engine = sf.Engine(sf.ZoneResolver(ZONE))
    first = engine.closure(["r.example", "r.example", "b@d", "", "\u2603", "one"])
    assert names(first.questions) == ["r.example TXT", "xn--n3h TXT"][:1]
    assert first.terms == ()
    assert first.complete
    assert engine.statistics()["asked"] == 0


def test_fetch_asks_all_that_checks_can_ask_and_nothing_else() -> None:
    resolver = RecordingResolver(ZONE)
    engine = sf.Engine(resolver)
    left = engine.fetch(["r.example", "gone.example"])
    assert left.questions == ()
    assert left.complete
    assert left.terms == (
        sf.OpenTerm("p.example", "ptr"),
        sf.OpenTerm("a.example", "exists:%{i}.l.example"),
    )
    assert sorted(names(resolver.questions)) == sorted(
        [
            *("r.example TXT", "gone.example TXT", "a.example TXT", "a.example MX"),
            *("p.example TXT", "why.example TXT", "h.example A", "h.example AAAA"),
            *("m1.example A", "m1.example AAAA", "m2.example A", "m2.example AAAA"),
        ]
    )
    asked = len(resolver.questions)
    assert engine.check_host("192.0.2.3", "r.example").mechanism == "mx"
    assert engine.check_host("2001:db8::2", "a.example").mechanism == "mx"
    assert len(resolver.questions) == asked


def test_what_is_not_wanted_is_not_asked() -> None:
    resolver = RecordingResolver(ZONE)
    engine = sf.Engine(resolver)
    engine.fetch(["a.example"], ip6=False, explanations=False)
    assert not [name for name in names(resolver.questions) if "AAAA" in name or "why" in name]


def test_asyncio() -> None:
    async def run() -> tuple[sf.Closure, int]:
        async with sf.AsyncEngine(sf.ZoneResolver(ZONE)) as engine:
            left = await engine.fetch(f"{name}.example" for name in ("r", "a", "gone"))
            return left, engine.statistics()["asked"]

    left, asked = asyncio.run(run())
    assert left == sf.Engine(sf.ZoneResolver(ZONE)).fetch(["r.example", "a.example"])
    assert asked == 12


@pytest.mark.parametrize("ttl", [0, 60])
def test_answers_that_cannot_be_kept_are_asked_once(ttl: int) -> None:
    class Each:
        asked = 0

        def resolve(self, question: sf.Question, timeout: float) -> sf.Answer:
            Each.asked += 1
            return sf.Answer(sf.Status.OK, (b"v=spf1 include:next.example -all",), ttl)

    Each.asked = 0
    left = sf.Engine(Each()).fetch(["a.example"])
    assert Each.asked == (2 if ttl else 1)
    assert names(left.questions) == ([] if ttl else ["a.example TXT"])


def test_a_resolver_that_fails() -> None:
    class Fails:
        def resolve(self, question: sf.Question, timeout: float) -> sf.Answer:
            raise OSError("no network")

    engine = sf.Engine(Fails())
    assert engine.fetch(["a.example", "b.example"]).questions == ()
    assert engine.statistics()["failed"] == 2
    assert engine.check_host("192.0.2.1", "a.example").result == "temperror"


def test_a_policy_that_leads_everywhere_is_bounded() -> None:
    """Each host includes ten others: ten look-ups lead to 1,023 of them, fourteen to more than are
    collected."""

    class Tree:
        def resolve(self, question: sf.Question, timeout: float) -> sf.Answer:
            name = question.name.removesuffix(".example")
            terms = " ".join(f"include:{name}{digit}.example" for digit in "abcdefghij")
            return sf.Answer(sf.Status.OK, (f"v=spf1 {terms}".encode(),), 60)

    engine = sf.Engine(Tree())
    left = engine.fetch(["x.example"])
    assert left.questions == ()
    assert left.complete
    assert engine.statistics()["asked"] == 1024
    engine = sf.Engine(Tree(), limits=sf.Limits(lookups=14))
    assert not engine.fetch(["x.example"]).complete
    assert 4_096 < engine.statistics()["asked"] < 1 << 14


def test_input() -> None:
    with pytest.raises(sf.InputError, match="scope"):
        sf.Engine(sf.ZoneResolver(ZONE)).closure(["a.example"], "spf3")  # type: ignore[arg-type]
