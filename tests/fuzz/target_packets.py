"""Target: octets through src/packets.pyx, beside the same in Python.

An input is as for the target milter: packeted.py.
"""

from __future__ import annotations

from support import packets as plain
from support.milter import cut

import senderid_fast as sf
from fuzz.packeted import read_input
from senderid_fast._core.packets import HeaderFields, PacketReader, read_field

__all__ = ["packets"]

MACROS = (b"", b"MR")  # the commands whose macros are wanted


class _Impossible(Exception):
    """A length that cannot be."""


def packets(data: bytes) -> None:
    """The packets are those of the octets, however these are cut and whenever packets are taken;
    and each is a field, or none."""
    found = read_input(data)
    if found is None:
        return
    choice, step, octets = found
    most = 100 if choice & 8 else 1 << 20
    macros = MACROS[choice >> 2 & 1]
    expected = plain.read_packets(octets, most, macros)
    pieces = cut(octets, range(0, len(octets), step))
    assert _taken([octets], most, macros, at_once=True) == expected
    assert _taken(pieces, most, macros, at_once=True) == expected
    assert _taken(pieces, most, macros, at_once=False) == expected
    for _, body in expected.packets:
        _check_field(body)
    _check_field(octets)


def _taken(pieces: list[bytes], most: int, macros: bytes, *, at_once: bool) -> plain.Read:
    """By a reader. Either all packets are taken after each piece, or one, and the others after the
    last piece."""
    reader = PacketReader(most, bytes(code in macros for code in range(256)), _Impossible)
    found: list[tuple[int, bytes]] = []
    try:
        for piece in pieces:
            reader.feed(piece)
            for packet in reader:
                found.append(packet)
                if not at_once:
                    break
        found.extend(reader)
    except _Impossible as fault:
        return plain.Read(found, fault.args[0], reader.held)
    return plain.Read(found, None, reader.held)


def _check_field(data: bytes) -> None:
    field = read_field(data)
    assert field == plain.read_field(data)
    header = HeaderFields(len(data) + 1, 1)
    assert header.add(data) is (field is not None)
    if field is None:
        return
    assert header.fields == [field]
    line = header.octets()
    assert line == plain.line_of(*data.split(b"\0")[:2])
    if line:
        # It is one field of a section, and does not end it.
        fields = sf.header_fields(line + b"X: y\n")
        assert [each[0] for each in fields] == [field[0], "X"]
        assert fields[0][2:] == (0, len(line))
