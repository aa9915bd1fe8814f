"""Log lines in plain Python, with regular expressions and codecs, to compare the core's with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import starmap
from json.encoder import encode_basestring_ascii as _string

__all__ = ["json_line", "plain_line"]

VALUE_MOST = 256
SHORT = 32  # octets of a value in a line that would be too long
LINE_MOST = 4_000

Value = str | bytes | int | float | None

_BARE = re.compile(r"[!#-<>-\[\]-~]+").fullmatch  # without space, '"', "=" and "\"
_ESCAPES = {octet: f"\\x{octet:02x}" for octet in (*range(0x20), *range(0x7F, 0x100))}
_ESCAPES |= {ord(character): f"\\{character}" for character in '"\\'}


def plain_line(fields: Mapping[str, Value]) -> bytes:
    text = " ".join(filter(None, starmap(_plain, fields.items())))
    if len(text) > LINE_MOST:
        text = " ".join(
            [f"{key}={_quoted(value, SHORT)}" for key, value in fields.items() if value is not None]
        )[:LINE_MOST]
    return text.encode("ascii")


def json_line(fields: Mapping[str, Value]) -> bytes:
    text = ",".join(filter(None, starmap(_json, fields.items())))
    if len(text) > LINE_MOST - 2:
        text = ",".join(
            [
                f'"{key}":{_dumped(value, SHORT)}'
                for key, value in fields.items()
                if value is not None
            ]
        )
    return f"{{{text}}}".encode("ascii")


def _quoted(value: str | bytes | float, most: int) -> str:
    r"""The value in quotes where it needs them; in there " and \ have a \ before them, and any
    other octet that is not visible ASCII is \xNN."""
    if isinstance(value, (int, float)):
        return str(value)
    if len(value) <= most and value.isascii():
        text = value if isinstance(value, str) else value.decode("ascii")
    else:
        text = _octets(value, most).decode("latin-1")
    if _BARE(text):
        return text
    return f'"{text.translate(_ESCAPES)}"'


def _dumped(value: str | bytes | float, most: int) -> str:
    if isinstance(value, (int, float)):
        return str(value)
    if type(value) is str and len(value) <= most and value.isascii():
        text = value
    else:
        text = _octets(value, most).decode("utf-8", "backslashreplace")
    # DEL is the one control character that JSON leaves as it is.
    return _string(text).replace("\x7f", r"\u007f")


def _plain(key: str, value: Value) -> str:
    return "" if value is None else f"{key}={_quoted(value, VALUE_MOST)}"


def _json(key: str, value: Value) -> str:
    return "" if value is None else f'"{key}":{_dumped(value, VALUE_MOST)}'


def _octets(value: str | bytes, most: int) -> bytes:
    if isinstance(value, str):
        text = value[: most + 1]  # a character has an octet at least
        try:
            value = text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:  # half a surrogate pair, which no octets stand for
            value = text.encode("utf-8", "surrogatepass")
    return value if len(value) <= most else value[: most - 3] + b"..."
