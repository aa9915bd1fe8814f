"""Rows of CSV (RFC 4180) and of TSV.

What may live here: what a row of delimited text is, and its fields.

Every value is a string and stays as it is. An empty field is "": these formats have no null. The
first row is the header, unless the columns' names are given. A byte-order mark is passed over, and
so are blank lines. Lines end with LF or CRLF; a CR elsewhere is part of its field. A field that
begins with a quote ends with one, and may hold line ends; a quote in another field stands for
itself. TSV has the same quotes. Octets that are not UTF-8 become U+FFFD, so that the row is checked
all the same. At fault is a row with too few or too many fields, with text behind a closing quote,
with a NUL, or with a quote that never ends.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from senderid_fast.errors import InputError, RowsError
from senderid_fast.rows.base import Fault, Place
from senderid_fast.rows.faults import quoted
from senderid_fast.rows.inputs import Octets, pyarrow
from senderid_fast.rows.texts import TextSource

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DelimitedSource"]

_QUOTED = rb'"[^"]*+(?:""[^"]*+)*+"'


class _Grammar:
    """The patterns of rows and fields for one delimiter."""

    def __init__(self, delimiter: bytes) -> None:
        plain = rb'(?!")[^' + delimiter + rb"\n]*+"
        # What this module and pyarrow surely read alike: rows that are not blank, in which quotes
        # only enclose fields.
        strict = rb"(?:" + _QUOTED + rb'|[^"\r\n' + delimiter + rb"]*+)"
        self.clean_rows = re.compile(
            rb"(?:(?!\r?\n)(?:" + strict + delimiter + rb")*+" + strict + rb"\r?\n)*+"
        )
        loose = rb"(?:" + _QUOTED + rb"[^" + delimiter + rb"\n]*+|" + plain + rb")"
        self.row = re.compile(rb"(?:" + loose + delimiter + rb")*+" + loose + rb"\n")
        self.field = re.compile(
            rb'(?:"([^"]*+(?:""[^"]*+)*+)"([^' + delimiter + rb"\n]*+)|(" + plain + rb"))"
            rb"(?:" + delimiter + rb"|\Z)"
        )


class DelimitedSource(TextSource):
    """Rows of delimited text.

    columns  the names of the columns, for a file that has no header

    Raises RowsError if the file has no header that can be used.
    """

    def __init__(
        self,
        octets: Octets,
        size: int | None,
        *,
        delimiter: str,
        place: Place | None,
        batch_rows: int,
        columns: Sequence[str] | None,
    ) -> None:
        super().__init__(octets, size, batch_rows)
        self._delimiter = delimiter
        self._grammar = _Grammar(re.escape(delimiter.encode()))
        self._begin()
        self._names = list(columns) if columns is not None else self._header()
        if columns is not None and (not self._names or len(set(self._names)) < len(self._names)):
            raise InputError("columns", "must be names, each of them once")
        pa = pyarrow()
        self.schema = pa.schema([(name, pa.string()) for name in self._names])
        if place is not None:
            self._resume(place)

    # -- the header ------------------------------------------------------------------------------

    def _header(self) -> list[str]:
        while blank := re.match(rb"\r?\n", self._carry):
            self._take(blank.end())
        found = self._grammar.row.match(self._carry + b"\n")
        name, line = self._octets.name, f"line {self._line}"
        if not self._carry or found is None:
            raise RowsError(name, f"{line}, column 1", "there is no header")
        octets = self._take(min(found.end(), len(self._carry))).data.rstrip(b"\r\n")
        odd = re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", octets)
        if odd is not None:
            problem = "the header is not text: is this another format, or UTF-16?"
            raise RowsError(name, f"{line}, column {odd.start() + 1}", problem)
        try:
            fields = [field.decode("utf-8") for field in self._fields(octets)]
        except UnicodeDecodeError as error:
            problem = "the header is not UTF-8: is this another format, or encoding?"
            raise RowsError(name, f"{line}, column {error.start + 1}", problem) from error
        except _FaultyRow as error:
            raise RowsError(name, f"{line}, column {error.column}", error.problem) from error
        for index, field in enumerate(fields):
            if field in fields[:index]:
                problem = f'the header names the column "{field}" twice'
                raise RowsError(name, f"{line}, column {octets.rfind(field.encode()) + 1}", problem)
        return fields

    # -- rows ------------------------------------------------------------------------------------

    def _cut(self, data: bytes) -> int:
        if b'"' not in data:
            return data.rfind(b"\n") + 1
        at, grammar = 0, self._grammar
        while True:
            clean = grammar.clean_rows.match(data, at)
            at = clean.end() if clean else at
            row = grammar.row.match(data, at)
            if row is None:
                return at
            at = row.end()

    def _fast(self, data: bytes) -> pa.RecordBatch | None:
        if b"\0" in data or data.count(b"\r") != data.count(b"\r\n"):
            return None
        expected = None
        if b'"' in data:
            clean = self._grammar.clean_rows.match(data)
            if clean is None or clean.end() < len(data):
                return None
        else:
            expected = data.count(b"\n")
        pa = pyarrow()
        try:
            table = self._read(data)
        except pa.ArrowInvalid:
            mended = data.decode("utf-8", "replace").encode()
            if mended == data:
                return None
            try:
                table = self._read(mended)
            except pa.ArrowInvalid:
                return None
        if expected is not None and table.num_rows != expected:
            return None
        return table.combine_chunks().to_batches()[0]

    def _read(self, data: bytes) -> pa.Table:
        from pyarrow import csv

        pa = pyarrow()
        return csv.read_csv(
            pa.BufferReader(data),
            read_options=csv.ReadOptions(
                column_names=self._names, block_size=len(data) + 1, use_threads=False
            ),
            parse_options=csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                column_types=self.schema, strings_can_be_null=False, null_values=[]
            ),
        )

    def _slow(self, data: bytes, line: int) -> tuple[pa.RecordBatch, list[Fault]]:
        rows: list[list[str | None]] = []
        faults: list[Fault] = []
        at, width = 0, len(self._names)
        while row := self._grammar.row.match(data, at):
            octets = row.group()
            text = octets[:-1].removesuffix(b"\r")
            at = row.end()
            if text:
                try:
                    rows.append(self._values(text))
                except _FaultyRow as error:
                    place = f"line {line}, column {error.column}"
                    reason = f"{place}: {error.problem}: {quoted(text)}"
                    faults.append(Fault(len(rows), reason))
                    rows.append([None] * width)
            line += octets.count(b"\n")
        pa = pyarrow()
        columns = zip(*rows, strict=True) if rows else [()] * width
        arrays = [pa.array(column, pa.string()) for column in columns]
        return pa.record_batch(arrays, schema=self.schema), faults

    def _values(self, text: bytes) -> list[str | None]:
        fields, width = self._fields(text), len(self._names)
        if len(fields) != width:
            column = len(text) + 1
            if len(fields) > width:
                surplus = list(self._grammar.field.finditer(text))[width]
                column = surplus.start() + 1
            problem = f"{len(fields)} fields where {width} are expected"
            raise _FaultyRow(column, problem)
        return [field.decode("utf-8", "replace") for field in fields]

    def _fields(self, text: bytes) -> list[bytes]:
        """The fields of a row, without its line end. Raises _FaultyRow."""
        if b"\0" in text:
            raise _FaultyRow(text.index(b"\0") + 1, "a NUL")
        if b'"' not in text:
            return text.split(self._delimiter.encode())
        fields: list[bytes] = []
        at = 0
        while True:
            found = self._grammar.field.match(text, at)
            if found is None:
                raise _FaultyRow(at + 1, "a quoted field that does not end")
            enclosed, behind, plain = found.groups()
            if behind:
                raise _FaultyRow(found.end(1) + 2, "text behind a closing quote")
            fields.append(plain if enclosed is None else enclosed.replace(b'""', b'"'))
            if found.end(3 if enclosed is None else 2) == len(text):
                return fields
            at = found.end()


class _FaultyRow(Exception):
    """A row that cannot be read: where in it, in octets from 1, and why."""

    def __init__(self, column: int, problem: str) -> None:
        super().__init__(problem)
        self.column = column
        self.problem = problem
