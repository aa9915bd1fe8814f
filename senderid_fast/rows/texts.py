"""Text that holds one row after another, read in pieces of bounded size.

What may live here: cutting text into pieces of whole rows, counting lines, going on from a place,
and the choice between a fast reader of a whole piece and a careful reader of each row. What a row
looks like is in delimited.py and jsonlines.py.

A place is {"octet", "line", "rows"}: where a piece begins, the number of its first line, and how
many of its rows have been given already. It holds for any size of pieces.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from senderid_fast.errors import RowsError
from senderid_fast.rows.base import Block, Fault, Place
from senderid_fast.rows.faults import quoted
from senderid_fast.rows.inputs import Octets, int_of, natural, pyarrow
from senderid_fast.rows.waiting import InputStopped

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Piece", "TextSource"]

PIECE = 4 << 20  #: octets of text that are read at a time
ROW_LIMIT = 16 << 20  #: octets of one row
SLOW_PIECE = 1 << 16  #: octets of a piece that is read row by row, if it cannot be read at once
MARK = b"\xef\xbb\xbf"


class Piece(NamedTuple):
    """Whole rows of the text, the last of them with its line end.

    fault  why this is one row that cannot be read, or ""
    """

    data: bytes
    octet: int
    line: int
    fault: str


class TextSource(ABC):
    """What sources of text have in common. A subclass knows rows: _cut, _fast, _slow.

    The schema must be set before blocks() is called.
    """

    schema: pa.Schema
    may_fault = True
    rows: int | None = None

    def __init__(self, octets: Octets, size: int | None, batch_rows: int) -> None:
        self._octets = octets
        self.octets = size
        self._batch_rows = natural("batch_rows", batch_rows)
        self._carry = b""
        self._octet = 0
        self._line = 1
        self._skip = 0
        self._ended = False
        self._stopped: InputStopped | None = None

    def close(self) -> None:
        """Let go of the file."""
        self._octets.close()

    # -- what a subclass knows -------------------------------------------------------------------

    @abstractmethod
    def _cut(self, data: bytes) -> int:
        """Where the last whole row of the text ends; 0 if there is none."""

    @abstractmethod
    def _fast(self, data: bytes) -> pa.RecordBatch | None:
        """The rows of a piece, if it is certain that none is at fault."""

    @abstractmethod
    def _slow(self, data: bytes, line: int) -> tuple[pa.RecordBatch, list[Fault]]:
        """The rows of a piece, one by one."""

    # -- pieces ----------------------------------------------------------------------------------

    def _more(self, size: int) -> bytes:
        """The next octets; b"" at the end, or where the input was stopped."""
        if self._stopped is None:
            try:
                return self._octets.read(size)
            except InputStopped as stopped:
                self._stopped = stopped
        return b""

    def _begin(self) -> None:
        """Read the start of the text; a byte-order mark is passed over."""
        parts: list[bytes] = []
        held = 0
        while held < PIECE and (more := self._more(PIECE - held)):
            parts.append(more)
            held += len(more)
        self._carry = b"".join(parts)
        self._ended = held < PIECE
        if self._carry.startswith(MARK):
            self._carry = self._carry[len(MARK) :]
            self._octet = len(MARK)
        if self._stopped is not None and not self._cut(self._carry):
            raise self._stopped  # not even the first row is whole

    def _resume(self, place: Place) -> None:
        """Go on at a place; nothing may have been read but the start and a header."""
        name = self._octets.name
        octet, line, skip = (int_of(place, key, name) for key in ("octet", "line", "rows"))
        start, end = self._octet, self._octet + len(self._carry)
        if octet < start:
            raise RowsError(name, f"octet {octet}", "the noted place is none of this file")
        if octet <= end:
            self._carry = self._carry[octet - start :]
        else:
            self._carry = b""
            self._octets.seek(octet)
            self._ended = False
        self._octet, self._line, self._skip = octet, max(1, line), skip

    def _take(self, size: int, fault: str = "") -> Piece:
        data, self._carry = self._carry[:size], self._carry[size:]
        piece = Piece(data, self._octet, self._line, fault)
        self._octet += size
        self._line += data.count(b"\n")
        return piece

    def _pieces(self) -> Iterator[Piece]:
        wanted = PIECE
        while True:
            parts, held = [self._carry], len(self._carry)
            while held < wanted and not self._ended:
                more = self._more(min(PIECE, wanted - held))
                self._ended = not more
                parts.append(more)
                held += len(more)
            self._carry = b"".join(parts)
            cut = self._cut(self._carry)
            if cut:
                wanted = PIECE
                yield self._take(cut)
            elif self._stopped is not None:
                raise self._stopped  # what is left is half a row
            elif not self._carry:
                return
            elif self._ended:
                yield self._last()
            elif held < ROW_LIMIT:
                wanted = min(2 * held, ROW_LIMIT)
            else:
                wanted = PIECE
                yield self._too_long()

    def _last(self) -> Piece:
        """The last row, which has no line end; or the line of a quote that is never closed."""
        ended = self._carry + b"\n"
        if self._cut(ended):
            piece = self._take(len(self._carry))
            return piece._replace(data=ended)
        end = ended.index(b"\n") + 1
        return self._take(min(end, len(self._carry)), "a quoted field that does not end")

    def _too_long(self) -> Piece:
        """A row beyond ROW_LIMIT: its first line is given up, and reading goes on behind it."""
        fault = f"a row of more than {ROW_LIMIT} octets"
        end = self._carry.find(b"\n") + 1
        if end:
            return self._take(end, fault)
        piece = self._take(len(self._carry), fault)
        while not self._ended:
            more = self._more(PIECE)
            self._ended = not more
            end = more.find(b"\n") + 1
            self._octet += end or len(more)
            if end:
                self._line += 1
                self._carry = more[end:]
                break
        return piece

    # -- blocks ----------------------------------------------------------------------------------

    def blocks(self) -> Iterator[Block]:
        """The rows from where the source was opened. Raises RowsError."""
        for piece in self._pieces():
            if piece.fault:
                line = f"line {piece.line}: {piece.fault}: {quoted(piece.data.rstrip())}"
                parts = iter([(self._nulls(1), [Fault(0, line)])])
            else:
                parts = self._parsed(piece.data, piece.line)
            given = 0  # rows of this piece
            for batch, faults in parts:
                yield from self._sliced(piece, batch, faults, given)
                given += batch.num_rows
        if self._skip:
            raise RowsError(
                self._octets.name,
                "",
                "it ends before the noted place: the file is not the one of the job",
            )

    def _nulls(self, rows: int) -> pa.RecordBatch:
        pa = pyarrow()
        return pa.record_batch(
            [pa.nulls(rows, field.type) for field in self.schema], schema=self.schema
        )

    def _sliced(
        self, piece: Piece, batch: pa.RecordBatch, faults: list[Fault], given: int
    ) -> Iterator[Block]:
        at = min(self._skip, batch.num_rows)
        self._skip -= at
        while at < batch.num_rows:
            end = min(batch.num_rows, at + self._batch_rows)
            yield Block(
                batch.slice(at, end - at),
                tuple(Fault(row - at, reason) for row, reason in faults if at <= row < end),
                {"octet": piece.octet, "line": piece.line, "rows": given + end},
                self._octets.consumed(),
            )
            at = end

    def _parsed(self, data: bytes, line: int) -> Iterator[tuple[pa.RecordBatch, list[Fault]]]:
        """A piece with a faulty row is halved until only the rows around it are read slowly."""
        batch = self._fast(data)
        if batch is not None:
            yield batch, []
        elif len(data) <= SLOW_PIECE or not (cut := self._cut(data[: len(data) // 2])):
            yield self._slow(data, line)
        else:
            yield from self._parsed(data[:cut], line)
            yield from self._parsed(data[cut:], line + data.count(b"\n", 0, cut))
