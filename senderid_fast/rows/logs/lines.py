"""Lines of a log: bounded, numbered, and with their place in the file.

What may live here: cutting octets into lines. Nothing is known of what they say.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from senderid_fast.errors import RowsError
from senderid_fast.rows.streams import PIECE, InputStream

__all__ = ["LONGEST", "Lines", "Piece", "candidates"]

LONGEST = 1 << 16  #: octets of a line that are kept


class Piece(NamedTuple):
    """Some lines in a row, as one string.

    data  the lines, each with a line feed
    more  where the line feeds are of lines that take more or less in the file than here, and how
          many octets: too long ones were cut; the last one may have no line feed
    """

    data: bytes
    more: tuple[tuple[int, int], ...] = ()

    def octets(self, start: int, end: int) -> int:
        """What the lines between two positions take in the file."""
        return end - start + sum(more for at, more in self.more if start <= at < end)

    def cut(self, start: int, end: int) -> int:
        """How many of some lines were too long."""
        return sum(start <= at < end and more > 0 for at, more in self.more)


def candidates(
    data: bytes, start: int, needles: tuple[bytes, ...]
) -> Iterator[tuple[bytes, int, int, int]]:
    """The lines that hold one of some strings, found without looking at each line.

    Each comes with its number among the lines from start on (from 1), the index of the string that
    is the first in it, and the position behind its line feed.
    """
    size = len(data)
    find, count = data.find, data.count
    cursors = [find(needle, start) for needle in needles]
    cursors = [size if at < 0 else at for at in cursors]
    number, counted = 1, start
    while (at := min(cursors)) < size:
        first = data.rfind(b"\n", counted, at) + 1 or counted
        end = find(b"\n", at)
        number += count(b"\n", counted, first)
        counted = first
        yield data[first:end], number, cursors.index(at), end + 1
        for index, cursor in enumerate(cursors):
            if cursor < end:
                cursor = find(needles[index], end)  # noqa: PLW2901
                cursors[index] = size if cursor < 0 else cursor


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
        more: tuple[tuple[int, int], ...]
        while octets := self._read(PIECE):
            if dropped:
                # In a line that is too long already.
                end = octets.find(b"\n")
                if end < 0:
                    dropped += len(octets)
                    continue
                more = ((LONGEST, dropped + end),)
                data = rest + octets[end:]
            else:
                more = ()
                data = rest + octets
            end = data.rfind(b"\n") + 1
            data, rest, dropped = data[:end], data[end:], 0
            if len(rest) > LONGEST:
                rest, dropped = rest[:LONGEST], len(rest) - LONGEST
            if data:
                piece = _shortened(data, more)
                self._number += piece.data.count(b"\n")
                yield piece
        if rest:
            self._number += 1
            yield Piece(rest + b"\n", ((len(rest), dropped - 1),))

    def _read(self, most: int) -> bytes:
        return self.stream.read(most, f"line {self._number + 1}")


def _shortened(data: bytes, more: tuple[tuple[int, int], ...]) -> Piece:
    """A piece in which no line is longer than LONGEST."""
    start = 0
    kept: list[bytes] = []
    length = 0
    cuts = list(more)
    begun = 0  # of what is not in kept yet
    while len(data) - start > LONGEST + 1:
        end = data.rfind(b"\n", start, start + LONGEST + 1)
        if end >= 0:
            start = end + 1
            continue
        end = data.find(b"\n", start)
        kept.append(data[begun : start + LONGEST])
        length += len(kept[-1])
        cuts.append((length, end - start - LONGEST))
        begun, start = end, end + 1
    return Piece(b"".join((*kept, data[begun:])), tuple(cuts))
