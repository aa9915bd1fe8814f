"""The packets of a milter connection, and the fields in them, read by a few lines of plain Python.

What may live here: what src/packets.pyx does, written apart from it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

__all__ = ["Read", "read_field", "read_packets"]

HEAD = 4  # octets of the length
MACRO = ord("D")
# RFC 5322 2.2: visible ASCII without the colon.
NAME = re.compile(rb"[!-9;-~]+")
# A line that is a field of its own, or an empty one, which ends the section.
ENDS_A_FIELD = re.compile(rb"\n(?![\t ])|\r(?![\r\n\t ])")


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


def read_field(data: bytes) -> tuple[str, bytes, bytes | None] | None:
    """As read_field() of the core."""
    if data.count(0) != 2 or data[-1] != 0:
        return None
    name, value, _ = data.split(b"\0")
    octets: bytes | None = b"%b: %b\n" % (name, value)
    if not NAME.fullmatch(name):
        octets = b""
    elif ENDS_A_FIELD.search(value):
        octets = None
    return name.decode("latin-1"), value, octets
