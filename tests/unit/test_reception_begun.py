"""A coroutine that has begun gives what it would give as a task, and waits only if it must."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from senderid_fast.reception.begun import Begun


async def known() -> int:
    return 1


async def waits() -> int:
    await asyncio.sleep(0)
    return await asyncio.sleep(0.01, 2)


async def waits_for_a_done_future() -> int:
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, 3)
    first = await future
    return first + await future


async def raises() -> int:
    raise ValueError("at once")


async def raises_later() -> int:
    await asyncio.sleep(0.01)
    raise ValueError("later")


async def outlives_a_cancel() -> int:
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        await asyncio.sleep(0)
    return 4


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


@pytest.mark.parametrize(
    ("make", "result"),
    [(known, 1), (waits, 2), (waits_for_a_done_future, 6)],
    ids=lambda it: str(it)[:20],
)
def test_results(make: Any, result: int) -> None:
    async def check() -> None:
        begun = Begun(make())
        assert (begun.task is None) == (make is known)
        assert begun.done == (make is known)
        if begun.task is not None:
            await asyncio.wait([begun.task])
        assert (begun.done, begun.error, begun.result) == (True, None, result)
        begun.cancel()  # nothing is left to be cancelled
        assert begun.result == result

    run(check())


@pytest.mark.parametrize("make", [raises, raises_later])
def test_errors(make: Any) -> None:
    async def check() -> None:
        begun = Begun(make())
        if begun.task is not None:
            await asyncio.wait([begun.task])
        assert isinstance(begun.error, ValueError)

    run(check())


def test_nobody_needs_to_ask_for_an_error(caplog: pytest.LogCaptureFixture) -> None:
    async def check() -> None:
        Begun(raises_later())
        await asyncio.sleep(0.05)

    run(check())
    import gc

    gc.collect()
    assert caplog.records == []


@pytest.mark.parametrize("turns", [0, 1, 3])
def test_a_cancelled_coroutine_comes_to_its_end(turns: int) -> None:
    ended = []

    async def waiting() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(True)

    async def check() -> None:
        begun = Begun(waiting())
        for _ in range(turns):
            await asyncio.sleep(0)
        begun.cancel()
        assert begun.task is not None
        await asyncio.wait([begun.task])
        assert ended == [True]
        assert isinstance(begun.error, asyncio.CancelledError)

    run(check())


def test_a_cancel_is_the_coroutines_to_handle() -> None:
    async def check() -> None:
        begun = Begun(outlives_a_cancel())
        await asyncio.sleep(0)
        begun.cancel()
        assert begun.task is not None
        await asyncio.wait([begun.task])
        assert begun.result == 4

    run(check())
