"""What holds for every zone and check: how a verdict is come by does not change it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from support import strategies
from support.drivers import RecordingResolver, check_asyncio, check_sync, check_trace

import senderid_fast as sf

Zone = dict[str, list[Any]]
CheckArguments = tuple[str, str, str]


@given(strategies.zones, strategies.checks)
def test_all_drivers_agree(zone: Zone, arguments: CheckArguments) -> None:
    ip, helo, mail_from = arguments
    verdict = check_sync(zone, ip, helo, mail_from)
    assert check_asyncio(zone, ip, helo, mail_from) == verdict
    assert check_trace(zone, ip, helo, mail_from) == verdict


@given(strategies.zones, strategies.checks)
def test_counts_are_within_the_limits(zone: Zone, arguments: CheckArguments) -> None:
    ip, helo, mail_from = arguments
    verdict = check_sync(zone, ip, helo, mail_from)
    # The term that goes over a limit may itself be counted.
    assert 0 <= verdict.lookups <= 11
    assert 0 <= verdict.void_lookups <= 3
    if verdict.result is not sf.Result.PERMERROR:
        assert verdict.lookups <= 10
        assert verdict.void_lookups <= 2
    assert verdict.explanation is None or verdict.result is sf.Result.FAIL


@given(strategies.zones, strategies.unrelated_zones, strategies.checks)
def test_unrelated_names_change_nothing(
    zone: Zone, unrelated: Zone, arguments: CheckArguments
) -> None:
    ip, helo, mail_from = arguments
    verdict = check_sync(zone, ip, helo, mail_from)
    assert check_sync({**unrelated, **zone}, ip, helo, mail_from) == verdict


@given(strategies.zones, strategies.checks, strategies.checks)
def test_answers_known_before_change_nothing(
    zone: Zone, first: CheckArguments, second: CheckArguments
) -> None:
    """An engine that has answers of another check, and of this one, in its store."""
    ip, helo, mail_from = second
    fresh = check_sync(zone, ip, helo, mail_from)
    engine = sf.Engine(resolver=sf.ZoneResolver(zone))
    engine.check_mail_from(first[0], first[2], first[1])
    assert engine.check_mail_from(ip, mail_from, helo) == fresh
    assert engine.check_mail_from(ip, mail_from, helo) == fresh


@given(strategies.zones, strategies.checks)
def test_names_asked_are_names(zone: Zone, arguments: CheckArguments) -> None:
    """A resolver is asked for names that DNS can hold (RFC 1035 2.3.4), in lower case."""
    ip, helo, mail_from = arguments
    resolver = RecordingResolver(zone)
    check_sync(resolver, ip, helo, mail_from)
    for name in resolver.names:
        assert 0 < len(name) <= 253
        assert all(0 < len(label) <= 63 for label in name.split("."))
        assert not any("A" <= letter <= "Z" for letter in name)
        assert name.isascii() or max(name) <= "\xff"


@given(strategies.records, strategies.checks)
def test_any_record_gets_a_verdict(octets: bytes, arguments: CheckArguments) -> None:
    ip, helo, mail_from = arguments
    zone = {"one.example": [{"TXT": octets.decode("latin-1")}]}
    assert check_sync(zone, ip, helo, mail_from).result in set(sf.Result)


@given(strategies.mutated_records | strategies.noise, strategies.checks)
def test_any_octets_get_a_verdict(octets: bytes, arguments: CheckArguments) -> None:
    ip, helo, mail_from = arguments
    zone = {"one.example": [{"TXT": octets.decode("latin-1")}]}
    assert check_sync(zone, ip, helo, mail_from).result in set(sf.Result)


@given(strategies.zones, strategies.checks)
def test_a_mailbox_is_checked_as_its_domain(zone: Zone, arguments: CheckArguments) -> None:
    """check_mail_from() asks check_host() what RFC 7208 2.4 says it is."""
    ip, helo, mail_from = arguments
    domain = mail_from.rpartition("@")[2] or helo
    engine = sf.Engine(resolver=sf.ZoneResolver(zone))
    by_mailbox = engine.check_mail_from(ip, mail_from, helo)
    by_host = engine.check_host(ip, domain, mail_from or f"postmaster@{helo}", helo)
    assert by_host.result is by_mailbox.result
    assert by_host.explanation == by_mailbox.explanation
    if not mail_from:
        assert engine.check_helo(ip, helo).result is by_mailbox.result
