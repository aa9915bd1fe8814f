"""The protocol of a resolver: what an Engine asks of whatever answers its questions.

What may live here: the protocols. An object need not inherit from them; to have the method is
enough.

Whatever a resolver raises, the engine turns into temperror with a reason (RFC 7208 4.4), except
KeyboardInterrupt, SystemExit and, in asyncio, cancellation, which are passed on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from senderid_fast.questions import Answer, Question

__all__ = ["AsyncResolver", "BulkResolver", "Resolver"]


@runtime_checkable
class Resolver(Protocol):
    """Answers questions for an Engine.

    One resolver is used by many threads at once.
    """

    def resolve(self, question: Question, timeout: float) -> Answer:
        """The answer to ``question``, within ``timeout`` seconds.

        Errors of DNS are answers too: ``Answer(Status.SERVFAIL)``, ``Answer(Status.TIMEOUT)``.
        CNAMEs are followed (RFC 7208 does not see them). Only records that answer the question
        may be in it: never those of an additional section.
        """
        ...


@runtime_checkable
class AsyncResolver(Protocol):
    """Answers questions for an AsyncEngine; used by many tasks at once."""

    async def resolve_async(self, question: Question, timeout: float) -> Answer:
        """As Resolver.resolve, awaited."""
        ...


@runtime_checkable
class BulkResolver(Protocol):
    """A Resolver that answers many questions in one call, for Engine.check_batch."""

    def resolve(self, question: Question, timeout: float) -> Answer:
        """As Resolver.resolve."""
        ...

    def resolve_many(self, questions: Sequence[Question], timeout: float) -> Sequence[Answer]:
        """The answers, in the order of the questions, within ``timeout`` seconds.

        Each question stands there once. What raises, or has another length, is an error for all.
        """
        ...
