"""Files of answers: Arrow IPC, Parquet, JSON lines and zones, by their names.

What may live here: reading a file into a checked table, and writing a table. Files come from
others: octets and lines are bounded, and whatever is wrong is a RowsError that names the place.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from senderid_fast.answersets.checking import BadRow, checked_batch, checked_table, empty_batch
from senderid_fast.answersets.schema import (
    BATCH_ROWS,
    FIELDS,
    MOST_OCTETS,
    Row,
    answers_schema,
    arrow,
    batch_of,
    damage,
)
from senderid_fast.answersets.streams import stream_batches
from senderid_fast.errors import InputError, RowsError, SenderIDError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["json_line", "read", "write"]

_IPC = (".arrow", ".arrows", ".feather")
_JSON = (".jsonl", ".json", ".ndjson")
_PACKED = {".gz": "gzip", ".zst": "zstd"}
_MAGIC = b"ARROW1"
# A line that holds the most that an answer may hold, each octet written as an escape.
_MOST_LINE = 64 << 20


def _kind(path: Path) -> tuple[str, str | None]:
    """The ending that tells the kind of a file, and the compression."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = _PACKED.get(suffixes[-1]) if suffixes else None
    if packed:
        suffixes.pop()
    return (suffixes[-1] if suffixes else ""), packed


def read(path: str | os.PathLike[str], ttl: int) -> pa.Table:
    """The checked table of a file. Raises RowsError; ZoneError for a zone."""
    file = Path(path)
    kind, packed = _kind(file)
    try:
        if kind in _JSON:
            return _read_json(file, packed, ttl)
        if kind not in (*_IPC, ".parquet"):
            return _read_zone(file, ttl)
        if packed:
            problem = "a file of Arrow or Parquet is compressed within: name it without .gz or .zst"
            raise RowsError(str(file), "", problem)
        batches = _parquet_batches(file) if kind == ".parquet" else _ipc_batches(file)
        return checked_table(batches)
    except BadRow as bad:
        place = "" if bad.row is None else f"row {bad.row}"
        raise RowsError(str(file), place, f"{bad.field}: {bad.problem}") from None
    except SenderIDError:
        raise
    except damage() as error:
        words = getattr(error, "strerror", None) or error
        raise RowsError(str(file), "", f"cannot be read: {words}") from None


def _ipc_batches(path: Path) -> Iterator[pa.RecordBatch]:
    pa = arrow()
    with path.open("rb") as file:
        is_file = file.read(len(_MAGIC)) == _MAGIC
    if not is_file:
        yield from stream_batches(path)
        return
    with pa.OSFile(str(path)) as source:
        reader = pa.ipc.open_file(source)
        yield empty_batch(reader.schema)
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)


