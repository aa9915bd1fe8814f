"""Problem: what is wrong in one place, as a line for people; and the paths of keys.

What may live here: how places, keys and problems are written. All of it may come from a file that
is no configuration at all, so that it is made visible and cut to a length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from senderid_fast.config.places import Path

__all__ = ["Problem", "path_of", "path_shown"]

KEY_LENGTH = 60
WORDS_LENGTH = 400

_STEP = re.compile(r"([^.\[\]]+)|\[([0-9]+)\]")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    place  the file, or the variable of the environment
    line   of the file; None: of no one line
    key    such as "policy.override[0].client"; "": of no one key
    words  what is wrong and what may stand there
    """

    place: str
    line: int | None
    key: str
    words: str

    def __str__(self) -> str:
        where = self.place if self.line is None else f"{self.place}:{self.line}"
        words = _shortened(self.words, WORDS_LENGTH)
        return _printable(f"{where}: {self.key}: {words}" if self.key else f"{where}: {words}")


def path_of(text: str) -> Path:
    """The path that an InputError names, such as "override[2].mailfrom.fail"."""
    return tuple(word or int(number) for word, number in _STEP.findall(text))


def path_shown(path: Path) -> str:
    """A path as text."""
    shown = ""
    for step in path:
        if isinstance(step, int):
            shown += f"[{step}]"
        else:
            word = _shortened(step, KEY_LENGTH)
            word = word if _BARE.fullmatch(word) else f'"{_printable(word)}"'
            shown += f".{word}" if shown else word
    return shown


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _printable(text: str) -> str:
    return "".join(
        each if each.isprintable() or 0xDC80 <= ord(each) <= 0xDCFF else ascii(each)[1:-1]
        for each in text
    )
