"""Rows of JSON lines: one object on each line (RFC 8259), in UTF-8.

What may live here: what a row of JSON lines is, and its columns. Writing is in textsinks.py.

The wanted fields are strings or null; one that is missing is null. What becomes of the others:

- raw: they stay in the column row_json, which holds the line as it came. A sink of JSON lines puts
  the results into that line, so every other value comes out exactly as it came.
- typed: the first lines tell the columns and their types (string, int64, double, bool; a field that
  holds arrays, objects or different types becomes a string of JSON text). A value that does not fit
  its column, or has none, goes into the column other_fields, a string of JSON text.

At fault is a line that is not UTF-8, not JSON (NaN is none), no object, or nested too deeply, and
one with a wanted field of another type, twice, or with half a surrogate pair. Blank lines are
passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from senderid_fast.errors import InputError
from senderid_fast.rows.base import Fault, Place
from senderid_fast.rows.faults import quoted
from senderid_fast.rows.inputs import Octets, pyarrow
from senderid_fast.rows.texts import TextSource

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["OTHER_FIELDS", "ROW_JSON", "JsonLinesSource"]

ROW_JSON = "row_json"  #: the column that holds the line
OTHER_FIELDS = (
    "other_fields"  #: the column of what fits no column: JSON text, null if there is none
)
SAMPLE = 1 << 20  #: octets of the first lines that tell the columns
COLUMNS_LIMIT = 1000  #: columns that are made of fields; those beyond are in other_fields


class _FaultyLine(Exception):
    """A line that cannot be read: where in it, in characters from 1, and why."""

    def __init__(self, column: int, problem: str) -> None:
        super().__init__(problem)
        self.column = column
        self.problem = problem


class _Members(dict[str, Any]):
    """An object in which names occur twice."""

    twice: frozenset[str] = frozenset()


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    names = [name for name, _ in pairs]
    found = _Members(members)
    found.twice = frozenset(name for name in members if names.count(name) > 1)
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


class _Digits(str):
    """A number that no type of Python or pyarrow holds; as JSON text it becomes a string."""

    __slots__ = ()


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) < 400 else _Digits(digits)


def _fraction(digits: str) -> float | str:
    number = float(digits)
    return number if number - number == 0 else _Digits(digits)


def parsed_line(octets: bytes) -> dict[str, Any]:
    """The object of a line. Raises _FaultyLine, RecursionError."""
    import json

    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _FaultyLine(error.start + 1, "not UTF-8") from None
    try:
        value = json.loads(
            text,
            object_pairs_hook=_members,
            parse_constant=_no_constant,
            parse_int=_integer,
            parse_float=_fraction,
        )
    except json.JSONDecodeError as error:
        raise _FaultyLine(error.colno, f"not JSON ({error.msg})") from None
    except ValueError as error:
        raise _FaultyLine(1, str(error)) from None
    if not isinstance(value, dict):
        raise _FaultyLine(1, f"{_kind(value)} where an object is expected")
    return value


def _kind(value: object) -> str:
    for kind, words in ((bool, "true or false"), (str, "a string"), (list, "an array")):
        if isinstance(value, kind) and not isinstance(value, _Digits):
            return words
    return "null" if value is None else "an object" if isinstance(value, dict) else "a number"


def json_text(value: object) -> str:
    """A value as JSON text that UTF-8 can hold."""
    import json

    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if any("\ud800" <= c <= "\udfff" for c in text):
        text = json.dumps(value, separators=(",", ":"))
    return text


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _real(value: object) -> bool:
    if isinstance(value, float):
        return True
    return _whole(value) and float(value) == value  # type: ignore[arg-type]


def _writable(value: object) -> bool:
    return type(value) is str and not any("\ud800" <= c <= "\udfff" for c in value)


def _type_of(values: list[Any]) -> str:
    """The type that holds all the values: string, int64, double, bool, or json."""
    known = [value for value in values if value is not None]
    if all(_writable(value) for value in known):
        return "string"
    if all(isinstance(value, bool) for value in known):
        return "bool"
    if all(_whole(value) for value in known):
        return "int64"
    return "double" if all(_real(value) for value in known) else "json"


_FITS = {
    "string": _writable,
    "bool": lambda value: isinstance(value, bool),
    "int64": _whole,
    "double": _real,
}


class JsonLinesSource(TextSource):
    """Rows of JSON lines.

    wanted  the fields that must be strings or null
    raw     whether the line is kept as it came (see above)
    """

    def __init__(
        self,
        octets: Octets,
        size: int | None,
        *,
        place: Place | None,
        batch_rows: int,
        wanted: Sequence[str],
        raw: bool,
    ) -> None:
        super().__init__(octets, size, batch_rows)
        self._wanted = list(dict.fromkeys(wanted))
        self._raw = raw
        if {ROW_JSON, OTHER_FIELDS} & set(self._wanted):
            raise InputError("wanted", f"{ROW_JSON} and {OTHER_FIELDS} are names of our own")
        self._begin()
        self._types = dict.fromkeys(self._wanted, "string") if raw else self._sampled()
        pa = pyarrow()
        plain = {"json": "string", "double": "float64"}
        self._read_as = pa.schema(
            [(name, pa.type_for_alias(plain.get(kind, kind))) for name, kind in self._types.items()]
        )
        last = pa.field(ROW_JSON if raw else OTHER_FIELDS, pa.string())
        self.schema = self._read_as.append(last)
        if place is not None:
            self._resume(place)

    def _sampled(self) -> dict[str, str]:
        values: dict[str, list[Any]] = {name: [] for name in self._wanted}
        for line in self._carry[:SAMPLE].splitlines():
            try:
                members = parsed_line(line)
            except (_FaultyLine, RecursionError):
                continue
            for name, value in members.items():
                if name in values:
                    values[name].append(value)
                elif len(values) < COLUMNS_LIMIT and _writable(name) and name != OTHER_FIELDS:
                    values[name] = [value]
        return {
            name: "string" if name in self._wanted else _type_of(found)
            for name, found in values.items()
        }

    def _cut(self, data: bytes) -> int:
        return data.rfind(b"\n") + 1

    def _parsed(self, data: bytes, line: int) -> Iterator[tuple[pa.RecordBatch, list[Fault]]]:
        if "json" in self._types.values():  # only read row by row: halving would be in vain
            yield self._slow(data, line)
        else:
            yield from super()._parsed(data, line)

    # -- a piece at once -------------------------------------------------------------------------

    def _fast(self, data: bytes) -> pa.RecordBatch | None:
        if b"NaN" in data or b"Inf" in data or b"\x01" in data or not self._types:
            return None
        if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
            return None
        from pyarrow import compute, json

        pa = pyarrow()
        try:
            lines = self._lines(data)
            # One object on each line, and not two on one and a broken one on the next.
            if len(lines) != data.count(b"\n") or not (
                compute.all(compute.starts_with(lines, "{")).as_py()
                and compute.all(compute.ends_with(lines, "}")).as_py()
            ):
                return None
            table = json.read_json(
                pa.BufferReader(data),
                read_options=json.ReadOptions(use_threads=False, block_size=len(data) + 1),
                parse_options=json.ParseOptions(
                    explicit_schema=self._read_as,
                    unexpected_field_behavior="ignore" if self._raw else "error",
                ),
            )
        except (pa.ArrowInvalid, UnicodeDecodeError):
            return None
        if table.num_rows != len(lines) or table.num_columns != len(self._types):
            return None
        columns = [table.column(name).combine_chunks() for name in self._types]
        last = lines if self._raw else pa.nulls(len(lines), pa.string())
        return pa.record_batch([*columns, last], schema=self.schema)

    @staticmethod
    def _lines(data: bytes) -> Any:
        """The lines as strings. The delimiter is an octet that JSON does not have."""
        from pyarrow import csv

        pa = pyarrow()
        table = csv.read_csv(
            pa.BufferReader(data),
            read_options=csv.ReadOptions(
                column_names=[ROW_JSON], block_size=len(data) + 1, use_threads=False
            ),
            parse_options=csv.ParseOptions(delimiter="\x01", quote_char=False),
            convert_options=csv.ConvertOptions(
                column_types={ROW_JSON: pa.string()}, strings_can_be_null=False, null_values=[]
            ),
        )
        return table.column(0).combine_chunks()

    # -- line by line ----------------------------------------------------------------------------

    def _slow(self, data: bytes, line: int) -> tuple[pa.RecordBatch, list[Fault]]:
        rows: list[list[Any]] = []
        faults: list[Fault] = []
        nothing = [None] * len(self.schema)
        for number, octets in enumerate(data.split(b"\n"), line):
            text = octets.strip(b" \t\r")
            if not text:
                continue
            try:
                rows.append(self._values(text))
            except _FaultyLine as error:
                place = f"line {number}, column {error.column}"
                faults.append(Fault(len(rows), f"{place}: {error.problem}: {quoted(text)}"))
                rows.append(nothing)
        pa = pyarrow()
        columns = zip(*rows, strict=True) if rows else [()] * len(self.schema)
        arrays = [
            pa.array(column, field.type) for column, field in zip(columns, self.schema, strict=True)
        ]
        return pa.record_batch(arrays, schema=self.schema), faults

    def _values(self, octets: bytes) -> list[Any]:
        try:
            members = parsed_line(octets)
        except RecursionError:
            # Python's reader has a depth; pyarrow's has none for what is not wanted.
            batch = self._fast(octets + b"\n")
            if batch is None:
                raise _FaultyLine(1, "nested too deeply") from None
            return [column[0].as_py() for column in batch.columns]
        wanted = [self._string(members, name, octets) for name in self._wanted]
        if self._raw:
            return [*wanted, octets.decode("utf-8")]
        values, others = list(wanted), {}
        for name, kind in list(self._types.items())[len(wanted) :]:
            value = members.get(name)
            if value is None or (kind != "json" and _FITS[kind](value)):
                values.append(value)
            elif kind == "json":
                values.append(json_text(value))
            else:
                values.append(None)
                others[name] = value
        others.update((name, value) for name, value in members.items() if name not in self._types)
        return [*values, json_text(others) if others else None]

    @staticmethod
    def _string(members: dict[str, Any], name: str, octets: bytes) -> str | None:
        value = members.get(name)
        if isinstance(members, _Members) and name in members.twice:
            problem = "is there twice"
        elif value is None or _writable(value):
            return value
        elif type(value) is str:
            problem = "holds half a surrogate pair"
        else:
            problem = f"is {_kind(value)}, not a string"
        column = octets.decode("utf-8").find(f'"{name}"') + 1
        raise _FaultyLine(max(1, column), f'the field "{name}" {problem}')
