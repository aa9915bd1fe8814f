"""check_message(): HELO, MAIL FROM and PRA of one message, and who its client is."""

from __future__ import annotations

import asyncio
import ipaddress
import pickle
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from support.scripted import IP, Clock, Scripted, zone_reply

import senderid_fast as sf

RELAY_IP = "203.0.113.7"
HELO = "mta.relay.example"
HEADERS = (
    b"Received: from x by y\r\nSubject: a\r\n b\r\nFrom: Ann <ann@pra.example>\r\n\r\nbody\r\n"
)
ZONE: dict[str, list[Any]] = {
    HELO: [{"TXT": "v=spf1 ip4:192.0.2.1 -all"}],
    "from.example": [{"TXT": "v=spf1 ip4:192.0.2.0/24 ~all"}, {"TXT": "spf2.0/mfrom -all"}],
    "pra.example": [{"TXT": "spf2.0/pra ip4:192.0.2.1 ?all"}],
}


def _sync(resolver: Any, *args: Any, **options: Any) -> Any:
    return sf.Engine(resolver).check_message(*args, **options)


def _asyncio(resolver: Any, *args: Any, **options: Any) -> Any:
    async def run() -> sf.MessageVerdict:
        async with sf.AsyncEngine(resolver) as engine:
            return await engine.check_message(*args, **options)

    return asyncio.run(run())


both = pytest.mark.parametrize("check", [_sync, _asyncio])


@dataclass(frozen=True)
class Found:
    """A client, as receiver.TrustedRelays gives one."""

    ip: str | None
    helo: str | None = None
    detail: str = "as the test says"


@dataclass
class Stub:
    """Relays that say what the test wants, and keep what they were asked."""

    found: Found
    asked: list[tuple[str | None, list[tuple[str, bytes]]]] = field(default_factory=list)

    def client_of(self, ip: str | None, fields: Iterable[tuple[str, bytes]]) -> Found:
        self.asked.append((ip, list(fields)))
        return self.found


@both
def test_three_identities(check: Any) -> None:
    verdict = check(sf.ZoneResolver(ZONE), IP, HELO, "ben@from.example", HEADERS)
    assert (verdict.ip, verdict.client) == (IP, None)
    for each, identity, scope, domain in (
        (verdict.helo, "helo", sf.Scope.SPF, HELO),
        (verdict.mail_from, "mailfrom", sf.Scope.SPF, "from.example"),
        (verdict.pra, "pra", sf.Scope.PRA, "pra.example"),
    ):
        assert (each.identity, each.scope, each.domain) == (identity, scope, domain)
        assert each.result is sf.Result.PASS
    assert verdict.pra.pra == sf.extract_pra(HEADERS)


@both
def test_each_is_what_its_own_check_gives(check: Any) -> None:
    engine = sf.Engine(sf.ZoneResolver(ZONE))
    for ip in (IP, "192.0.2.9", "198.51.100.1", "2001:db8::1"):
        verdict = check(sf.ZoneResolver(ZONE), ip, HELO, "ben@from.example", HEADERS)
        assert verdict.helo == engine.check_helo(ip, HELO)
        assert verdict.mail_from == engine.check_mail_from(ip, "ben@from.example", HELO)
        assert verdict.pra == engine.check_pra(ip, HEADERS, HELO)


def test_both_engines_say_the_same() -> None:
    for mail_from in ("ben@from.example", "", "gone@gone.example"):
        for headers in (HEADERS, b"", b"From: a@gone.example", b"From: a@b, c@d"):
            for submitter in (None, "ann@pra.example", "x@y.example"):
                args = ("192.0.2.9", HELO, mail_from, headers, submitter)
                resolver = sf.ZoneResolver(ZONE)
                assert _sync(resolver, *args) == _asyncio(resolver, *args)


@both
@pytest.mark.parametrize("mail_from", ["", "<>"])
def test_a_null_reverse_path(check: Any, mail_from: str) -> None:
    """RFC 7208 2.4: postmaster at the HELO name. The PRA is that of the header all the same."""
    resolver = Scripted(zone_reply(ZONE))
    verdict = check(resolver, IP, HELO, mail_from, HEADERS)
    assert (verdict.mail_from.domain, verdict.mail_from.sender) == (HELO, f"postmaster@{HELO}")
    assert verdict.mail_from.result is sf.Result.PASS
    assert verdict.pra.domain == "pra.example"
    assert set(resolver.counts.values()) == {1}


