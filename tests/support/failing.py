"""A DNS that fails when it is told: for tests of stale answers.

What may live here: what several tests of stale answers need.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import senderid_fast as sf
from support.scripted import Scripted, zone_reply

__all__ = ["Failing", "FailingBulk", "every"]

Fails = Callable[[sf.Question], bool]


def every(question: sf.Question) -> bool:
    """All questions fail."""
    return True


class Failing(Scripted):
    """Answers of a zone, with the time to live ``ttl``; where ``fails(question)``, ``failure``."""

    def __init__(self, zone: dict[str, Any], ttl: int = 60) -> None:
        super().__init__(self._reply)
        self.ttl = ttl
        self.failure: Any = sf.Answer(sf.Status.SERVFAIL, detail="it is broken")
        self.fails: Fails = lambda question: False
        self.publish(zone)

    def publish(self, zone: dict[str, Any]) -> None:
        """Answer from this zone from now on."""
        self._zone = zone_reply(zone)

    def _reply(self, question: sf.Question, timeout: float) -> Any:
        if self.fails(question):
            if isinstance(self.failure, BaseException):
                raise self.failure
            return self.failure
        return self._zone(question, timeout)._replace(ttl=self.ttl)


class FailingBulk(Failing):
    """The same, asked for many answers at once."""

    def resolve_many(self, questions: Sequence[sf.Question], timeout: float) -> list[sf.Answer]:
        return [self.resolve(each, timeout) for each in questions]
