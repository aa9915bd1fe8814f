"""A second macro expansion (RFC 7208 7), to compare the core's with.

Written from the text of the RFC with regular expressions and lists, without regard to speed; it
shares no code with the core. Where the RFC leaves a choice, the choice is the core's and is noted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote_from_bytes

__all__ = ["address_values", "expand", "expand_name", "expand_text", "letters"]

PIECE = re.compile(
    rb"%\{(?P<letter>[slodiphvcrt])(?P<digits>[0-9]*)(?P<reverse>r?)(?P<delimiters>[.\-+,/_=]*)\}"
    rb"|%(?P<escape>[%_-])|(?P<literal>[\x21-\x24\x26-\x7e]+)|(?P<space> +)",
    re.IGNORECASE,
)
EXPLANATION_MOST = 4096
EXPLANATION_TEXT_MOST = 8192


def _pieces(text: bytes, *, explain: bool) -> list[re.Match[bytes]] | None:
    """The parts of a macro-string (7.1) or explain-string (6.2), or None for bad syntax."""
    found = []
    at = 0
    while at < len(text):
        piece = PIECE.match(text, at)
        if piece is None or (piece["space"] is not None and not explain):
            return None
        if piece["digits"] and not piece["digits"].strip(b"0"):
            return None
        found.append(piece)
        at = piece.end()
    return found


def letters(text: bytes) -> set[str]:
    """The macro letters of a text, in lower case; none if its syntax is wrong."""
    pieces = _pieces(text, explain=True) or []
    return {piece["letter"].decode().lower() for piece in pieces if piece["letter"]}


def _transformed(piece: re.Match[bytes], value: bytes) -> bytes:
    if piece["digits"] or piece["reverse"] or piece["delimiters"]:
        parts = re.split(b"[" + re.escape(piece["delimiters"] or b".") + b"]", value)
        if piece["reverse"]:
            parts.reverse()
        if piece["digits"]:
            # Whoever asks for more than 255 parts gets 255, where 7.3 wants at least 127.
            digits = piece["digits"].lstrip(b"0")
            parts = parts[-(min(int(digits), 255) if len(digits) < 4 else 255) :]
        value = b".".join(parts)
    if piece["letter"].isupper():
        return quote_from_bytes(value, safe="-._~").encode()
    return value


def expand(text: bytes, values: Mapping[str, bytes], *, explain: bool) -> bytes | None:
    """The whole expansion, however long; None for bad syntax."""
    pieces = _pieces(text, explain=explain)
    if pieces is None:
        return None
    out = []
    for piece in pieces:
        if piece["letter"]:
            out.append(_transformed(piece, values[piece["letter"].decode().lower()]))
        elif piece["escape"]:
            out.append({b"%": b"%", b"_": b" ", b"-": b"%20"}[piece["escape"]])
        else:
            out.append(piece[0])
    return b"".join(out)


def expand_name(text: bytes, values: Mapping[str, bytes]) -> bytes | None:
    """A target-name (7.3): the last 253 octets by whole labels, lower case; None if no name."""
    name = expand(text, values, explain=False) or b""
    name = name.removesuffix(b".")
    while len(name) > 253:
        _, dot, name = name.partition(b".")
        if not dot:
            return None
    labels = name.split(b".")
    return name.lower() if all(1 <= len(label) <= 63 for label in labels) else None


def expand_text(text: bytes, values: Mapping[str, bytes]) -> str | None:
    """The text of an explanation (6.2); None if there is to be none."""
    if len(text) > EXPLANATION_TEXT_MOST:
        return None
    words = expand(text, values, explain=True)
    if words is None or len(words) > EXPLANATION_MOST:
        return None
    return words.decode() if re.fullmatch(rb"[\x20-\x7e]*", words) else None


def address_values(ip: IPv4Address | IPv6Address) -> dict[str, bytes]:
    """The letters i, v and c (7.2 to 7.4)."""
    if isinstance(ip, IPv6Address):
        nibbles = ".".join(ip.exploded.replace(":", ""))
        return {"i": nibbles.encode(), "v": b"ip6", "c": str(ip).encode()}
    return {"i": str(ip).encode(), "v": b"in-addr", "c": str(ip).encode()}
