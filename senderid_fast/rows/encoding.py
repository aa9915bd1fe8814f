"""Columns as text: the rows of CSV, TSV and JSON lines, made a whole column at a time.

What may live here: how each type of value is written as text, and the escaping of both formats.

A dictionary is decoded. Times are ISO 8601, in UTC where they have a zone. Octets are text if they
are UTF-8; others show what is not as \\xNN. A column of packed addresses (4 or 16 octets) that is
named as one is written as addresses. Lists and structs are JSON text. NaN and the infinities are
null in JSON, which has none of them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from senderid_fast.rows.inputs import pyarrow

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["delimited_rows", "header_row", "json_rows"]

ROWS_OCTETS = 64 << 20  #: octets of columns that are written as one text; more are split
_CONTROLS = {chr(code): f"\\u{code:04x}" for code in range(32)} | {
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\f": "\\f",
    "\r": "\\r",
}


def _address(octets: bytes | None) -> str | None:
    import ipaddress

    if octets is None:
        return None
    if len(octets) in (4, 16):
        return str(ipaddress.ip_address(octets))
    return octets.decode("utf-8", "backslashreplace")


def _nested(value: object) -> str | None:
    import json

    if value is None:
        return None

    def plain(inner: object) -> str:
        if isinstance(inner, bytes):
            return inner.decode("utf-8", "backslashreplace")
        return str(inner)

    try:
        return json.dumps(value, default=plain, separators=(",", ":"), allow_nan=False)
    except (ValueError, TypeError):  # NaN, or a key that is no string
        return json.dumps(str(value))


def _as_text(column: Any, *, address: bool) -> tuple[Any, str]:
    """A column as strings, and what they are in JSON: "string", "bare" or "number"."""
    from pyarrow import compute

    pa = pyarrow()
    kind, types = column.type, pa.types
    if types.is_string(kind):
        return column, "string"
    if (
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
        or types.is_fixed_size_binary(kind)
    ):
        return _octets_as_text(column, address=address), "string"
    if types.is_boolean(kind) or types.is_integer(kind):
        return column.cast(pa.string()), "bare"
    if types.is_floating(kind):
        return column.cast(pa.string()), "number"
    if types.is_timestamp(kind):
        if kind.tz is not None:
            column = column.cast(pa.timestamp(kind.unit, "UTC"))
        return compute.replace_substring(column.cast(pa.string()), " ", "T"), "string"
    if types.is_nested(kind):
        return pa.array([_nested(value) for value in column.to_pylist()], pa.string()), "bare"
    try:
        return column.cast(pa.string()), "string"
    except pa.ArrowNotImplementedError:
        values = [None if value is None else str(value) for value in column.to_pylist()]
        return pa.array(values, pa.string()), "string"


def _octets_as_text(column: Any, *, address: bool) -> Any:
    pa = pyarrow()
    if address:
        encoded = column.dictionary_encode()
        values = pa.array([_address(value) for value in encoded.dictionary.to_pylist()], "string")
        return values.take(encoded.indices)
    column = column.cast(pa.binary())
    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array(
            [
                None if value is None else value.decode("utf-8", "backslashreplace")
                for value in column.to_pylist()
            ],
            pa.string(),
        )


def _mapped(column: Any, function: Any) -> Any:
    """A function of values, applied to a column, or to the dictionary of one."""
    pa = pyarrow()
    if not pa.types.is_dictionary(column.type):
        return function(column)
    return function(column.dictionary).take(column.indices)


def _joined(parts: list[Any], rows: int) -> memoryview:
    """The parts of each row behind one another, and all rows as one text."""
    from pyarrow import compute

    pa = pyarrow()
    merged: list[Any] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    texts = compute.binary_join_element_wise(*merged, "")
    if not isinstance(texts, pa.Array):
        texts = pa.repeat(texts, rows)
    buffers = texts.buffers()
    if not rows or buffers[2] is None:
        return memoryview(b"")
    width = 8 if pa.types.is_large_string(texts.type) else 4
    ends = memoryview(buffers[1]).cast("q" if width == 8 else "i")
    return memoryview(buffers[2])[ends[texts.offset] : ends[texts.offset + rows]]


def _halves(batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    half = batch.num_rows // 2
    return [batch.slice(0, half), batch.slice(half)]


# -- CSV and TSV (RFC 4180) ----------------------------------------------------------------------


def header_row(names: list[str], delimiter: str) -> bytes:
    """The first row of delimited text."""
    pa = pyarrow()
    return (
        delimiter.join(
            _delimited(pa.array([name]), delimiter, alone=len(names) == 1)[0].as_py()
            for name in names
        ).encode()
        + b"\n"
    )


def _delimited(texts: Any, delimiter: str, *, alone: bool) -> Any:
    from pyarrow import compute

    texts = compute.fill_null(texts, "")
    unsafe = compute.match_substring_regex(texts, f'[{delimiter}"\r\n]')
    if alone:  # an empty row would be a blank line
        unsafe = compute.or_(unsafe, compute.equal(texts, ""))
    if not compute.any(unsafe).as_py():
        return texts
    doubled = compute.replace_substring(texts, '"', '""')
    return compute.if_else(unsafe, compute.binary_join_element_wise('"', doubled, '"', ""), texts)


def delimited_rows(
    batch: pa.RecordBatch, delimiter: str, addresses: Collection[str]
) -> list[memoryview]:
    """The rows as CSV or TSV; null is an empty field, a line ends with LF."""
    if batch.nbytes > ROWS_OCTETS and batch.num_rows > 1:
        return [
            text for half in _halves(batch) for text in delimited_rows(half, delimiter, addresses)
        ]
    from pyarrow import compute

    parts: list[Any] = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        address, alone = name in addresses, len(batch.columns) == 1

        def field(values: Any, address: bool = address, alone: bool = alone) -> Any:
            texts, _ = _as_text(values, address=address)
            return _delimited(texts, delimiter, alone=alone)

        empty = '""' if alone else ""
        parts += [delimiter, compute.fill_null(_mapped(column, field), empty)]
    return [_joined([*parts[1:], "\n"], batch.num_rows)]


# -- JSON lines ----------------------------------------------------------------------------------


def _json_values(values: Any, *, address: bool) -> Any:
    from pyarrow import compute

    texts, kind = _as_text(values, address=address)
    if kind == "number":
        odd = compute.match_substring_regex(texts, "^(-?inf|nan)$")
        texts = compute.if_else(odd, None, texts)
    elif kind == "string":
        if compute.any(compute.match_substring_regex(texts, '[\\\\"\\x00-\\x1f]')).as_py():
            texts = _escaped(texts)
        texts = compute.binary_join_element_wise('"', texts, '"', "")
    return compute.fill_null(texts, "null")


def _escaped(texts: Any) -> Any:
    from pyarrow import compute

    texts = compute.replace_substring(texts, "\\", "\\\\")
    texts = compute.replace_substring(texts, '"', '\\"')
    if compute.any(compute.match_substring_regex(texts, "[\\x00-\\x1f]")).as_py():
        for control, escape in _CONTROLS.items():
            texts = compute.replace_substring(texts, control, escape)
    return texts


def json_rows(
    batch: pa.RecordBatch, addresses: Collection[str], line: str | None
) -> list[memoryview]:
    """The rows as JSON lines.

    line  the column that holds lines to which the other columns are added; a null in it gives a
          line of its own. A field that has the name of an added one is taken out of the line
    """
    import json

    from pyarrow import compute

    if batch.nbytes > ROWS_OCTETS and batch.num_rows > 1:
        return [text for half in _halves(batch) for text in json_rows(half, addresses, line)]
    parts: list[Any] = []
    names = [name for name in batch.schema.names if name != line]
    for name in names:
        address = name in addresses

        def value(values: Any, address: bool = address) -> Any:
            return _json_values(values, address=address)

        texts = compute.fill_null(_mapped(batch.column(name), value), "null")
        parts += ["," if parts else "", json.dumps(name, ensure_ascii=False) + ":", texts]
    if line is None:
        return [_joined(["{", *parts, "}\n"], batch.num_rows)]
    lines = compute.fill_null(_without(batch.column(line), names), "{}")
    pa = pyarrow()
    opened = compute.binary_slice(lines.cast(pa.binary()), 0, -1).cast(pa.string())
    if not parts:
        return [_joined([opened, "}\n"], batch.num_rows)]
    bare = compute.match_substring_regex(opened, "^\\{[ \t\r]*$")
    comma = compute.if_else(bare, "", ",")
    return [_joined([opened, comma, *parts, "}\n"], batch.num_rows)]


def _without(lines: Any, names: list[str]) -> Any:
    """The lines, without the fields that have these names."""
    import json

    from pyarrow import compute

    quoted = [json.dumps(name, ensure_ascii=False) for name in names]
    found = [compute.any(compute.match_substring(lines, name)).as_py() for name in quoted]
    if not any(found):
        return lines
    pa = pyarrow()
    mended = []
    for text in lines.to_pylist():
        if text is None or not any(name in text for name in quoted):
            mended.append(text)
        else:
            members = {k: v for k, v in json.loads(text).items() if k not in names}
            mended.append(json.dumps(members, separators=(",", ":")))
    return pa.array(mended, pa.string())
