"""The protocols of a source and of a sink of rows.

What may live here: the protocols, and the values that pass between source, job and sink. No format.

A job reads blocks from a source, checks them, writes them to a sink, and notes now and then how far
both have come (their places). A job that was killed opens both at the places of its last note: what
was written behind them is cut off, what was read behind them is read again, so that no row is lost
or doubled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Block", "Fault", "Place", "RowSink", "RowSource"]

# Where a source or a sink is: a mapping that JSON can hold, made and read by the same class.
Place = Mapping[str, object]


class Fault(NamedTuple):
    """A row that could not be read; it stays in the output, with this.

    row     its index in the block
    reason  one sentence with the line and column: "line 17: 4 fields where the header has 3"
    """

    row: int
    reason: str


class Block(NamedTuple):
    """Some rows of a source, in their order.

    batch   the columns as read; a row at fault has nulls
    faults  the rows that could not be read, by row
    place   where the source is behind this block
    octets  how much of the input has been read so far, for progress
    """

    batch: pa.RecordBatch
    faults: tuple[Fault, ...]
    place: Place
    octets: int


class RowSource(Protocol):
    """Rows to be checked."""

    schema: pa.Schema  #: of every block
    may_fault: bool  #: whether rows can be at fault: then the output has a column row_error
    octets: int | None  #: size of the input; None: not known (a pipe)
    rows: int | None  #: rows in all, where the format tells

    def blocks(self) -> Iterator[Block]:
        """The blocks from where the source was opened; memory is bounded by one of them.

        Raises a SenderIDError that names file, line and column when the file as a whole cannot be
        read on.
        """
        ...

    def close(self) -> None:
        """Let go of files."""
        ...


class RowSink(Protocol):
    """Rows that were checked."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Append the rows."""
        ...

    def place(self) -> Place:
        """Flush to the disk, and tell where the sink is: a job may be resumed from here."""
        ...

    def close(self) -> None:
        """Finish the output: only now it has its final name."""
        ...

    def abandon(self) -> None:
        """Stop without finishing; what was written stays for a resumed job."""
        ...
