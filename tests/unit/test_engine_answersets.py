"""An engine's answers as data, and answers put into an engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.answersets import answer, question, row
from support.scripted import IP, Scripted, zone_reply

import senderid_fast as sf
from senderid_fast.answersets import answers_schema

ZONE = {
    "a.example": [{"TXT": "v=spf1 mx a:b.example -all"}, {"MX": [10, "m.example"]}],
    "m.example": [{"A": "192.0.2.77"}, {"A": "192.0.2.78"}],
    "b.example": ["TIMEOUT"],
}


def test_answers_move_from_one_engine_to_another() -> None:
    first = sf.Engine(sf.ZoneResolver(ZONE, ttl=600))
    before = first.check_host("192.0.2.78", "a.example")
    assert before.result == "pass"
    answers = first.answers()
    assert {str(asked) for asked, _ in answers} == {"a.example TXT", "a.example MX", "m.example A"}
    assert answers.get(question("m.example", "A")) == answer("192.0.2.77", "192.0.2.78", ttl=600)
    now = datetime.now(UTC)
    for _, _, moment in answers.timed():
        assert moment is not None
        assert now - timedelta(seconds=30) < moment <= now
    silent = Scripted(lambda asked, _: None)
    second = sf.Engine(silent)
    assert second.load(answers) == 3
    assert second.check_host("192.0.2.78", "a.example").as_dict() == before.as_dict()
    assert silent.questions == []
    assert sf.Engine().load(answers.to_arrow()) == 3
    assert sf.AsyncEngine().load(answers.to_arrow().to_reader()) == 3


def test_failures_are_answers_too() -> None:
    engine = sf.Engine(sf.ZoneResolver(ZONE), failure_ttl=300)
    assert engine.check_host(IP, "b.example").result == "temperror"
    answers = engine.answers()
    assert answers.resolve(question("b.example")).status == sf.Status.TIMEOUT
    other = sf.Engine(Scripted(zone_reply({})), failure_ttl=300)
    assert other.load(answers) == 1
    assert other.check_host(IP, "b.example").result == "temperror"
    unkept = sf.Engine(Scripted(zone_reply({})), failure_ttl=0)
    unkept.load(answers)
    assert unkept.check_host(IP, "b.example").result == "none"


def rows(*ages: float | None, ttl: int = 100) -> Any:
    """One answer for each age in seconds."""
    now = datetime.now(UTC)
    return sf.AnswerSet(
        (
            question(f"n{number}"),
            answer(b"v=spf1 -all", ttl=ttl),
            None if age is None else now - timedelta(seconds=age),
        )
        for number, age in enumerate(ages)
    )


def test_what_is_over_is_not_loaded() -> None:
    answers = rows(0, 50, 99_999, None, -99_999)
    engine = sf.Engine(Scripted(lambda asked, _: None))
    assert engine.load(answers) == 4
    results = [engine.check_host(IP, f"n{number}").result for number in range(5)]
    # A name of one label is none of SPF's (RFC 7208 4.3), so ask the store.
    assert set(results) == {"none"}
    assert {asked.name for asked, _ in engine.answers()} == {"n0", "n1", "n3", "n4"}
    assert engine.load(answers, keep_expired=True) == 5
    assert len(engine.answers()) == 5


def test_the_engines_bounds_hold() -> None:
    answers = rows(50, 150, ttl=100)
    assert sf.Engine(min_ttl=1000).load(answers) == 2
    assert sf.Engine(max_ttl=10).load(answers) == 0
    engine = sf.Engine()
    assert engine.load(answers) == 1
    left = [
        (moment + timedelta(seconds=found.ttl) - datetime.now(UTC)).total_seconds()
        for _, found, moment in engine.answers().timed()
        if moment is not None
    ]
    assert len(left) == 1
    assert 0 < left[0] < 51


def test_what_cannot_be_loaded() -> None:
    import pyarrow as pa

    bad = pa.Table.from_pylist([row(), row(type="SPF")], answers_schema())
    engine = sf.Engine()
    with pytest.raises(sf.InputError, match="type: row 1: must be one of"):
        engine.load(bad)
    with pytest.raises(sf.InputError, match="must be a table, batch or stream"):
        engine.load("answers.arrows")
    assert engine.statistics()["answers"] == 0
