"""Engine and AsyncEngine: every public method, and that all ways to call them agree."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

import pytest
from support.scripted import IP, WAYS, Clock, Scripted, ask, zone_reply

import senderid_fast as sf

ZONE: dict[str, list[Any]] = {
    "a.example": [{"TXT": "v=spf1 ip4:192.0.2.1 a:%{l}.users.example -all exp=why.example"}],
    "pat.users.example": [{"A": "198.51.100.5"}],
    "mta.relay.example": [{"TXT": "v=spf1 a -all"}, {"A": "192.0.2.1"}],
    "why.example": [{"TXT": "%{c} is not ours, %{s}"}],
    "id.example": [{"TXT": "spf2.0/pra +all"}, {"TXT": "v=spf1 -all"}],
    "plain.example": [{"TXT": "v=spf1 +all"}],
    "six.example": [{"TXT": "v=spf1 ip6:2001:db8::/32 ip4:192.0.2.1 -all"}],
    "xn--bcher-kva.example": [{"TXT": "v=spf1 +all"}],
}
CALLS: list[tuple[str, tuple[Any, ...], str, str, str, str]] = [
    # method, arguments, result, identity, domain, sender
    ("host", (IP, "a.example"), "pass", "host", "a.example", "postmaster@a.example"),
    ("host", (IP, "a.example", "pat@b.test"), "pass", "host", "a.example", "pat@b.test"),
    (
        *("host", ("198.51.100.5", "A.Example.", "pat@b.test", "h.test")),
        *("pass", "host", "a.example", "pat@b.test"),
    ),
    ("host", (IP, "six.example", "@six.example"), *("pass", "host", "six.example", "")),
    (
        *("helo", (IP, "MTA.relay.example.")),
        *("pass", "helo", "mta.relay.example", "postmaster@mta.relay.example"),
    ),
    ("helo", ("192.0.2.2", "mta.relay.example"), "fail", "helo", "mta.relay.example", ""),
    ("helo", (IP, None), "none", "helo", "", ""),
    ("helo", (IP, "[192.0.2.1]"), "none", "helo", "[192.0.2.1]", ""),
    ("mail_from", (IP, "pat@a.example"), "pass", "mailfrom", "a.example", "pat@a.example"),
    ("mail_from", (IP, "<pat@a.example>", "h.test"), *("pass", "mailfrom", "a.example", "")),
    ("mail_from", ("198.51.100.6", "pat@a.example"), *("fail", "mailfrom", "a.example", "")),
    (
        *("mail_from", (IP, "", "mta.relay.example")),
        *("pass", "mailfrom", "mta.relay.example", "postmaster@mta.relay.example"),
    ),
    (
        *("mail_from", (IP, "<>", "mta.relay.example")),
        *("pass", "mailfrom", "mta.relay.example", ""),
    ),
    ("mail_from", (IP, "<>"), "none", "mailfrom", "", ""),
    ("mail_from", (IP, "@a.example"), "pass", "mailfrom", "a.example", "postmaster@a.example"),
    ("mail_from", (IP, '"pat"@a.example'), "pass", "mailfrom", "a.example", "pat@a.example"),
    ("mail_from", (IP, "x@y@a.example"), "pass", "mailfrom", "a.example", "x@y@a.example"),
    ("mail_from", (IP, "pat"), "none", "mailfrom", "pat", ""),
    ("mail_from", (IP, "pat@"), "none", "mailfrom", "", ""),
    (
        *("mail_from", (IP, "pat@b\u00fccher.example")),
        *("pass", "mailfrom", "xn--bcher-kva.example", "pat@xn--bcher-kva.example"),
    ),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call[0]}-{call[1]}")
def test_identities(way: str, call: tuple[str, tuple[Any, ...], str, str, str, str]) -> None:
    """RFC 7208 2.3, 2.4, 4.3."""
    method, args, result, identity, domain, sender = call
    verdict = ask(way, sf.ZoneResolver(ZONE), method, *args)
    assert (verdict.result, verdict.identity, verdict.domain) == (result, identity, domain)
    assert not sender or verdict.sender == sender


@pytest.mark.parametrize("way", WAYS)
def test_text_and_octets_are_the_same(way: str) -> None:
    resolver = sf.ZoneResolver(ZONE)
    expected = ask(way, resolver, "host", "198.51.100.9", "a.example", "pat@b.test", "h.test")
    assert expected.explanation == "198.51.100.9 is not ours, pat@b.test"
    for make in (lambda text: text.encode(), lambda text: bytearray(text.encode())):
        octets = [make(text) for text in ("a.example", "pat@b.test", "h.test")]
        assert ask(way, resolver, "host", "198.51.100.9", *octets) == expected


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("ip", "result"),
    [
        (IP, "pass"),
        (b"\xc0\x00\x02\x01", "pass"),
        (ipaddress.IPv4Address(IP), "pass"),
        ("::ffff:192.0.2.1", "pass"),  # RFC 7208 5: an IPv4 client
        (ipaddress.IPv6Address("::ffff:192.0.2.1"), "pass"),
        (ipaddress.IPv6Address("::ffff:192.0.2.1").packed, "pass"),
        ("::192.0.2.1", "fail"),  # but the compatible form is an IPv6 client
        ("2001:DB8::7", "pass"),
        (ipaddress.IPv6Address("2001:db8::7"), "pass"),
        (ipaddress.IPv6Address("2001:db8::7").packed, "pass"),
        ("2001:db9::7%eth0", "fail"),
        (type("Text", (str,), {})(IP), "pass"),
    ],
    ids=repr,
)
def test_forms_of_an_address(way: str, ip: Any, result: str) -> None:
    assert ask(way, sf.ZoneResolver(ZONE), "host", ip, "six.example").result == result


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("scope", "domain", "settings", "result"),
    [
        (sf.Scope.SPF, "id.example", {}, "fail"),
        (sf.Scope.MFROM, "id.example", {}, "fail"),
        (sf.Scope.PRA, "id.example", {}, "pass"),
        ("pra", "id.example", {}, "pass"),
        (sf.Scope.PRA, "plain.example", {}, "pass"),
        (sf.Scope.PRA, "plain.example", {"plain_for_pra": False}, "none"),
        (sf.Scope.PRA, "gone.example", {}, "fail"),  # RFC 4406 4.3
        (sf.Scope.MFROM, "gone.example", {}, "none"),
    ],
)
def test_scopes(way: str, scope: Any, domain: str, settings: Any, result: str) -> None:
    args = (IP, domain, None, None, scope)
    verdict = ask(way, sf.ZoneResolver(ZONE), "host", *args, **settings)
    assert (verdict.result, verdict.scope) == (result, scope)
    assert verdict.scope is sf.Scope(scope)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scope", ["", "SPF", "both", None, 3, [], b"spf"])
def test_a_scope_that_is_none(way: str, scope: Any) -> None:
    with pytest.raises(sf.InputError) as caught:
        ask(way, sf.ZoneResolver(ZONE), "host", IP, "a.example", None, None, scope)
    assert caught.value.field == "scope"


def test_an_engine_can_be_closed_and_used_again() -> None:
    resolver = Scripted(zone_reply(ZONE))
    with sf.Engine(resolver) as engine:
        assert engine.check_host(IP, "a.example").result == "pass"
        assert engine.check_host(IP, "a.example").result == "pass"
        assert resolver.counts["a.example TXT"] == 1
    assert engine.statistics()["answers"] == 0
    assert engine.check_host(IP, "a.example").result == "pass"
    assert resolver.counts["a.example TXT"] == 2


def test_an_async_engine_can_be_closed_and_used_in_another_loop() -> None:
    resolver = Scripted(zone_reply(ZONE))
    engine = sf.AsyncEngine(resolver)

    async def run() -> str:
        async with engine:
            verdict = await engine.check_host(IP, "a.example")
        return str(verdict.result)

    assert [asyncio.run(run()) for _ in range(2)] == ["pass", "pass"]
    assert resolver.counts["a.example TXT"] == 2


def test_settings_make_an_engine_and_come_back() -> None:
    settings = sf.Settings(resolver=sf.ZoneResolver(ZONE), limits=sf.Limits(lookups=0))
    for kind in (sf.Engine, sf.AsyncEngine):
        assert kind.from_settings(settings).settings == settings
    engine = sf.Engine.from_settings(settings)
    verdict = engine.check_helo(IP, "mta.relay.example")
    assert verdict.reason is sf.Reason.LOOKUP_LIMIT
    assert "limit of 0" in verdict.detail
    defaults = sf.Engine().settings
    assert defaults == sf.Settings()
    assert defaults.limits == sf.Limits(10, 2, 10, 10, 20.0)  # RFC 7208 4.6.4


@pytest.mark.parametrize(
    ("limits", "record", "result"),
    [
        ({"lookups": 2}, "v=spf1 a:x.example mx:y.example a:z.example +all", "permerror"),
        ({"lookups": 3}, "v=spf1 a:x.example mx:y.example a:z.example +all", "pass"),
        ({"void_lookups": 0}, "v=spf1 a:gone.example +all", "permerror"),
        ({"void_lookups": 1}, "v=spf1 a:gone.example +all", "pass"),
        ({"mx_names": 0}, "v=spf1 mx:y.example +all", "permerror"),
        ({"mx_names": 1}, "v=spf1 mx:y.example +all", "pass"),
        ({"ptr_names": 1}, "v=spf1 ptr:second.example -all", "fail"),
        ({"ptr_names": 2}, "v=spf1 ptr:second.example -all", "pass"),
    ],
)
def test_each_limit_can_be_set(limits: dict[str, int], record: str, result: str) -> None:
    """RFC 7208 4.6.4."""
    elsewhere = [{"A": "198.51.100.1"}]
    zone = {
        "a.example": [{"TXT": record}],
        "x.example": elsewhere,
        "y.example": [{"MX": [1, "x.example"]}],
        "z.example": elsewhere,
        "1.2.0.192.in-addr.arpa": [{"PTR": "x.example"}, {"PTR": "second.example"}],
        "second.example": [{"A": IP}],
    }
    assert ask("sync", sf.ZoneResolver(zone), limits=sf.Limits(**limits)).result == result


def test_the_time_in_an_explanation_is_unix_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 7208 7.2, %{t}; it goes on as the clock does."""
    import time

    clock = Clock(monkeypatch)
    zone = {"a.example": [{"TXT": "v=spf1 -all exp=t.example"}], "t.example": [{"TXT": "%{t}"}]}
    engine = sf.Engine(sf.ZoneResolver(zone))
    now = time.time()
    first = engine.check_host(IP, "a.example").explanation
    clock.advance(100)
    second = engine.check_host(IP, "a.example").explanation
    assert first is not None
    assert second is not None
    assert abs(int(first) - now) <= 2
    assert int(second) - int(first) == 100


