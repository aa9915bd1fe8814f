"""Rows of any content go through every format unharmed, and no octets make a reader stumble."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.rows import COLUMNAR, TEXT, read, rows, write

from senderid_fast.errors import RowsError
from senderid_fast.rows.formats import open_source

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
# What formats trip over: quotes, delimiters, line ends, escapes, an empty text.
SNAGS = st.text(st.sampled_from('",\t\r\n\\ a\u00e9{}[]:\x01\x1f\u2028'), max_size=8)
TEXTS = st.one_of(WORDS, SNAGS)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.lists(st.one_of(st.none(), TEXTS), min_size=width, max_size=width), max_size=12
    )
)


def table(values: list[list[str | None]]) -> pa.RecordBatch:
    width = len(values[0]) if values else 1
    columns = zip(*values, strict=True) if values else [()]
    names = [f"c{index}" for index in range(width)]
    return pa.record_batch([pa.array(c, pa.string()) for c in columns], names=names)


@pytest.mark.parametrize("name", TEXT + COLUMNAR)
@given(values=TABLES)
@settings(deadline=None, max_examples=25)
def test_any_table_comes_back(name: str, values: list[list[str | None]]) -> None:
    if name[:3] in ("csv", "tsv"):  # no nulls, and a NUL is at fault
        values = [[(text or "").replace("\0", "") for text in row] for row in values]
    batch = table(values)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"rows.{name}"
        write(path, [batch], batch.schema)
        named: dict[str, Any] = {"wanted": batch.schema.names} if name[:5] == "jsonl" else {}
        found = read(path, batch_rows=5, **named)
    assert [[row[key] for key in batch.schema.names] for row in found] == [
        list(row.values()) for row in batch.to_pylist()
    ]


@given(values=st.lists(st.dictionaries(TEXTS, st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
), max_size=5), max_size=8))  # fmt: skip
@settings(deadline=None, max_examples=30)
def test_json_lines_keep_every_field_as_it_came(values: list[dict[str, Any]]) -> None:
    values = [{key: v for key, v in row.items() if v not in (float("inf"), -float("inf"))}
              for row in values]  # fmt: skip
    lines = [json.dumps({**row, "ip": "192.0.2.1"}, allow_nan=True) for row in values]
    lines = [line for line in lines if "Infinity" not in line]
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "rows.jsonl", Path(folder) / "out.jsonl"
        path.write_text("".join(line + "\n" for line in lines), "utf-8")
        source = open_source(path, wanted=["ip"], raw=True)
        blocks = list(source.blocks())
        source.close()
        batches = [
            block.batch.select(["row_json"]).append_column(
                "zz_result", pa.array(["pass"] * block.batch.num_rows)
            )
            for block in blocks
        ]
        schema = pa.schema([("row_json", pa.string()), ("zz_result", pa.string())])
        write(out, batches, schema)
        written = out.read_text("utf-8").splitlines(keepends=True)
    assert written == [line[:-1] + ',"zz_result":"pass"}\n' for line in lines]
    assert all(not block.faults for block in blocks)


def valid(name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"rows.{name}"
        write(path, [rows(20)], rows(1).schema)
        return path.read_bytes()


VALID = {name: valid(name) for name in TEXT + COLUMNAR}


def read_or_refuse(name: str, octets: bytes, **named: Any) -> None:
    """Rows, or a RowsError that names the file; a count of faults that is one of rows."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"rows.{name}"
        path.write_bytes(octets)
        source = None
        try:
            source = open_source(path, batch_rows=7, **named)
            for block in source.blocks():
                block.batch.validate(full=True)
                block.batch.to_pylist()
                assert all(0 <= fault.row < block.batch.num_rows for fault in block.faults)
        except RowsError:
            pass
        finally:
            if source is not None:
                source.close()


@pytest.mark.parametrize("name", TEXT + COLUMNAR)
@given(octets=st.binary(max_size=300))
@settings(deadline=None, max_examples=30)
@example(octets=b"")
@example(octets=b'{"ip":"' + b"[" * 200)
@example(octets=b'"ip"\n"' + b'"",\r' * 20)
def test_any_octets_are_rows_or_an_error(name: str, octets: bytes) -> None:
    wrapped = gzip.compress(octets) if name.endswith(".gz") else octets
    for raw in (True, False) if name[:5] == "jsonl" else (False,):
        named = {"wanted": ["ip"], "raw": raw} if name[:5] == "jsonl" else {}
        read_or_refuse(name, octets, **named)
        read_or_refuse(name, wrapped, **named)


@pytest.mark.parametrize("name", TEXT + COLUMNAR)
@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_damaged_files_are_rows_or_an_error(name: str, data: st.DataObject) -> None:
    octets = bytearray(VALID[name])
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    read_or_refuse(name, bytes(octets), **({"wanted": ["ip"]} if name[:5] == "jsonl" else {}))