def _parquet_batches(path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        known = [name for name in file.schema_arrow.names if name in FIELDS]
        yield empty_batch(file.schema_arrow)
        yield from file.iter_batches(BATCH_ROWS, columns=known)


def _read_zone(path: Path, ttl: int) -> pa.Table:
    from senderid_fast.answersets.zones import table_of_zone
    from senderid_fast.resolver.zonefile import read_zone_file

    return table_of_zone(read_zone_file(path, ".", ttl))


def _lines(path: Path, packed: str | None) -> Iterator[tuple[int, bytes]]:
    """The lines that are not empty, with their numbers."""
    pa = arrow()
    total = 0
    with (
        pa.input_stream(str(path), compression=packed) as stream,
        io.BufferedReader(stream, 1 << 20) as file,
    ):
        number = 0
        while line := file.readline(_MOST_LINE + 1):
            number += 1
            total += len(line)
            if len(line) > _MOST_LINE or total > MOST_OCTETS:
                most = _MOST_LINE if len(line) > _MOST_LINE else MOST_OCTETS
                raise RowsError(str(path), f"line {number}", f"there are more than {most} octets")
            if line.strip():
                yield number, line


def _read_json(path: Path, packed: str | None, ttl: int) -> pa.Table:
    lines = _lines(path, packed)
    first = next(lines, None)
    if first is not None and first[1].lstrip().startswith(b"["):
        lines.close()  # type: ignore[attr-defined]
        if packed == "zstd":
            raise RowsError(str(path), "", "a zone may be packed as .gz alone")
        return _read_zone(path, ttl)
    batches = []
    rows: list[Row] = []
    numbers: list[int] = []

    def finish() -> None:
        try:
            batches.append(checked_batch(batch_of(rows)))
        except BadRow as bad:
            problem = f"{bad.field}: {bad.problem}"
            raise RowsError(str(path), f"line {numbers[bad.row or 0]}", problem) from None
        rows.clear()
        numbers.clear()

    for number, line in chain([] if first is None else [first], lines):
        try:
            rows.append(_row(line))
        except (ValueError, RecursionError) as error:
            raise RowsError(str(path), f"line {number}", str(error)) from None
        numbers.append(number)
        if len(rows) >= BATCH_ROWS:
            finish()
    if rows:
        finish()
    return arrow().Table.from_batches(batches, answers_schema())


def _row(line: bytes) -> Row:
    """The row of a line; raises ValueError."""
    import json

    values = json.loads(line)
    if not isinstance(values, dict):
        raise ValueError("must be an object with name, type, status, ttl and records")  # noqa: TRY004
    texts = {}
    for field in ("name", "type", "status", "detail"):
        value = texts[field] = values.get(field)
        if not isinstance(value, str) and not (field == "detail" and value is None):
            raise ValueError(f"{field}: must be text, is {value!a:.100}")
        if value is not None and any("\ud800" <= each <= "\udfff" for each in value):
            raise ValueError(f"{field}: holds half a character")
    ttl = values.get("ttl", 0)
    if type(ttl) is not int or not 0 <= ttl < 1 << 32:
        raise ValueError(f"ttl: must be 0 to {(1 << 32) - 1} seconds, is {ttl!a:.100}")
    return Row(
        texts["name"] or "",
        texts["type"] or "",
        texts["status"] or "",
        _moment(values.get("fetched_at")),
        ttl,
        _octets(values.get("records")),
        texts["detail"],
    )


def _moment(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        words = 'must be a time with its zone, such as "2026-01-31T12:00:00Z"'
        raise ValueError(f"fetched_at: {words}, is {value!a:.100}")
    return moment


def _octets(value: object) -> list[bytes]:
    """As in names, one character of a record stands for one octet."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError(f"records: must be a list of text, is {value!a:.100}")
    try:
        return [each.encode("latin-1") for each in value]
    except UnicodeEncodeError:
        raise ValueError(
            "records: a character stands for an octet, and one is above U+00FF"
        ) from None


def write(table: pa.Table, path: str | os.PathLike[str]) -> None:
    """Write the table under a name of its own, then give it its name."""
    pa = arrow()
    file = Path(path)
    kind, packed = _kind(file)
    if kind not in (*_IPC, ".parquet", *_JSON) or (packed and kind not in _JSON):
        endings = ".arrow, .arrows, .parquet, .jsonl, .jsonl.gz or .jsonl.zst"
        raise InputError("path", f"must end in {endings}, is {str(file)!r}")
    beside = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        try:
            _write(table, beside, kind, packed)
            beside.replace(file)
        except BaseException:
            with suppress(OSError):
                beside.unlink()
            raise
    except (pa.ArrowException, OSError) as error:
        words = getattr(error, "strerror", None) or error
        raise RowsError(str(file), "", f"cannot be written: {words}") from None


def _write(table: pa.Table, path: Path, kind: str, packed: str | None) -> None:
    pa = arrow()
    if kind == ".parquet":
        import pyarrow.parquet as pq

        pq.write_table(table, path, compression="zstd")
    elif kind in _IPC:
        with pa.OSFile(str(path), "wb") as sink:
            new = pa.ipc.new_stream if kind == ".arrows" else pa.ipc.new_file
            with new(sink, table.schema) as writer:
                writer.write_table(table, max_chunksize=BATCH_ROWS)
    else:
        with pa.output_stream(str(path), compression=packed) as stream:
            for batch in table.to_batches(max_chunksize=BATCH_ROWS):
                stream.write(b"".join(json_line(row) for row in batch.to_pylist()))


def json_line(row: dict[str, Any]) -> bytes:
    """One line of JSON of a row, with its newline. The row is changed."""
    import json

    moment = row["fetched_at"]
    row["fetched_at"] = moment and moment.isoformat()
    row["records"] = [each.decode("latin-1") for each in row["records"]]
    return json.dumps(row, ensure_ascii=True).encode("ascii") + b"\n"
