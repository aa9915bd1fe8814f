"""Acceptor: takes connections from listening sockets that several processes share.

What may live here: accepting, and what happens when it cannot be done.

asyncio's own servers accept a hundred connections at a time, so that one worker would get them all,
set the backlog of the socket to the same number, and tell of a lack of file descriptors once for
each of the hundred. uvloop does each of these otherwise. This is the same on both.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence

__all__ = ["Acceptor"]

PAUSE = 0.25  # seconds without accepting, when file descriptors or memory are short


class Acceptor:
    """Accepts one connection each time the loop finds a socket ready.

    sockets   non-blocking, listening
    protocol  makes the protocol of a connection
    failed    told when nothing could be accepted for a reason of our own
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sockets: Sequence[socket.socket],
        protocol: Callable[[], asyncio.BaseProtocol],
        failed: Callable[[OSError], None],
    ) -> None:
        self._loop = loop
        self._sockets = sockets
        self._protocol = protocol
        self._failed = failed
        self._accepts = False
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Accept from now on."""
        self._accepts = True
        for sock in self._sockets:
            self._loop.add_reader(sock.fileno(), self._ready, sock)

    def stop(self) -> None:
        """Accept no more, and close the sockets in this process; others may go on."""
        self._accepts = False
        for sock in self._sockets:
            self._loop.remove_reader(sock.fileno())
            sock.close()

    def _ready(self, sock: socket.socket) -> None:
        try:
            connection, _ = sock.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker was quicker, or the client has gone
        except OSError as error:  # EMFILE, ENFILE, ENOBUFS, ENOMEM: the socket stays ready
            self._loop.remove_reader(sock.fileno())
            self._loop.call_later(PAUSE, self._resume, sock)
            self._failed(error)
            return
        connection.setblocking(False)
        task = self._loop.create_task(self._connect(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _resume(self, sock: socket.socket) -> None:
        if self._accepts:
            self._loop.add_reader(sock.fileno(), self._ready, sock)

    async def _connect(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, connection)
        except OSError as error:
            connection.close()
            self._failed(error)
