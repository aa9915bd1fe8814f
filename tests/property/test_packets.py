"""The core reads packets, and the fields in them, as a few lines of plain Python do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from struct import pack

from hypothesis import example, given
from hypothesis import strategies as st

from senderid_fast.milter.codec import Command, HeaderFields, MilterFault, Packets, read_header

MOST = 40
MACROS = {Command.MAIL}
CODES = st.sampled_from(list(Command)) | st.integers(0, 255)
PACKETS = st.builds(
    lambda code, data: pack(">IB", 1 + len(data), code) + data, CODES, st.binary(max_size=MOST)
)
STREAMS = st.lists(PACKETS | st.binary(max_size=6), max_size=8).map(b"".join)
TEXTS = st.text("aZ:~! \t\r\n\x7f\x80\xff", max_size=8).map(lambda text: text.encode("latin-1"))


def plainly(octets: bytes) -> Iterator[tuple[int, bytes] | None]:
    """Packets; None: a length that cannot be."""
    while len(octets) >= 4:
        length = int.from_bytes(octets[:4], "big")
        if not 0 < length <= MOST:
            yield None
            return
        if len(octets) < 4 + length:
            return
        code, data = octets[4], octets[5 : 4 + length]
        if code != Command.MACRO or data[:1] in (b"", b"M"):
            yield code, data
        octets = octets[4 + length :]


@given(STREAMS, st.lists(st.integers(1, 30), max_size=20))
@example(pack(">I", MOST + 1), [])
@example(pack(">IB", 1, Command.MACRO) * 3 + pack(">IBB", 2, Command.MACRO, Command.RCPT), [4, 2])
def test_packets(octets: bytes, pieces: list[int]) -> None:
    found: list[tuple[int, bytes] | None] = []
    packets, at = Packets(MOST, MACROS), 0
    for size in [*pieces, len(octets) + 1]:
        packets.feed(octets[at : at + size])
        at += size
        try:
            found += packets.whole()
        except MilterFault:
            found.append(None)
            assert packets.held == 0
            break
    assert found == list(plainly(octets))


def line_of(name: bytes, value: bytes) -> bytes:
    """The octets that a field makes in a header section; none if its name is none."""
    if not re.fullmatch(rb"[!-9;-~]+", name):
        return b""
    return b"%b: %b\n" % (name, re.sub(rb"[\r\n]+(?![ \t\r\n])", b"\n ", value))


@given(TEXTS, TEXTS)
@example(b"a", b"\r\n\r\n x")
@example(b"a", b"x\r")
@example(b"a", b"x\r\nb")  # of the same length when it is mended
def test_a_field(name: bytes, value: bytes) -> None:
    data = b"%b\0%b\0" % (name, value)
    header = HeaderFields(len(data) + 1, 1)
    assert header.add(data)
    assert header.fields == [read_header(data)] == [(name.decode("latin-1"), value)]
    assert header.octets() == line_of(name, value)
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
        name, ended, rest = data.partition(b"\0")
        if not ended or rest.find(b"\0") != len(rest) - 1:  # not two texts
            left.append((int(Command.HEADER), data))
        elif full or len(data) >= room or len(taken) >= most:
            full = True
            left.append((int(Command.HEADER), data))
        else:
            room -= len(data) + 1
            taken.append((name.decode("latin-1"), rest[:-1]))
            lines.append(line_of(name, rest[:-1]))
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