@both
def test_without_a_name_and_an_address(check: Any) -> None:
    resolver = Scripted(zone_reply(ZONE))
    verdict = check(resolver, IP, None, "", b"")
    assert resolver.questions == []
    assert verdict.helo.reason is sf.Reason.NO_IDENTITY
    assert verdict.mail_from.reason is sf.Reason.NO_IDENTITY
    assert (verdict.pra.reason, verdict.pra.pra_failure) == ("no-pra", "no-header")


@both
def test_a_submitter_concerns_the_pra_only(check: Any) -> None:
    """RFC 4405 4.2."""
    args = (sf.ZoneResolver(ZONE), IP, HELO, "ben@from.example", HEADERS)
    good = check(*args)
    assert check(*args, submitter="ann@pra.example") == good
    bad = check(*args, submitter="ben@from.example")
    assert (bad.pra.result, bad.pra.reason) == ("fail", "submitter-mismatch")
    assert (bad.helo, bad.mail_from) == (good.helo, good.mail_from)


@both
@pytest.mark.parametrize(
    ("ip", "text"),
    [
        (IP, IP),
        (b"\xc0\x00\x02\x01", IP),
        (ipaddress.IPv4Address(IP), IP),
        (ipaddress.IPv6Address("2001:db8::1"), "2001:db8::1"),
        (ipaddress.IPv6Address("2001:db8::1").packed, "2001:db8::1"),
    ],
    ids=repr,
)
def test_the_address_comes_back_as_text(check: Any, ip: Any, text: str) -> None:
    resolver = sf.ZoneResolver(ZONE)
    assert check(resolver, ip, HELO, "ben@from.example", HEADERS).ip == text
    relays = Stub(Found(None))
    check(resolver, ip, HELO, "ben@from.example", HEADERS, relays=relays)
    assert relays.asked[0][0] == text


@both
def test_a_client_behind_a_relay(check: Any) -> None:
    """Its address counts, and its HELO name: that of the connection is the relay's own."""
    relays = Stub(Found(IP, "mta.relay.example"))
    args = (RELAY_IP, "relay.own.example", "ben@from.example", HEADERS)
    verdict = check(sf.ZoneResolver(ZONE), *args, relays=relays)
    direct = check(sf.ZoneResolver(ZONE), IP, HELO, "ben@from.example", HEADERS)
    assert verdict[:4] == direct[:4]
    assert verdict.client is relays.found
    fields = [("Received", b" from x by y"), ("Subject", b" a\r\n b")]
    assert relays.asked == [(RELAY_IP, [*fields, ("From", b" Ann <ann@pra.example>")])]


@both
def test_a_client_whose_name_is_not_known(check: Any) -> None:
    verdict = check(
        *(sf.ZoneResolver(ZONE), RELAY_IP, HELO, "", HEADERS), relays=Stub(Found(IP, None))
    )
    assert verdict.helo.reason is sf.Reason.NO_IDENTITY
    assert verdict.mail_from.reason is sf.Reason.NO_IDENTITY
    assert verdict.pra.result is sf.Result.PASS


@both
def test_the_connection_is_the_client(check: Any) -> None:
    """Then its own HELO name counts, not what a field might say."""
    relays = Stub(Found(IP, "other.example"))
    verdict = check(sf.ZoneResolver(ZONE), IP, HELO, "", HEADERS, relays=relays)
    assert verdict.helo.domain == verdict.mail_from.domain == HELO
    assert verdict.client is relays.found


@both
@pytest.mark.parametrize("ip", [RELAY_IP, None])
def test_no_client_to_be_believed(check: Any, ip: str | None) -> None:
    """Nothing can be said of any identity, and nothing is asked."""
    resolver = Scripted(zone_reply(ZONE))
    relays = Stub(Found(None, HELO))
    verdict = check(resolver, ip, HELO, "ben@from.example", HEADERS, relays=relays)
    assert verdict == (None, None, None, None, relays.found)
    assert relays.asked[0][0] == ip
    assert resolver.questions == []


@both
def test_a_message_from_nowhere_whose_fields_name_a_client(check: Any) -> None:
    """As of a message in a file: only its fields tell."""
    relays = Stub(Found(IP, HELO))
    verdict = check(sf.ZoneResolver(ZONE), None, None, "ben@from.example", HEADERS, relays=relays)
    assert verdict.ip == IP
    assert [each.result for each in verdict[1:4]] == ["pass", "pass", "pass"]


