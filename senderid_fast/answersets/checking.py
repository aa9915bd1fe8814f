"""Rows of answers from outside: what form they have, and whether each of them can be used.

What may live here: the rules for a row, each once, whatever the row came from. Columns are checked
as wholes; a row at fault is named by its number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from senderid_fast._core.cidr import parse_address
from senderid_fast.answersets.schema import (
    BATCH_ROWS,
    FIELDS,
    MOST_DETAIL,
    MOST_NAME,
    MOST_OCTETS,
    MOST_RECORD,
    MOST_RECORDS,
    MOST_TTL,
    answers_schema,
    arrow,
    damage,
)
from senderid_fast.errors import InputError, SenderIDError
from senderid_fast.questions import RRType, Status

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BadRow", "checked_batch", "checked_table", "empty_batch", "raw_batches"]

_LAST_SECOND = 253_402_300_799  # of the year 9999, the last that Python's datetime knows
_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_NEEDED = ("name", "type", "status", "ttl", "records")


class BadRow(Exception):
    """A row cannot be used; row is None if it is the column as a whole."""

    def __init__(self, row: int | None, field: str, problem: str) -> None:
        super().__init__(row, field, problem)
        self.row = row
        self.field = field
        self.problem = problem


def raw_batches(data: object) -> Iterator[pa.RecordBatch]:
    """The batches of whatever holds Arrow data. Raises InputError."""
    pa = arrow()
    try:
        if isinstance(data, pa.Table):
            yield empty_batch(data.schema)
            yield from data.to_batches()
        elif isinstance(data, pa.RecordBatch):
            yield data
        elif hasattr(data, "__arrow_c_stream__"):
            reader = pa.RecordBatchReader.from_stream(data)
            yield empty_batch(reader.schema)
            yield from reader
        elif hasattr(data, "__arrow_c_array__"):
            yield pa.record_batch(data)
        else:
            kind = type(data).__name__
            raise InputError("answers", f"must be a table, batch or stream of Arrow, is {kind}")
    except SenderIDError:
        raise
    except damage() as error:
        raise InputError("answers", f"cannot be read: {error}") from None


def empty_batch(schema: pa.Schema) -> pa.RecordBatch:
    """A batch without rows: what has no batch has columns all the same, and they are checked."""
    pa = arrow()
    return pa.RecordBatch.from_arrays([pa.nulls(0, each.type) for each in schema], schema=schema)


def checked_table(batches: Iterator[pa.RecordBatch]) -> pa.Table:
    """All rows, in the schema of answers. Raises BadRow, with the number among all rows."""
    pa = arrow()
    done: list[Any] = []
    row = names = records = 0
    for whole in _joined(batches):
        for start in range(0, whole.num_rows, BATCH_ROWS):
            try:
                batch = checked_batch(whole.slice(start, BATCH_ROWS))
            except BadRow as bad:
                number = None if bad.row is None else row + bad.row
                raise BadRow(number, bad.field, bad.problem) from None
            names += _octets(batch.column("name"))
            records += _octets(batch.column("records").flatten())
            if max(names, records) > MOST_OCTETS:
                raise BadRow(row, "answers", f"are more than {MOST_OCTETS} octets")
            row += batch.num_rows
            done.append(batch)
        if not whole.num_rows:
            checked_batch(whole)  # its columns may be wrong all the same
    return pa.Table.from_batches(done, answers_schema())


def _joined(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The batches, sound as Arrow has it; small ones of a writer's file come together.

    A check of a small batch takes nearly as long as that of a large one.
    """
    pa = arrow()
    schema = answers_schema()
    waiting: list[Any] = []
    row = rows = 0

    def joined() -> list[Any]:
        found: list[Any] = pa.Table.from_batches(waiting, schema).combine_chunks().to_batches()
        waiting.clear()
        return found

    for batch in batches:
        try:
            batch.validate(full=True)
            str(batch.schema)  # names and time zones are text, too
        except damage() as error:
            raise BadRow(None, "answers", f"are damaged in rows from {row}: {error}") from None
        row += batch.num_rows
        if 0 < batch.num_rows < BATCH_ROWS and batch.schema.equals(schema):
            waiting.append(batch)
            rows += batch.num_rows
            if rows >= BATCH_ROWS:
                yield from joined()
                rows = 0
        else:
            yield from joined()
            rows = 0
            yield batch
    yield from joined()


