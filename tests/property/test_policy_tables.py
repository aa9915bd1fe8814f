"""A policy table and the evaluator agree on every field of a verdict."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import strategies
from support.tables import NAMES, eager_engine, network_zones
from support.vectors import load_vectors

import senderid_fast as sf

Zone = dict[str, list[Any]]

made = {"tables": 0, "verdicts": 0}


def agree(zone: Zone, checks: list[tuple[Any, ...]], **options: Any) -> None:
    plain = sf.Engine(sf.ZoneResolver(zone), policy_tables=False, **options)
    tabled = eager_engine(sf.ZoneResolver(zone), **options)
    for check in checks:
        expected = plain.check_host(*check)
        # Evaluated, then evaluated or looked up, then looked up if it can be.
        for _ in range(3):
            found = tabled.check_host(*check)
            assert found == expected, (check, found, expected)
    made["tables"] += tabled.statistics()["tables_made"]
    made["verdicts"] += len(checks)
    assert plain.statistics()["tables_made"] == 0


@settings(max_examples=300)
@given(network_zones, st.sampled_from(list(sf.Scope)), st.randoms())
def test_random_policies(
    drawn: tuple[Zone, list[str]], scope: sf.Scope, chance: random.Random
) -> None:
    zone, addresses = drawn
    checks = [(ip, name, f"u@{name}", "mx.example", scope) for ip in addresses for name in NAMES]
    chance.shuffle(checks)
    agree(zone, checks)


@settings(max_examples=100)
@given(network_zones, st.integers(0, 4), st.integers(0, 2))
def test_random_limits(drawn: tuple[Zone, list[str]], lookups: int, voids: int) -> None:
    zone, addresses = drawn
    limits = sf.Limits(lookups=lookups, void_lookups=voids, mx_names=2)
    agree(zone, [(ip, name) for ip in addresses for name in NAMES], limits=limits)


@settings(max_examples=100)
@given(strategies.zones, st.lists(strategies.checks, min_size=2, max_size=6))
def test_zones_with_macros(zone: Zone, checks: list[tuple[str, str, str]]) -> None:
    agree(zone, [(ip, "one.example", sender, helo) for ip, helo, sender in checks])


@pytest.mark.parametrize("vector", load_vectors(), ids=lambda vector: vector.name)
def test_vectors(vector: Any) -> None:
    plain = sf.Engine(sf.ZoneResolver(vector.zone), policy_tables=False)
    tabled = eager_engine(sf.ZoneResolver(vector.zone))
    expected = plain.check_mail_from(vector.ip, vector.mail_from, vector.helo)
    for _ in range(3):
        assert tabled.check_mail_from(vector.ip, vector.mail_from, vector.helo) == expected


def test_tables_were_made() -> None:
    assert made["tables"] > 100
    assert made["verdicts"] > 1000
