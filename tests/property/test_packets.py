"""The core reads packets, and the fields in them, as a few lines of plain Python do."""

from __future__ import annotations

import gc
import sys
from struct import pack

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import packets as plain

from senderid_fast.milter.codec import Command, HeaderFields, MilterFault, Packets, read_header

MOST = 40
MACROS = {Command.MAIL}
CODES = st.sampled_from(list(Command)) | st.integers(0, 255)
PACKETS = st.builds(
    lambda code, data: pack(">IB", 1 + len(data), code) + data, CODES, st.binary(max_size=MOST)
)
STREAMS = st.lists(PACKETS | st.binary(max_size=6), max_size=8).map(b"".join)
TEXTS = st.text("aZ:~! \t\r\n\x7f\x80\xff", max_size=8).map(lambda text: text.encode("latin-1"))


@given(STREAMS, st.lists(st.integers(1, 30), max_size=20))
@example(pack(">I", MOST + 1), [])
@example(pack(">IB", 1, Command.MACRO) * 3 + pack(">IBB", 2, Command.MACRO, Command.RCPT), [4, 2])
def test_packets(octets: bytes, pieces: list[int]) -> None:
    found: list[tuple[int, bytes]] = []
    expected = plain.read_packets(octets, MOST, MACROS)
    packets, at, problem = Packets(MOST, MACROS), 0, None
    for size in [*pieces, len(octets) + 1]:
        packets.feed(octets[at : at + size])
        at += size
        try:
            found += packets.whole()
        except MilterFault as fault:
            problem = fault.problem
            break
    assert (found, packets.held) == (expected.packets, expected.held)
    length = expected.impossible
    words = f"a packet of {length} octets; from 1 to {MOST} are possible"
    assert problem == (None if length is None else words)


@given(TEXTS, TEXTS)
@example(b"a", b"\r\n x")
@example(b"a", b"\r\n\r\n x")
@example(b"a", b"x\r")
@example(b"a", b"x\r\nb")  # of the same length when it is mended
def test_a_field(name: bytes, value: bytes) -> None:
    data = b"%b\0%b\0" % (name, value)
    header = HeaderFields(len(data) + 1, 1)
    assert header.add(data)
    assert header.fields == [read_header(data)] == [(name.decode("latin-1"), value)]
    assert header.octets() == plain.line_of(name, value)
    assert not header.add(b"a\0b\0")


FIELDS = st.tuples(TEXTS, TEXTS).map(lambda each: b"%b\0%b\0" % each)
HEADERS = st.lists(FIELDS | st.binary(max_size=4), max_size=8)


@given(HEADERS, st.integers(0, 60), st.integers(0, 5), st.sets(st.integers(0, 8)))
def test_fields_are_taken_as_long_as_there_is_room(
    headers: list[bytes], room: int, most: int, others: set[int]
) -> None:
    """What is not taken is given out, with all packets of other kinds, in order."""
    octets, left, lines = b"", [], []
    taken: list[tuple[str, bytes]] = []
    allowed, full = room, False
    for at, data in enumerate(headers):
        if at in others:
            octets += pack(">IB", 1, Command.ABORT)
            left.append((int(Command.ABORT), b""))
        octets += pack(">IB", 1 + len(data), Command.HEADER) + data
        field = plain.read_field(data)
        full = full or (field is not None and (len(data) >= room or len(taken) >= most))
        if field is None or full:
            left.append((int(Command.HEADER), data))
        else:
            room -= len(data) + 1
            taken.append(field)
            lines.append(plain.line_of(*data.split(b"\0")[:2]))
    packets, header = Packets(), HeaderFields(allowed, most)
    packets.collect(header)
    packets.feed(octets)
    assert [*packets.whole()] == left
    assert header.fields == taken
    assert header.octets() == b"".join(lines)
    packets.collect(None)
    packets.feed(octets)
    assert len([*packets.whole()]) == len(left) + len(taken)
    assert header.fields == taken


@pytest.mark.parametrize("end", ["drop", "collect"])
def test_the_garbage_collector_may_run_while_a_field_is_kept(end: str) -> None:
    """Up to Python 3.11 it can, and with it code that ends the message."""
    told = [(f"X{at}", b"value" * 100) for at in range(1_000)]
    packets, header = Packets(), HeaderFields(1 << 20, 1_000)
    fields = header.fields

    def stop(_phase: str, _info: object) -> None:
        nonlocal header
        if fields and end == "drop":
            packets.drop()
        elif fields:
            packets.collect(None)
            header = HeaderFields(0, 0)

    packets.collect(header)
    packets.feed(
        b"".join(
            pack(">IB", 3 + len(name) + len(value), Command.HEADER)
            + b"%b\0%b\0" % (name.encode(), value)
            for name, value in told
        )
    )
    thresholds = gc.get_threshold()
    gc.callbacks.append(stop)
    try:
        gc.set_threshold(1)
        _pairs = [(at, at) for at in range(5_000)]  # so that no old one is used for a field
        left = [read_header(data) for _, data in packets.whole()]
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(stop)
    assert packets.held == 0
    assert 0 < len(fields) < len(told) or sys.version_info >= (3, 12)
    assert fields + left == (told if end == "collect" else told[: len(fields)])
