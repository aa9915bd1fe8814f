"""Writing Parquet so that a killed job can go on.

What may live here: the sink of Parquet.

A Parquet file ends with a footer that lists all row groups. What lies between two places is written
as a stretch: the row groups of a small Parquet file, whose footer is cut off, moved to where the
stretch lies (parquetfooter.py), and kept in `<out>.partial.footers`. close() joins the footers with
pyarrow and writes the one footer of the file. No row is written twice.
"""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from senderid_fast.errors import InputError, RowsError
from senderid_fast.rows.base import Place
from senderid_fast.rows.inputs import int_of, pyarrow, reading
from senderid_fast.rows.outputs import FOOTERS, Output, sync_folder
from senderid_fast.rows.parquetfooter import moved
from senderid_fast.rows.textsinks import check_schema

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ParquetSink"]

GROUP_ROWS = 1 << 19  #: rows of a row group
GROUP_OCTETS = 64 << 20  #: octets of a row group before it is encoded
MAGIC = b"PAR1"


def _file_of(footer: bytes) -> io.BytesIO:
    """A Parquet file that has this footer, and nothing else."""
    return io.BytesIO(MAGIC + footer + len(footer).to_bytes(4, "little") + MAGIC)


class ParquetSink:
    """Rows as Parquet. `options` are those of pyarrow.parquet.ParquetWriter."""

    def __init__(
        self, output: Output, schema: pa.Schema, *, place: Place | None, options: dict[str, Any]
    ) -> None:
        self._output = output
        self._schema = schema
        self._options = options
        self._held: list[pa.RecordBatch] = []
        self._rows = self._octets = 0
        self._writer: Any = None
        self._start = 0
        self._target: _Stretch | None = None
        self._footers: list[bytes] = []
        self._side: IO[bytes] | None = None
        try:
            # First what may not suit Parquet: the footers of an earlier job are lost behind it.
            self._open_stretch()
            if output.final is not None:
                self._side_path = output.partial.with_name(output.partial.name + FOOTERS)
                self._open_side(place)
        except BaseException:
            self.abandon()
            raise

    # -- the file of footers ---------------------------------------------------------------------

    def _open_side(self, place: Place | None) -> None:
        name = str(self._side_path)
        with reading(name):
            if place is None:
                self._side = self._side_path.open("wb", buffering=0)
                return
            size = int_of(place, "footers", self._output.name)
            self._side = self._side_path.open("r+b", buffering=0)
            octets = self._side.read(size)
            self._side.truncate(size)
        try:
            self._read_footers(octets, size)
        except RowsError:
            self._side.close()
            raise

    def _read_footers(self, octets: bytes, size: int) -> None:
        name, at = str(self._side_path), 0
        while at < len(octets):
            length, check = (int.from_bytes(octets[at + i : at + i + 4], "little") for i in (0, 4))
            footer = octets[at + 8 : at + 8 + length]
            if len(footer) != length or zlib.crc32(footer) != check:
                raise RowsError(name, f"octet {at}", "not what was written: begin the job anew")
            self._footers.append(footer)
            at += 8 + length
        if len(octets) != size:
            raise RowsError(name, f"octet {at}", "it ends too early: begin the job anew")

    def _keep(self, footer: bytes) -> None:
        assert self._side is not None
        self._footers.append(footer)
        head = len(footer).to_bytes(4, "little") + zlib.crc32(footer).to_bytes(4, "little")
        with reading(str(self._side_path)):
            self._side.write(head + footer)

    # -- stretches -------------------------------------------------------------------------------

    def _open_stretch(self) -> None:
        from pyarrow import parquet

        self._start = self._output.offset
        self._target = _Stretch(self._output, skip=len(MAGIC) if self._start else 0)
        with reading(self._output.name), _unwritable():
            self._writer = parquet.ParquetWriter(
                pyarrow().PythonFile(self._target, mode="w"), self._schema, **self._options
            )

    def _close_stretch(self) -> None:
        self._write_group()
        with reading(self._output.name, "footer"):
            self._writer.close()
            self._writer = None
            if self._output.final is None:
                return
            size = int.from_bytes(self._output.tail(8)[:4], "little")
            footer = self._output.tail(8 + size)[:size]
            self._output.cut(self._output.offset - 8 - size)
            if self._start:
                footer = moved(footer, self._start - len(MAGIC))
            self._check(footer)
            self._keep(footer)

    def _check(self, footer: bytes) -> None:
        """A moved footer must name octets of its stretch. Raises RowsError."""
        from pyarrow import parquet

        found = parquet.read_metadata(_file_of(footer))
        for group in range(found.num_row_groups):
            for index in range(found.num_columns):
                column = found.row_group(group).column(index)
                first = column.dictionary_page_offset or column.data_page_offset
                end = first + column.total_compressed_size
                if not self._start <= first <= end <= self._output.offset:
                    problem = "this release of pyarrow writes footers that cannot be moved"
                    raise RowsError(self._output.name, "footer", problem)

    def _write_group(self) -> None:
        if self._held:
            pa = pyarrow()
            with reading(self._output.name, f"octet {self._output.offset}"):
                table = pa.Table.from_batches(self._held, schema=self._schema)
                self._writer.write_table(table, row_group_size=max(1, table.num_rows))
        self._held = []
        self._rows = self._octets = 0

    # -- the sink --------------------------------------------------------------------------------

    def write(self, batch: pa.RecordBatch) -> None:
        """Append the rows. Raises RowsError, InputError."""
        check_schema(batch, self._schema)
        if not batch.num_rows:
            return
        if self._writer is None:
            self._open_stretch()
        self._held.append(batch)
        self._rows += batch.num_rows
        self._octets += batch.nbytes
        if self._rows >= GROUP_ROWS or self._octets >= GROUP_OCTETS:
            self._write_group()

    def place(self) -> Place:
        """End the stretch and bring all to the disk. Raises RowsError, InputError."""
        if self._side is None:
            return self._output.place()  # raises: a pipe has no places
        if self._writer is not None and (self._held or self._output.offset > self._start):
            self._close_stretch()
        with reading(str(self._side_path)):
            os.fsync(self._side.fileno())
            footers = self._side.tell()
            sync_folder(self._side_path.parent)
        return {**self._output.place(), "footers": footers}

    def close(self) -> None:
        """Write the footer and give the file its final name."""
        if self._writer is not None:
            self._close_stretch()
        if self._side is not None:
            with reading(self._output.name, "footer"):
                self._output.write(self._joined()[len(MAGIC) :])
        self._output.close()
        if self._side is not None:
            self._side.close()

    def _joined(self) -> bytes:
        from pyarrow import parquet

        whole = parquet.read_metadata(_file_of(self._footers[0]))
        for footer in self._footers[1:]:
            whole.append_row_groups(parquet.read_metadata(_file_of(footer)))
        sink = io.BytesIO()
        whole.write_metadata_file(sink)
        return sink.getvalue()

    def abandon(self) -> None:
        """Stop; what was written stays."""
        if self._target is not None:
            self._target.deaf = True  # the writer must not add its footer when it is let go
        self._output.abandon()
        if self._side is not None:
            self._side.close()


@contextmanager
def _unwritable() -> Iterator[None]:
    """A type that Parquet does not have becomes an InputError."""
    try:
        yield
    except pyarrow().ArrowNotImplementedError as error:
        raise InputError("output", f"parquet cannot hold these columns: {error}") from error


class _Stretch:
    """The output as pyarrow wants a file, without the magic that begins each file."""

    def __init__(self, output: Output, skip: int) -> None:
        self._output = output
        self._skip = skip
        self.closed = False
        self.deaf = False

    def write(self, octets: Any) -> int:
        view = memoryview(octets)
        if not self.deaf:
            passed = min(self._skip, len(view))
            self._skip -= passed
            self._output.write(view[passed:])
        return len(view)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        self.closed = True
