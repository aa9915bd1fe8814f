"""Writing CSV, TSV and JSON lines, plain or compressed.

What may live here: the sink of text. How rows become text is in encoding.py.

What one write() gives is a member of gzip or a frame of zstd of its own (RFC 1952 2.2, RFC 8878 3):
the file can be cut behind each, appended to, and is the same whether a job was resumed or not.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from senderid_fast.errors import InputError
from senderid_fast.rows.base import Place
from senderid_fast.rows.encoding import delimited_rows, header_row, json_rows
from senderid_fast.rows.inputs import pyarrow, reading
from senderid_fast.rows.jsonlines import ROW_JSON
from senderid_fast.rows.outputs import Output

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Compressor", "TextSink", "check_schema"]

GZIP_LEVEL = 4  #: pyarrow's own default is 9, which takes many times as long


def check_schema(batch: pa.RecordBatch, schema: pa.Schema) -> None:
    """Raises InputError if a batch is not what the output was opened for."""
    if not batch.schema.equals(schema):
        raise InputError("batch", "its columns are not those of the output")


class Compressor:
    """Octets in, octets out, each time as a whole."""

    def __init__(self, compression: str | None, level: int | None) -> None:
        self._codec: Any = None
        if compression is not None:
            if level is None and compression == "gzip":
                level = GZIP_LEVEL
            try:
                self._codec = pyarrow().Codec(compression, compression_level=level)
            except (ValueError, OSError) as error:
                raise InputError("level", f"{compression} has no level {level}") from error

    def __call__(self, octets: bytes | memoryview) -> bytes | memoryview:
        if self._codec is None or not len(octets):
            return octets
        compressed: bytes = self._codec.compress(pyarrow().py_buffer(octets), asbytes=True)
        return compressed


class TextSink:
    """Rows as text.

    delimiter  of CSV or TSV; None: JSON lines. If they have a column row_json, all other columns
               are put into the line that it holds
    addresses  the columns of packed addresses
    """

    def __init__(
        self,
        output: Output,
        schema: pa.Schema,
        *,
        delimiter: str | None,
        compressor: Compressor,
        addresses: Collection[str],
    ) -> None:
        self._output = output
        self._schema = schema
        self._delimiter = delimiter
        self._compressor = compressor
        self._addresses = addresses
        self._line = ROW_JSON if ROW_JSON in schema.names else None
        if delimiter is not None and output.offset == 0:
            output.write(compressor(header_row(schema.names, delimiter)))

    def write(self, batch: pa.RecordBatch) -> None:
        """Append the rows. Raises RowsError, InputError."""
        check_schema(batch, self._schema)
        if not batch.num_rows:
            return
        with reading(self._output.name, f"octet {self._output.offset}"):
            if self._delimiter is None:
                texts = json_rows(batch, self._addresses, self._line)
            else:
                texts = delimited_rows(batch, self._delimiter, self._addresses)
            for text in texts:
                self._output.write(self._compressor(text))

    def place(self) -> Place:
        """Bring all to the disk. Raises RowsError, InputError for standard output."""
        return self._output.place()

    def close(self) -> None:
        """Give the file its final name."""
        self._output.close()

    def abandon(self) -> None:
        """Stop; what was written stays."""
        self._output.abandon()
