"""Lines of a log: bounded, numbered, and with their place in the file.

What may live here: cutting octets into lines. Nothing is known of what they say.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from senderid_fast.errors import RowsError
from senderid_fast.rows.streams import PIECE, InputStream

__all__ = ["LONGEST", "Lines", "Piece"]

LONGEST = 1 << 16  #: octets of a line that are kept


class Piece(NamedTuple):
    """Some lines in a row.

    lines  without their line feeds
    more   for lines of which length + 1 is not what they take in the file: octets to be added
    """

    lines: list[bytes]
    more: dict[int, int]

    def octets(self, start: int, end: int) -> int:
        """What some of the lines take in the file."""
        beyond = sum(octets for at, octets in self.more.items() if start <= at < end)
        return sum(map(len, self.lines[start:end])) + end - start + beyond

    def cut(self, start: int, end: int) -> int:
        """How many of some lines were too long."""
        return sum(start <= at < end and octets > 0 for at, octets in self.more.items())


class Lines:
    """The lines of a file from a place on.

    offset  octets before it (of the data without compression)
    number  lines before it
    """

    def __init__(self, path: str, offset: int, number: int) -> None:
        self._number = number
        # A place is behind a line feed, unless it is the end: if not, the file is another one.
        self.stream = InputStream(path, max(offset - 1, 0))
        self._first = offset > 0

    def pieces(self) -> Iterator[Piece]:
        """The lines, in pieces of some 1 MiB. Raises RowsError, which names the line."""
        if self._first and self._read(1) != b"\n" and self._read(1):
            self.stream.close()
            problem = "the file is not the one that the job was stopped in"
            raise RowsError(self.stream.path, f"line {self._number}", problem)
        rest, dropped = b"", 0
        while octets := self._read(PIECE):
            more: dict[int, int] = {}
            if dropped:
                # In a line that is too long already.
                end = octets.find(b"\n")
                if end < 0:
                    dropped += len(octets)
                    continue
                more[0] = dropped + end
                lines = [rest, *octets[end + 1 :].split(b"\n")]
            else:
                lines = (rest + octets).split(b"\n")
            rest, dropped = lines.pop(), 0
            if len(rest) > LONGEST:
                dropped = len(rest) - LONGEST
                rest = rest[:LONGEST]
            if lines and max(map(len, lines)) > LONGEST:
                for at, line in enumerate(lines):
                    if len(line) > LONGEST:
                        more[at] = len(line) - LONGEST
                        lines[at] = line[:LONGEST]
            if lines:
                self._number += len(lines)
                yield Piece(lines, more)
        if rest or dropped:
            self._number += 1
            yield Piece([rest], {0: dropped - 1})

    def _read(self, most: int) -> bytes:
        return self.stream.read(most, f"line {self._number + 1}")
