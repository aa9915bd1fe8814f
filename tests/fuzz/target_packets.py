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

HEADER = ord("L")
MACROS = (b"", b"MR")  # the commands whose macros are wanted


class _Impossible(Exception):
    """A length that cannot be."""


def packets(data: bytes) -> None:
    """The packets are those of the octets, however these are cut and whenever packets are taken;
    and each is a field, or none. Fields that are collected are those among them."""
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
    header = HeaderFields(1 << 30, len(octets))
    left = [each for each in expected.packets if each[0] != HEADER or not plain.read_field(each[1])]
    fields = [plain.read_field(body) for code, body in expected.packets if code == HEADER]
    taken = _taken(pieces, most, macros, at_once=True, header=header)
    assert taken == expected._replace(packets=left)
    assert header.fields == [each for each in fields if each]
    for _, body in expected.packets:
        _check_field(body)
    _check_field(octets)


def _taken(
    pieces: list[bytes],
    most: int,
    macros: bytes,
    *,
    at_once: bool,
    header: HeaderFields | None = None,
) -> plain.Read:
    """By a reader. Either all packets are taken after each piece, or one, and the others after the
    last piece."""
    reader = PacketReader(most, bytes(code in macros for code in range(256)), _Impossible)
    reader.collect(header)
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
