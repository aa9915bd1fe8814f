"""Values that settings of a service have, and what is wrong with those that cannot be used.

What may live here: tests of one value, each with its sentence. No setting is known by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from senderid_fast.errors import InputError
from senderid_fast.receiver.networks import listed

__all__ = ["flag", "listed", "name", "one_of", "path", "seconds", "socket_mode", "text", "whole"]

_MODE = re.compile(r"(?:0o?)?([0-7]{3})")
# Of a user or group: what useradd(8) takes, names of directory services with a dot or "@" included.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,254}\$?")


def whole(field: str, value: object, least: int, most: int) -> int:
    """A whole number within bounds."""
    if type(value) is not int or not least <= value <= most:
        raise InputError(field, f"must be a whole number from {least} to {most}, is {value!r}")
    return value


def seconds(field: str, value: object, most: float) -> float:
    """A time above 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= most:
        raise InputError(field, f"must be above 0 to {most:g} seconds, is {value!r}")
    return float(value)


def flag(field: str, value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise InputError(field, f"must be true or false, is {value!r}")
    return value


def text(field: str, value: object) -> str:
    """Text in one line."""
    if not isinstance(value, str):
        raise InputError(field, f"must be text, is {value!r}")
    if not value.isprintable():
        raise InputError(field, f"must be printable text in one line, is {value!r}")
    return value


def one_of(field: str, value: object, words: Iterable[str]) -> str:
    """One of some words."""
    words = tuple(words)
    if not isinstance(value, str) or value not in words:
        raise InputError(field, f"must be one of {', '.join(words)}, is {value!r}")
    return value


def name(field: str, value: object) -> str:
    """The name of a user or group, or its number as text; "" for none."""
    if text(field, value) and not _NAME.fullmatch(text(field, value)):
        raise InputError(field, f"must be a name such as mail, is {value!r}")
    return text(field, value)


def path(field: str, value: object) -> str:
    """An absolute path."""
    if not PurePosixPath(text(field, value)).is_absolute():
        raise InputError(field, f"must be an absolute path, is {value!r}")
    return text(field, value)


def socket_mode(field: str, value: object) -> int:
    """The mode of a socket: "0660" or 0o660. Not 660: such a number is decimal, and means 01224."""
    if type(value) is int and 0 <= value <= 0o777:
        return value
    found = _MODE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        problem = f'must be "0660" (text) or 0o660, digits 0 to 7, is {value!r}'
        raise InputError(field, problem)
    return int(found[1], 8)
