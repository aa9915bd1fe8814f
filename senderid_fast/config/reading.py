"""read_text and parsed: a file's text, and the tables in it with their places.

What may live here: what can be wrong with a file before its settings are looked at.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib

from senderid_fast.config.places import Path, Places
from senderid_fast.config.problems import Problem, path_shown
from senderid_fast.errors import ConfigError

__all__ = ["OCTETS_MOST", "parsed", "read_text"]

OCTETS_MOST = 1 << 20
DEPTH = 20  # of tables and lists; the settings need five
WHOLE_MOST = 1 << 63  # TOML 1.0: integers have 64 bits
_BOM = b"\xef\xbb\xbf"
_AT_LINE = re.compile(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", re.DOTALL)


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a configuration file, a regular file of at most 1 MiB in UTF-8.

    Raises ConfigError.
    """
    name = os.fspath(path)
    if not name or "\0" in name:
        raise _wrong(ascii(name), "is no path of a file")
    try:
        # Not blocking: what stands there may be a pipe that nobody writes to.
        descriptor = os.open(name, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise _wrong(name, f"cannot be read: {error.strerror or error}") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _wrong(name, "cannot be read: is no regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            octets = file.read(OCTETS_MOST + 1)
    except OSError as error:
        raise _wrong(name, f"cannot be read: {error.strerror or error}") from None
    finally:
        os.close(descriptor)
    return _decoded(name, octets)


def _decoded(name: str, octets: bytes) -> str:
    if len(octets) > OCTETS_MOST:
        raise _wrong(name, f"has more than {OCTETS_MOST:,} octets: this is no configuration file")
    if octets.startswith(_BOM):
        raise _wrong(name, "begins with a byte order mark: save it as UTF-8 without one", 1)
    nul = octets.find(0)
    if nul >= 0:
        line = octets.count(b"\n", 0, nul) + 1
        raise _wrong(name, "holds a NUL octet: save it as UTF-8 text", line)
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        octet = octets[error.start]
        problem = f"is no UTF-8 (octet {octet:02x}): save the file as UTF-8"
        raise _wrong(name, problem, line) from None


def parsed(name: str, text: str) -> tuple[dict[str, object], Places]:
    """The tables of a text, and where their keys are. name is for errors. Raises ConfigError."""
    places = Places.of(text)
    try:
        tables: dict[str, object] = tomllib.loads(text)
    except RecursionError:
        raise _wrong(name, f"has values more than {DEPTH} levels deep") from None
    except ValueError as error:  # TOMLDecodeError, and numbers of thousands of digits
        raise ConfigError(tuple(str(each) for each in _syntax(name, error, places))) from None
    problems = [
        Problem(name, places.line(path), path_shown(path), words)
        for path, words in _unusual(tables, (), 0)
    ]
    if problems:
        raise ConfigError(tuple(str(problem) for problem in problems))
    return tables, places


def _syntax(name: str, error: ValueError, places: Places) -> list[Problem]:
    """What tomllib says, in the place that it names; keys that are there twice by their names."""
    twice = [
        Problem(name, line, path_shown(path), f"is there twice; the first is in line {first}")
        for path, first, line in places.twice
    ]
    if twice:
        return twice
    found = _AT_LINE.fullmatch(str(error))
    words = found[1] if found else str(error)
    line = int(found[2]) if found and found[2] else None
    where = " at the end of the file" if found and line is None else ""
    return [Problem(name, line, "", f"is no TOML{where}: {words[:1].lower()}{words[1:]}")]


def _unusual(value: object, path: Path, depth: int) -> list[tuple[Path, str]]:
    """Values that TOML has no room for, or that go deeper than any setting."""
    if depth > DEPTH:
        return [(path, f"goes more than {DEPTH} levels deep")]
    inner: list[tuple[str | int, object]]
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    elif type(value) is int and not -WHOLE_MOST <= value < WHOLE_MOST:
        return [(path, "is a number of more than 64 bits")]
    else:
        return []
    return [found for key, each in inner for found in _unusual(each, (*path, key), depth + 1)]


def _wrong(name: str, words: str, line: int | None = None) -> ConfigError:
    return ConfigError((str(Problem(name, line, "", words)),))
