"""UdpResolver: asks named DNS servers many questions at once, by a compiled path of its own.

What may live here: the options, and the ways in. Sockets are in udp_exchange.py, the state of a
process in udp_home.py; what is accepted as an answer is in the core (src/flights.pyx, wire.pyx).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from time import monotonic_ns

from senderid_fast.errors import InputError
from senderid_fast.questions import Answer, Question
from senderid_fast.resolver.servers import DNS_PORT, parse_servers
from senderid_fast.resolver.udp_bulk import ask_all
from senderid_fast.resolver.udp_home import STRATEGIES, Home, UdpSettings

__all__ = ["UdpResolver"]

SERVERS_MOST = 16
YEAR = 365 * 24 * 3600.0


class UdpResolver:
    """Resolves questions by way of recursive DNS servers, thousands at a time.

    servers      "ip", "ip:port" or "[ipv6]:port", one to sixteen
    try_seconds  how long one server is waited for in the first round; twice as long in each further
                 round
    tries        rounds through the servers: 1 to 10
    sockets      to each server, for each thread that asks and for each event loop: 1 to 64; a query
                 goes out by one of them at random, and each is renewed every ten seconds
    in_flight    queries under way at once, for each thread that asks and for each event loop: at
                 most 8,192. More than a server has room for are lost, and asked again when their
                 time is over; the receive buffer of Linux has room for some 250
    rate         queries a second in this process at most; None: no limit
    strategy     which server is asked first: "first": the first that answers; "in-turn": each in
                 turn; "hash": one by the name, so that each server keeps other names

    A question that several threads, or several tasks of a loop, have at the same time is asked
    once. A server that stays silent is avoided for five seconds. Truncated answers are asked for
    again over TCP, and odd ones are read by dnspython, as in SystemResolver. docs/dns.md says more.

    One object serves any number of threads, tasks and forked processes; it is hashed, compared and
    pickled by its settings. Raises InputError, which names the option.
    """

    __slots__ = ("_home", "_settings")

    def __init__(
        self,
        servers: Sequence[str] = ("127.0.0.1:53",),
        *,
        try_seconds: float = 1.0,
        tries: int = 3,
        sockets: int = 4,
        in_flight: int = 128,
        rate: float | None = None,
        strategy: str = "first",
    ) -> None:
        try:
            parsed = parse_servers(servers, DNS_PORT)
        except InputError as error:
            raise InputError("servers", error.problem) from None
        if len(parsed) > SERVERS_MOST:
            problem = f"must name at most {SERVERS_MOST} servers, names {len(parsed)}"
            raise InputError("servers", problem)
        _check_int("tries", tries, 1, 10)
        _check_int("sockets", sockets, 1, 64)
        _check_int("in_flight", in_flight, 1, 8192)
        _check_number("try_seconds", try_seconds, 600.0)
        if rate is not None:
            _check_number("rate", rate, 1e9)
        if strategy not in STRATEGIES:
            words = ", ".join(f'"{word}"' for word in STRATEGIES)
            raise InputError("strategy", f"must be one of {words}, is {strategy!r}")
        self._settings = UdpSettings(
            tuple(dict.fromkeys(parsed)),
            float(try_seconds),
            tries,
            sockets,
            in_flight,
            None if rate is None else float(rate),
            strategy,
        )
        self._home: Home | None = None

    def resolve(self, question: Question, timeout: float) -> Answer:
        """The answer to ``question`` within ``timeout`` seconds; errors are answers too."""
        return ask_all(self._at_home(), (question,), _end(timeout))[0]

    def resolve_many(self, questions: Sequence[Question], timeout: float) -> list[Answer]:
        """The answers, in the order of the questions, within ``timeout`` seconds for all."""
        return ask_all(self._at_home(), questions, _end(timeout))

    async def resolve_async(self, question: Question, timeout: float) -> Answer:
        """As resolve(), for asyncio; the loop must have add_reader()."""
        import asyncio

        from senderid_fast.resolver.udp_loop import exchange_of

        exchange = exchange_of(self._at_home(), asyncio.get_running_loop())
        return await exchange.resolve(question, _end(timeout))

    def statistics(self) -> dict[str, int]:
        """What this object has counted in this process.

        sent       queries over UDP
        answered   answers that were accepted, errors such as SERVFAIL included
        retried    queries that were put again to this or another server
        timed_out  queries without an answer in time
        truncated  answers that were asked for again over TCP
        odd        answers that dnspython had to read
        late       datagrams that came after their time; dropped
        forged     datagrams that answer no question under way: forged ones, duplicates; dropped
        """
        return self._at_home().counts()

    def close(self) -> None:
        """Close the sockets that nobody uses now. The object can be used on."""
        self._at_home().close()

    def _at_home(self) -> Home:
        home = self._home
        if home is None or home.process != os.getpid():
            if home is not None:
                home.abandon()
            home = self._home = Home(self._settings)
        return home

    def __del__(self) -> None:
        home = getattr(self, "_home", None)
        if home is not None:
            home.abandon()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, UdpResolver):
            return NotImplemented
        return self._settings == other._settings

    def __hash__(self) -> int:
        return hash(self._settings)

    def __getstate__(self) -> UdpSettings:
        return self._settings

    def __setstate__(self, settings: UdpSettings) -> None:
        self._settings = settings
        self._home = None

    def __repr__(self) -> str:
        return f"<UdpResolver {', '.join(str(server) for server in self._settings.servers)}>"


def _check_int(field: str, value: object, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise InputError(field, f"must be a whole number from {low} to {high}, is {value!r}")


def _check_number(field: str, value: object, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(field, f"must be a number, is {value!r}")
    if not 0 < value <= most:  # NaN is neither
        raise InputError(field, f"must be above 0 and at most {most:g}, is {value!r}")


def _end(timeout: float) -> int:
    return monotonic_ns() + int(min(max(timeout, 0.0), YEAR) * 1e9)
