"""Prefetching changes nothing that a caller can see but the time: results, counts, sentences."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support import strategies
from support.drivers import RecordingResolver, check_sync

import senderid_fast as sf

Zone = dict[str, list[Any]]
CheckArguments = tuple[str, str, str]


@given(strategies.zones, strategies.checks, st.integers(1, 32))
def test_a_verdict_is_the_same(zone: Zone, arguments: CheckArguments, prefetch: int) -> None:
    ip, helo, mail_from = arguments
    verdict = check_sync(zone, ip, helo, mail_from)
    engine = sf.Engine(sf.ZoneResolver(zone), prefetch=prefetch)
    assert engine.check_mail_from(ip, mail_from, helo) == verdict

    async def check() -> sf.Verdict:
        async with sf.AsyncEngine(sf.ZoneResolver(zone), prefetch=prefetch) as engine:
            return await engine.check_mail_from(ip, mail_from, helo)

    assert asyncio.run(check()) == verdict


@given(strategies.zones, strategies.checks)
def test_what_is_needed_is_asked_once(zone: Zone, arguments: CheckArguments) -> None:
    ip, helo, mail_from = arguments
    plain, ahead = RecordingResolver(zone), RecordingResolver(zone)
    sf.Engine(plain).check_mail_from(ip, mail_from, helo)

    async def check() -> None:
        async with sf.AsyncEngine(ahead, prefetch=8) as engine:
            await engine.check_mail_from(ip, mail_from, helo)

    asyncio.run(check())
    assert set(plain.questions) <= set(ahead.questions)
    assert len(set(ahead.questions)) == len(ahead.questions)
