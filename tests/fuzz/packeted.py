"""Inputs of the targets that read what an MTA sends to a milter.

An input is two octets, then the rest. The first one chooses settings, and by its lowest bit the
form of the rest: it is sent as it is, or its parts, which \\x1e ends, each become a packet, so that
most inputs get past the framing. The second one says how what is sent is cut.
"""

from __future__ import annotations

from support.milter import packet

__all__ = ["read_input"]


def read_input(data: bytes) -> tuple[int, int, bytes] | None:
    """The choice, the octets between two cuts, and what is sent; None: the input is none."""
    if len(data) < 2:
        return None
    choice, step, rest = data[0], data[1] + 1, data[2:]
    if choice & 1:
        parts = rest.split(b"\x1e")
        rest = b"".join(packet(chr(part[0] & 0x7F), part[1:]) for part in parts if part)
    return choice, step, rest
