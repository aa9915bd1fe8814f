"""What a closure collects is all that a check can ask, but for the terms it names."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support import strategies
from support.drivers import RecordingResolver
from support.tables import NAMES, network_zones

import senderid_fast as sf

Zone = dict[str, list[Any]]


def closed(engine: sf.Engine, zone: Zone, domain: str, scope: sf.Scope) -> sf.Closure:
    """Answer what the closure asks until nothing is open."""
    resolver = sf.ZoneResolver(zone)
    for _ in range(15):
        closure = engine.closure([domain], scope)
        if not closure.questions:
            return closure
        for question in closure.questions:
            engine._store.put(question, resolver.resolve(question, 1), 1 << 62, 0)
    raise AssertionError("no end of it")


def only_known(zone: Zone, checks: list[tuple[Any, ...]], scope: sf.Scope) -> None:
    asked = RecordingResolver(zone)
    engine = sf.Engine(asked, policy_tables=False)
    closure = closed(engine, zone, "a.example" if NAMES[0] in zone else "one.example", scope)
    assert closure.complete
    for check in checks:
        before = len(asked.questions)
        verdict = engine.check_host(*check, scope=scope)
        if len(asked.questions) > before:
            assert closure.terms, (check, asked.questions[before:])
        assert verdict == sf.Engine(sf.ZoneResolver(zone)).check_host(*check, scope=scope)


@settings(max_examples=200)
@given(network_zones, st.sampled_from(list(sf.Scope)))
def test_policies_of_networks(drawn: tuple[Zone, list[str]], scope: sf.Scope) -> None:
    zone, addresses = drawn
    only_known(zone, [(ip, "a.example", "u@a.example", "m.example") for ip in addresses], scope)


@settings(max_examples=200)
@given(strategies.zones, st.lists(strategies.checks, min_size=1, max_size=4))
def test_policies_with_macros(zone: Zone, checks: list[tuple[str, str, str]]) -> None:
    only_known(
        zone,
        [(ip, "one.example", sender, helo) for ip, helo, sender in checks],
        sf.Scope.SPF,
    )
