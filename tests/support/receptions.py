"""Messages received without a mail server: a zone, a resolver that can misbehave, and a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import senderid_fast as sf
from senderid_fast.reception import Envelope, Outcome, Receiver, Reception

__all__ = ["HEADERS", "ZONE", "Resolver", "arrive", "envelope", "fields_of", "receive", "stamps"]

# 192.0.2.1 may send for good.example, and calls itself mta.good.example.
ZONE: dict[str, Any] = {
    "good.example": [{"TXT": "v=spf1 ip4:192.0.2.0/28 -all"}],
    "mta.good.example": [{"TXT": "v=spf1 ip4:192.0.2.1 -all"}],
    "bad.example": [{"TXT": "v=spf1 -all"}],
    "soft.example": [{"TXT": "v=spf1 ~all"}],
    "neutral.example": [{"TXT": "v=spf1 ?all"}],
    "broken.example": [{"TXT": "v=spf1 ip4:192.0.2.0/33 -all"}],
    "silent.example": [{"A": "192.0.2.9"}],
    "slow.example": ["TIMEOUT"],
}
HEADERS = b"From: Ada <ada@good.example>\r\nTo: bo@here.example\r\nSubject: minutes\r\n\r\n"


class Resolver:
    """Answers from a zone, but for some names does something else first.

    acts   by name, called with the question; may be a coroutine function
    asked  the names that were asked for
    ended  how often an act was cancelled
    """

    def __init__(self, acts: dict[str, Callable[[], Any]] | None = None) -> None:
        self.zone = sf.ZoneResolver(ZONE)
        self.acts = acts or {}
        self.asked: list[str] = []
        self.ended = 0

    async def resolve_async(self, question: sf.Question, timeout: float) -> sf.Answer:
        self.asked.append(question.name)
        act = self.acts.get(question.name)
        if act is not None:
            try:
                found = act()
                if asyncio.iscoroutine(found):
                    await found
            except asyncio.CancelledError:
                self.ended += 1
                raise
        return self.zone.resolve(question, timeout)


def envelope(mail_from: bytes = b"<ada@good.example>", **others: Any) -> Envelope:
    """An envelope as a mail server would give it."""
    values: dict[str, Any] = {"ip": "192.0.2.1", "helo": b"mta.good.example"}
    return Envelope(mail_from=mail_from, **(values | others))


def fields_of(headers: bytes) -> list[tuple[str, bytes]]:
    """Names and bodies, as a mail server hands them over."""
    return [(name, body) for name, body, _, _ in sf.header_fields(headers)]


async def arrive(
    receiver: Receiver,
    given: Envelope,
    headers: bytes = HEADERS,
    engine: Any = None,
    recipients: Iterable[bytes] = (),
) -> Outcome:
    """The outcome of a message, within a running loop."""
    engine = engine or sf.AsyncEngine(sf.ZoneResolver(ZONE))
    reception = Reception(receiver, engine, given)
    reception.begin()
    for recipient in recipients:
        await reception.at_recipient(recipient)
    return await reception.at_end_of_header(fields_of(headers), headers)


def receive(*arguments: Any, **named: Any) -> Outcome:
    """The outcome of a message; see arrive(). No task may be left."""

    async def run() -> Outcome:
        outcome = await arrive(*arguments, **named)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return outcome

    return asyncio.run(run())


def stamps(outcome: Outcome) -> list[str]:
    """The fields that were added, as lines."""
    return [str(field) for field in outcome.add]
