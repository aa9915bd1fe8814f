"""Target: octets as a DNS answer. What the compiled codec reads, dnspython reads alike, or nothing.

An input is a whole message: the question that stands in it is the one that was asked.
"""

from __future__ import annotations

import dns.message
import dns.rdatatype
from support.wire import agrees, dnspython_reads, question_of

from senderid_fast._core.datagrams import Datagrams
from senderid_fast._core.flights import Flights
from senderid_fast._core.queries import Port, Servers
from senderid_fast._core.wire import read_answer, write_query
from senderid_fast.questions import Answer, Question, RRType
from senderid_fast.resolver.messages import text_to_name

__all__ = ["DEFAULT", "table", "wire"]

DEFAULT = Question("a.example", RRType.TXT)


class _NoSocket:
    """A port whose socket nobody uses."""

    def fileno(self) -> int:
        return -1


def wire(data: bytes) -> None:
    """The reading agrees; the table of queries takes the same answer from the same octets."""
    question = question_of(data) or DEFAULT
    query_id = int.from_bytes(data[:2], "big")
    ours = read_answer(data, question.name, question.rrtype, query_id)
    assert agrees(ours, dnspython_reads(data, question, query_id)), ours
    if isinstance(ours, Answer):
        assert not ours.status.is_error
    table(data, question, ours)
    _query(data)


def table(data: bytes, question: Question, ours: Answer | str) -> None:
    ids = data[:2].ljust(2, b"\0") * 1024
    flights = Flights(Servers(1, 0), 1, 10, 1, lambda count: ids[:count])
    port = Port(_NoSocket(), 0, 0)
    query = flights.add(question, 100)
    out, into = Datagrams(), Datagrams()
    if flights.assign(1, 1):
        assert flights.fill(out, port, 1) == 1
    if into.put(data[:4096]):
        flights.take(into, port, 2)
    if isinstance(ours, Answer) and len(data) <= 4096 and port.asked:
        assert query.answer == ours
        assert flights.finished == [query]
    else:
        assert query.answer is None
        assert flights.under_way + flights.waiting + len(flights.aside) + len(flights.finished) == 1
    flights.expire(200)


def _query(data: bytes) -> None:
    """A name of any octets becomes a query that dnspython reads alike, or none."""
    name = data[2:260].decode("latin-1")
    octets = write_query(name, RRType.MX, 7)
    try:
        wanted = text_to_name(name)
    except ValueError:
        assert octets is None
        return
    assert octets is not None
    read = dns.message.from_wire(octets)
    assert [(q.name, q.rdtype) for q in read.question] == [(wanted, dns.rdatatype.MX)]
    assert (read.id, read.payload, read.edns) == (7, 1232, 0)
