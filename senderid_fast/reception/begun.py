"""Begun: a check that runs at once as far as it can, and as a task from where it first waits.

What may live here: that one mechanism. Most checks find every answer known and never wait; a task
for each of them would cost several times what the check does. (asyncio has eager tasks since 3.12.)
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

if TYPE_CHECKING:
    import asyncio

__all__ = ["Begun"]

T = TypeVar("T")


class Begun(Generic[T]):
    """A coroutine that has begun. It must not need to know its task before it first waits.

    task  what goes on with it; None if it came to its end at once
    """

    __slots__ = ("_error", "_result", "task")

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._result: Any = None
        self._error: BaseException | None = None
        self.task: asyncio.Task[T] | None = None
        try:
            awaited = coroutine.send(None)
        except StopIteration as end:
            self._result = end.value
        except Exception as error:  # noqa: BLE001 - it is the outcome
            self._error = error
        else:
            import asyncio

            self.task = asyncio.get_running_loop().create_task(_finish(coroutine, awaited))
            # A task that is cancelled before its first step never comes to the coroutine.
            self.task.add_done_callback(lambda task: _end(task, coroutine))

    @property
    def at_once(self) -> bool:
        """Whether it came to its end at once, with a result."""
        return self.task is None and self._error is None

    @property
    def done(self) -> bool:
        """Whether it came to its end."""
        return self.task is None or self.task.done()

    @property
    def error(self) -> BaseException | None:
        """What it raised, once it is done; None: there is a result."""
        if self.task is None:
            return self._error
        if self.task.cancelled():
            import asyncio

            return asyncio.CancelledError("the check was cancelled")
        return self.task.exception()

    @property
    def result(self) -> T:
        """What it returned, once it is done without an error."""
        if self.task is not None:
            return self.task.result()
        result: T = self._result
        return result

    def cancel(self) -> None:
        """End it; whatever it still gives is for nobody."""
        if self.task is not None:
            self.task.cancel()


def _end(task: asyncio.Task[Any], coroutine: Coroutine[Any, Any, Any]) -> None:
    coroutine.close()
    if not task.cancelled():
        task.exception()  # asked for, so that asyncio does not complain where nobody else asks


async def _finish(coroutine: Coroutine[Any, Any, T], awaited: Any) -> T:
    return await _Rest(coroutine, awaited)


class _Rest(Generic[T]):
    """What is left of a coroutine whose first step has been taken."""

    __slots__ = ("_awaited", "_coroutine")

    def __init__(self, coroutine: Coroutine[Any, Any, T], awaited: Any) -> None:
        self._coroutine = coroutine
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, T]:
        coroutine, awaited = self._coroutine, self._awaited
        while True:
            thrown: BaseException | None = None
            sent = None
            try:
                sent = yield awaited
            except BaseException as error:  # noqa: BLE001 - it is for the coroutine to handle
                thrown = error
            try:
                awaited = coroutine.send(sent) if thrown is None else coroutine.throw(thrown)
            except StopIteration as end:
                return cast(T, end.value)
