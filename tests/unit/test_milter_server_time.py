"""Sessions on sockets that take time: an MTA is told to wait on, and neither end waits for ever."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support import milter as mta
from support.milter import Application, codes, receiver_with
from support.milterserved import BEGIN, Waiting, run, served

from senderid_fast import AsyncEngine
from senderid_fast.milter import server as server_module
from senderid_fast.receiver.actions import Action

pytestmark = pytest.mark.usefixtures("both_loops")


def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time in which a second is a few milliseconds."""
    monkeypatch.setattr(server_module, "_TICK", 0.01)
    monkeypatch.setattr(server_module, "_PROGRESS_AFTER", 0.03)
    monkeypatch.setattr(server_module, "_GRACE", 0.05)


def test_the_mta_is_told_to_wait_on(monkeypatch: pytest.MonkeyPatch) -> None:
    fast(monkeypatch)

    async def test() -> None:
        resolver = Waiting()
        async with served(Application(engine=AsyncEngine(resolver))) as found:
            end = await found.connect(BEGIN + mta.message())
            assert await end.codes(4) == "Oppp"
            resolver.go_on.set()
            rest = ""
            while not rest.endswith("iic"):
                rest += await end.codes(1)
            assert rest.strip("p") == "iic"

    run(test)


def test_at_rcpt_nobody_is_told_to_wait_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """An MTA knows PROGRESS at the end of a message alone."""
    fast(monkeypatch)

    async def test() -> None:
        resolver = Waiting()
        receiver = receiver_with({"mailfrom": {"fail": "reject"}})
        async with served(Application(receiver, AsyncEngine(resolver))) as found:
            end = await found.connect(BEGIN + mta.mail() + mta.rcpt())
            await end.codes(1)
            await resolver.asked.wait()
            await asyncio.sleep(0.1)
            resolver.go_on.set()
            assert await end.codes(1) == "c"

    run(test)


@pytest.mark.parametrize("on_trouble", [Action.ACCEPT, Action.DEFER])
def test_a_check_that_never_ends_is_given_up(
    on_trouble: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast(monkeypatch)

    class Endless:
        def __init__(self, *_: object) -> None:
            self.envelope: Any = None

        def begin(self) -> None: ...
        def cancel(self) -> None: ...

        async def at_end_of_header(self, *_: object) -> None:
            await asyncio.Event().wait()

    async def test() -> None:
        receiver = receiver_with(seconds=0.05, on_trouble=on_trouble)
        application = Application(receiver)
        async with served(application, make=Endless) as found:
            end = await found.connect(BEGIN + mta.message())
            said = ""
            while said[-1:] not in ("c", "y"):
                said += await end.codes(1)
            assert said.replace("p", "") == ("Oc" if on_trouble is Action.ACCEPT else "Oy")
            end.send(mta.QUIT)
            assert codes(await end.end()) == ""
        (done,) = application.messages
        assert done.outcome.trouble == "TimeoutError: the check did not end in time"

    run(test)


def test_half_a_command_and_then_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    fast(monkeypatch)

    async def test() -> None:
        application = Application(idle_seconds=0.05)
        async with served(application) as found:
            half = await found.connect(BEGIN + mta.mail()[:-3])
            assert codes(await half.end()) == "O"
            assert application.faults == ["half a packet, whose end did not come within 0.05 s"]
            silent = await found.connect()
            assert codes(await silent.end()) == "O"
        assert len(application.faults) == 1

    run(test)


def test_half_a_command_octet_by_octet(monkeypatch: pytest.MonkeyPatch) -> None:
    """What keeps a connection open is a packet that comes to its end."""
    fast(monkeypatch)

    async def test() -> None:
        application = Application(idle_seconds=0.2)
        async with served(application) as found:
            slow = await found.connect(BEGIN + b"\x00\x00\xff\xffL")
            end = asyncio.create_task(slow.end())
            while not end.done():
                slow.send(b"x")
                await asyncio.sleep(0.01)
            assert codes(await end) == "O"
            assert application.faults == ["half a packet, whose end did not come within 0.2 s"]

    run(test)


def test_who_waits_for_us_is_not_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    fast(monkeypatch)

    async def test() -> None:
        resolver = Waiting()
        application = Application(engine=AsyncEngine(resolver), idle_seconds=0.03)
        async with served(application) as found:
            end = await found.connect(BEGIN + mta.message())
            await end.codes(1)
            await asyncio.sleep(0.15)
            resolver.go_on.set()
            said = ""
            while said[-1:] != "c":
                said += await end.codes(1)
            assert said.replace("p", "") == "iic"

    run(test)
