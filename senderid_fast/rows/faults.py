"""Rows at fault: their reasons, and the column that carries them to the output.

What may live here: the column row_error, and how a faulty row is quoted in a reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from senderid_fast.rows.base import Fault
from senderid_fast.rows.inputs import pyarrow

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ROW_ERROR", "quoted", "schema_with_faults", "with_faults"]

ROW_ERROR = "row_error"  #: the column of reasons: a string, null where the row could be read
SHOWN = 80  #: characters of a faulty row that a reason shows


def quoted(row: bytes) -> str:
    """The start of a faulty row, on one line, for its reason."""
    text = row[: 4 * SHOWN].decode("utf-8", "backslashreplace")
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return text if len(text) <= SHOWN and len(row) <= 4 * SHOWN else text[:SHOWN] + "..."


def schema_with_faults(schema: pa.Schema) -> pa.Schema:
    """The schema of with_faults: row_error comes last, and a column that has its name gives way."""
    pa = pyarrow()
    fields = [field for field in schema if field.name != ROW_ERROR]
    return pa.schema([*fields, pa.field(ROW_ERROR, pa.string())], metadata=schema.metadata)


def with_faults(batch: pa.RecordBatch, faults: Iterable[Fault]) -> pa.RecordBatch:
    """The batch with the column row_error, which says what was wrong with a row.

    A column row_error that the input had (the output of another job) is replaced.
    """
    pa = pyarrow()
    known = {fault.row: fault.reason for fault in faults}
    if known:
        column = pa.array([known.get(row) for row in range(batch.num_rows)], pa.string())
    else:
        column = pa.nulls(batch.num_rows, pa.string())
    columns = [
        values
        for field, values in zip(batch.schema, batch.columns, strict=True)
        if field.name != ROW_ERROR
    ]
    return pa.record_batch([*columns, column], schema=schema_with_faults(batch.schema))
