"""BlockingReception: Reception for code without asyncio, with an Engine.

What may live here: a blocking engine in the place of an AsyncEngine, and calls that do not await.
Every rule is that of reception.py.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar, cast

from senderid_fast.reception.checking import OutOfTime
from senderid_fast.reception.reception import Reception

if TYPE_CHECKING:
    from senderid_fast._core.verdict import Verdict
    from senderid_fast.async_engine import AsyncEngine
    from senderid_fast.engine import Engine
    from senderid_fast.receiver.policy import Decision
    from senderid_fast.reception.envelope import Envelope
    from senderid_fast.reception.outcome import Outcome
    from senderid_fast.reception.receiver import Receiver

__all__ = ["BlockingReception"]

T = TypeVar("T")


class BlockingReception:
    """As Reception, blocking. Belongs to the thread that serves its session; the engine may be
    shared by all threads.

    The checks are made one after another when the first decision is asked for. None is begun once
    receiver.seconds are used up; one that has begun ends within the engine's own limit.
    """

    __slots__ = ("_engine", "_reception")

    def __init__(self, receiver: Receiver, engine: Engine, envelope: Envelope) -> None:
        self._engine = _Awaited(engine, receiver.seconds)
        self._reception = Reception(receiver, cast("AsyncEngine", self._engine), envelope)

    @property
    def envelope(self) -> Envelope:
        """As Reception.envelope; may be replaced before the header."""
        return self._reception.envelope

    @envelope.setter
    def envelope(self, envelope: Envelope) -> None:
        self._reception.envelope = envelope

    def at_recipient(self, recipient: bytes) -> Decision:
        """As Reception.at_recipient."""
        return _result(self._reception.at_recipient(recipient))

    def at_end_of_header(self, fields: Sequence[tuple[str, bytes]], headers: bytes) -> Outcome:
        """As Reception.at_end_of_header."""
        outcome = _result(self._reception.at_end_of_header(fields, headers))
        return outcome._replace(seconds=self._engine.spent)


def _result(step: Coroutine[Any, Any, T]) -> T:
    """What a coroutine gives that has nothing to wait for."""
    try:
        step.send(None)
    except StopIteration as end:
        return cast(T, end.value)
    raise AssertionError("a blocking check waited")


class _Awaited:
    """An Engine by the names and in the form of an AsyncEngine, as far as Reception needs it."""

    def __init__(self, engine: Engine, seconds: float) -> None:
        self._engine = engine
        self._seconds = seconds
        self.spent = 0.0

    def _made(self, check: Callable[..., Verdict], *arguments: Any) -> Verdict:
        if self.spent >= self._seconds:
            raise OutOfTime
        began = monotonic()
        try:
            return check(*arguments)
        finally:
            self.spent += monotonic() - began

    async def check_helo(self, *arguments: Any) -> Verdict:
        return self._made(self._engine.check_helo, *arguments)

    async def check_mail_from(self, *arguments: Any) -> Verdict:
        return self._made(self._engine.check_mail_from, *arguments)

    async def check_pra(self, *arguments: Any) -> Verdict:
        return self._made(self._engine.check_pra, *arguments)

    async def check_host(self, *arguments: Any) -> Verdict:
        return self._made(self._engine.check_host, *arguments)