@both
def test_neither_address_nor_relays(check: Any) -> None:
    verdict = check(sf.ZoneResolver(ZONE), None, HELO, "ben@from.example", HEADERS)
    assert verdict == (None, None, None, None, None)


@both
@pytest.mark.parametrize(
    ("args", "field_name"),
    [
        (("no address", HELO, "", HEADERS), "ip"),
        ((3, HELO, "", HEADERS), "ip"),
        ((IP, 3, "", HEADERS), "helo"),
        ((IP, HELO, "", "From: a@b"), "headers"),
        ((IP, HELO, "", None), "headers"),
        ((IP, HELO, "", HEADERS, 3), "submitter"),
    ],
    ids=repr,
)
def test_arguments_of_wrong_types(check: Any, args: tuple[Any, ...], field_name: str) -> None:
    for relays in (None, Stub(Found(args[0], HELO) if isinstance(args[0], str) else Found(IP))):
        if relays is not None and field_name in ("ip", "helo"):
            continue  # the relays then say both
        with pytest.raises(sf.InputError) as caught:
            check(sf.ZoneResolver(ZONE), *args, relays=relays)
        assert caught.value.field == field_name


def test_a_message_verdict_is_pickled() -> None:
    resolver = sf.ZoneResolver(ZONE)
    for headers in (HEADERS, b""):
        verdict = _sync(resolver, IP, HELO, "ben@from.example", headers, relays=Stub(Found(IP)))
        again = pickle.loads(pickle.dumps(verdict))
        assert again == verdict
        assert again.client == Found(IP)
        assert type(again) is sf.MessageVerdict


def test_asyncio_asks_for_all_identities_at_once() -> None:
    begun: list[str] = []
    all_begun = asyncio.Event()

    async def answer(question: sf.Question) -> sf.Answer:
        begun.append(question.name)
        if len(begun) == 3:
            all_begun.set()
        await asyncio.wait_for(all_begun.wait(), 10)
        return sf.ZoneResolver(ZONE).resolve(question, 1)

    resolver = Scripted(lambda question, timeout: answer(question))
    verdict = _asyncio(resolver, IP, HELO, "ben@from.example", HEADERS)
    assert [str(each.result) for each in verdict[1:4]] == ["pass", "pass", "pass"]
    assert sorted(begun) == sorted([HELO, "from.example", "pra.example"])


def test_asyncio_does_not_wait_for_what_is_known() -> None:
    async def run() -> None:
        engine = sf.AsyncEngine(sf.ZoneResolver(ZONE))
        arguments = (IP, HELO, "ben@from.example", HEADERS)
        first = await engine.check_message(*arguments)
        with pytest.raises(StopIteration) as end:
            engine.check_message(*arguments).send(None)
        assert end.value.value == first
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


def test_one_question_for_identities_of_one_domain() -> None:
    """And none for a second message, within the time to live."""
    headers = f"From: ann@{HELO}".encode()
    resolver = Scripted(zone_reply(ZONE))
    for engine_check in (_sync, _asyncio):
        resolver.questions.clear()
        verdict = engine_check(resolver, IP, HELO, f"ben@{HELO}", headers)
        assert [str(each.result) for each in verdict[1:4]] == ["pass", "pass", "pass"]
        assert resolver.counts == {f"{HELO} TXT": 1}


def test_each_identity_has_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 7208 4.6.4: the limit is of one check."""
    clock = Clock(monkeypatch)

    def reply(question: sf.Question, timeout: float) -> sf.Answer:
        clock.advance(15)
        return sf.ZoneResolver(ZONE).resolve(question, timeout)

    verdict = _sync(Scripted(reply), IP, HELO, "ben@from.example", HEADERS)
    assert [str(each.result) for each in verdict[1:4]] == ["pass", "pass", "pass"]


@both
def test_a_reverse_path_that_is_not_known(check: Any) -> None:
    """None is not the null reverse-path: nothing is said of MAIL FROM."""
    known = check(sf.ZoneResolver(ZONE), IP, HELO, "ben@from.example", HEADERS)
    verdict = check(sf.ZoneResolver(ZONE), IP, HELO, None, HEADERS)
    assert verdict.mail_from is None
    assert (verdict.helo, verdict.pra) == (known.helo, known.pra)
