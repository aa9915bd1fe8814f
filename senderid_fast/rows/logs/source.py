"""LogSource: the rows of one log, whatever wrote it.

What may live here: what all logs have in common: blocks, places, counts, the columns. What a line
means is known to a LogReader, one for each kind of log.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from senderid_fast.errors import RowsError
from senderid_fast.rows.base import Block, Fault, Place
from senderid_fast.rows.logs.lines import Lines, Piece
from senderid_fast.rows.streams import arrow

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LogReader", "LogRow", "LogSource", "Unfit"]

#: Lines that are not empty among which one of the log has to be.
FIRST_LINES = 1_000
#: Octets of input for one block. A row holds less than its lines do, so they bound the memory.
BLOCK_OCTETS = 1 << 26


class LogRow(NamedTuple):
    """A row, as octets of the log. None: the log does not tell.

    reason  why it is at fault: "line 17, column 60: ..."; "" if it is not
    """

    time: bytes
    queue_id: bytes | None
    ip: str | None
    helo: bytes | None
    mail_from: bytes | None
    line: int
    reason: str = ""


class Unfit(ValueError):
    """A place's state that its reader did not write."""


class LogReader(Protocol):
    """Reads the lines of one kind of log.

    name      of the format
    expected  what its lines look like, for an error
    counts    of lines that could have been rows and are none, by why
    """

    name: str
    expected: str
    counts: dict[str, int]

    def knows(self, line: bytes) -> bool:
        """Whether a line is of this log."""
        ...

    def read(self, lines: list[bytes], at: int, number: int, rows: list[LogRow], most: int) -> int:
        """Append rows until there are so many or the lines are over.

        at      where among the lines to begin
        number  of lines before that one

        Returns where it stopped.
        """
        ...

    def state(self) -> str:
        """What is remembered of the lines so far, as text."""
        ...

    def restore(self, state: str) -> None:
        """Take up what state() gave. Raises Unfit."""
        ...


class LogSource:
    """The rows of a log, a RowSource.

    counts  lines read; those that were cut since they are longer than 64 KiB; what the reader
            counts. They go on in a resumed job.
    """

    may_fault = True
    rows: int | None = None

    def __init__(self, path: str, reader: LogReader, place: Place | None, batch_rows: int) -> None:
        text = arrow().utf8()
        columns = [(name, text) for name in ("time", "queue_id", "ip", "helo", "mail_from")]
        self.schema: pa.Schema = arrow().schema([*columns, ("line", arrow().int64())])
        self._path, self._reader, self._most = path, reader, max(batch_rows, 1)
        self._offset = self._number = self._seen = 0  # seen: lines that are not empty, until known
        self._known = False
        self._cut = 0
        if place is not None:
            self._resume(place)
        self._lines = Lines(path, self._offset, self._number)
        self.octets = self._lines.stream.size

    @property
    def counts(self) -> Mapping[str, int]:
        """What was read, and what of it gave no row."""
        return {"lines": self._number, "cut": self._cut, **self._reader.counts}

    def _resume(self, place: Place) -> None:
        numbers = [place.get(name) for name in ("offset", "line", "seen", "cut")]
        counts, state, known = place.get("counts"), place.get("state"), place.get("known")
        whole = [each for each in numbers if isinstance(each, int) and each >= 0]
        counted = dict(counts) if isinstance(counts, Mapping) else {}
        if (
            place.get("format") != self._reader.name
            or len(whole) != len(numbers)
            or counted.keys() != self._reader.counts.keys()
            or not all(isinstance(each, int) for each in counted.values())
            or not isinstance(state, str)
        ):
            raise self._misplaced()
        self._reader.counts.update(counted)
        try:
            self._reader.restore(state)
        except Unfit:
            raise self._misplaced() from None
        self._offset, self._number, self._seen, self._cut = whole
        self._known = bool(known)

    def _misplaced(self) -> RowsError:
        problem = f"the place to go on from is none of format {self._reader.name}"
        return RowsError(self._path, "", problem)

    def blocks(self) -> Iterator[Block]:
        """The rows. Raises RowsError if it is no such log, or cannot be read on."""
        rows: list[LogRow] = []
        begun = self._offset
        for piece in self._lines.pieces():
            at = 0
            while at < len(piece.lines):
                if not self._known:
                    self._look(piece, at)
                end = self._reader.read(piece.lines, at, self._number, rows, self._most)
                self._offset += piece.octets(at, end)
                self._cut += piece.cut(at, end)
                self._number += end - at
                at = end
                self._known = self._known or bool(rows)
                full = len(rows) >= self._most or self._offset - begun >= BLOCK_OCTETS
                if full and rows:
                    yield self._block(rows)
                    rows, begun = [], self._offset
        if not self._known and self._seen:
            raise self._unknown(self._number)
        if rows:
            yield self._block(rows)

    def _look(self, piece: Piece, start: int) -> None:
        """Look for a line of the log among the first ones."""
        for at in range(start, len(piece.lines)):
            line = piece.lines[at]
            if not line.strip():
                continue
            if self._reader.knows(line):
                self._known = True
                return
            self._seen += 1
            if self._seen >= FIRST_LINES:
                raise self._unknown(self._number + at - start + 1)

    def _unknown(self, number: int) -> RowsError:
        problem = f"none of the lines so far is of this log; expected: {self._reader.expected}"
        return RowsError(self._path, f"line {number}", problem)

    def _block(self, rows: list[LogRow]) -> Block:
        pa: Any = arrow()
        times, queue_ids, ips, helos, paths, lines, reasons = map(list, zip(*rows, strict=True))
        batch = pa.RecordBatch.from_arrays(
            [
                _text(times),
                _text(queue_ids),
                pa.array(ips, pa.utf8()),
                _text(helos),
                _text(paths),
                pa.array(lines, pa.int64()),
            ],
            schema=self.schema,
        )
        faults = tuple(Fault(row, reason) for row, reason in enumerate(reasons) if reason)
        place = {
            "format": self._reader.name,
            "offset": self._offset,
            "line": self._number,
            "seen": self._seen,
            "known": self._known,
            "cut": self._cut,
            "counts": dict(self._reader.counts),
            "state": self._reader.state(),
        }
        return Block(batch, faults, place, self._lines.stream.tell())

    def close(self) -> None:
        """Let go of the file."""
        self._lines.stream.close()


def _text(octets: list[bytes | None]) -> pa.Array:
    """A column of text; octets that are not UTF-8 become U+FFFD."""
    pa: Any = arrow()
    try:
        return pa.array(octets, pa.binary()).cast(pa.utf8())
    except pa.ArrowInvalid:
        texts = [None if each is None else each.decode("utf-8", "replace") for each in octets]
        return pa.array(texts, pa.utf8())
