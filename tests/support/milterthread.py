"""A milter in a thread of the test, for mail servers to ask.

What may live here: starting and ending it. What it does can be changed while it runs: it looks up
the application, and that its receiver and engine, for each message.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from senderid_fast.milter.server import MilterServer

from .milter import Application

__all__ = ["milter_thread"]


@contextmanager
def milter_thread(
    application: Application, path: Path | None = None, **options: Any
) -> Iterator[int]:
    """Serve on a unix socket, or on a free port of the loopback address, which is given out."""
    started = threading.Event()
    port = 0
    ending: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    async def serve() -> None:
        nonlocal port, ending
        loop = asyncio.get_running_loop()
        server = MilterServer(lambda: application, **options)
        if path is None:
            listening = await loop.create_server(server.protocol, "127.0.0.1", 0)
            port = listening.sockets[0].getsockname()[1]
        else:
            listening = await loop.create_unix_server(server.protocol, str(path))
            path.chmod(0o666)  # mail servers ask as users of their own
        ending = loop, asyncio.Event()
        started.set()
        await ending[1].wait()
        listening.close()
        await server.drain(0)
        await application.engine.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="milter")
    thread.start()
    assert started.wait(10)
    try:
        yield port
    finally:
        assert ending is not None
        ending[0].call_soon_threadsafe(ending[1].set)
        thread.join(10)
        assert not thread.is_alive()
