"""Blocks of two runs side by side, and their columns whatever their types are.

What may live here: reading of Arrow data and of its columns. What is compared is told in runs.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from senderid_fast.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["aligned", "arrow", "blocks_of", "both_have", "differing", "plain", "text_of"]

BLOCK_ROWS = 65_536


def arrow() -> Any:
    try:
        import pyarrow
        import pyarrow.compute
    except ImportError:
        raise MissingExtraError("pyarrow", "batch") from None
    return pyarrow


def blocks_of(data: object, argument: str) -> Iterator[pa.RecordBatch]:
    """The batches of a run, none larger than a block."""
    pa = arrow()
    try:
        for batch in _batches(data, argument):
            if not isinstance(batch, pa.RecordBatch):
                kind = type(batch).__name__
                raise InputError(argument, f"must hold batches of Arrow, has {kind}")
            batch.validate(full=True)
            for start in range(0, max(batch.num_rows, 1), BLOCK_ROWS):
                yield batch.slice(start, BLOCK_ROWS)
    except (pa.ArrowException, OSError) as error:
        raise InputError(argument, f"cannot be read: {error}") from None


def _batches(data: object, argument: str) -> Iterable[Any]:
    pa = arrow()
    if isinstance(data, pa.Table):
        batches: list[Any] = data.to_batches()
        return batches or pa.Table.from_batches([], data.schema).to_batches()
    if isinstance(data, pa.RecordBatch):
        return [data]
    if isinstance(data, pa.RecordBatchReader):
        return data  # type: ignore[no-any-return]
    if hasattr(data, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(data)  # type: ignore[no-any-return]
    if hasattr(data, "__arrow_c_array__"):
        return [pa.record_batch(data)]
    if isinstance(data, Iterable) and not isinstance(data, (str, bytes, Mapping)):
        return data
    kind = type(data).__name__
    raise InputError(argument, f"must be a table, batch or stream of Arrow, is {kind}")


def aligned(
    before: Iterator[pa.RecordBatch], after: Iterator[pa.RecordBatch]
) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
    """Pieces of both runs that hold the same rows, whatever their blocks are."""
    first, second = next(before, None), next(after, None)
    row = 0
    while first is not None and second is not None:
        rows = min(first.num_rows, second.num_rows)
        yield first.slice(0, rows), second.slice(0, rows)
        row += rows
        first = first.slice(rows) if rows < first.num_rows else _next(before)
        second = second.slice(rows) if rows < second.num_rows else _next(after)
    for left, side, other in ((first, "before", "after"), (second, "after", "before")):
        if left is not None and left.num_rows:
            raise InputError(side, f"row {row}: has no row beside it in {other}, which ends here")


def _next(blocks: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
    return next((block for block in blocks if block.num_rows), None)


def both_have(before: pa.RecordBatch, after: pa.RecordBatch, name: str) -> bool:
    return name in before.schema.names and name in after.schema.names


def plain(block: pa.RecordBatch, name: str, side: str) -> Any:
    """A column, without its dictionary."""
    pa = arrow()
    places = block.schema.get_all_field_indices(name)
    if len(places) > 1:
        raise InputError(side, f"column {name} stands there more than once")
    column = block.column(places[0])
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_null(column.type):
        column = column.cast(pa.utf8())  # nothing in it says what it is
    return column


def text_of(column: Any, name: str, side: str) -> Any:
    """A column as utf8; octets stand for text in UTF-8."""
    pa = arrow()
    try:
        return column.cast(pa.utf8())
    except pa.ArrowException:
        raise InputError(side, f"column {name} must be text, is {column.type}") from None


def differing(first: Any, second: Any) -> Any:
    """Where two columns of one type differ; null is equal to null alone."""
    compute = arrow().compute
    try:
        unequal = compute.fill_null(compute.not_equal(first, second), False)
    except arrow().ArrowException as error:
        raise InputError("before, after", f"columns cannot be compared: {error}") from None
    return compute.or_(unequal, compute.xor(first.is_null(), second.is_null()))
