"""What one message comes to: verdicts, decision, fields to be added and removed."""

from __future__ import annotations

import asyncio

import pytest
from support.receptions import HEADERS, ZONE, Resolver, arrive, envelope, fields_of, receive, stamps

import senderid_fast as sf
from senderid_fast.receiver import (
    Action,
    ExchangeDecision,
    ExchangeSenderId,
    Networks,
    ReceiverPolicy,
    TrustedRelays,
)
from senderid_fast.reception import Receiver, Reception

HERE = "mx.here.example"
PLAIN = Receiver(HERE)
REJECTING = Receiver(HERE, policy=ReceiverPolicy.from_mapping({"mailfrom": {"fail": "reject"}}))


def test_a_message_that_passes() -> None:
    outcome = receive(PLAIN, envelope())
    assert outcome.verdicts is not None
    assert [str(verdict.result) for verdict in outcome.verdicts[1:4]] == ["pass"] * 3
    assert (outcome.decision.action, outcome.decision.reason) == (
        Action.ACCEPT,
        "mailfrom.pass = accept",
    )
    spf, results = stamps(outcome)
    assert spf.startswith("Received-SPF: pass (mx.here.example: domain of ada@good.example")
    assert "receiver=mx.here.example; client-ip=192.0.2.1; " in spf
    assert results == (
        "Authentication-Results: mx.here.example; spf=pass smtp.mailfrom=good.example; "
        "sender-id=pass header.from=good.example"
    )
    assert (outcome.remove, outcome.dropped, outcome.trouble, outcome.skipped) == (
        (),
        (),
        None,
        None,
    )
    assert outcome.client is not None
    assert outcome.client.ip == "192.0.2.1"


def test_a_refused_message_is_stamped_all_the_same() -> None:
    outcome = receive(REJECTING, envelope(b"<x@bad.example>"))
    assert outcome.decision.action is Action.REJECT
    assert str(outcome.decision.reply).startswith(
        "550 5.7.23 SPF MAIL FROM check failed: 192.0.2.1"
    )
    assert stamps(outcome)[0].startswith("Received-SPF: fail ")


def test_what_is_known_is_neither_waited_for_nor_made_a_task() -> None:
    async def run() -> None:
        engine = sf.AsyncEngine(sf.ZoneResolver(ZONE))
        first = await arrive(PLAIN, envelope(), engine=engine)
        reception = Reception(REJECTING, engine, envelope())
        reception.begin()
        for step in (
            reception.at_recipient(b"<bo@here.example>"),
            reception.at_end_of_header(fields_of(HEADERS), HEADERS),
        ):
            with pytest.raises(StopIteration) as end:
                step.send(None)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert end.value.value.verdicts == first.verdicts
        assert end.value.value.seconds == 0

    asyncio.run(run())


def test_each_identity_is_asked_for_once() -> None:
    resolver = Resolver()
    recipients = [b"<a@here.example>", b"<b@here.example>", b"<c@here.example>"]

    async def run() -> None:
        engine = sf.AsyncEngine(resolver, failure_ttl=0)
        await arrive(REJECTING, envelope(), engine=engine, recipients=recipients)

    asyncio.run(run())
    assert sorted(resolver.asked) == ["good.example", "mta.good.example"]


def test_checks_run_while_the_client_goes_on() -> None:
    async def run() -> None:
        resolver = Resolver()
        reception = Reception(PLAIN, sf.AsyncEngine(resolver), envelope())
        reception.begin()
        for _ in range(10):
            await asyncio.sleep(0)
        assert sorted(resolver.asked) == ["good.example", "mta.good.example"]
        reception.begin()  # a second time changes nothing
        outcome = await reception.at_end_of_header(fields_of(HEADERS), HEADERS)
        assert len(resolver.asked) == 2
        assert outcome.decision.action is Action.ACCEPT

    asyncio.run(run())


@pytest.mark.parametrize("checks", [("helo",), ("mailfrom",), ("pra",), ("helo", "pra")])
def test_only_the_checks_that_are_wanted(checks: tuple[str, ...]) -> None:
    outcome = receive(Receiver(HERE, checks=checks), envelope())
    assert outcome.verdicts is not None
    made = [verdict.identity for verdict in outcome.verdicts[1:4] if verdict is not None]
    assert tuple(made) == checks
    results = stamps(outcome)[-1]
    assert ("sender-id=" in results) == ("pra" in checks)
    assert ("smtp.helo=" in results) == ("helo" in checks)


# ---- the null reverse-path ----------------------------------------------------------------------


