"""SystemResolver: asks DNS servers, by default those that the system is configured to use.

What may live here: the options and two drivers, one that blocks and one for asyncio. They open
sockets, send and receive; what is asked of whom and what a reply means is in lookup.py.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from senderid_fast.errors import InputError
from senderid_fast.questions import Answer, Question, Status
from senderid_fast.resolver.servers import (
    DNS_PORT,
    RESOLV_CONF,
    Server,
    check_port,
    parse_servers,
    system_servers,
)

if TYPE_CHECKING:  # dnspython is imported with the first question, not before
    from senderid_fast.resolver.lookup import Attempt, Lookup

__all__ = ["SystemResolver", "answer_of", "answer_of_async"]

# One read: any datagram, and most answers over TCP.
READ_OCTETS = 0xFFFF


class _Settings(NamedTuple):
    nameservers: tuple[Server, ...] | None
    port: int
    try_seconds: float
    tries: int
    edns_payload: int
    config_file: str


class SystemResolver:
    """Resolves questions by way of recursive DNS servers, with dnspython as the codec.

    nameservers   "ip", "ip:port" or "[ipv6]:port", asked in this order; None: those of
                  ``config_file``, read when the first question is asked and then kept
    port          of servers named without one
    try_seconds   how long one server is waited for before the next is asked
    tries         how often the servers that did not answer are gone through
    edns_payload  the size of UDP answers that is announced (RFC 6891 6.2.3); 0: no EDNS
    config_file   the list of servers, as in resolv.conf(5); only its nameserver lines count

    A server that answers SERVFAIL, REFUSED or nonsense is not asked again for that question. One
    object serves any number of threads, tasks and forked processes, as it keeps no connection; it
    is hashed, compared and pickled by its settings. Raises InputError, which names the option.
    """

    __slots__ = ("_servers", "_settings")

    def __init__(
        self,
        nameservers: Sequence[str] | None = None,
        *,
        port: int = DNS_PORT,
        try_seconds: float = 2.0,
        tries: int = 3,
        edns_payload: int = 1232,
        config_file: str = RESOLV_CONF,
    ) -> None:
        check_port(port)
        _check_int("tries", tries, 1, 100)
        if edns_payload != 0:
            _check_int("edns_payload", edns_payload, 512, 65535)
        if isinstance(try_seconds, bool) or not isinstance(try_seconds, (int, float)):
            raise InputError("try_seconds", f"must be a number of seconds, is {try_seconds!r}")
        if not 0 < try_seconds <= 3600:  # NaN is neither
            problem = f"must be above 0 and at most 3600, is {try_seconds!r}"
            raise InputError("try_seconds", problem)
        if not isinstance(config_file, str) or not config_file:
            raise InputError("config_file", f"must be the name of a file, is {config_file!r}")
        servers = None if nameservers is None else parse_servers(nameservers, port)
        self._settings = _Settings(
            servers, port, float(try_seconds), tries, int(edns_payload), config_file
        )
        self._servers = servers

    def resolve(self, question: Question, timeout: float) -> Answer:
        """The answer to ``question`` within ``timeout`` seconds; errors are answers too."""
        lookup = self._lookup(question, timeout)
        return lookup if isinstance(lookup, Answer) else answer_of(lookup)

    async def resolve_async(self, question: Question, timeout: float) -> Answer:
        """As resolve(), for asyncio."""
        lookup = self._lookup(question, timeout)
        return lookup if isinstance(lookup, Answer) else await answer_of_async(lookup)

    def _lookup(self, question: Question, timeout: float) -> Lookup | Answer:
        from senderid_fast.resolver.lookup import Lookup

        settings = self._settings
        servers = self._servers
        if servers is None:
            try:
                servers = system_servers(settings.config_file, settings.port)
            except OSError as error:
                return Answer(Status.ERROR, detail=str(error))
            self._servers = servers  # two threads may both read it: they read the same
        return Lookup(
            question,
            servers,
            timeout=timeout,
            try_seconds=settings.try_seconds,
            tries=settings.tries,
            payload=settings.edns_payload,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SystemResolver):
            return NotImplemented
        return self._settings == other._settings

    def __hash__(self) -> int:
        return hash(self._settings)

    def __getstate__(self) -> _Settings:
        return self._settings

    def __setstate__(self, settings: _Settings) -> None:
        self._settings = settings
        self._servers = settings.nameservers

    def __repr__(self) -> str:
        settings = self._settings
        servers = settings.config_file
        if settings.nameservers is not None:
            servers = ", ".join(str(server) for server in settings.nameservers)
        return f"<SystemResolver {servers}>"


def _check_int(field: str, value: object, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise InputError(field, f"must be a whole number from {low} to {high}, is {value!r}")


def answer_of(lookup: Lookup) -> Answer:
    """The answer of a look-up that begins; errors are answers too."""
    while (attempt := lookup.next_attempt()) is not None:
        try:
            if not attempt.done:
                _exchange(attempt)
        except OSError as error:
            attempt.failed(error)
        lookup.take(attempt)
    return _ended(lookup)


async def answer_of_async(lookup: Lookup) -> Answer:
    """As answer_of(), for asyncio."""
    while (attempt := lookup.next_attempt()) is not None:
        try:
            if not attempt.done:
                await _exchange_async(attempt)
        except OSError as error:
            attempt.failed(error)
        lookup.take(attempt)
    return _ended(lookup)


def _ended(lookup: Lookup) -> Answer:
    answer = lookup.answer
    assert answer is not None, "next_attempt() returned None, so there is an answer"
    return answer


def _socket(attempt: Attempt) -> socket.socket:
    """A socket of its own for each attempt: a new random port (RFC 5452 9.2)."""
    kind = socket.SOCK_STREAM if attempt.tcp else socket.SOCK_DGRAM
    return socket.socket(attempt.server.family, kind)


# In both: a connected UDP socket takes datagrams from that server alone (RFC 5452 9.1), and tells
# at once when nobody listens there.


def _exchange(attempt: Attempt) -> None:
    """Send what is asked and take what comes, until the attempt is done; raises OSError."""
    with _socket(attempt) as sock:
        sock.settimeout(attempt.seconds_left())
        sock.connect(attempt.server.address)
        sock.settimeout(attempt.seconds_left())
        sock.sendall(attempt.octets)
        while not attempt.done:
            sock.settimeout(attempt.seconds_left())
            attempt.take(sock.recv(READ_OCTETS))


async def _exchange_async(attempt: Attempt) -> None:
    """As _exchange(), for asyncio."""
    import asyncio

    loop = asyncio.get_running_loop()
    with _socket(attempt) as sock:
        sock.setblocking(False)
        async with asyncio.timeout(attempt.seconds_left()):
            await loop.sock_connect(sock, attempt.server.address)
            await loop.sock_sendall(sock, attempt.octets)
            while not attempt.done:
                attempt.seconds_left()  # datagrams that are there already do not suspend the task
                attempt.take(await loop.sock_recv(sock, READ_OCTETS))
