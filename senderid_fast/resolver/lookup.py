"""Lookup: one question, from server to server, until there is an answer; without any I/O.

What may live here: which server is asked next, by which transport, for how long, and what its
octets mean. Sockets belong to the two drivers in system.py, which hold none of these rules:

    while (attempt := lookup.next_attempt()) is not None:
        unless attempt.done: connect to attempt.server, send attempt.octets, give what arrives to
        attempt.take() until it is, or an error to attempt.failed()
        lookup.take(attempt)
    lookup.answer

It imports dnspython, so nothing may import it before a question is asked.
"""

from __future__ import annotations

import time
from collections import deque

import dns.flags
import dns.message
import dns.rcode

from senderid_fast.questions import Answer, Question, Status
from senderid_fast.resolver.failures import Failure, failure_answer
from senderid_fast.resolver.messages import Chain, make_query, read_reply, text_to_name
from senderid_fast.resolver.servers import Server

__all__ = ["Attempt", "Lookup"]

HEADER_OCTETS = 12
# RCODEs by which a server without EDNS refuses a query that has it (RFC 6891 7).
NO_EDNS = (dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.BADVERS)


class Attempt:
    """One query to one server over UDP or TCP, and what came of it."""

    __slots__ = (
        "_buffer",
        "_deadline",
        "_query",
        "_seconds",
        "_strays",
        "failure",
        "octets",
        "payload",
        "reply",
        "server",
        "tcp",
        "truncated",
    )

    def __init__(
        self,
        server: Server,
        query: dns.message.QueryMessage,
        payload: int,
        tcp: bool,
        seconds: float,
    ) -> None:
        self.server = server
        self.tcp = tcp
        self.payload = payload
        self.octets = query.to_wire(prepend_length=tcp)
        self.reply: dns.message.Message | None = None
        self.failure: Failure | None = None
        self.truncated = False
        self._query = query
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._buffer = b""
        self._strays = 0

    @property
    def done(self) -> bool:
        return self.truncated or self.reply is not None or self.failure is not None

    def seconds_left(self) -> float:
        """Seconds of this attempt that are left; raises TimeoutError when there are none."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def adopt(self, octets: bytes) -> None:
        """Takes an answer to a query that somebody else sent for this question."""
        self._query.id = int.from_bytes(octets[:2], "big")
        self.octets = octets[:2] + self.octets[2:]
        self._take_datagram(octets)

    def take(self, octets: bytes) -> None:
        """Takes a datagram, or what arrived on the stream (b"": the server closed it)."""
        if self.tcp:
            self._take_stream(octets)
        else:
            self._take_datagram(octets)

    def failed(self, error: OSError) -> None:
        """Takes what the network said instead of an answer."""
        if not isinstance(error, TimeoutError):
            text = f"could not be asked{self._by}: {error.strerror or error}"
            self.failure = Failure(Status.ERROR, text)
        elif self._strays or self._buffer:
            text = f"sent no octets that answer the query within {self._seconds:.3g} s{self._by}"
            self.failure = Failure(Status.MALFORMED, text)
        else:
            text = f"did not answer within {self._seconds:.3g} s{self._by}"
            self.failure = Failure(Status.TIMEOUT, text)

    @property
    def _by(self) -> str:
        return " over TCP" if self.tcp else ""

    def _take_datagram(self, octets: bytes) -> None:
        # RFC 5452 9.1: an id that is not ours is no answer of this server; whoever forges one must
        # not end the wait for the true answer.
        if len(octets) < HEADER_OCTETS or octets[:2] != self.octets[:2] or not octets[2] & 0x80:
            self._strays += 1
        elif octets[2] & 0x02:
            self.truncated = True  # RFC 2181 9: nothing of it is used
        else:
            self._read(octets)

    def _take_stream(self, octets: bytes) -> None:
        if not octets:
            text = "closed the TCP connection before its answer was whole"
            self.failure = Failure(Status.MALFORMED, text)
            return
        self._buffer += octets  # at most 2 + 65,535 octets and one read: see below
        if len(self._buffer) < 2:
            return
        end = 2 + int.from_bytes(self._buffer[:2], "big")
        if len(self._buffer) >= end:
            self._read(self._buffer[2:end])

    def _read(self, octets: bytes) -> None:
        try:
            reply = dns.message.from_wire(octets)
        except Exception as error:  # noqa: BLE001 - dnspython raises many kinds on odd octets
            text = f"sent octets that are no DNS message ({type(error).__name__}){self._by}"
            self.failure = Failure(Status.MALFORMED, text)
            return
        if not self._query.is_response(reply):
            text = f"answered another question than the one asked{self._by}"
            self.failure = Failure(Status.MALFORMED, text)
        elif reply.flags & dns.flags.TC:
            self.failure = Failure(Status.MALFORMED, "sent a truncated answer over TCP")
        else:
            self.reply = reply


class Lookup:
    """One question: ``answer`` is there when next_attempt() returns None."""

    __slots__ = (
        "_adopted",
        "_all",
        "_chain",
        "_deadline",
        "_failures",
        "_next",
        "_payload",
        "_question",
        "_queue",
        "_rounds",
        "_servers",
        "_tries",
        "_try_seconds",
        "answer",
    )

    def __init__(
        self,
        question: Question,
        servers: tuple[Server, ...],
        *,
        timeout: float,
        try_seconds: float,
        tries: int,
        payload: int,
    ) -> None:
        self.answer: Answer | None = None
        self._adopted: bytes | None = None
        self._question = question
        self._deadline = time.monotonic() + timeout
        self._try_seconds = try_seconds
        self._tries = tries
        self._payload = payload
        try:
            self._chain = Chain(text_to_name(question.name))
        except ValueError as error:
            self.answer = Answer(Status.ERROR, detail=str(error))
        self._start(servers)

    def _start(self, servers: tuple[Server, ...]) -> None:
        """Begins to ask for the chain's last name."""
        self._all = servers
        self._servers = list(servers)  # those worth asking again
        self._queue = deque(self._servers)  # those still to be asked in this round
        self._rounds = 1
        self._next: tuple[Server, int, bool] | None = None  # the same server in another way
        self._failures: dict[tuple[Server, Failure], int] = {}  # and how often

    def over_tcp(self) -> None:
        """Begins with TCP: the first server's answer over UDP was truncated (RFC 7766 5)."""
        self._next = (self._queue.popleft(), self._payload, True)

    def adopt(self, octets: bytes) -> None:
        """Begins with an answer of the first server that somebody else's query brought."""
        self._adopted = octets

    def next_attempt(self) -> Attempt | None:
        if self.answer is not None:
            return None
        left = self._deadline - time.monotonic()
        if self._next is not None:
            server, payload, tcp = self._next
            self._next = None
        else:
            if not self._queue and self._rounds < self._tries:
                self._rounds += 1
                self._queue.extend(self._servers)
            if not self._queue or left <= 0:
                self.answer = self._failure()
                return None
            server, payload, tcp = self._queue.popleft(), self._payload, False
        if left <= 0:
            self.answer = self._failure()
            return None
        query = make_query(self._chain.name, self._question.rrtype, payload)
        attempt = Attempt(server, query, payload, tcp, min(self._try_seconds, left))
        if self._adopted is not None:
            attempt.adopt(self._adopted)
            self._adopted = None
        return attempt

    def take(self, attempt: Attempt) -> None:
        """Takes an attempt that has ended."""
        server = attempt.server
        if attempt.truncated:
            self._next = (server, attempt.payload, True)  # RFC 7766 5
            return
        outcome: Answer | Failure | None
        if attempt.reply is None:
            outcome = attempt.failure
        elif attempt.payload and attempt.reply.rcode() in NO_EDNS:
            self._next = (server, 0, attempt.tcp)  # RFC 6891 6.2.2, 7
            return
        else:
            outcome = read_reply(attempt.reply, self._chain, self._question.rrtype)
        if isinstance(outcome, Answer):
            self.answer = outcome
        elif isinstance(outcome, Failure):
            key = (server, outcome)
            self._failures[key] = self._failures.get(key, 0) + 1
            # A lost datagram may not be lost again; any other failure is there to stay.
            if outcome.status is not Status.TIMEOUT:
                self._servers = [other for other in self._servers if other != server]
        else:
            # The target of the last CNAME is not in the reply. The server that knew this much
            # goes first; the others may know what it does not.
            self._start((server, *(other for other in self._all if other != server)))

    def _failure(self) -> Answer:
        """The answer when no server has given one: the most telling status, all that happened."""
        alias = ""
        if len(self._chain.names) > 1:
            alias = f" when asked for the alias {self._chain.name.to_text(omit_final_dot=True)}"
        return failure_answer(self._failures, alias)