@pytest.mark.parametrize("path", [b"", b"<>"])
def test_the_null_reverse_path_has_a_table_of_its_own(path: bytes) -> None:
    tables = {"mailfrom": {"fail": "reject"}, "null_sender": {"fail": "defer"}}
    receiver = Receiver(HERE, policy=ReceiverPolicy.from_mapping(tables))
    outcome = receive(receiver, envelope(path, helo=b"bad.example"))
    assert outcome.decision.action is Action.DEFER
    assert outcome.decision.reason == "null_sender.fail = defer"
    assert 'envelope-from=""' in stamps(outcome)[0]


# ---- who is not checked -------------------------------------------------------------------------

FORGED = (
    b"Authentication-Results: mx.here.example; spf=pass smtp.mailfrom=good.example\r\n" + HEADERS
)


@pytest.mark.parametrize("ip", ["127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1"])
def test_an_internal_client_is_left_alone(ip: str) -> None:
    outcome = receive(PLAIN, envelope(ip=ip), FORGED)
    assert outcome.skipped == "internal client"
    # A filter of one's own hands messages back: its fields are ours.
    assert (outcome.add, outcome.remove) == ((), ())
    assert outcome.decision.action is Action.ACCEPT
    assert outcome.verdicts is None


@pytest.mark.parametrize("ip", [None, "", "unknown", "unix:/run/socket", "192.0.2.999", "\0"])
def test_no_address_is_no_check(ip: str | None) -> None:
    outcome = receive(PLAIN, envelope(ip=ip), FORGED)
    assert outcome.skipped == "no client address"
    assert (outcome.add, outcome.remove) == ((), ())


def test_an_authenticated_client_gets_a_result_none() -> None:
    outcome = receive(REJECTING, envelope(b"<x@bad.example>", authenticated=True), FORGED)
    assert outcome.skipped == "authenticated"
    assert stamps(outcome) == [
        "Authentication-Results: mx.here.example; none (not checked: authenticated)"
    ]
    assert outcome.remove == (0,)  # one's own users may not forge either
    assert outcome.decision.reason == "not checked: authenticated"


def test_an_exempt_client_gets_a_result_none_that_names_the_override() -> None:
    tables = {"override": [{"name": "backup) MX", "client": "192.0.2.0/30", "skip": True}]}
    receiver = Receiver(HERE, policy=ReceiverPolicy.from_mapping(tables))
    outcome = receive(receiver, envelope(b"<x@bad.example>"), FORGED)
    assert outcome.skipped == "override 'backup) MX'"
    assert stamps(outcome) == [
        r"Authentication-Results: mx.here.example; none (not checked: override 'backup\) MX')"
    ]
    assert outcome.remove == (0,)


def test_without_authentication_results_nothing_says_so() -> None:
    receiver = Receiver(HERE, fields=("received-spf",))
    assert receive(receiver, envelope(authenticated=True)).add == ()


# ---- relays -------------------------------------------------------------------------------------

RELAYED = (
    b"Received: from mta.good.example (mta.good.example [192.0.2.1])\r\n"
    b"\tby in.here.example with ESMTP; Thu, 1 Jan 2026 00:00:00 +0000\r\n" + HEADERS
)
BEHIND = Receiver(
    HERE,
    relays=TrustedRelays("203.0.113.1, 127.0.0.1"),
    policy=ReceiverPolicy.from_mapping(
        {
            "mailfrom": {"fail": "reject"},
            "override": [{"name": "guests", "client": "198.51.100.0/24", "skip": True}],
        }
    ),
)


def relayed(address: str) -> bytes:
    return RELAYED.replace(b"192.0.2.1", address.encode())


@pytest.mark.parametrize("relay", ["203.0.113.1", "127.0.0.1"])
def test_the_client_behind_a_relay(relay: str) -> None:
    outcome = receive(BEHIND, envelope(ip=relay, helo=b"in.here.example"), RELAYED)
    assert outcome.client is not None
    assert (outcome.client.ip, outcome.client.index) == ("192.0.2.1", 0)
    assert outcome.verdicts is not None
    assert [str(verdict.result) for verdict in outcome.verdicts[1:4]] == ["pass"] * 3
    assert "client-ip=192.0.2.1; " in stamps(outcome)[0]
    assert "helo=mta.good.example; " in stamps(outcome)[0]


def test_nothing_is_decided_before_the_header_of_a_relay() -> None:
    async def run() -> None:
        resolver = Resolver()
        given = envelope(b"<x@bad.example>", ip="203.0.113.1")
        reception = Reception(BEHIND, sf.AsyncEngine(resolver), given)
        assert (await reception.at_recipient(b"<bo@here.example>")).action is Action.ACCEPT
        assert resolver.asked == []
        outcome = await reception.at_end_of_header(fields_of(RELAYED), RELAYED)
        assert outcome.decision.action is Action.REJECT

    asyncio.run(run())


