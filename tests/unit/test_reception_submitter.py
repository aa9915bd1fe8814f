"""SUBMITTER (RFC 4405) as one of the things that decide about a message."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.receptions import HEADERS, ZONE, Resolver, envelope, fields_of, receive

import senderid_fast as sf
from senderid_fast.receiver import Action, ReceiverPolicy, SubmitterPolicy, TrustedRelays
from senderid_fast.reception import Outcome, Receiver, Reception

HERE = "mx.here.example"
OFFERED = Receiver(HERE, submitter=SubmitterPolicy())


def with_submitter(value: bytes, receiver: Receiver = OFFERED, **others: Any) -> Outcome:
    return receive(receiver, envelope(submitter=value, **others))


def test_the_same_address_is_fine() -> None:
    outcome = with_submitter(b"ada@GOOD.example")
    assert (outcome.decision.action, outcome.decision.reason) == (
        Action.ACCEPT,
        "mailfrom.pass = accept",
    )


@pytest.mark.parametrize(
    ("value", "reply"),
    [
        (b"bo@good.example", "550 5.7.1 Submitter does not match header."),
        (b"x@bad.example", "550 5.7.1 Submitter not allowed."),
        (b"", "501 5.5.4 SUBMITTER is no mailbox in xtext."),
        (b"ada+2gb@good.example", "501 5.5.4 SUBMITTER is no mailbox in xtext."),
        (b"\xe4da@good.example", "501 5.5.4 SUBMITTER is no mailbox in xtext."),
    ],
)
def test_what_is_refused(value: bytes, reply: str) -> None:
    assert str(with_submitter(value).decision.reply) == reply
    # A receiver that does not offer it does not look at it.
    assert with_submitter(value, Receiver(HERE)).decision.action is Action.ACCEPT
    # In test-only mode the reason tells.
    tested = Receiver(HERE, submitter=SubmitterPolicy(test_only=True))
    decision = with_submitter(value, tested).decision
    assert (decision.action, decision.reply) == (Action.ACCEPT, None)
    assert decision.reason.startswith("test only: SUBMITTER: ")


def test_no_pra_to_compare_with() -> None:
    outcome = receive(OFFERED, envelope(submitter=b"ada@good.example"), b"Subject: x\r\n\r\n")
    assert str(outcome.decision.reply) == "554 5.7.7 Cannot verify submitter address."


@pytest.mark.parametrize(
    ("value", "action"),
    [
        (b"ada@good.example", Action.ACCEPT),
        (b"bo@good.example", Action.ACCEPT),  # the header will tell
        (b"x@bad.example", Action.REJECT),
        (b"bo", Action.REJECT),
    ],
)
def test_before_the_header(value: bytes, action: Action) -> None:
    async def run() -> None:
        engine = sf.AsyncEngine(sf.ZoneResolver(ZONE))
        reception = Reception(OFFERED, engine, envelope(submitter=value))
        assert (await reception.at_recipient(b"<bo@here.example>")).action is action

    assert OFFERED.refuses_early()
    asyncio.run(run())


def test_the_strictest_counts() -> None:
    policy = ReceiverPolicy.from_mapping({"mailfrom": {"temperror": "defer"}})
    receiver = Receiver(HERE, policy=policy, submitter=SubmitterPolicy())
    given = envelope(b"<x@slow.example>", submitter=b"ada@good.example")
    assert str(receive(receiver, given).decision.reply).startswith("451 4.7.24 ")
    given = envelope(b"<x@slow.example>", submitter=b"bo@good.example")
    assert str(receive(receiver, given).decision.reply).startswith("550 5.7.1 Submitter")


def test_the_client_is_the_one_behind_the_relay() -> None:
    headers = (
        b"Received: from mta.good.example (mta.good.example [192.0.2.1])\r\n"
        b"\tby in.here.example with ESMTP; Thu, 1 Jan 2026 00:00:00 +0000\r\n" + HEADERS
    )
    relays = TrustedRelays("203.0.113.1")
    receiver = Receiver(HERE, relays=relays, submitter=SubmitterPolicy())
    given = envelope(ip="203.0.113.1", submitter=b"ada@good.example")
    assert receive(receiver, given, headers).decision.action is Action.ACCEPT
    outcome = receive(receiver, given, headers.replace(b"192.0.2.1", b"198.51.100.1"))
    assert str(outcome.decision.reply) == "550 5.7.1 Submitter not allowed."


def test_an_authenticated_client_is_not_asked() -> None:
    assert with_submitter(b"bo@good.example", authenticated=True).skipped == "authenticated"


def test_trouble_refuses_nothing() -> None:
    class Broken(sf.AsyncEngine):
        async def check_host(self, *_: Any) -> sf.Verdict:
            raise ValueError

        async def check_pra(self, *_: Any) -> sf.Verdict:
            raise ValueError

    engine = Broken(sf.ZoneResolver(ZONE))
    given = envelope(submitter=b"bo@good.example")
    outcome = receive(OFFERED, given, engine=engine)
    assert outcome.decision.action is Action.ACCEPT
    assert outcome.trouble is not None
    assert "submitter: ValueError" in outcome.trouble


def test_a_late_check_is_temperror() -> None:
    async def run() -> None:
        resolver = Resolver({"bad.example": lambda: asyncio.sleep(3600)})
        submitter = SubmitterPolicy(temperror=Action.DEFER, not_allowed=Action.MARK)
        receiver = Receiver(HERE, seconds=0.05, submitter=submitter)
        given = envelope(submitter=b"x@bad.example")
        reception = Reception(receiver, sf.AsyncEngine(resolver), given)
        headers = HEADERS.replace(b"ada@good", b"x@bad")
        outcome = await reception.at_end_of_header(fields_of(headers), headers)
        assert str(outcome.decision.reply).startswith("450 4.4.3 Sender ID")

    asyncio.run(run())
