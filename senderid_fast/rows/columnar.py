"""Rows of Parquet and of Arrow IPC, as a file or as a stream.

What may live here: reading columnar files in bounded blocks, and going on from a place. Writing is
in parquetsink.py and arrowsinks.py.

The files are outside data: every batch is validated before it is handed on. Strings that are not
UTF-8 are mended with U+FFFD, so that one of them does not stop a job; anything else that is wrong
is a RowsError that names the row group or the batch.

A place is {"part", "rows"}: how many row groups or batches are behind it, and how many rows of the
next one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from senderid_fast.errors import RowsError
from senderid_fast.rows.base import Block, Place
from senderid_fast.rows.inputs import Octets, int_of, natural, open_seekable, pyarrow, reading

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ArrowFileSource", "ArrowStreamSource", "ParquetSource"]

BLOCK_OCTETS = 32 << 20  #: octets of a block, if it has more than one row
STEP = 8192  #: rows that are decoded at a time, before their size is known
MESSAGE_LIMIT = 2 << 30  #: octets of one message of an IPC stream


class _ColumnarSource(ABC):
    """What the three have in common: parts of which each gives batches."""

    may_fault = False
    schema: pa.Schema
    rows: int | None = None
    part = "batch"

    def __init__(self, octets: Octets, size: int | None, batch_rows: int, place: Place | None):
        self._octets = octets
        self.octets = size
        self._batch_rows = natural("batch_rows", batch_rows)
        self._first = int_of(place, "part", octets.name) if place is not None else 0
        self._skip = int_of(place, "rows", octets.name) if place is not None else 0

    def close(self) -> None:
        """Let go of the file."""
        self._octets.close()

    def _checked_schema(self, schema: pa.Schema) -> pa.Schema:
        if not schema.names:
            raise RowsError(self._octets.name, "", "it has no columns")
        for name in schema.names:
            if schema.names.count(name) > 1:
                raise RowsError(self._octets.name, "", f'it has the column "{name}" twice')
        return schema

    @abstractmethod
    def _parts(self, first: int) -> Iterator[tuple[int, Iterator[pa.RecordBatch]]]:
        """The parts from one on, each with its number and its batches."""

    @abstractmethod
    def _consumed(self, part: int, rows: int) -> int:
        """Octets that were read when so many rows of a part were given."""

    def blocks(self) -> Iterator[Block]:
        """The rows from where the source was opened. Raises RowsError."""
        skip, name = self._skip, self._octets.name
        parts = self._parts(self._first)
        while True:
            with reading(name):
                following = next(parts, None)
            if following is None:
                break
            part, batches = following
            given = 0
            while True:
                with reading(name, f"{self.part} {part}, row {given}"):
                    batch = next(batches, None)
                    if batch is None:
                        break
                    batch = mended(batch)
                at = min(skip, batch.num_rows)
                skip -= at
                given += at
                for block in self._sliced(batch, at):
                    given += block.num_rows
                    place = {"part": part, "rows": given}
                    yield Block(block, (), place, self._consumed(part, given))
        if skip:
            problem = "it ends before the noted place: the file is not the one of the job"
            raise RowsError(name, "", problem)

    def _sliced(self, batch: pa.RecordBatch, at: int) -> Iterator[pa.RecordBatch]:
        size = max(1, batch.nbytes)
        rows = min(self._batch_rows, max(1, batch.num_rows * BLOCK_OCTETS // size))
        while at < batch.num_rows:
            yield batch.slice(at, rows)
            at += rows


class ParquetSource(_ColumnarSource):
    """Rows of a Parquet file; whole row groups are passed over when a job goes on."""

    part = "row group"

    def __init__(
        self, octets: Octets, size: int | None, *, place: Place | None, batch_rows: int
    ) -> None:
        super().__init__(octets, size, batch_rows, place)
        from pyarrow import parquet

        with reading(octets.name, "footer"):
            file, self._size = open_seekable(octets, size)
            self._file = parquet.ParquetFile(file, pre_buffer=False, buffer_size=1 << 20)
            self.schema = self._checked_schema(self._file.schema_arrow)
            self.rows = self._file.metadata.num_rows

    def close(self) -> None:
        """Let go of the file."""
        self._file.close(force=True)
        super().close()

    def _parts(self, first: int) -> Iterator[tuple[int, Iterator[pa.RecordBatch]]]:
        for part in range(first, self._file.num_row_groups):
            yield part, self._batches(part)

    def _batches(self, part: int) -> Iterator[pa.RecordBatch]:
        step = min(STEP, self._batch_rows)
        held: list[pa.RecordBatch] = []
        rows = octets = 0
        for batch in self._file.iter_batches(batch_size=step, row_groups=[part]):
            held.append(batch)
            rows += batch.num_rows
            octets += batch.nbytes
            if rows + step > self._batch_rows or octets >= BLOCK_OCTETS:
                yield from joined(held)
                held, rows, octets = [], 0, 0
        if held:
            yield from joined(held)

    def _consumed(self, part: int, rows: int) -> int:
        total = self.rows or 1
        before: int = sum(self._file.metadata.row_group(index).num_rows for index in range(part))
        return self._size * min(total, before + rows) // total


class ArrowFileSource(_ColumnarSource):
    """Rows of an Arrow IPC file (Feather version 2)."""

    def __init__(
        self, octets: Octets, size: int | None, *, place: Place | None, batch_rows: int
    ) -> None:
        super().__init__(octets, size, batch_rows, place)
        pa = pyarrow()
        with reading(octets.name, "footer"):
            self._file, self._size = open_seekable(octets, size)
            self._reader = pa.ipc.open_file(self._file)
            self.schema = self._checked_schema(self._reader.schema)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
        super().close()

    def _parts(self, first: int) -> Iterator[tuple[int, Iterator[pa.RecordBatch]]]:
        for part in range(first, self._reader.num_record_batches):
            yield part, self._batch(part)

    def _batch(self, part: int) -> Iterator[pa.RecordBatch]:
        yield self._reader.get_batch(part)

    def _consumed(self, part: int, rows: int) -> int:
        batches: int = self._reader.num_record_batches
        return self._size * (part + 1) // batches


class ArrowStreamSource(_ColumnarSource):
    """Rows of an Arrow IPC stream."""

    def __init__(
        self, octets: Octets, size: int | None, *, place: Place | None, batch_rows: int
    ) -> None:
        super().__init__(octets, size, batch_rows, place)
        pa = pyarrow()
        with reading(octets.name, "schema"):
            self._reader = pa.ipc.open_stream(pa.PythonFile(_Whole(octets), mode="r"))
            self.schema = self._checked_schema(self._reader.schema)

    def _parts(self, first: int) -> Iterator[tuple[int, Iterator[pa.RecordBatch]]]:
        part = 0
        while True:
            with reading(self._octets.name, f"batch {part}"):
                try:
                    batch = self._reader.read_next_batch()
                except StopIteration:
                    return
            if part >= first:
                yield part, iter([batch])
            part += 1

    def _consumed(self, part: int, rows: int) -> int:
        return self._octets.consumed()


class _Whole:
    """A file whose reads give all that was asked for, unless the input ends."""

    def __init__(self, octets: Octets) -> None:
        self._octets = octets
        self.closed = False

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MESSAGE_LIMIT:
            problem = f"a message of {size} octets: write it in smaller batches"
            raise RowsError(self._octets.name, f"octet {self._octets.offset}", problem)
        first = self._octets.read(size)
        if len(first) == size or not first:
            return first
        parts, missing = [first], size - len(first)
        while missing and (more := self._octets.read(missing)):
            parts.append(more)
            missing -= len(more)
        return b"".join(parts)

    def close(self) -> None:
        self.closed = True


def joined(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """Some batches of one schema as one, or as few as hold strings of 2 GiB and more."""
    if len(batches) == 1:
        return batches
    whole: list[pa.RecordBatch] = (
        pyarrow().Table.from_batches(batches).combine_chunks().to_batches()
    )
    return whole


def mended(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch, validated; octets in strings that are not UTF-8 have become U+FFFD.

    Raises pyarrow.ArrowInvalid if anything else is wrong with it.
    """
    pa = pyarrow()
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid:
        columns = [_mended_column(column) for column in batch.columns]
        batch = pa.record_batch(columns, schema=batch.schema)
        batch.validate(full=True)
    return batch


def _mended_column(column: Any) -> Any:
    pa = pyarrow()
    if pa.types.is_dictionary(column.type):
        column.indices.validate(full=True)
        values = _mended_column(column.dictionary)
        return pa.DictionaryArray.from_arrays(column.indices, values, ordered=column.type.ordered)
    octets = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}.get(column.type)
    if octets is None:
        return column
    column = column.view(octets)
    column.validate(full=True)
    values = [
        None if value is None else value.decode("utf-8", "replace") for value in column.to_pylist()
    ]
    return pa.array(values, pa.large_string() if octets == pa.large_binary() else pa.string())
