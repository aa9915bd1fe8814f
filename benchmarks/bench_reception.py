"""What one message costs a mail server beside its DNS: Reception with all answers known.

Each benchmark drives the coroutines without an event loop's turn: they must not wait. What comes of
a message is asserted before anything is timed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import senderid_fast as sf
from senderid_fast.receiver import Action, Actions, ExchangeSenderId, ReceiverPolicy, TrustedRelays
from senderid_fast.reception import Envelope, Outcome, Receiver, Reception

ZONE = {
    "good.example": [{"TXT": "v=spf1 ip4:192.0.2.0/28 include:_spf.good.example -all"}],
    "_spf.good.example": [{"TXT": "v=spf1 ip4:198.51.100.0/24 ~all"}],
    "mta.good.example": [{"A": "192.0.2.1"}, {"TXT": "v=spf1 a -all"}],
    "bad.example": [{"TXT": "v=spf1 -all"}],
}
HEADERS = (
    b"Received: from mta.good.example (mta.good.example [192.0.2.1])\r\n"
    b"\tby in.here.example with ESMTPS; Tue, 1 Sep 2026 10:00:00 +0000\r\n"
    b"Received: from pc (pc.good.example [192.0.2.77])\r\n"
    b"\tby mta.good.example with ESMTPSA; Tue, 1 Sep 2026 09:59:59 +0000\r\n"
    b"DKIM-Signature: v=1; a=rsa-sha256; d=good.example; s=s1; h=from:to; bh=x; b=y\r\n"
    b"From: Ada Archer <ada@good.example>\r\nTo: bo@here.example\r\nSubject: minutes\r\n"
    b"Date: Tue, 1 Sep 2026 10:00:00 +0000\r\nMessage-ID: <1@good.example>\r\n\r\n"
)
FORGED = (
    b"Authentication-Results: mx.here.example; spf=pass smtp.mailfrom=good.example\r\n" + HEADERS
)
REJECTING = ReceiverPolicy(mailfrom=Actions(fail=Action.REJECT), pra=Actions(fail=Action.REJECT))
RECIPIENT = b"<bo@here.example>"
GOOD = Envelope("192.0.2.1", b"mta.good.example", b"<ada@good.example>", (RECIPIENT,))
RELAYED = Envelope("203.0.113.1", b"in.here.example", b"<ada@good.example>", (RECIPIENT,))
FAILING = Envelope("192.0.2.1", b"mta.good.example", b"<x@bad.example>", (RECIPIENT,))
OWN = Envelope("192.0.2.1", b"pc", b"<ada@good.example>", (RECIPIENT,), authenticated=True)
ACCEPT, REJECT, MARK = Action.ACCEPT, Action.REJECT, Action.MARK

CASES: dict[str, tuple[Receiver, Envelope, bytes, Action]] = {
    "plain": (Receiver("mx.here.example"), GOOD, HEADERS, ACCEPT),
    "rejecting policy, accepted": (
        Receiver("mx.here.example", policy=REJECTING),
        GOOD,
        HEADERS,
        ACCEPT,
    ),
    "rejected": (Receiver("mx.here.example", policy=REJECTING), FAILING, HEADERS, REJECT),
    "a forged field": (Receiver("mx.here.example"), GOOD, FORGED, ACCEPT),
    "behind a relay": (
        Receiver("mx.here.example", relays=TrustedRelays("203.0.113.1")),
        RELAYED,
        HEADERS,
        ACCEPT,
    ),
    "Exchange": (Receiver("mx.here.example", exchange=ExchangeSenderId()), GOOD, HEADERS, MARK),
    "authenticated": (Receiver("mx.here.example"), OWN, HEADERS, ACCEPT),
}


@contextmanager
def engine() -> Iterator[sf.AsyncEngine]:
    """An engine that knows all answers."""
    made = sf.AsyncEngine(sf.ZoneResolver(ZONE))

    async def warm() -> None:
        for receiver, envelope, headers, _ in CASES.values():
            reception = Reception(receiver, made, envelope)
            await reception.at_end_of_header(fields(headers), headers)

    asyncio.run(warm())
    yield made


def fields(headers: bytes) -> list[tuple[str, bytes]]:
    return [(name, body) for name, body, _, _ in sf.header_fields(headers)]


def result(step: Coroutine[Any, Any, Any]) -> Any:
    """What a step gives that does not wait."""
    try:
        step.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waited")


@pytest.mark.benchmark(group="reception: one message, answers known")
@pytest.mark.parametrize("name", CASES)
def test_message(benchmark: BenchmarkFixture, name: str) -> None:
    receiver, envelope, headers, action = CASES[name]
    given = fields(headers)

    def message() -> Outcome:
        reception = Reception(receiver, known, envelope)
        reception.begin()
        return result(reception.at_end_of_header(given, headers))  # type: ignore[no-any-return]

    with engine() as known:
        outcome = message()
        assert outcome.decision.action is action
        assert outcome.trouble is None
        benchmark(message)


@pytest.mark.benchmark(group="reception: one recipient, answers known")
@pytest.mark.parametrize("name", ["plain", "rejecting policy, accepted", "rejected"])
def test_recipient(benchmark: BenchmarkFixture, name: str) -> None:
    receiver, envelope, _, action = CASES[name]
    with engine() as known:
        reception = Reception(receiver, known, envelope)
        reception.begin()
        decide: Callable[[], Any] = lambda: result(reception.at_recipient(RECIPIENT))  # noqa: E731
        assert decide().action is action
        benchmark(decide)
