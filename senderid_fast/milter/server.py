"""MilterServer: sessions on sockets, with asyncio.

What may live here: connections, time and tasks. What is said is known in session.py. A message
whose answers are known is answered in the call that brings it, without a task or a timer.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from senderid_fast.errors import InputError
from senderid_fast.milter.codec import PROGRESS
from senderid_fast.milter.negotiation import Negotiator
from senderid_fast.milter.session import SERVICE, Session
from senderid_fast.receiver.actions import DISCARDS
from senderid_fast.reception.begun import Begun
from senderid_fast.reception.reception import Reception

if TYPE_CHECKING:
    from senderid_fast.service.words import Application, Current

__all__ = ["MilterServer"]

_TICK = 1.0  # seconds from one look at all connections to the next
# Seconds of checking after which the MTA is told to wait on: its own patience begins anew then.
# Sendmail's ends after 10 s if nobody sets it (T=R:10s), Postfix's after 300 s.
_PROGRESS_AFTER = 4.0
_GRACE = 5.0  # seconds beyond those that a check may take, before it is taken for lost
_HELD_MOST = 1 << 16  # octets that may come while an answer is due; an MTA sends none
_QUICK_ACK = getattr(socket, "TCP_QUICKACK", None)


class MilterServer:
    """The connections of one process.

    current  looks up the application: for each connection, and for each message
    discard  what becomes of a message to be discarded: "discard", or "quarantine" (the MTA keeps
             it, and people may look at it and let it go)

    Raises InputError.
    """

    def __init__(
        self,
        current: Current,
        *,
        discard: str = "discard",
        make: Callable[..., Reception] = Reception,
    ) -> None:
        if discard not in DISCARDS:
            raise InputError("discard", f"must be one of {', '.join(DISCARDS)}, is {discard!r}")
        self.current = current
        self.draining = False
        self._quarantine = discard == "quarantine"
        self._make = make
        self._negotiator = Negotiator(quarantine=self._quarantine)
        self._connections: set[_Connection] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._empty: asyncio.Event | None = None

    def protocol(self) -> asyncio.Protocol:
        """A new connection; the factory of loop.create_server and loop.create_unix_server."""
        return _Connection(self)

    @property
    def busy(self) -> int:
        """Messages in hand: begun by MAIL and not answered yet."""
        return sum(each.in_message for each in self._connections)

    async def drain(self, seconds: float) -> int:
        """Take no new message, close connections that have none, let those in hand be finished.

        Returns how many had to be cut off after so many seconds.
        """
        self.draining = True
        for each in [*self._connections]:
            each.close_if_idle()
        if self._connections:
            self._empty = asyncio.Event()
            try:
                async with asyncio.timeout(max(seconds, 0.0)):
                    await self._empty.wait()
            except TimeoutError:
                pass
        cut = [*self._connections]
        unfinished = sum(each.in_message for each in cut)
        for each in cut:
            each.cut_off()
        return unfinished

    # ---- what connections call ---------------------------------------------------------------

    def new_session(self) -> Session:
        return Session(self.current, self._negotiator, quarantine=self._quarantine, make=self._make)

    def add(self, connection: _Connection) -> None:
        self._connections.add(connection)
        if self._timer is None:
            self._wind()

    def remove(self, connection: _Connection) -> None:
        self._connections.discard(connection)
        if not self._connections and self._empty is not None:
            self._empty.set()

    # ---- time --------------------------------------------------------------------------------

    def _wind(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_TICK, self._tick)

    def _tick(self) -> None:
        """One timer for all connections: what is late by a second does no harm."""
        self._timer = None
        now = asyncio.get_running_loop().time()
        idle = self.current().idle_seconds
        for each in [*self._connections]:
            each.tick(now, idle)
        if self._connections:
            self._wind()


class _Connection(asyncio.Protocol):
    """One MTA's connection."""

    def __init__(self, server: MilterServer) -> None:
        self._server = server
        self._application: Application | None = None
        self._session: Session | None = None
        self._transport: asyncio.Transport | None = None
        self._tcp: socket.socket | None = None
        self._loop = asyncio.get_running_loop()
        self._active = 0.0  # when a whole packet came last
        self._begun: Begun[Any] | None = None  # what is waited for
        self._since = 0.0  # for how long
        self._told = 0.0  # when the MTA was told last
        self._full = False  # the MTA does not read what we send

    @property
    def in_message(self) -> bool:
        return self._session is not None and self._session.in_message

    # ---- asyncio.Protocol --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Those of uvloop are no subclasses of asyncio.Transport.
        self._transport = cast("asyncio.Transport", transport)
        application = self._server.current()
        if self._server.draining or not application.opened():
            self._transport.abort()
            return
        self._application = application
        self._session = self._server.new_session()
        self._active = self._loop.time()
        if _QUICK_ACK is not None:
            sock = transport.get_extra_info("socket")
            if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
                self._tcp = sock
        self._server.add(self)

    def data_received(self, data: bytes) -> None:
        session = self._session
        if session is None:
            return
        before = session.held
        session.receive(data)
        if session.held < before + len(data):
            self._active = self._loop.time()  # octets of a packet that never ends do not count
        self._go_on(session)
        if self._begun is not None and session.held > _HELD_MOST:
            self._pause()

    def pause_writing(self) -> None:
        self._full = True
        self._pause()

    def resume_writing(self) -> None:
        self._full = False
        self._read_on()

    def connection_lost(self, _exc: Exception | None) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        if self._begun is not None:
            self._begun.cancel()
        session.lost()
        self._server.remove(self)
        assert self._application is not None
        self._application.closed()

    # ---- answers -----------------------------------------------------------------------------

    def _go_on(self, session: Session) -> None:
        """Have what is pending done, as far as it need not wait, and send what there is to send."""
        while self._begun is None and (pending := session.pending) is not None:
            begun = Begun(pending)
            if begun.task is not None:
                self._begun = begun
                self._since = self._told = self._loop.time()
                begun.task.add_done_callback(self._finished)
            else:
                _settle(session, begun)
        assert self._transport is not None
        if session.output:
            self._transport.write(b"".join(session.output))
            session.output.clear()
        elif self._tcp is not None:
            # Postfix sends the commands of a session in small writes. Where none gets a reply, its
            # kernel holds the next one back until ours acknowledges the last, which takes 40 ms.
            self._tcp.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)  # type: ignore[arg-type]
        if session.ended or (self._server.draining and not session.in_message):
            self._transport.close()

    def _finished(self, _task: asyncio.Task[Any]) -> None:
        begun, self._begun = self._begun, None
        session = self._session
        if session is None or begun is None:
            return  # nobody is there to hear it
        self._active = self._loop.time()
        _settle(session, begun)
        self._go_on(session)
        if self._begun is None:
            self._read_on()

    # ---- back pressure -----------------------------------------------------------------------

    def _pause(self) -> None:
        # While it is not paused, it is noticed at once when the MTA goes away.
        assert self._transport is not None
        self._transport.pause_reading()

    def _read_on(self) -> None:
        if self._transport is not None and not self._full and not self._transport.is_closing():
            self._transport.resume_reading()

    # ---- time --------------------------------------------------------------------------------

    def tick(self, now: float, idle_seconds: float) -> None:
        session, transport = self._session, self._transport
        if session is None or transport is None:
            return
        if self._begun is None:
            if now - self._active >= idle_seconds:
                if session.held:
                    self._fault(f"half a packet, whose end did not come within {idle_seconds:g} s")
                session.end()
                transport.abort()
        elif now - self._since >= session.seconds + _GRACE:
            self._begun.cancel()  # it should have ended by itself
        elif session.at_end and now - self._told >= _PROGRESS_AFTER:
            self._told = now
            transport.write(PROGRESS)

    def close_if_idle(self) -> None:
        """Close the connection unless a message is in hand."""
        if not self.in_message and self._transport is not None:
            self._transport.close()

    def cut_off(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _fault(self, words: str) -> None:
        assert self._application is not None
        self._application.fault(SERVICE, words)


def _settle(session: Session, begun: Begun[Any]) -> None:
    """Tell a session what came of what it waited for."""
    error = begun.error
    if error is None:
        session.resume(begun.result)
    elif isinstance(error, asyncio.CancelledError):
        session.fail(TimeoutError("the check did not end in time"))
    else:
        session.fail(error)
