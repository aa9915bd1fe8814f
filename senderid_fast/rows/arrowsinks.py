"""Writing Arrow IPC, as a stream or as a file.

What may live here: the two sinks of Arrow, and what becomes of dictionaries in them.

A file of Arrow has one dictionary for each column. The results have dictionaries that are the same
in every batch, which the job names; every other dictionary column is decoded.

A stream can be cut behind a batch and appended to, as each batch is written with its dictionaries.
A file cannot, as its footer lists all batches: a resumed job copies the whole batches of the
partial file, once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

from senderid_fast.errors import InputError, RowsError
from senderid_fast.rows.base import Place
from senderid_fast.rows.inputs import int_of, pyarrow, reading
from senderid_fast.rows.outputs import COPY, Output
from senderid_fast.rows.textsinks import Compressor, check_schema

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ArrowFileSink", "ArrowStreamSink", "Dictionaries"]

END = b"\xff\xff\xff\xff\0\0\0\0"  #: the end of a stream
MAGIC = 8  #: octets of a file before its schema


def _decoded(kind: Any) -> Any:
    """A type without dictionaries."""
    pa = pyarrow()
    types = pa.types
    if types.is_dictionary(kind):
        return _decoded(kind.value_type)
    if types.is_struct(kind):
        fields = [kind.field(index) for index in range(kind.num_fields)]
        return pa.struct([field.with_type(_decoded(field.type)) for field in fields])
    for test, make in ((types.is_list, pa.list_), (types.is_large_list, pa.large_list)):
        if test(kind):
            return make(kind.value_field.with_type(_decoded(kind.value_type)))
    return kind


class Dictionaries:
    """The columns of an output whose dictionaries are fixed; the others are decoded.

    fixed  name of a column -> all the values it may have
    """

    def __init__(self, schema: pa.Schema, fixed: Mapping[str, pa.Array]) -> None:
        pa = pyarrow()
        self._fixed = fixed
        self._given = schema
        fields = [
            field if field.name in fixed else field.with_type(_decoded(field.type))
            for field in schema
        ]
        self.schema = pa.schema(fields, metadata=schema.metadata)

    def prepared(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with the schema of the output. Raises InputError for a value not expected."""
        check_schema(batch, self._given)
        pa = pyarrow()
        columns = []
        for field, column in zip(self.schema, batch.columns, strict=True):
            if field.name in self._fixed and pa.types.is_dictionary(field.type):
                columns.append(self._with_fixed(field, column))
            else:
                same = column.type == field.type
                columns.append(column if same else column.cast(field.type))
        return pa.record_batch(columns, schema=self.schema)

    def _with_fixed(self, field: pa.Field, column: Any) -> Any:
        from pyarrow import compute

        pa = pyarrow()
        values = self._fixed[field.name]
        if column.dictionary.equals(values):
            return column
        plain = column.cast(field.type.value_type)
        indices = compute.index_in(plain, values).cast(field.type.index_type)
        if indices.null_count != plain.null_count:
            raise InputError("batch", f"a value of {field.name} is not in its dictionary")
        return pa.DictionaryArray.from_arrays(indices, values, ordered=field.type.ordered)


class ArrowStreamSink:
    """Rows as an Arrow IPC stream, plain or compressed as a whole."""

    def __init__(
        self,
        output: Output,
        schema: pa.Schema,
        *,
        fixed: Mapping[str, pa.Array],
        compressor: Compressor,
        options: Any,
    ) -> None:
        self._output = output
        self._dictionaries = Dictionaries(schema, fixed)
        self._compressor = compressor
        self._options = options
        self._head = self._stream([])[: -len(END)]
        if output.offset == 0:
            output.write(compressor(self._head))

    def _stream(self, batches: list[pa.RecordBatch]) -> memoryview:
        pa = pyarrow()
        sink = pa.BufferOutputStream()
        schema = self._dictionaries.schema
        with pa.ipc.new_stream(sink, schema, options=self._options) as writer:
            for batch in batches:
                writer.write_batch(batch)
        return memoryview(sink.getvalue())

    def write(self, batch: pa.RecordBatch) -> None:
        """Append the rows. Raises RowsError, InputError."""
        with reading(self._output.name, f"octet {self._output.offset}"):
            if batch.num_rows:
                whole = self._stream([self._dictionaries.prepared(batch)])
                self._output.write(self._compressor(whole[len(self._head) : -len(END)]))

    def place(self) -> Place:
        """Bring all to the disk. Raises RowsError, InputError for standard output."""
        return self._output.place()

    def close(self) -> None:
        """End the stream and give the file its final name."""
        self._output.write(self._compressor(END))
        self._output.close()

    def abandon(self) -> None:
        """Stop; what was written stays."""
        self._output.abandon()


class ArrowFileSink:
    """Rows as an Arrow IPC file."""

    def __init__(
        self,
        output: Output,
        schema: pa.Schema,
        *,
        place: Place | None,
        fixed: Mapping[str, pa.Array],
        options: Any,
    ) -> None:
        self._output = output
        self._dictionaries = Dictionaries(schema, fixed)
        self._batches = int_of(place, "batches", output.name) if place is not None else 0
        self._target = _Target(output)
        self._options = options
        if self._batches:
            with reading(output.name):
                self._copied()
        else:
            if output.offset:
                output.cut(0)
            self._writer = self._new_writer()

    def _new_writer(self) -> Any:
        pa = pyarrow()
        return pa.ipc.new_file(
            pa.PythonFile(self._target, mode="w"), self._dictionaries.schema, options=self._options
        )

    def _copied(self) -> None:
        """Write the batches of the partial file anew, so that the writer knows where they are."""
        pa = pyarrow()
        partial = self._output.partial
        copy = partial.with_name(partial.name + COPY)
        with copy.open("wb") as file:
            self._target.file = file
            self._writer = self._new_writer()
            with pa.OSFile(str(partial)) as source:
                source.seek(MAGIC)
                reader = pa.ipc.open_stream(source)
                for number in range(self._batches):
                    try:
                        self._writer.write_batch(reader.read_next_batch())
                    except StopIteration:
                        problem = f"it has {number} batches and not {self._batches}"
                        raise RowsError(str(partial), "", problem) from None
            file.flush()
            os.fsync(file.fileno())
        self._target.file = None
        self._output.replace(copy)

    def write(self, batch: pa.RecordBatch) -> None:
        """Append the rows. Raises RowsError, InputError."""
        with reading(self._output.name, f"batch {self._batches}"):
            if batch.num_rows:
                self._writer.write_batch(self._dictionaries.prepared(batch))
                self._batches += 1

    def place(self) -> Place:
        """Bring all to the disk. Raises RowsError, InputError for standard output."""
        return {**self._output.place(), "batches": self._batches}

    def close(self) -> None:
        """Write the footer and give the file its final name."""
        with reading(self._output.name, "footer"):
            self._writer.close()
        self._output.close()

    def abandon(self) -> None:
        """Stop; what was written stays."""
        self._target.deaf = True  # the writer must not add its footer when it is let go
        self._output.abandon()


class _Target:
    """The output as pyarrow wants a file; or, for a while, another file."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self.file: IO[bytes] | None = None
        self.closed = False
        self.deaf = False

    def write(self, octets: Any) -> int:
        view = memoryview(octets)
        if self.deaf:
            return len(view)
        return self._output.write(view) if self.file is None else self.file.write(view)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        self.closed = True