def test_a_relay_whose_fields_do_not_tell() -> None:
    outcome = receive(BEHIND, envelope(b"<x@bad.example>", ip="203.0.113.1"), FORGED)
    assert outcome.verdicts is None
    assert outcome.skipped == "no Received field shows an outside client"
    assert stamps(outcome) == [
        "Authentication-Results: mx.here.example; none (not checked: "
        "no Received field shows an outside client)"
    ]
    assert outcome.remove == (0,)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("198.51.100.7", "override 'guests'"),
        ("10.0.0.7", "Received field 0: 10.0.0.7 is private, and on no list of relays"),
        ("203.0.113.1", "no Received field shows an outside client"),
    ],
)
def test_whom_a_relay_took_it_from_may_be_exempt(address: str, why: str) -> None:
    outcome = receive(BEHIND, envelope(b"<x@bad.example>", ip="203.0.113.1"), relayed(address))
    assert (outcome.skipped, outcome.decision.action) == (why, Action.ACCEPT)


def test_internal_clients_behind_a_relay() -> None:
    receiver = Receiver(
        HERE, relays=TrustedRelays("203.0.113.1"), internal=Networks("192.0.2.0/24")
    )
    outcome = receive(receiver, envelope(ip="203.0.113.1"), RELAYED)
    assert outcome.skipped == "internal client"


# ---- recipients ---------------------------------------------------------------------------------

BY_RECIPIENT = Receiver(
    HERE,
    policy=ReceiverPolicy.from_mapping(
        {
            "mailfrom": {"fail": "reject"},
            "override": [
                {"recipient": "drop@here.example", "mailfrom": {"fail": "discard"}},
                {"recipient": "later@here.example", "mailfrom": {"fail": "defer"}},
                {"recipient": "any@here.example", "skip": True},
            ],
        }
    ),
)


def test_each_recipient_is_decided_by_itself() -> None:
    async def run() -> None:
        engine = sf.AsyncEngine(sf.ZoneResolver(ZONE))
        reception = Reception(BY_RECIPIENT, engine, envelope(b"<x@bad.example>"))
        wanted = {
            b"<bo@here.example>": Action.REJECT,
            b"<Drop@here.example>": Action.DISCARD,
            b"<later@here.example>": Action.DEFER,
            b"<any@here.example>": Action.ACCEPT,
        }
        for recipient, action in wanted.items():
            assert (await reception.at_recipient(recipient)).action is action
        outcome = await reception.at_end_of_header(fields_of(HEADERS), HEADERS)
        # Those that were refused have no say any more.
        assert outcome.decision.action is Action.ACCEPT
        assert outcome.dropped == (b"<Drop@here.example>",)

    asyncio.run(run())


def test_recipients_of_the_envelope_count_if_there_are_any() -> None:
    given = envelope(b"<x@bad.example>", recipients=(b"<drop@here.example>", b"<dr\xffp@h>"))
    assert receive(BY_RECIPIENT, given).decision.action is Action.REJECT
    given = envelope(b"<x@bad.example>", recipients=(b"<drop@here.example>",))
    outcome = receive(BY_RECIPIENT, given)
    assert (outcome.decision.action, outcome.dropped) == (Action.DISCARD, ())
    given = envelope(b"<x@bad.example>", recipients=(b"drop@here.example", b"any@here.example"))
    assert receive(BY_RECIPIENT, given).dropped == (b"drop@here.example",)


def test_test_only_accepts_and_says_what_it_would_do() -> None:
    tables = {"mailfrom": {"fail": "reject"}, "test_only": True}
    receiver = Receiver(HERE, policy=ReceiverPolicy.from_mapping(tables))
    outcome = receive(receiver, envelope(b"<x@bad.example>"))
    decision = outcome.decision
    assert not isinstance(decision, ExchangeDecision)
    assert (decision.action, decision.would_be, decision.reply) == (
        Action.ACCEPT,
        Action.REJECT,
        None,
    )
    assert str(decision.would_reply).startswith("550 5.7.23 ")


# ---- fields -------------------------------------------------------------------------------------


def test_forged_fields_are_found_and_others_stay() -> None:
    headers = (
        b"Authentication-Results: other.example; spf=pass\r\n"
        b"Authentication-Results: OLD.here.example; spf=pass\r\n"
        b"Received-SPF: pass receiver=mx.here.example\r\n"
        b"X-SID-Result: PASS\r\nX-MS-Exchange-Organization-SCL: -1\r\n" + HEADERS
    )
    receiver = Receiver(HERE, own_names=("old.here.example",))
    assert receive(receiver, envelope(), headers).remove == (1, 2, 3, 4)
    assert receive(PLAIN, envelope(), headers).remove == (2, 3, 4)
    assert receive(Receiver(HERE, remove_forged=False), envelope(), headers).remove == ()


