"""Gathering: what many tasks ask at about the same time is asked in few calls.

What may live here: putting requests together and handing replies out. What a call does is the
cache's matter.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

__all__ = ["Gathering"]

MOST_CALLS = 8  # at once; what is asked meanwhile waits for the next
MOST_TOGETHER = 2_048  # keys of one call

Call = Callable[[list[bytes]], Awaitable[list[Any]]]


class Gathering:
    """Asks for keys in one event loop.

    call  gives a value for each key, in their order; what it raises is raised to all who asked
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[list[bytes], asyncio.Future[list[Any]]]] = deque()
        self._calls: set[asyncio.Task[None]] = set()
        self._soon = False

    async def ask(self, keys: list[bytes]) -> list[Any]:
        """The values of keys."""
        future: asyncio.Future[list[Any]] = self._loop.create_future()
        self._waiting.append((keys, future))
        if not self._soon:
            self._soon = True
            self._loop.call_soon(self._send)
        return await future

    def _send(self) -> None:
        self._soon = False
        while self._waiting and len(self._calls) < MOST_CALLS:
            some = []
            count = 0
            while self._waiting and count < MOST_TOGETHER:
                keys, future = self._waiting.popleft()
                if not future.done():  # nobody waits for it any more
                    some.append((keys, future))
                    count += len(keys)
            if some:
                task = self._loop.create_task(self._run(some))
                self._calls.add(task)
                task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._calls.discard(task)
        self._send()

    async def _run(self, some: list[tuple[list[bytes], asyncio.Future[list[Any]]]]) -> None:
        try:
            keys = [key for each, _ in some for key in each]
            values = await self._call(keys)
            if len(values) != len(keys):
                raise ValueError(f"{len(values)} values for {len(keys)} keys")  # noqa: TRY301
        except asyncio.CancelledError:
            for _, future in some:
                future.cancel()
            raise
        except BaseException as error:  # noqa: BLE001 - for those who wait
            for _, future in some:
                if not future.done():
                    future.set_exception(error)
            return
        at = 0
        for each, future in some:
            if not future.done():
                future.set_result(values[at : at + len(each)])
            at += len(each)
