"""Questions for a UdpResolver, and the ways to ask many of them.

What may live here: that, with the answer of the faulty servers (support/faulty.py) that are good.
"""

from __future__ import annotations

import asyncio

import pytest

from senderid_fast.questions import Answer, Question, RRType, Status
from senderid_fast.resolver import SystemResolver, UdpResolver

__all__ = ["GOOD", "QUESTION", "ask_together", "cancel", "numbered"]

QUESTION = Question("name.example", RRType.TXT)
GOOD = Answer(Status.OK, (b"v=spf1 ip4:192.0.2.1 -all",), 300)


def numbered(count: int) -> list[Question]:
    return [Question(f"n{number}.example", RRType.TXT) for number in range(count)]


def cancel(resolver: SystemResolver | UdpResolver) -> None:
    """A task that waits for an answer is cancelled, and told so."""

    async def run() -> None:
        task = asyncio.create_task(resolver.resolve_async(QUESTION, 30))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


def ask_together(way: str, resolver: UdpResolver, questions: list[Question]) -> list[Answer]:
    """All questions at once, in each of the ways that there are."""

    async def tasks() -> list[Answer]:
        return await asyncio.gather(*[resolver.resolve_async(one, 20.0) for one in questions])

    return resolver.resolve_many(questions, 20.0) if way == "many" else asyncio.run(tasks())
