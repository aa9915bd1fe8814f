"""A milter server on a socket of this loop, and the MTAs that are connected to it.

What may live here: that, and the loop that tests run on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from senderid_fast.milter.server import MilterServer
from senderid_fast.questions import Answer, Question, Status
from support import milter as mta
from support.milter import Application, replies

__all__ = ["BEGIN", "Loops", "Mta", "Served", "Waiting", "run", "served"]

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


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await test()

    with asyncio.Runner(loop_factory=Loops.make) as runner:
        runner.run(bounded())
