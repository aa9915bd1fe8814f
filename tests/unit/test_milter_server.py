"""Sessions on sockets: order, back pressure, and what ends when."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support import milter as mta
from support.milter import Application, codes, receiver_with
from support.milterserved import BEGIN, Waiting, run, served

from senderid_fast import AsyncEngine
from senderid_fast.errors import InputError
from senderid_fast.milter.server import MilterServer

pytestmark = pytest.mark.usefixtures("both_loops")


@pytest.mark.parametrize("unix", [True, False])
def test_a_message_over_a_socket(unix: bool, tmp_path: Path) -> None:
    async def test() -> None:
        application = Application()
        async with served(application, tmp_path / "milter" if unix else None) as found:
            end = await found.connect()
            assert await end.codes(1) == "O"
            for _ in range(3):
                end.send(mta.message())
                assert await end.codes(3) == "iic"
            end.send(mta.QUIT)
            assert await end.end() == b""
        assert len(application.messages) == 3
        assert application.faults == []

    run(test)


def test_an_unknown_word_for_discard() -> None:
    with pytest.raises(InputError, match="discard: must be one of discard, quarantine, is 'drop'"):
        MilterServer(Application, discard="drop")


def test_quarantine_is_passed_on() -> None:
    async def test() -> None:
        application = Application(receiver_with({"pra": {"fail": "discard"}}))
        async with served(application, discard="quarantine") as found:
            end = await found.connect()
            await end.codes(1)
            end.send(mta.message(headers=[(b"From", b"a@fail.example")]))
            assert await end.codes(4) == "qiic"

    run(test)


def test_answers_that_are_known_need_no_task() -> None:
    async def test() -> None:
        application = Application(receiver_with({"mailfrom": {"fail": "reject"}}))
        async with served(application) as found:
            end = await found.connect(BEGIN + mta.message())
            await end.codes(5)
            before = len(asyncio.all_tasks())
            made: list[object] = []
            loop = asyncio.get_running_loop()

            def factory(
                loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
            ) -> asyncio.Task[Any]:
                made.append(coroutine)
                return asyncio.Task(coroutine, loop=loop, **options)

            loop.set_task_factory(factory)
            end.send(mta.message())
            await end.codes(4)
            assert made == []
            assert len(asyncio.all_tasks()) == before

    run(test)


def test_other_connections_go_on_while_one_waits() -> None:
    async def test() -> None:
        resolver = Waiting()
        slow = Application(engine=AsyncEngine(resolver))
        async with served(slow) as found:
            first = await found.connect(BEGIN + mta.message())
            await first.codes(1)
            await resolver.asked.wait()
            assert found.server.busy == 1
            second = await found.connect(BEGIN + mta.macros("M", auth_type=b"X") + mta.message())
            assert await second.codes(3) == "Oic"
            resolver.go_on.set()
            assert await first.codes(3) == "iic"
            assert found.server.busy == 0
        assert len(slow.messages) == 2

    run(test)


def test_commands_wait_while_an_answer_is_due_and_come_in_order() -> None:
    async def test() -> None:
        resolver = Waiting()
        async with served(Application(engine=AsyncEngine(resolver))) as found:
            end = await found.connect(BEGIN + mta.message())
            await end.codes(1)
            await resolver.asked.wait()
            # More than is held: reading has to stop, and to begin again.
            flood = [(b"X", b"y" * 1000)] * 1000
            end.send(mta.message(headers=flood) + mta.ABORT + mta.message() + mta.QUIT)
            await asyncio.sleep(0.05)
            (connection,) = found.server._connections
            assert connection._session is not None
            assert connection._session.held < 400_000
            resolver.go_on.set()
            assert codes(await end.end()) == "iic" * 3

    run(test)


def test_a_client_that_goes_away_ends_its_checks() -> None:
    async def test() -> None:
        resolver = Waiting()
        application = Application(engine=AsyncEngine(resolver))
        async with served(application) as found:
            end = await found.connect(BEGIN + mta.message())
            await end.codes(1)
            await resolver.asked.wait()
            end.close()
            while application.connections:
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.01)
            assert resolver.cancelled >= 1
            assert application.messages == []

    run(test)


def test_too_many_connections_are_closed_at_once() -> None:
    async def test() -> None:
        application = Application(most=2)
        async with served(application) as found:
            kept = [await found.connect() for _ in range(2)]
            for each in kept:
                assert await each.codes(1) == "O"
            assert await (await found.connect()).end() == b""
            kept[0].send(mta.QUIT)
            await kept[0].end()
            again = await found.connect()
            assert await again.codes(1) == "O"

    run(test)


@pytest.mark.parametrize(
    "garbage", [b"\xff\xff\xff\xff", bytes(1 << 20), b"EHLO x\r\n" * 1000, mta.mail()[:-2]]
)
def test_case_svc_partial_and_garbage_requests(garbage: bytes) -> None:
    """A connection with garbage ends; the others go on."""

    async def test() -> None:
        application = Application()
        async with served(application) as found:
            good = await found.connect()
            await good.codes(1)
            for octets in (garbage, BEGIN + garbage):
                bad = await found.connect(octets)
                bad.writer.write_eof()
                assert codes(await bad.end()) in ("", "O")
                good.send(mta.message())
                assert await good.codes(3) == "iic"
        assert len(application.faults) == 2

    run(test)


def test_an_mta_that_does_not_read_is_not_read_either(tmp_path: Path) -> None:
    async def test() -> None:
        application = Application()
        async with served(application, tmp_path / "milter") as found:
            end = await found.connect(mta.offer(6, 0x1FF, 0) + mta.connect())
            for _ in range(60):
                end.send(mta.packet("U", b"x\0") * 4_000)
            await asyncio.sleep(0)
            while not found.server._connections:
                await asyncio.sleep(0.005)
            (connection,) = found.server._connections
            assert connection._transport is not None
            while connection._transport.is_reading():
                await asyncio.sleep(0.005)
            assert connection._transport.get_write_buffer_size() < 600_000
            octets = 0  # each reply has five
            while octets < 5 * 60 * 4_000:
                some = await end.reader.read(1 << 20)
                assert some
                octets += len(some)

    run(test)


# The end ------------------------------------------------------------------------------------------


def test_draining_finishes_what_is_in_hand() -> None:
    async def test() -> None:
        resolver = Waiting()
        application = Application(engine=AsyncEngine(resolver))
        async with served(application) as found:
            idle, busy = await found.connect(), await found.connect(BEGIN + mta.message())
            await idle.codes(1)
            await busy.codes(1)
            await resolver.asked.wait()
            drained = asyncio.create_task(found.server.drain(30))
            assert await idle.end() == b""
            assert await (await found.connect()).end() == b""
            assert not drained.done()
            resolver.go_on.set()
            assert codes(await busy.end()) == "iic"
            assert await drained == 0
        assert len(application.messages) == 1

    run(test)


def test_draining_cuts_off_what_does_not_end() -> None:
    async def test() -> None:
        resolver = Waiting()
        application = Application(engine=AsyncEngine(resolver))
        async with served(application) as found:
            busy = await found.connect(BEGIN + mta.message())
            await busy.codes(1)
            await resolver.asked.wait()
            assert await found.server.drain(0.05) == 1
            assert await busy.end() == b""
        assert application.messages == []

    run(test)


def test_draining_without_connections_ends_at_once() -> None:
    async def test() -> None:
        assert await MilterServer(Application).drain(30) == 0

    run(test)
