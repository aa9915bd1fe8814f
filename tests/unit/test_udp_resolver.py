"""UdpResolver without a network: options, the table of queries, servers' health, the pace."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

import senderid_fast as sf
from senderid_fast._core.datagrams import Datagrams
from senderid_fast._core.flights import Flights
from senderid_fast._core.queries import Port, Query, Servers
from senderid_fast.questions import Answer, Question, RRType, Status
from senderid_fast.resolver.pace import Pace

SECOND = 1_000_000_000
QUESTION = Question("a.example", RRType.TXT)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("servers", ()),
        ("servers", "127.0.0.1"),
        ("servers", ("localhost",)),
        ("servers", tuple(f"127.0.0.{number}" for number in range(1, 18))),
        ("try_seconds", 0),
        ("try_seconds", float("nan")),
        ("try_seconds", "1"),
        ("try_seconds", True),
        ("try_seconds", 10**400),
        ("tries", 0),
        ("tries", 11),
        ("tries", 1.0),
        ("sockets", 0),
        ("sockets", 65),
        ("in_flight", 0),
        ("in_flight", 8193),
        ("rate", 0),
        ("rate", float("inf")),
        ("strategy", "random"),
        ("strategy", None),
    ],
)
def test_wrong_option(field: str, value: Any) -> None:
    with pytest.raises(sf.InputError) as caught:
        sf.UdpResolver(**{field: value})
    assert caught.value.field == field


def test_same_settings_are_equal() -> None:
    one, other = sf.UdpResolver(), sf.UdpResolver(("127.0.0.1:53", "127.0.0.1"))
    assert one == other
    assert hash(one) == hash(other)
    assert one != sf.UdpResolver(strategy="hash")
    assert one != "127.0.0.1:53"
    assert repr(one) == "<UdpResolver 127.0.0.1:53>"
    assert set(one.statistics().values()) == {0}


class NoSocket:
    def fileno(self) -> int:
        return -1


class Table:
    """A table of queries and what a driver does with it, on a clock of its own."""

    def __init__(self, servers: int = 1, strategy: int = 0, in_flight: int = 8) -> None:
        ids = itertools.count(1)
        self.health = Servers(servers, strategy)
        self.flights = Flights(
            self.health,
            2,
            SECOND,
            in_flight,
            lambda count: b"".join(next(ids).to_bytes(2, "big") for _ in range(count // 2)),
        )
        self.ports = [Port(NoSocket(), server, 0) for server in range(servers)]

    def add(self, question: Question = QUESTION, deadline: int = 100 * SECOND) -> Query:
        return self.flights.add(question, deadline)

    def send(self, now: int) -> list[tuple[int, bytes]]:
        """What goes to which server."""
        sent = []
        for server in self.flights.assign(self.flights.room, now):
            batch = Datagrams()
            count = self.flights.fill(batch, self.ports[server], now)
            sent += [(server, batch.get(number)) for number in range(count)]
        return sent

    def give(self, server: int, octets: bytes, now: int) -> None:
        batch = Datagrams()
        assert batch.put(octets)
        self.flights.take(batch, self.ports[server], now)


def answered(query: bytes, rcode: int = 0) -> bytes:
    return query[:2] + b"\x81" + bytes([0x80 | rcode]) + query[4:]


def test_answer_ends_a_query() -> None:
    table = Table()
    query = table.add()
    [(server, octets)] = table.send(5)
    assert (server, table.flights.under_way, table.ports[0].open) == (0, 1, 1)
    table.give(0, answered(octets), 6)
    assert table.flights.finished == [query]
    assert query.answer == Answer(Status.NODATA)
    assert (table.flights.under_way, table.ports[0].open) == (0, 0)
    table.give(0, answered(octets), 6)  # a duplicate
    assert table.flights.counts()["forged"] == table.ports[0].strays == 1


def test_answer_over_another_port_is_dropped() -> None:
    table = Table(servers=2)
    query = table.add()
    [(_, octets)] = table.send(5)
    table.give(1, answered(octets), 6)
    assert query.answer is None
    assert table.flights.counts()["forged"] == 1
    table.give(0, answered(octets), 6)
    assert query.answer == Answer(Status.NODATA)


def test_silence_then_another_server_then_twice_the_time() -> None:
    table = Table(servers=2)
    query = table.add()
    servers = []
    for now in (0, 1, 2, 4):
        table.flights.expire(now * SECOND)
        servers += [server for server, _ in table.send(now * SECOND)]
        assert table.flights.next_due(now * SECOND) > now * SECOND
    table.flights.expire(5 * SECOND)
    assert servers == [0, 1, 0, 1]
    table.flights.expire(6 * SECOND)
    assert table.send(6 * SECOND) == []
    assert table.flights.finished == [query]
    assert query.answer is None
    assert not query.late
    assert query.failures == [
        (0, "timeout", 1.0), (1, "timeout", 1.0), (0, "timeout", 2.0), (1, "timeout", 2.0),
    ]  # fmt: skip


def test_late_answer_is_dropped_and_makes_the_window_smaller() -> None:
    table = Table(servers=2, in_flight=64)
    query = table.add()
    [(_, octets)] = table.send(0)
    table.flights.expire(SECOND)
    assert table.flights.room == 64
    table.give(0, answered(octets), SECOND + 1)
    assert (table.flights.counts()["late"], table.flights.room) == (1, 32)
    [(server, octets)] = table.send(SECOND + 1)
    table.give(server, answered(octets), SECOND + 2)
    assert query.answer == Answer(Status.NODATA)


def test_errors_go_to_the_next_server_and_not_back() -> None:
    table = Table(servers=3)
    query = table.add()
    for expected, rcode in ((0, 2), (1, 5), (2, 2)):
        [(server, octets)] = table.send(1)
        assert server == expected
        table.give(server, answered(octets, rcode), 2)
    assert table.send(3) == []
    assert table.flights.finished == [query]
    assert query.failures is not None
    assert [word for _, word, _ in query.failures] == ["servfail", "refused", "servfail"]


def test_deadline_ends_what_waits_and_what_is_under_way() -> None:
    table = Table(in_flight=1)
    first, second = table.add(deadline=SECOND // 2), table.add(deadline=SECOND // 2)
    assert len(table.send(0)) == 1
    assert table.flights.next_due(0) <= SECOND // 2
    table.flights.expire(SECOND // 2)
    assert set(table.flights.finished) == {first, second}
    assert first.late
    assert second.late
    assert table.flights.waiting == table.flights.under_way == 0


def test_what_was_not_sent_waits_in_its_order() -> None:
    table = Table(in_flight=64)
    for number in range(5):
        table.add(Question(f"n{number}.example", RRType.TXT))
    sent = table.send(1)
    table.flights.unsent(2)
    assert (table.flights.under_way, table.flights.waiting) == (2, 3)
    assert table.flights.counts()["sent"] == 2
    batch = Datagrams()
    assert table.flights.fill(batch, table.ports[0], 2) == 3
    assert [batch.get(number)[12:] for number in range(3)] == [
        octets[12:] for _, octets in sent[2:]
    ]


def test_broken_server_loses_all_and_is_avoided() -> None:
    table = Table(servers=2, in_flight=64)
    queries = [table.add(Question(f"n{number}.example", RRType.TXT)) for number in range(3)]
    assert [server for server, _ in table.send(1)] == [0, 0, 0]
    table.flights.broken(0, table.ports[0], "could not be asked: no", 2)
    assert table.ports[0].open == 0
    assert table.health.avoids(0, 3)
    assert [server for server, _ in table.send(3)] == [1, 1, 1]
    assert [query.failures for query in queries] == [[(0, "error", "could not be asked: no")]] * 3
    table.add()
    assert [server for server, _ in table.send(3)] == [1]


def test_silent_server_is_tried_by_one_query_now_and_then() -> None:
    table = Table(servers=2, in_flight=64)
    for _ in range(3):
        table.add()
    assert [server for server, _ in table.send(0)] == [0, 0, 0]
    table.flights.expire(SECOND)
    for server, octets in table.send(SECOND):
        assert server == 1
        table.give(1, answered(octets), SECOND + 1)
    assert table.health.avoids(0, 5 * SECOND)
    assert not table.health.avoids(0, 6 * SECOND)
    for _ in range(3):
        table.add()
    assert sorted(server for server, _ in table.send(6 * SECOND)) == [0, 1, 1]
    table.add()
    assert [server for server, _ in table.send(6 * SECOND + SECOND // 2)] == [1]


def test_losses_while_a_server_answers_do_not_count_against_it() -> None:
    table = Table(servers=2, in_flight=64)
    for number in range(10):
        table.add(Question(f"n{number}.example", RRType.TXT))
    sent = table.send(0)
    table.give(0, answered(sent[0][1]), 1)
    table.flights.expire(SECOND)
    assert not table.health.avoids(0, SECOND)


def test_all_servers_silent_are_asked_all_the_same() -> None:
    table = Table(servers=2)
    table.flights.broken(0, None, "no", 0)
    table.flights.broken(1, None, "no", 0)
    table.add()
    assert [server for server, _ in table.send(1)] == [0]


def test_name_that_is_none_is_put_aside() -> None:
    table = Table()
    query = table.add(Question("a..example", RRType.TXT))
    assert table.flights.aside == [(query, 0, False, None)]
    assert table.send(0) == []


def test_truncated_and_odd_answers_are_put_aside() -> None:
    table = Table()
    first, second = table.add(), table.add(Question("b.example", RRType.A))
    sent = [octets for _, octets in table.send(0)]
    truncated = answered(sent[0])[:2] + b"\x83" + answered(sent[0])[3:]
    odd = answered(sent[1], 4)
    table.give(0, truncated, 1)
    table.give(0, odd, 1)
    assert table.flights.aside == [(first, 0, True, None), (second, 0, False, odd)]
    counts = table.flights.counts()
    assert (counts["truncated"], counts["odd"], counts["answered"]) == (1, 1, 2)


@pytest.mark.parametrize("count", [0, 17])
def test_number_of_servers(count: int) -> None:
    with pytest.raises(ValueError, match="servers"):
        Servers(count, 0)


def test_pace() -> None:
    pace = Pace(100)
    assert pace.take(50, SECOND) == 5  # a twentieth of a second's
    assert pace.take(50, SECOND) == 0
    assert 0 < pace.wait() <= SECOND // 100 + 1
    assert pace.take(50, SECOND + SECOND // 50) == 2
    assert pace.take(1, 100 * SECOND) == 1
    assert pace.take(50, 99 * SECOND) == 4  # a clock that went back gives nothing
    taken = sum(pace.take(50, 200 * SECOND + number * SECOND // 1000) for number in range(1000))
    assert 95 <= taken <= 106
