"""Places: in which line of a TOML text each key stands, and how its value is written.

What may live here: a scan of the text for keys. What a value means is tomllib's to say; this module
is asked afterwards, for places to name in errors, since tomllib gives none.

The scan follows the grammar of TOML 1.0 as far as keys and the ends of values need it. It never
raises: where it meets what it does not know it stops, and what it has not seen has the place of the
table around it.
"""

from __future__ import annotations

import re
import tomllib
from contextlib import suppress
from dataclasses import dataclass, field

__all__ = ["Path", "Places"]

Path = tuple[str | int, ...]
"""Keys from the top of the file down; a number for an element of an array."""

DEPTH = 30  # of arrays and inline tables; the settings need three

_BLANK = re.compile(r"[ \t]*")
_VOID = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")  # between the elements of an array
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_PLAIN = re.compile(r"[^,\[\]{}#\r\n]+")  # numbers, dates, true, false


class _End(Exception):
    """The scan cannot go on."""


@dataclass(slots=True)
class Places:
    """Where the keys of a text are.

    lines  the line of each path, from 1 on
    raws   the text of each value that is no array and no table, as it is written
    twice  paths that are there twice, with both lines
    """

    lines: dict[Path, int] = field(default_factory=dict)
    raws: dict[Path, str] = field(default_factory=dict)
    twice: list[tuple[Path, int, int]] = field(default_factory=list)

    @classmethod
    def of(cls, text: str) -> Places:
        """The places of a text, as far as it can be read."""
        places = cls()
        with suppress(_End):
            _Scan(text.replace("\r\n", "\n"), places).run()
        return places

    def line(self, path: Path) -> int | None:
        """The line of a path, or of what is around it; None if that is the whole file."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return None


class _Scan:
    def __init__(self, text: str, places: Places) -> None:
        self.text = text
        self.places = places
        self.at = 0
        self.counted = 0  # up to where line ends were counted
        self.number = 1
        self.written: set[Path] = set()  # what has a line of its own
        self.arrays: dict[Path, int] = {}  # arrays of tables: how many elements they have

    def run(self) -> None:
        table: Path = ()
        while True:
            self.skip(_VOID)
            if self.at >= len(self.text):
                return
            if self.text.startswith("[", self.at):
                table = self.header()
            else:
                self.pair(table, 0)
            self.skip(_BLANK)
            if self.at < len(self.text) and self.text[self.at] not in "#\r\n":
                raise _End

    def header(self) -> Path:
        """[table] or [[array of tables]]; the path of what follows it."""
        line = self.line()
        array = self.text.startswith("[[", self.at)
        self.at += 2 if array else 1
        keys = self.keys()
        self.take("]]" if array else "]")
        around = self.inside(keys[:-1])
        path = (*around, keys[-1])
        for end in range(1, len(path) + 1):  # [a.b] makes a, too
            self.places.lines.setdefault(path[:end], line)
        if array:
            number = self.arrays[path] = self.arrays.get(path, -1) + 1
            path = (*path, number)
        self.note(path, line)
        return path

    def inside(self, keys: Path) -> Path:
        """A path that goes through the last element of each array of tables."""
        path: Path = ()
        for key in keys:
            path = (*path, key)
            if path in self.arrays:
                path = (*path, self.arrays[path])
        return path

    def pair(self, table: Path, depth: int) -> None:
        """key = value"""
        line = self.line()
        path = (*table, *self.keys())
        self.take("=")
        for end in range(len(table) + 1, len(path)):  # a.b = 1 makes a, too
            self.places.lines.setdefault(path[:end], line)
        self.note(path, line)
        self.skip(_BLANK)
        self.value(path, depth)

    def value(self, path: Path, depth: int) -> None:
        start = self.at
        if depth > DEPTH:
            raise _End
        if self.text.startswith("[", start):
            self.array(path, depth + 1)
        elif self.text.startswith("{", start):
            self.inline(path, depth + 1)
        else:
            quoted = self.text.startswith(('"', "'"), start)
            self.skip(_STRING if quoted else _PLAIN)
            if self.at == start:
                raise _End
            self.places.raws[path] = self.text[start : self.at].rstrip()

    def array(self, path: Path, depth: int) -> None:
        self.take("[")
        number = 0
        while True:
            self.skip(_VOID)
            if self.took("]"):
                return
            element = (*path, number)
            self.places.lines[element] = self.line()
            self.value(element, depth)
            number += 1
            self.skip(_VOID)
            if not self.took(","):
                self.take("]")
                return

    def inline(self, path: Path, depth: int) -> None:
        self.take("{")
        self.skip(_BLANK)
        if self.took("}"):
            return
        while True:
            self.skip(_BLANK)
            self.pair(path, depth)
            self.skip(_BLANK)
            if not self.took(","):
                self.take("}")
                return

    def keys(self) -> Path:
        """key, or key.key ..."""
        found: list[str | int] = []
        while True:
            self.skip(_BLANK)
            match = _KEY.match(self.text, self.at)
            if match is None:
                raise _End
            self.at = match.end()
            found.append(_key_of(match[0]))
            self.skip(_BLANK)
            if not self.took("."):
                return tuple(found)
            if len(found) > DEPTH:
                raise _End

    def note(self, path: Path, line: int) -> None:
        if path in self.written:
            self.places.twice.append((path, self.places.lines[path], line))
        else:
            self.written.add(path)
            self.places.lines[path] = line

    def line(self) -> int:
        self.number += self.text.count("\n", self.counted, self.at)
        self.counted = self.at
        return self.number

    def skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        if match is not None:
            self.at = match.end()

    def took(self, word: str) -> bool:
        if self.text.startswith(word, self.at):
            self.at += len(word)
            return True
        return False

    def take(self, word: str) -> None:
        if not self.took(word):
            raise _End


def _key_of(written: str) -> str:
    if written[0] not in "\"'":
        return written
    try:
        return next(iter(tomllib.loads(f"{written} = 0")))
    except ValueError:
        raise _End from None
