"""Sessions on sockets: order, time, back pressure, and what ends when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support import milter as mta
from support.milter import Application, codes, receiver_with, replies

from senderid_fast import AsyncEngine
from senderid_fast.errors import InputError
from senderid_fast.milter import server as server_module
from senderid_fast.milter.server import MilterServer
from senderid_fast.questions import Answer, Question, Status
from senderid_fast.receiver.actions import Action

BEGIN = mta.offer() + mta.connect() + mta.helo()


class Mta:
    """The other end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def replies(self, count: int) -> list[tuple[str, bytes]]:
        """So many packets."""
        found = b""
        for _ in range(count):
            length = await self.reader.readexactly(4)
            found += length + await self.reader.readexactly(int.from_bytes(length, "big"))
        return replies(found)

    async def codes(self, count: int) -> str:
        return "".join(code for code, _ in await self.replies(count))

    async def end(self) -> bytes:
        """What still comes before the end of the connection."""
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""

    def close(self) -> None:
        self.writer.close()


class Served:
    """A server, and how to reach it."""

    def __init__(self, application: Application, server: MilterServer, path: Path | None) -> None:
        self.application, self.server, self.path = application, server, path
        self.port = 0
        self.mtas: list[Mta] = []

    async def connect(self, octets: bytes = BEGIN) -> Mta:
        if self.path is None:
            mta_end = Mta(*await asyncio.open_connection("127.0.0.1", self.port))
        else:
            mta_end = Mta(*await asyncio.open_unix_connection(str(self.path)))
        self.mtas.append(mta_end)
        mta_end.send(octets)
        return mta_end


@asynccontextmanager
async def served(
    application: Application, path: Path | None = None, **options: Any
) -> AsyncIterator[Served]:
    milter = MilterServer(lambda: application, **options)
    loop = asyncio.get_running_loop()
    found = Served(application, milter, path)
    if path is None:
        listening = await loop.create_server(milter.protocol, "127.0.0.1", 0)
        found.port = listening.sockets[0].getsockname()[1]
    else:
        listening = await loop.create_unix_server(milter.protocol, str(path))
    try:
        yield found
    finally:
        listening.close()
        for each in found.mtas:
            each.close()
        await milter.drain(0)
        await asyncio.sleep(0.01)
        assert application.connections == 0


class Waiting:
    """A resolver that answers when it is told to."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.asked = asyncio.Event()
        self.cancelled = 0

    async def resolve_async(self, _question: Question, _timeout: float) -> Answer:
        self.asked.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return Answer(Status.NXDOMAIN)


class Loops:
    """The loops that tests run on."""

    make = staticmethod(asyncio.new_event_loop)


@pytest.fixture(autouse=True, params=["asyncio", "uvloop"])
def _both_loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service runs on uvloop where that is installed."""
    if request.param == "uvloop":
        uvloop = pytest.importorskip("uvloop")
        monkeypatch.setattr(Loops, "make", staticmethod(uvloop.new_event_loop))


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await test()

    with asyncio.Runner(loop_factory=Loops.make) as runner:
        runner.run(bounded())


def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time in which a second is a few milliseconds."""
    monkeypatch.setattr(server_module, "_TICK", 0.01)
    monkeypatch.setattr(server_module, "_PROGRESS_AFTER", 0.03)
    monkeypatch.setattr(server_module, "_GRACE", 0.05)


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