def test_a_trace_shows_the_way_to_the_verdict() -> None:
    zone: dict[str, list[Any]] = {
        "a.example": [{"TXT": "v=spf1 include:b.example mx:c.example -all exp=why.example"}],
        "b.example": [{"TXT": "v=spf1 ip4:198.51.100.0/24 a:gone.example -all"}],
        "c.example": [{"MX": [5, "d.example"]}],
        "d.example": [{"A": "198.51.100.7"}],
        "why.example": [{"TXT": "no"}],
    }
    engine = sf.Engine(sf.ZoneResolver(zone))
    for _ in range(2):  # the second time, all is known
        trace = engine.trace_host(IP, "a.example")
        assert trace.verdict == engine.check_host(IP, "a.example")
        assert trace.questions == (
            *("a.example TXT", "b.example TXT", "gone.example A", "c.example MX"),
            *("d.example A", "why.example TXT"),
        )
        assert [(depth, step.kind, step.text, step.outcome) for depth, step in trace.walk()] == [
            (0, "host", "a.example", "fail"),
            (1, "question", "a.example TXT", "ok"),
            (1, "record", zone["a.example"][0]["TXT"], ""),
            (1, "term", "include:b.example", "no match"),
            (2, "host", "b.example", "fail"),
            (3, "question", "b.example TXT", "ok"),
            (3, "record", zone["b.example"][0]["TXT"], ""),
            (3, "term", "ip4:198.51.100.0/24", "no match"),
            (3, "term", "a:gone.example", "no match"),
            (4, "question", "gone.example A", "nxdomain"),
            (3, "term", "-all", "match"),
            (1, "term", "mx:c.example", "no match"),
            (2, "question", "c.example MX", "ok"),
            (2, "question", "d.example A", "ok"),
            (1, "term", "-all", "match"),
            (0, "explanation", "exp=why.example", "used"),
            (1, "question", "why.example TXT", "ok"),
        ]
        values = trace.as_dict()
        assert values["verdict"] == trace.verdict.as_dict()
        assert values["steps"][0]["steps"][2]["steps"][0]["outcome"] == "fail"
