"""The core reads packets, and the fields in them, as a few lines of plain Python do."""

from __future__ import annotations

from struct import pack

from hypothesis import example, given
from hypothesis import strategies as st
from support import packets as plain

from senderid_fast.milter.codec import Command, MilterFault, Packets, read_header

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
def test_fields(name: bytes, value: bytes) -> None:
    data = b"%b\0%b\0" % (name, value)
    assert read_header(data) == plain.read_field(data)
