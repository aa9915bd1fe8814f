"""PolicyServer: the connections of the policy service, for asyncio.

What may live here: reading, writing, waiting and ending. What is answered is in answering.py.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from senderid_fast.policyd.answering import SERVICE, Answering, Conversation
from senderid_fast.policyd.protocol import REQUEST_OCTETS, RequestFault, RequestReader
from senderid_fast.reception.begun import Begun

if TYPE_CHECKING:
    from senderid_fast.service.words import Application, Current

__all__ = ["PolicyServer"]


class PolicyServer:
    """Serves any number of connections in one event loop.

        server = PolicyServer(current)
        await loop.create_unix_server(server.protocol, "/run/senderid-fast/policyd.sock")

    current  gives the Application (service/words.py), anew for each message
    """

    def __init__(self, current: Current) -> None:
        self._current = current
        self._answering = Answering(current)
        self._connections: set[_Connection] = set()
        self._draining = False

    def protocol(self) -> asyncio.Protocol:
        """A new protocol; the factory of loop.create_server and loop.create_unix_server."""
        return _Connection(self)

    @property
    def busy(self) -> int:
        """Requests that wait for their answer."""
        return sum(connection.busy for connection in self._connections)

    async def drain(self, seconds: float) -> int:
        """Take no new request, close idle connections, let those in hand finish for so many seconds
        at most. Returns how many were cut off."""
        self._draining = True
        for connection in list(self._connections):
            connection.leave()
        tasks = [each.task for each in self._connections if each.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=max(seconds, 0.0))
        late = [each for each in self._connections if each.busy]
        for connection in late:
            connection.abort()
        return len(late)

    def _take(self, connection: _Connection) -> Application | None:
        """Whether a connection is taken: by which application."""
        application = self._current()
        if self._draining or not application.opened():
            return None
        self._connections.add(connection)
        return application


class _Connection(asyncio.Protocol):
    """One connection. Its requests are answered one after the other."""

    def __init__(self, server: PolicyServer) -> None:
        self._server = server
        self._reader = RequestReader()
        self._conversation = Conversation()
        self._transport: asyncio.Transport | None = None
        self._application: Application | None = None
        self._begun: Begun[bytes] | None = None  # the answer that is waited for
        self._writing = True  # what is written is taken off our hands
        self._reading = True
        self._at_end = False  # the peer sends no more
        self._since = 0.0  # when it was opened, or last answered
        self._timer: asyncio.TimerHandle | None = None

    # ---- what asyncio calls --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._application = self._server._take(self)
        if self._application is None:
            self._transport.abort()
            return
        loop = asyncio.get_running_loop()
        self._since = loop.time()
        self._timer = loop.call_later(self._application.idle_seconds, self._look_at_clock)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        self._go_on()

    def eof_received(self) -> bool:
        """The peer has said all; whoever asks with one command still reads the answers."""
        self._at_end = True
        self._go_on()
        return self._begun is not None or not self._writing

    def pause_writing(self) -> None:
        self._writing = False

    def resume_writing(self) -> None:
        self._writing = True
        self._go_on()

    def connection_lost(self, error: Exception | None) -> None:
        server, application = self._server, self._application
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        if self._begun is not None:
            self._begun.cancel()
        server._connections.discard(self)
        if application is None:
            return
        if error is not None:
            application.fault(SERVICE, f"the connection broke: {error}")
        elif self._reader.pending and self._at_end:
            application.fault(SERVICE, "the connection ended within a request")
        application.closed()

    # ---- one request after the other -----------------------------------------------------------

    def _go_on(self) -> None:
        """Answer what can be answered."""
        while self._open and self._begun is None and self._writing:
            if self._server._draining:
                self._close()
                return
            try:
                request = self._reader.next_request()
            except RequestFault as fault:
                self._refuse(str(fault))
                return
            if request is None:
                if self._at_end:
                    self._close()
                break
            begun = Begun(self._server._answering.answer(request, self._conversation))
            if begun.task is None:
                self._write(begun.result)
            else:
                self._begun = begun
                begun.task.add_done_callback(self._answered)
        self._read_or_not()

    def _answered(self, task: asyncio.Task[bytes]) -> None:
        self._begun = None
        if not task.cancelled() and self._open:
            self._write(task.result())
            self._go_on()

    def _write(self, answer: bytes) -> None:
        assert self._transport is not None
        self._transport.write(answer)
        self._since = asyncio.get_running_loop().time()

    def _read_or_not(self) -> None:
        """No more is read while a whole request is there already."""
        if self._transport is None or self._at_end or not self._open:
            return
        wanted = self._reader.pending <= REQUEST_OCTETS
        if wanted != self._reading:
            self._reading = wanted
            if wanted:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    # ---- the end -------------------------------------------------------------------------------

    @property
    def _open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    @property
    def busy(self) -> bool:
        """Whether a request waits for its answer."""
        return self._begun is not None

    @property
    def task(self) -> asyncio.Task[bytes] | None:
        """What works on the answer."""
        return None if self._begun is None else self._begun.task

    def leave(self) -> None:
        """End it, unless an answer is waited for."""
        if not self.busy:
            self._close()

    def abort(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _refuse(self, words: str) -> None:
        """End it: who sends this speaks another protocol, and would not understand an answer."""
        assert self._application is not None
        self._application.fault(SERVICE, words)
        self._reader = RequestReader()
        self._close()

    def _look_at_clock(self) -> None:
        """Close it if nothing was answered for long: the peer sends nothing, half a request, or
        does not read."""
        application, loop = self._application, asyncio.get_running_loop()
        assert application is not None
        left = self._since + application.idle_seconds - loop.time()
        if self.busy:
            left = application.idle_seconds
        elif left <= 0:
            if self._reader.pending:
                application.fault(SERVICE, "half a request, and then nothing")
                self._reader = RequestReader()
            self.abort()
            return
        self._timer = loop.call_later(left, self._look_at_clock)
