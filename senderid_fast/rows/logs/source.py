"""LogSource: the rows of one log, whatever wrote it.

What may live here: what all logs have in common: blocks, places, counts, the columns. What a line
means is known to a LogReader, one for each kind of log.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from senderid_fast.errors import RowsError
from senderid_fast.rows.base import Block, Fault, Place
from senderid_fast.rows.logs.lines import Lines, candidates
from senderid_fast.rows.streams import arrow
from senderid_fast.rows.waiting import InputStopped

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Known", "LogReader", "LogRows", "LogSource", "Unfit"]

#: Lines that are not empty among which one of the log has to be.
FIRST_LINES = 1_000
#: Octets of input for one block. A row holds less than its lines do, so they bound the memory.
BLOCK_OCTETS = 1 << 26


class LogRows:
    """Rows, column by column, as octets of the log. None: the log does not tell.

    Plain lists of octets and numbers: a tuple for each row would keep the garbage collector busy.
    """

    __slots__ = ("faults", "helo", "ip", "line", "mail_from", "queue_id", "time")

    def __init__(self) -> None:
        self.time: list[bytes | None] = []
        self.queue_id: list[bytes | None] = []
        self.ip: list[str | None] = []
        self.helo: list[bytes | None] = []
        self.mail_from: list[bytes | None] = []
        self.line: list[int] = []
        self.faults: list[Fault] = []

    def __len__(self) -> int:
        return len(self.line)

    def add(
        self,
        time: bytes,
        queue_id: bytes | None,
        known: Known,
        mail_from: bytes | None,
        line: int,
    ) -> None:
        """Append a row; if known has a reason, it is at fault."""
        ip, helo, reason = known
        if reason:
            self.faults.append(Fault(len(self.line), reason))
        self.time.append(time)
        self.queue_id.append(queue_id)
        self.ip.append(ip)
        self.helo.append(helo)
        self.mail_from.append(mail_from)
        self.line.append(line)


class Known(NamedTuple):
    """What is known of a client; None and "" for what is not.

    reason  why its row is at fault: "line 17, column 60: ..."
    """

    ip: str | None = None
    helo: bytes | None = None
    reason: str = ""


class Unfit(ValueError):
    """A place's state that its reader did not write."""


class LogReader(Protocol):
    """Reads the lines of one kind of log.

    name      of the format
    expected  what its lines look like, for an error
    needles   strings; a line with none of them is passed over
    counts    of lines that could have been rows and are none, by why
    """

    name: str
    expected: str
    needles: tuple[bytes, ...]
    counts: dict[str, int]

    def knows(self, line: bytes) -> bool:
        """Whether a line is of this log."""
        ...

    def take(self, line: bytes, needle: int, number: int, rows: LogRows) -> None:
        """Read a line, and append its row if it completes one.

        needle  the index of the string that is the first in it
        number  the line's, from 1
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
        rows = LogRows()
        begun = self._offset
        stopped: InputStopped | None = None
        try:
            for piece in self._lines.pieces():
                if not self._known:
                    self._look(piece.data)
                at = 0
                while at < len(piece.data):
                    end = self._take(piece.data, at, rows)
                    self._number += piece.data.count(b"\n", at, end)
                    self._offset += piece.octets(at, end)
                    self._cut += piece.cut(at, end)
                    at = end
                    full = len(rows) >= self._most or self._offset - begun >= BLOCK_OCTETS
                    if full and rows:
                        yield self._block(rows)
                        rows, begun = LogRows(), self._offset
        except InputStopped as error:
            stopped = error  # the lines that came are whole
        if stopped is None and not self._known and self._seen:
            raise self._unknown(self._number)
        if rows:
            yield self._block(rows)
        if stopped is not None:
            raise stopped

    def _take(self, data: bytes, start: int, rows: LogRows) -> int:
        """Take rows until the block is full or the lines are over; returns where that is."""
        take, before, most = self._reader.take, self._number, self._most
        for line, number, needle, end in candidates(data, start, self._reader.needles):
            take(line, needle, before + number, rows)
            if len(rows) >= most:
                return end
        return len(data)

    def _look(self, data: bytes) -> None:
        """Look for a line of the log among the first ones."""
        for number, line in enumerate(data.split(b"\n"), self._number + 1):
            if not line.strip():
                continue
            if self._reader.knows(line):
                self._known = True
                return
            self._seen += 1
            if self._seen >= FIRST_LINES:
                raise self._unknown(number)

    def _unknown(self, number: int) -> RowsError:
        problem = f"none of the lines so far is of this log; expected: {self._reader.expected}"
        return RowsError(self._path, f"line {number}", problem)

    def _block(self, rows: LogRows) -> Block:
        pa: Any = arrow()
        batch = pa.RecordBatch.from_arrays(
            [
                _text(rows.time),
                _text(rows.queue_id),
                pa.array(rows.ip, pa.utf8()),
                _text(rows.helo),
                _text(rows.mail_from),
                pa.array(rows.line, pa.int64()),
            ],
            schema=self.schema,
        )
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
        return Block(batch, tuple(rows.faults), place, self._lines.stream.tell())

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