def test_the_fields_of_hotmail_and_of_exchange() -> None:
    receiver = Receiver(HERE, fields=("exchange", "x-sid"))
    assert stamps(receive(receiver, envelope())) == [
        "X-SID-PRA: ada@good.example",
        "X-SID-Result: PASS",
        "X-MS-Exchange-Organization-SenderIdResult: Pass",
        "X-MS-Exchange-Organization-PRD: good.example",
    ]


def test_an_internationalised_message_keeps_its_letters() -> None:
    headers = "From: <ö@good.example>\r\n\r\n".encode()
    path = "<ö@good.example>".encode()
    outcome = receive(PLAIN, envelope(path, eai=True), headers)
    assert 'envelope-from="ö@good.example"' in stamps(outcome)[0]
    outcome = receive(PLAIN, envelope(path), headers)
    assert stamps(outcome)[0].isascii()


def test_no_header_at_all() -> None:
    receiver = Receiver(HERE, policy=ReceiverPolicy.from_mapping({"no_pra": "reject"}))
    outcome = receive(receiver, envelope(), b"")
    assert outcome.decision.action is Action.REJECT
    assert str(outcome.decision.reply) == "550 5.7.1 Missing Purported Responsible Address"
    assert stamps(outcome)[1].endswith("; sender-id=none")


def test_a_header_that_was_cut() -> None:
    outcome = receive(PLAIN, envelope(), HEADERS[:20])
    assert outcome.decision.action is Action.MARK
    assert outcome.decision.reason == "no_pra = mark"


# ---- Exchange -----------------------------------------------------------------------------------


def exchange(**settings: object) -> Receiver:
    names = {"SpoofedDomainAction": "Reject"} | settings
    return Receiver(HERE, exchange=ExchangeSenderId.from_mapping(names))


def test_the_agent_decides_about_the_pra() -> None:
    spoofed = HEADERS.replace(b"good.example", b"bad.example")
    outcome = receive(exchange(), envelope(), spoofed)
    assert isinstance(outcome.decision, ExchangeDecision)
    assert str(outcome.decision.reply) == "550 5.7.1 Sender ID (PRA) Not Permitted"
    assert stamps(outcome)[-2:] == [
        "X-MS-Exchange-Organization-SenderIdResult: Fail",
        "X-MS-Exchange-Organization-PRD: bad.example",
    ]


def test_the_policy_still_decides_about_mail_from() -> None:
    policy = ReceiverPolicy.from_mapping(
        {"mailfrom": {"fail": "reject"}, "pra": {"fail": "reject"}}
    )
    receiver = Receiver(HERE, policy=policy, exchange=ExchangeSenderId())
    outcome = receive(receiver, envelope(b"<x@bad.example>"))
    assert str(outcome.decision.reply).startswith("550 5.7.23 SPF MAIL FROM")
    spoofed = HEADERS.replace(b"good.example", b"bad.example")
    outcome = receive(receiver, envelope(), spoofed)
    assert outcome.decision.action is Action.MARK  # policy.pra has no say


def test_what_the_agent_bypasses_has_no_status() -> None:
    spoofed = HEADERS.replace(b"good.example", b"bad.example")
    given = envelope(recipients=(b"<abuse@here.example>",))
    outcome = receive(exchange(BypassedRecipients=["abuse@here.example"]), given, spoofed)
    assert isinstance(outcome.decision, ExchangeDecision)
    assert outcome.decision.bypassed == "every recipient is in BypassedRecipients"
    assert not any(stamp.startswith("X-MS") for stamp in stamps(outcome))
    outcome = receive(exchange(Enabled=False), envelope(b"<x@bad.example>"), spoofed)
    assert outcome.verdicts is not None
    assert outcome.verdicts.pra is None
    assert outcome.decision.reason == "mailfrom.fail = mark"


def test_internal_smtp_servers_are_relays() -> None:
    receiver = exchange(InternalSMTPServers=["203.0.113.1"])
    outcome = receive(receiver, envelope(ip="203.0.113.1"), RELAYED)
    assert outcome.client is not None
    assert outcome.client.ip == "192.0.2.1"
    assert isinstance(outcome.decision, ExchangeDecision)
    assert str(outcome.decision.status) == "Pass"


def test_internal_mail_is_checked_by_the_agent_if_it_is_told_to() -> None:
    spoofed = HEADERS.replace(b"good.example", b"bad.example")
    given = envelope(b"<x@bad.example>", authenticated=True)
    assert receive(exchange(), given, spoofed).skipped == "authenticated"
    outcome = receive(exchange(InternalMailEnabled=True), given, spoofed)
    assert outcome.decision.action is Action.REJECT
    assert outcome.verdicts is not None
    assert (outcome.verdicts.helo, outcome.verdicts.mail_from) == (None, None)