def _octets(array: Any) -> int:
    return arrow().compute.sum(arrow().compute.binary_length(array)).as_py() or 0


def checked_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch in the schema of answers, every row checked. Raises BadRow.

    The batch is valid as Arrow has it, and small enough to be cast as a whole.
    """
    pa = arrow()
    columns = {field: _column(batch, field) for field in FIELDS}
    arrays = [
        _name(columns["name"], batch.num_rows),
        _word(columns["type"], "type", [rrtype.name for rrtype in RRType]),
        _word(columns["status"], "status", [str(status) for status in Status]),
        _fetched_at(columns["fetched_at"]),
        _ttl(columns["ttl"]),
        None,
        _detail(columns["detail"]),
    ]
    arrays[5] = _records(columns["records"], arrays[1], arrays[2])
    return pa.RecordBatch.from_arrays(arrays, schema=answers_schema())


def _column(batch: pa.RecordBatch, field: str) -> Any:
    pa = arrow()
    places = batch.schema.get_all_field_indices(field)
    if len(places) > 1:
        raise BadRow(None, field, "stands for more than one column")
    if places:
        return batch.column(places[0])
    if field in _NEEDED:
        raise BadRow(None, field, "is missing; answers_schema() tells the columns")
    return pa.nulls(batch.num_rows)


def _refuse(mask: Any, field: str, problem: str | Callable[[int], str], rows: Any = None) -> None:
    """BadRow for the first row of which the mask is true (or null).

    rows  if the mask is of values: the row of each
    """
    compute = arrow().compute
    mask = compute.fill_null(mask, True)
    if compute.any(mask).as_py():
        at = compute.index(mask, True).as_py()
        words = problem if isinstance(problem, str) else problem(at)
        raise BadRow(at if rows is None else rows[at].as_py(), field, words)


def _text(column: Any, field: str) -> Any:
    """The column as utf8, whatever kind of text it is."""
    pa = arrow()
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if not (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_null(kind)
    ):
        raise BadRow(None, field, f"must be text, is {column.type}")
    return column.cast(pa.utf8())


def _name(column: Any, rows: int) -> Any:
    pa, compute = arrow(), arrow().compute
    names = _text(column, "name")
    _refuse(names.is_null(), "name", "is null")
    # RFC 4343: case is that of ASCII letters alone.
    names = compute.ascii_lower(names)
    dotted = compute.ends_with(names, ".")
    if compute.any(dotted).as_py():
        names = compute.if_else(dotted, compute.utf8_slice_codeunits(names, 0, -1), names)
    length = compute.utf8_length(names)
    _refuse(
        compute.or_(compute.equal(length, 0), compute.greater(length, MOST_NAME)),
        "name",
        f"must have 1 to {MOST_NAME} octets",
    )
    _refuse(
        compute.match_substring_regex(names, r"[^\x{00}-\x{ff}]"),
        "name",
        "a character stands for an octet, and one is above U+00FF",
    )
    assert len(names) == rows
    return names if isinstance(names, pa.Array) else names.combine_chunks()


def _word(column: Any, field: str, words: list[str]) -> Any:
    pa, compute = arrow(), arrow().compute
    values = _text(column, field)
    known = compute.is_in(values, value_set=pa.array(words, pa.utf8()))
    _refuse(
        compute.invert(known),
        field,
        lambda row: f"must be one of {', '.join(words)}, is {values[row].as_py()!a:.100}",
    )
    return values


def _fetched_at(column: Any) -> Any:
    pa, compute = arrow(), arrow().compute
    wanted = pa.timestamp("us", "UTC")
    if pa.types.is_null(column.type):
        return column.cast(wanted)
    if not pa.types.is_timestamp(column.type):
        raise BadRow(None, "fetched_at", f"must be a timestamp, is {column.type}")
    if column.type.tz is None:
        raise BadRow(None, "fetched_at", "must have a time zone, such as UTC")
    count = column.cast(pa.int64())
    last = _LAST_SECOND * _UNITS[column.type.unit]
    # The last moment of ns is in the year 2262: what int64 holds is then the bound.
    late = compute.greater(count, min(last, (1 << 63) - 1))
    _refuse(
        compute.fill_null(compute.or_(compute.less(count, 0), late), False),
        "fetched_at",
        "must be from the years 1970 to 9999",
    )
    return column.cast(options=compute.CastOptions(wanted, allow_time_truncate=True))


def _ttl(column: Any) -> Any:
    pa, compute = arrow(), arrow().compute
    if pa.types.is_null(column.type):
        column = column.cast(pa.int64())
    if not pa.types.is_integer(column.type):
        raise BadRow(None, "ttl", f"must be whole numbers, is {column.type}")
    wide = column.cast(pa.decimal128(20, 0))  # holds both int64 and uint64
    low, high = (pa.scalar(bound, wide.type) for bound in (0, MOST_TTL))
    _refuse(
        compute.or_(compute.less(wide, low), compute.greater(wide, high)),
        "ttl",
        lambda row: f"must be 0 to {MOST_TTL} seconds, is {column[row].as_py()}",
    )
    return column.cast(pa.uint32())


def _detail(column: Any) -> Any:
    compute = arrow().compute
    details = _text(column, "detail")
    long = compute.greater(compute.binary_length(details), MOST_DETAIL)
    _refuse(compute.fill_null(long, False), "detail", f"has more than {MOST_DETAIL} octets")
    return details


def _records(column: Any, kinds: Any, statuses: Any) -> Any:
    """The records as list<binary>; null is an empty list."""
    pa, compute = arrow(), arrow().compute
    wanted = answers_schema().field("records").type
    lists = _lists(column).cast(wanted)
    if lists.null_count:
        empty = pa.array([[]], wanted)
        place = compute.if_else(lists.is_null(), len(lists), pa.array(range(len(lists))))
        lists = pa.concat_arrays([lists, empty]).take(place)
    counts = compute.list_value_length(lists)
    _refuse(
        compute.greater(counts, MOST_RECORDS), "records", f"are more than {MOST_RECORDS} records"
    )
    _refuse(
        compute.and_(compute.greater(counts, 0), compute.not_equal(statuses, str(Status.OK))),
        "records",
        "only an answer with the status ok has records",
    )
    values = lists.flatten()
    rows = compute.list_parent_indices(lists)

    def refuse(mask: Any, problem: str | Callable[[int], str]) -> None:
        _refuse(mask, "records", problem, rows)

    refuse(values.is_null(), "a record is null")
    long = compute.greater(compute.binary_length(values), MOST_RECORD)
    refuse(long, f"a record has more than {MOST_RECORD} octets")
    types = kinds.take(rows)
    for rrtype, check in _CHECKS.items():
        of_type = compute.equal(types, rrtype.name)
        if not compute.any(of_type).as_py():
            continue
        wrong = [value for value in values.filter(of_type).unique().to_pylist() if not check(value)]
        if wrong:
            mask = compute.is_in(values, value_set=pa.array(wrong, pa.binary()))
            words = _WORDS[rrtype]
            refuse(
                compute.and_(of_type, mask),
                lambda at, words=words: f"{values[at].as_py()!a:.100} is no {words}",  # type: ignore[misc]
            )
    return lists


def _lists(column: Any) -> Any:
    pa = arrow()
    types = pa.types
    kind = column.type
    if types.is_null(kind):
        return column
    if not (
        types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
        or types.is_fixed_size_list(kind)
    ) or not (
        types.is_binary(kind.value_type)
        or types.is_large_binary(kind.value_type)
        or types.is_binary_view(kind.value_type)
        or types.is_fixed_size_binary(kind.value_type)
        or types.is_null(kind.value_type)
    ):
        raise BadRow(None, "records", f"must be lists of octets (list<binary>), is {kind}")
    return column


def _is_address(record: bytes, colon: bool) -> bool:
    # A zone after "%" is of an address on a link, never of one in DNS (RFC 4007 11).
    if len(record) > 45 or (b":" in record) is not colon or b"%" in record:
        return False
    return record.isascii() and parse_address(record.decode("ascii")) is not None


def _is_exchange(record: bytes) -> bool:
    preference, space, exchange = record.partition(b" ")
    return bool(
        space
        and exchange
        and len(preference) <= 5
        and preference.isdigit()
        and int(preference) <= 65_535
    )


_CHECKS: dict[RRType, Callable[[bytes], bool]] = {
    RRType.A: lambda record: _is_address(record, False),
    RRType.AAAA: lambda record: _is_address(record, True),
    RRType.MX: _is_exchange,
    RRType.PTR: bool,
}
_WORDS = {
    RRType.A: "IPv4 address",
    RRType.AAAA: "IPv6 address",
    RRType.MX: 'MX record, such as "10 mx.example.com"',
    RRType.PTR: "name",
}
