"""The connections of the policy service: order, bounds, silence, garbage and the end."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from support.policyd import Recorded, Service, Talk, Wire, recorded, request

INSTANCE = "2bd1.6565a1e3.%d.0"


def words(application: Recorded) -> str:
    return " | ".join(application.faults)


def pipelined(*senders: str) -> bytes:
    return b"".join(
        request(sender=sender, instance=INSTANCE % at) for at, sender in enumerate(senders)
    )


def test_requests_that_come_together_are_answered_in_order() -> None:
    """Also where the second needs no DNS and the first does."""

    async def run() -> list[str]:
        async with Service(application) as service:
            talk = await service.connect()
            application.resolver.open.clear()
            talk.send(pipelined("a@strict.example", "root", "b@soft.example"))
            await asyncio.sleep(0.02)
            assert service.server.busy == 1
            application.resolver.open.set()
            return [await talk.answer() for _ in range(3)]

    application = recorded()
    results = [answer.split()[2] for answer in asyncio.run(run())]
    assert results == ["fail", "none", "softfail"]


def test_what_is_known_is_answered_at_once() -> None:
    """The answer is written before data_received() returns: no task, no turn of the loop."""

    async def run() -> list[bytes]:
        async with Service(application) as service:
            talk = await service.connect()
            await talk.ask()
            wire = Wire()
            protocol = service.server.protocol()
            protocol.connection_made(wire)
            tasks = asyncio.all_tasks()
            protocol.data_received(request(instance=INSTANCE % 1))
            protocol.data_received(request(instance=INSTANCE % 1, recipient="x@example.net"))
            assert asyncio.all_tasks() == tasks
            protocol.connection_lost(None)
            return bytes(wire.written).split(b"\n\n")[:-1]

    application = recorded()
    first, second = asyncio.run(run())
    assert first.startswith(b"action=PREPEND Received-SPF: fail")
    assert second == b"action=DUNNO"


@pytest.mark.parametrize(
    ("octets", "fault"),
    [
        (b"x" * (1 << 20), "octets"),
        (b"request=smtpd_access_policy\nsender=a\0b\n\n", "NUL"),
        (b"request=smtpd_access_policy\nsender\n\n", "without"),
        (b"GET / HTTP/1.0\r\n\r\n", "without"),
        (b"\xff\xfe\n" * 1_000 + b"\n", "lines"),
    ],
)
def test_svc_partial_and_garbage_requests(octets: bytes, fault: str) -> None:
    """That connection ends, after the answers it has earned; others go on."""

    async def run() -> tuple[bytes, str]:
        async with Service(application) as service:
            other, talk = await service.connect(), await service.connect()
            with contextlib.suppress(ConnectionError):
                talk.send(request() + octets)
                talk.send(request())
                await talk.writer.drain()
            rest = b""
            with contextlib.suppress(ConnectionError):
                rest = await talk.rest()
            return rest, await other.ask(instance=INSTANCE % 2)

    application = recorded()
    rest, other = asyncio.run(run())
    assert rest.count(b"action=") <= 1, "no answer to garbage, nor to what comes after it"
    assert fault in words(application)
    assert other.startswith("PREPEND")
    assert application.connections == 0


@pytest.mark.parametrize("half", [1, 30, -1])
def test_half_a_request_and_the_end(half: int) -> None:
    async def run() -> bytes:
        async with Service(application) as service:
            talk = await service.connect()
            talk.send(request()[:half])
            talk.writer.write_eof()
            return await talk.rest()

    application = recorded()
    assert asyncio.run(run()) == b""
    assert words(application) == "the connection ended within a request"
    assert application.connections == 0


def test_who_sends_all_and_then_reads_gets_all_answers() -> None:
    async def run() -> bytes:
        async with Service(application) as service:
            talk = await service.connect()
            talk.send(pipelined("a@strict.example", "b@soft.example"))
            talk.writer.write_eof()
            return await talk.rest()

    application = recorded()
    assert asyncio.run(run()).count(b"\n\n") == 2
    assert application.faults == []


@pytest.mark.parametrize("octets", [b"", b"request=smtpd_access_policy\nsender=x"])
def test_silence_ends_a_connection(octets: bytes) -> None:
    async def run() -> bytes:
        async with Service(application) as service:
            talk = await service.connect()
            talk.send(octets)
            with contextlib.suppress(ConnectionError):
                return await talk.rest()
            return b""

    application = recorded()
    application.idle_seconds = 0.05
    assert asyncio.run(run()) == b""
    assert ("half a request" in words(application)) == bool(octets)
    assert application.connections == 0


def test_octets_that_trickle_do_not_keep_a_connection() -> None:
    async def run() -> None:
        async with Service(application) as service:
            talk = await service.connect()
            with contextlib.suppress(ConnectionError):
                for octet in request() * 20:
                    talk.send(bytes([octet]))
                    await talk.writer.drain()
                    await asyncio.sleep(0.01)
                    if talk.reader.at_eof() or application.connections == 0:
                        return
            assert application.connections == 0

    application = recorded()
    application.idle_seconds = 0.1
    asyncio.run(run())
    assert application.faults == ["half a request, and then nothing"]


def test_a_slow_check_is_not_silence() -> None:
    async def run() -> str:
        async with Service(application) as service:
            talk = await service.connect()
            application.resolver.open.clear()
            talk.send(request())
            await asyncio.sleep(0.2)
            application.resolver.open.set()
            return await talk.answer()

    application = recorded()
    application.idle_seconds = 0.05
    assert asyncio.run(run()).startswith("PREPEND Received-SPF: fail")


def test_who_does_not_read_is_not_served_without_end() -> None:
    """Answers wait within bounds, and no further request is read meanwhile."""

    async def run() -> int:
        async with Service(application) as service:
            talk = await service.connect()
            one = request(instance=INSTANCE % 1)
            sent = 0
            with contextlib.suppress(asyncio.TimeoutError):
                while sent < 100_000:
                    talk.send(one * 100)
                    sent += 100
                    await asyncio.wait_for(talk.writer.drain(), 0.3)
            assert sent < 100_000, "the peer has to wait"
            (connection,) = service.server._connections
            assert connection._reader.pending < 65_536 + 262_144 + 1
            seen = 0
            while seen < sent:
                await talk.answer()
                seen += 1
            return seen

    application = recorded()
    assert asyncio.run(run()) > 100


def test_a_connection_too_many_is_closed_at_once() -> None:
    async def run() -> None:
        async with Service(application) as service:
            talk = await service.connect()
            refused = await service.connect()
            with contextlib.suppress(ConnectionError):
                assert await refused.rest() == b""
            assert (await talk.ask()).startswith("PREPEND")

    application = recorded()
    application.most = 1
    asyncio.run(run())
    assert application.connections == 0


def test_a_peer_that_goes_away_ends_its_checks() -> None:
    async def run() -> None:
        async with Service(application) as service:
            application.resolver.open.clear()
            talk = await service.connect()
            talk.send(request())
            await asyncio.sleep(0.02)
            (connection,) = service.server._connections
            connection.abort()
            await asyncio.sleep(0.02)
            assert service.server.busy == 0
            assert len(service.server._answering._instances) == 0
            own = asyncio.current_task()
            assert [task for task in asyncio.all_tasks() if task is not own] == []

    application = recorded()
    asyncio.run(run())
    assert application.lines == []
    assert application.connections == 0


def test_checks_that_another_connection_waits_for_go_on() -> None:
    """Postfix gave up one connection, and asks again over another."""

    async def run() -> str:
        async with Service(application) as service:
            application.resolver.open.clear()
            first, second = await service.connect(), await service.connect()
            first.send(request())
            await asyncio.sleep(0.02)
            second.send(request())
            await asyncio.sleep(0.02)
            connection = next(each for each in service.server._connections if each.busy)
            connection.abort()
            await asyncio.sleep(0.02)
            application.resolver.open.set()
            talk: Talk = second if not second.reader.at_eof() else first
            return await talk.answer()

    application = recorded()
    assert asyncio.run(run()).startswith("PREPEND Received-SPF: fail")
    assert len(application.lines) == 1


def test_draining_finishes_what_is_in_hand() -> None:
    async def run() -> tuple[int, str, bytes]:
        async with Service(application) as service:
            idle, talk = await service.connect(), await service.connect()
            await idle.ask(instance=INSTANCE % 1)
            application.resolver.open.clear()
            talk.send(request(sender="x@soft.example") + request(instance=INSTANCE % 5))
            await asyncio.sleep(0.02)
            asyncio.get_running_loop().call_later(0.05, application.resolver.open.set)
            cut = await service.server.drain(10)
            assert await idle.rest() == b""
            late = await service.connect()
            with contextlib.suppress(ConnectionError):
                assert await late.rest() == b""
            return cut, await talk.answer(), await talk.rest()

    application = recorded()
    cut, answer, rest = asyncio.run(run())
    assert cut == 0
    assert answer.startswith("PREPEND Received-SPF: softfail")
    assert rest == b"", "the next request is for the next process"
    assert application.connections == 0


def test_draining_ends_in_time() -> None:
    async def run() -> int:
        async with Service(application) as service:
            application.resolver.open.clear()
            for at in range(2):
                (await service.connect()).send(request(instance=INSTANCE % at))
            await service.connect()
            await asyncio.sleep(0.02)
            assert service.server.busy == 2
            return await service.server.drain(0.05)

    application = recorded()
    assert asyncio.run(run()) == 2
    assert application.connections == 0
