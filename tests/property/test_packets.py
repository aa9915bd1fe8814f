"""The core reads packets, and the fields in them, as a few lines of plain Python do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from struct import pack

from hypothesis import example, given
from hypothesis import strategies as st

from senderid_fast.milter.codec import Command, MilterFault, Packets, read_header

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


@given(TEXTS, TEXTS)
@example(b"a", b"\r\n\r\n x")
@example(b"a", b"x\r")
def test_fields(name: bytes, value: bytes) -> None:
    text, body, octets = read_header(b"%b\0%b\0" % (name, value))
    assert (text, body) == (name.decode("latin-1"), value)
    mended = re.sub(rb"[\r\n]+(?![ \t\r\n])", b"\n ", value)
    if not re.fullmatch(rb"[!-9;-~]+", name):
        assert octets == b""
    elif mended != value:
        assert octets is None
    else:
        assert octets == b"%b: %b\n" % (name, value)
