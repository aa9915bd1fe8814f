"""Whole checks over DNS servers: right verdicts from a real one, temperror from broken ones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import senderid_fast as sf

Ask = Callable[..., sf.Verdict]


@pytest.fixture(params=["sync", "async", "trace"])
def check_domain(request: pytest.FixtureRequest) -> Ask:
    """check_domain(resolver, ip, domain, seconds) -> Verdict, through each driver."""

    def run(resolver: sf.Resolver, ip: str, domain: str, seconds: float = 10) -> sf.Verdict:
        limits = sf.Limits(seconds=seconds)
        if request.param == "async":

            async def awaited() -> sf.Verdict:
                async with sf.AsyncEngine(resolver, limits=limits) as engine:
                    return await engine.check_host(ip, domain)

            return asyncio.run(awaited())
        with sf.Engine(resolver, limits=limits) as engine:
            if request.param == "trace":
                return engine.trace_host(ip, domain).verdict
            return engine.check_host(ip, domain)

    return run


@pytest.mark.parametrize(
    "case",
    [
        ("192.0.2.11", "spf.test", "pass", "mx"),  # the first of its exchanges
        ("2001:db8::10", "spf.test", "pass", "mx"),
        ("192.0.2.99", "spf.test", "fail", "-all"),
        ("192.0.2.1", "strings.spf.test", "pass", "ip4:192.0.2.1"),  # 3.3: joined without spaces
        ("192.0.2.77", "alias.spf.test", "pass", "ip4:192.0.2.77"),  # two CNAMEs
        ("127.0.0.1", "away.spf.test", "permerror", "include:other.test"),  # and one elsewhere
        ("192.0.2.1", "mail.spf.test", "none", None),
        ("192.0.2.1", "empty.spf.test", "none", None),
        ("192.0.2.1", "nowhere.spf.test", "none", None),
        ("192.0.2.1", "big.spf.test", "permerror", None),  # 20 records, over TCP
        ("192.0.2.1", "octets.spf.test", "permerror", None),
        ("192.0.2.1", "loop-a.spf.test", "temperror", None),
        ("192.0.2.1", "refused.invalid", "temperror", None),  # a zone that the server does not have
    ],
)
def test_a_real_server(
    check_domain: Ask, knot: Any, case: tuple[str, str, str, str | None]
) -> None:
    ip, domain, result, mechanism = case
    verdict = check_domain(sf.SystemResolver([knot.address]), ip, domain)
    assert (str(verdict.result), verdict.mechanism) == (result, mechanism), verdict


def test_reasons_name_server_and_question(check_domain: Ask, knot: Any) -> None:
    verdict = check_domain(sf.SystemResolver([knot.address]), "192.0.2.1", "refused.invalid")
    assert verdict.reason is sf.Reason.DNS_ERROR
    assert "refused.invalid TXT" in verdict.detail
    assert knot.address in verdict.detail
    assert "REFUSED" in verdict.detail


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("silent", sf.Reason.DNS_TIMEOUT),
        ("late", sf.Reason.DNS_TIMEOUT),
        ("garbage", sf.Reason.DNS_ERROR),
        ("noise", sf.Reason.DNS_ERROR),
        ("servfail", sf.Reason.DNS_ERROR),
        ("wrong-id", sf.Reason.DNS_ERROR),
        ("wrong-question", sf.Reason.DNS_ERROR),
        ("partial-tcp", sf.Reason.DNS_ERROR),
        ("loop", sf.Reason.DNS_ERROR),
        ("endless", sf.Reason.DNS_ERROR),
    ],
)
def test_a_broken_server_gives_temperror(
    check_domain: Ask, faulty_server: Any, behaviour: str, reason: sf.Reason
) -> None:
    server = faulty_server({"*": behaviour})
    resolver = sf.SystemResolver([server.address], try_seconds=0.2, tries=1)
    verdict = check_domain(resolver, "192.0.2.1", "name.example", 10)
    assert (verdict.result, verdict.reason) == (sf.Result.TEMPERROR, reason), verdict


@pytest.mark.parametrize("behaviour", ["silent", "late", "noise", "partial-tcp"])
def test_the_whole_check_has_a_time_limit(
    check_domain: Ask, faulty_server: Any, behaviour: str
) -> None:
    server = faulty_server({"*": behaviour})
    resolver = sf.SystemResolver([server.address], try_seconds=5, tries=100)
    began = time.monotonic()
    verdict = check_domain(resolver, "192.0.2.1", "name.example", 0.3)
    taken = time.monotonic() - began
    assert verdict.result is sf.Result.TEMPERROR
    assert taken < 0.3 + 1, f"{taken:.2f} s with a limit of 0.3 s"


def test_truncation_loses_no_record(check_domain: Ask, faulty_server: Any) -> None:
    # RFC 2181 9, RFC 7766 5: nothing of a truncated answer counts; TCP has all of it.
    server = faulty_server({"*": "truncated"})
    verdict = check_domain(sf.SystemResolver([server.address]), "192.0.2.1", "name.example")
    assert verdict.result is sf.Result.PASS
    assert ("name.example", "TXT", "tcp") in server.queries


def test_records_nobody_asked_for_do_not_count(check_domain: Ask, faulty_server: Any) -> None:
    server = faulty_server({"*": "only-additional"})
    verdict = check_domain(sf.SystemResolver([server.address]), "192.0.2.1", "name.example")
    assert verdict.result is sf.Result.NONE


def test_many_checks_at_once(knot: Any) -> None:
    # A thousand checks of ten domains: right verdicts, and each question asked once.
    wanted = {"spf.test": "fail", "strings.spf.test": "fail", "alias.spf.test": "fail"}
    domains = list(wanted) * 100

    with sf.Engine(sf.SystemResolver([knot.address])) as engine, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda domain: engine.check_host("192.0.2.200", domain), domains))
        asked = engine.statistics()["asked"]
    assert [str(verdict.result) for verdict in found] == [wanted[domain] for domain in domains]
    assert asked == 6  # three TXT; one MX and its two exchanges


def test_many_tasks_at_once(knot: Any) -> None:
    domains = ["spf.test", "strings.spf.test", "alias.spf.test"] * 100

    async def awaited() -> tuple[set[str], int]:
        async with sf.AsyncEngine(sf.SystemResolver([knot.address])) as engine:
            checks = (engine.check_host("192.0.2.200", domain) for domain in domains)
            found = await asyncio.gather(*checks)
            return {str(verdict.result) for verdict in found}, engine.statistics()["asked"]

    assert asyncio.run(awaited()) == ({"fail"}, 6)


def test_an_unreachable_server(check_domain: Ask, dead_server: Any) -> None:
    resolver = sf.SystemResolver([dead_server.address], try_seconds=0.2, tries=1)
    verdict = check_domain(resolver, "192.0.2.1", "name.example")
    assert verdict.result is sf.Result.TEMPERROR
    assert dead_server.address in verdict.detail
