"""Stale answers over random policies: what DNS says stands, and errors alone are replaced.

An engine learns a world of answers, whose time to live then ends. In the world after it, some names
have other records, and some questions fail. The engine has to say what a plain one says of a third
world: the one after, with the answers that the engine had learned in place of those that fail.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import strategies
from support.failing import Failing
from support.scripted import Clock
from support.tables import eager_engine

import senderid_fast as sf

Checked = list[tuple[str, str, str]]
Zone = dict[str, Any]

seen = {"stale": 0, "plain": 0, "changed": 0}


class Worlds(Failing):
    """The world before, then the one after; what was learned in the first is noted."""

    def __init__(self, before: Zone, chance: random.Random, share: float) -> None:
        super().__init__(before)
        self.learned: dict[sf.Question, sf.Answer] = {}
        self.broken: set[sf.Question] = set()
        self.used: set[sf.Question] = set()
        self._chance, self._share = chance, share
        self._failing: dict[sf.Question, bool] = {}

    def resolve(self, question: sf.Question, timeout: float) -> Any:
        answer = super().resolve(question, timeout)
        if not answer.status.is_error:
            self.learned[question] = answer
        return answer

    def fail_some(self) -> None:
        def fails(question: sf.Question) -> bool:
            if question not in self._failing:
                self._failing[question] = self._chance.random() < self._share
            return self._failing[question]

        self.fails = fails

    def mixed(self) -> sf.Resolver:
        """The third world."""
        learned, after = dict(self.learned), self

        class Mixed:
            def resolve(self, question: sf.Question, timeout: float) -> Any:
                found = Failing.resolve(after, question, timeout)
                if found.status.is_error and question in learned:
                    after.used.add(question)
                    return learned[question]
                return found

        return Mixed()


def without_mark(verdict: sf.Verdict) -> dict[str, Any]:
    values = verdict.as_dict()
    values["detail"] = values["detail"].removesuffix("; stale answers took part")
    del values["stale"]
    return values


@pytest.mark.parametrize("tables", [False, True])
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=strategies.zones,
    after=st.none() | strategies.zones,
    checks=st.lists(strategies.checks, min_size=1, max_size=4),
    chance=st.randoms(use_true_random=False),
    share=st.sampled_from([0.2, 0.6, 1.0]),
)
def test_only_errors_are_replaced(
    tables: bool,
    monkeypatch: pytest.MonkeyPatch,
    before: Zone,
    after: Zone | None,
    checks: Checked,
    chance: random.Random,
    share: float,
) -> None:
    with monkeypatch.context() as patch:
        clock = Clock(patch)
        dns = Worlds(before, chance, share)
        make = eager_engine if tables else sf.Engine
        engine = make(dns, stale_seconds=86_400)
        arguments = [(ip, "one.example", sender, helo) for ip, helo, sender in checks]
        first = [engine.check_host(*each) for each in arguments]
        assert not any(verdict.stale for verdict in first)

        mixed = dns.mixed()
        clock.advance(dns.ttl + 6)  # failures are over as well
        if after is not None:
            dns.publish(after)
        dns.fail_some()
        for each, was in zip(arguments, first, strict=True):
            for _ in range(2):
                found = engine.check_host(*each)
                dns.used.clear()
                expected = sf.Engine(mixed).check_host(*each)
                assert without_mark(found) == without_mark(expected)
                assert found.stale == bool(dns.used)
                if not found.stale:
                    plain = sf.Engine(dns).check_host(*each)
                    assert found == plain
                elif after is None and found.result != sf.Result.TEMPERROR:
                    assert without_mark(found) == without_mark(was)
                seen["stale" if found.stale else "plain"] += 1
                seen["changed"] += found != was


def test_both_kinds_were_seen() -> None:
    assert min(seen.values()) > 100, seen
