"""Exchange: the sockets of a UdpResolver that one thread, or one event loop, drives at a time.

What may live here: opening and renewing sockets, sending what is to be sent, taking what has come.
Which answer is accepted and what is asked next is in the core (src/flights.pyx).
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable
from time import monotonic_ns

from senderid_fast._core.datagrams import Datagrams, wait
from senderid_fast._core.flights import Flights
from senderid_fast._core.queries import Port, Servers
from senderid_fast.resolver.pace import Pace
from senderid_fast.resolver.servers import Server

__all__ = ["Exchange"]

BATCH = 64
# RFC 5452 9.2: a port that is used for long can be found out. A socket is renewed after so many
# queries, so much time, or so many datagrams that answer nothing: somebody may be guessing.
MOST_QUERIES = 4096
MOST_NANOSECONDS = 10_000_000_000
MOST_STRAYS = 1000
# Batches taken from a socket before the others have their turn: a flood must not hold them up.
TURNS = 8
# The kernel gives what it is set to allow; answers to many queries come at once.
RECEIVE_OCTETS = 1 << 20
MILLISECOND = 1_000_000


class Exchange:
    """Queries out, answers in.

    servers    where to
    health     which of them answer, shared with other exchanges
    sockets    to each server
    in_flight  queries that are under way at once
    pace       the limit of the rate, shared with other exchanges; None: there is none
    opened, closed   are told of each socket
    """

    def __init__(
        self,
        servers: tuple[Server, ...],
        health: Servers,
        *,
        rounds: int,
        nanoseconds: int,
        sockets: int,
        in_flight: int,
        pace: Pace | None,
        opened: Callable[[Port], None] | None = None,
        closed: Callable[[Port], None] | None = None,
    ) -> None:
        self.flights = Flights(health, rounds, nanoseconds, in_flight, os.urandom)
        self._servers = servers
        self._pace = pace
        self._ports: list[list[Port | None]] = [[None] * sockets for _ in servers]
        self._worn: list[Port] = []  # their last answers are waited for
        self._batch = Datagrams()
        self._opened = opened
        self._closed = closed

    @property
    def busy(self) -> bool:
        """Whether a question is neither finished nor put aside."""
        flights = self.flights
        return flights.under_way > 0 or flights.waiting > 0

    def abandon(self) -> None:
        """In a forked child: close its copies of the sockets, and tell nobody.

        An event loop's list of sockets (epoll) is its parent's too: it must stay as it is.
        """
        self._closed = None
        self.close()

    def close(self) -> None:
        """Close all sockets."""
        ports = [*self._worn, *(port for some in self._ports for port in some if port is not None)]
        self._worn.clear()
        for some in self._ports:
            some[:] = [None] * len(some)
        self.flights.clear()
        for port in ports:
            self._close(port)

    def step(self, end: int) -> None:
        """Send, wait until something comes or is due, at most until ``end``, and take it."""
        flights = self.flights
        now = monotonic_ns()
        flights.expire(now)
        delay = self.launch(now)
        if flights.finished or flights.aside or not self.busy:
            milliseconds = 0
        else:
            until = min(end, flights.next_due(now))
            if delay:
                until = min(until, now + delay)
            milliseconds = max(-((now - until) // MILLISECOND), 0)
        ports = [*self._worn, *(port for some in self._ports for port in some if port is not None)]
        if len(ports) > 1:
            ports = [port for port in ports if port.open]
        ready = wait([port.file for port in ports], milliseconds)
        if ready:
            now = monotonic_ns()
            for number in ready:
                self.arrived(ports[number], now)

    def launch(self, now: int) -> int:
        """Send what may be sent. Nanoseconds after which more may be, if it waits for that."""
        flights = self.flights
        room = min(flights.room, flights.waiting)
        if room <= 0:
            return 0
        if self._pace is not None:
            room = self._pace.take(room, now)
            if room == 0:
                return self._pace.wait()
        delay = 0
        for server in flights.assign(room, now):
            while (count := self._send(server, now)) == BATCH:
                pass
            if count < 0:
                delay = MILLISECOND  # the socket takes no more now
        if self._pace is not None and flights.waiting:
            return self._pace.wait()
        return delay

    def arrived(self, port: Port, now: int) -> None:
        """Take what has come over a port."""
        batch, flights = self._batch, self.flights
        try:
            for _ in range(TURNS):
                count = batch.receive(port.file)
                flights.take(batch, port, now)
                if count < BATCH:
                    break
        except OSError as error:
            self._failed(port.server, port, error, now)
        if not port.open and port in self._worn:
            self._worn.remove(port)
            self._close(port)

    def _send(self, server: int, now: int) -> int:
        """Send a batch. How many; -1: fewer than there were."""
        try:
            port = self._port(server, now)
        except OSError as error:
            self._failed(server, None, error, now)
            return 0
        count = self.flights.fill(self._batch, port, now)
        sent = 0
        try:
            while sent < count:
                more = self._batch.send(port.file, sent)
                if not more:
                    self.flights.unsent(sent)
                    return -1
                sent += more
        except OSError as error:
            self.flights.unsent(sent)
            self._failed(server, port, error, now)
            return 0
        return count

    def _failed(self, server: int, port: Port | None, error: OSError, now: int) -> None:
        text = f"could not be asked: {error.strerror or error}"
        self.flights.broken(server, port, text, now)
        if port is None:
            return
        # uvloop tells of an error once, and from then on nothing that comes over that socket.
        some = self._ports[server]
        if port in some:
            some[some.index(port)] = None
        else:
            self._worn.remove(port)
        self._close(port)

    def _port(self, server: int, now: int) -> Port:
        """One of the sockets to a server, chosen at random; raises OSError."""
        some = self._ports[server]
        place = secrets.randbelow(len(some)) if len(some) > 1 else 0
        port = some[place]
        if port is not None and (
            port.asked >= MOST_QUERIES
            or port.strays >= MOST_STRAYS
            or now - port.born >= MOST_NANOSECONDS
        ):
            some[place] = None
            if port.open:
                self._worn.append(port)
            else:
                self._close(port)
            port = None
        if port is None:
            self._sweep()
            port = some[place] = self._open(server, now)
        return port

    def _sweep(self) -> None:
        """Close what was renewed and has nothing under way any more."""
        for port in [port for port in self._worn if not port.open]:
            self._worn.remove(port)
            self._close(port)

    def _open(self, server: int, now: int) -> Port:
        # Connected: it takes datagrams from that server alone (RFC 5452 9.1), and tells when
        # nobody listens there. The kernel chooses the port at random.
        where = self._servers[server]
        sock = socket.socket(where.family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_OCTETS)
            sock.connect(where.address)
            port = Port(sock, server, now)
        except BaseException:
            sock.close()
            raise
        if self._opened is not None:
            self._opened(port)
        return port

    def _close(self, port: Port) -> None:
        if self._closed is not None:
            self._closed(port)
        port.socket.close()
