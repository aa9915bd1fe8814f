"""The packets of a milter connection, and the fields in them, read by a few lines of plain Python.

What may live here: what src/packets.pyx does, written apart from it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

__all__ = ["Read", "line_of", "read_field", "read_packets"]

HEAD = 4  # octets of the length
MACRO = ord("D")
# RFC 5322 2.2: visible ASCII without the colon.
NAME = re.compile(rb"[!-9;-~]+")
# Line ends before an empty line, which ends the section, or before a line that would be a field.
ENDS_A_FIELD = re.compile(rb"(?>\r*\n|\r+)(?![\t ])[\r\n]*(?=([\t ])?)")


class Read(NamedTuple):
    """What octets are.

    packets     their codes and data
    impossible  the length that cannot be
    held        octets that no packet has been made of
    """

    packets: list[tuple[int, bytes]]
    impossible: int | None
    held: int


def read_packets(octets: bytes, most: int, macros: Collection[int]) -> Read:
    """The packets whose length is at most ``most``; of macros, those of these commands."""
    found: list[tuple[int, bytes]] = []
    while len(octets) >= HEAD:
        length = int.from_bytes(octets[:HEAD], "big")
        if not 0 < length <= most:
            return Read(found, length, 0)
        if len(octets) < HEAD + length:
            break
        code, data = octets[HEAD], octets[HEAD + 1 : HEAD + length]
        octets = octets[HEAD + length :]
        if code != MACRO or not data or data[0] in macros:
            found.append((code, data))
    return Read(found, None, len(octets))


def read_field(data: bytes) -> tuple[str, bytes] | None:
    """As read_field() of the core."""
    if data.count(0) != 2 or data[-1] != 0:
        return None
    name, value, _ = data.split(b"\0")
    return name.decode("latin-1"), value


def line_of(name: bytes, value: bytes) -> bytes:
    """The octets that a field makes in a header section; none if its name is none."""
    return b"%b: %b\n" % (name, ENDS_A_FIELD.sub(_mended, value)) if NAME.fullmatch(name) else b""


def _mended(found: re.Match[bytes]) -> bytes:
    return b"\n" if found[1] else b"\n "
