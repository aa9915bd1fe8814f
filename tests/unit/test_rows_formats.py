"""Every format of rows: written, read back, resumed at any place, and refused with the place."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.rows import COLUMNAR, DICTIONARIES, TEXT, read, read_blocks, rows, write

from senderid_fast.errors import InputError, RowsError
from senderid_fast.rows.formats import Format, format_of, open_sink, open_source

SCHEMA = rows(1).schema
BATCHES = [rows(50, first) for first in range(0, 400, 50)]
ALL = [row for batch in BATCHES for row in batch.to_pylist()]
NAMES = {"wanted": SCHEMA.names}


def options(name: str) -> dict[str, Any]:
    return NAMES if name.startswith("jsonl") else {}


def plain(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in SCHEMA.names} for row in found]


@pytest.mark.parametrize("name", TEXT + COLUMNAR)
def test_what_is_written_is_read_back(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows.{name}"
    write(path, BATCHES, SCHEMA)
    assert plain(read(path, **options(name))) == ALL
    assert plain(read(path, batch_rows=7, **options(name))) == ALL
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("name", TEXT + COLUMNAR)
def test_an_output_without_rows_is_a_whole_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows.{name}"
    write(path, [], SCHEMA)
    assert read(path, **options(name)) == []


@pytest.mark.parametrize("at", [0, 1, 4, len(BATCHES)])
@pytest.mark.parametrize("name", TEXT + COLUMNAR)
def test_a_killed_job_goes_on(name: str, at: int, tmp_path: Path) -> None:
    whole, path = tmp_path / f"whole.{name}", tmp_path / f"rows.{name}"
    write(whole, BATCHES, SCHEMA)
    sink = open_sink(path, SCHEMA, dictionaries=DICTIONARIES)
    for batch in BATCHES[:at]:
        sink.write(batch)
        sink.place()
    place = json.loads(json.dumps(sink.place()))
    for batch in BATCHES[at : at + 2]:  # not noted: cut off
        sink.write(batch)
    sink.abandon()
    assert not path.exists()
    sink = open_sink(path, SCHEMA, dictionaries=DICTIONARIES, place=place)
    for batch in BATCHES[at:]:
        sink.write(batch)
    sink.close()
    assert plain(read(path, **options(name))) == ALL
    if name not in ("parquet", "arrow"):
        assert path.read_bytes() == whole.read_bytes()
    assert {entry.name for entry in tmp_path.iterdir()} == {path.name, whole.name}


@pytest.mark.parametrize("name", COLUMNAR + TEXT)
def test_a_job_is_killed_many_times(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows.{name}"
    place = None
    for batch in BATCHES:
        sink = open_sink(path, SCHEMA, dictionaries=DICTIONARIES, place=place)
        sink.write(batch)
        place = sink.place()
        sink.write(rows(3))
        sink.place()  # later than the note that is gone back to
        sink.abandon()
    open_sink(path, SCHEMA, dictionaries=DICTIONARIES, place=place).close()
    assert plain(read(path, **options(name))) == ALL


@pytest.mark.parametrize("name", TEXT + COLUMNAR)
def test_a_source_goes_on_at_each_place(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows.{name}"
    write(path, BATCHES, SCHEMA)
    blocks = read_blocks(path, batch_rows=30, **options(name))
    found: list[dict[str, Any]] = []
    for block in blocks:
        found += block.batch.to_pylist()
        place = json.loads(json.dumps(block.place))
        rest = read(path, batch_rows=41, place=place, **options(name))
        assert plain(found + rest) == ALL
    assert 0 < blocks[0].octets <= blocks[-1].octets <= path.stat().st_size


@pytest.mark.parametrize("name", TEXT + COLUMNAR)
def test_a_place_behind_the_end_is_refused(name: str, tmp_path: Path) -> None:
    path, shorter = tmp_path / f"rows.{name}", tmp_path / f"shorter.{name}"
    write(path, BATCHES, SCHEMA)
    write(shorter, BATCHES[:1], SCHEMA)
    place = read_blocks(path, **options(name))[-1].place
    with pytest.raises(RowsError, match="not the one of the job"):
        read(shorter, place=place, **options(name))


@pytest.mark.parametrize("name", TEXT + COLUMNAR)
def test_a_file_that_is_cut_short_gives_rows_or_an_error(name: str, tmp_path: Path) -> None:
    path, cut = tmp_path / f"rows.{name}", tmp_path / f"cut.{name}"
    write(path, BATCHES[:2], SCHEMA)
    octets = path.read_bytes()
    refused = 0
    for size in range(0, len(octets), max(1, len(octets) // 30)):
        cut.write_bytes(octets[:size])
        try:
            read(cut, **options(name))
        except RowsError as error:
            assert str(cut) in str(error)  # noqa: PT017 - some sizes are whole files
            refused += 1
    assert refused > 0 or name in ("jsonl", "csv", "tsv")


@pytest.mark.parametrize("name", ["csv", "jsonl", "jsonl.gz", "parquet", "arrow", "arrows"])
def test_standard_input(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"rows.{name}"
    write(path, BATCHES, SCHEMA)

    class Input:
        buffer = io.BytesIO(path.read_bytes())

    monkeypatch.setattr(sys, "stdin", Input)
    named = None if name in COLUMNAR else name.removesuffix(".gz")
    assert plain(read("-", format=named, **options(name))) == ALL
    with pytest.raises(InputError, match="cannot be resumed"):
        open_source("-", format="csv", place={"octet": 0, "line": 1, "rows": 0})


def test_standard_input_without_a_format_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Input:
        buffer = io.BytesIO(b"ip,helo\n")

    monkeypatch.setattr(sys, "stdin", Input)
    with pytest.raises(InputError, match="needs a format"):
        open_source("-")


@pytest.mark.parametrize("name", TEXT + COLUMNAR)
def test_standard_output(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Output:
        buffer = io.BytesIO()

    Output.buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", Output)
    sink = open_sink("-", SCHEMA, format=name, dictionaries=DICTIONARIES)
    for batch in BATCHES:
        sink.write(batch)
    with pytest.raises(InputError, match="cannot be resumed"):
        sink.place()
    sink.close()
    path = tmp_path / f"rows.{name}"
    path.write_bytes(Output.buffer.getvalue())
    assert plain(read(path, **options(name))) == ALL


def test_an_output_that_is_there_is_not_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("mine")
    with pytest.raises(InputError, match="there already"):
        open_sink(path, SCHEMA)
    assert path.read_text() == "mine"
    write(path, BATCHES, SCHEMA, overwrite=True)
    assert plain(read(path)) == ALL


def test_two_jobs_cannot_write_one_output(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    sink = open_sink(path, SCHEMA)
    with pytest.raises(RowsError, match="another job"):
        open_sink(path, SCHEMA)
    sink.close()


def test_a_device_is_written_to_and_not_replaced() -> None:
    write(Path("/dev/null"), BATCHES, SCHEMA, format="parquet")
    assert Path("/dev/null").is_char_device()


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to(tmp_path / "rows.csv")
    write(tmp_path / "link.csv", BATCHES, SCHEMA)
    assert (tmp_path / "link.csv").is_symlink()
    assert plain(read(tmp_path / "rows.csv")) == ALL


@pytest.mark.parametrize("name", ["csv", "parquet", "arrow"])
def test_a_partial_file_that_is_gone_or_short(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows.{name}"
    sink = open_sink(path, SCHEMA, dictionaries=DICTIONARIES)
    sink.write(BATCHES[0])
    place = sink.place()
    sink.abandon()
    partial = tmp_path / f"rows.{name}.partial"
    os.truncate(partial, 10)
    with pytest.raises(RowsError, match="begin the job anew"):
        open_sink(path, SCHEMA, place=place)
    partial.unlink()
    with pytest.raises(RowsError, match="it is gone"):
        open_sink(path, SCHEMA, place=place)


def test_footers_that_were_changed_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    sink = open_sink(path, SCHEMA)
    sink.write(BATCHES[0])
    place = sink.place()
    sink.abandon()
    side = tmp_path / "rows.parquet.partial.footers"
    octets = bytearray(side.read_bytes())
    octets[20] ^= 1
    side.write_bytes(octets)
    with pytest.raises(RowsError, match="begin the job anew"):
        open_sink(path, SCHEMA, place=place)


@pytest.mark.parametrize(
    ("path", "given", "expected"),
    [
        ("a.csv", None, Format("csv", None)),
        ("a.TSV.GZ", None, Format("tsv", "gzip")),
        ("a.ndjson.zst", None, Format("jsonl", "zstd")),
        ("a.pq", None, Format("parquet", None)),
        ("a.feather", None, Format("arrow", None)),
        ("a.arrows.gz", None, Format("arrows", "gzip")),
        ("a.log", None, None),
        ("a.log.gz", "csv", Format("csv", "gzip")),
        ("-", "jsonl.zst", Format("jsonl", "zstd")),
        ("/var/log/mail.log", "postfix", Format("postfix", None)),
    ],
)
def test_the_format_of_a_path(path: str, given: str | None, expected: Format | None) -> None:
    assert format_of(path, given, "format") == expected


@pytest.mark.parametrize(
    ("path", "given"),
    [("a.parquet.gz", None), ("a.arrow.zst", None), ("a", "xls"), ("a", "csv.7z")],
)
def test_formats_that_are_none(path: str, given: str | None) -> None:
    with pytest.raises(InputError, match=r"^format: "):
        format_of(path, given, "format")


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("a.csv", {"codec": "zstd"}),
        ("a.csv", {"level": 3}),
        ("a.csv.gz", {"level": 99}),
        ("a.parquet", {"codec": "brotli9"}),
        ("a.parquet", {"level": 99}),
        ("a.arrow", {"level": 1}),
        ("a.log", {}),
        ("a.csv", {"format": "postfix"}),
    ],
)
def test_options_of_an_output_that_cannot_be(
    name: str, named: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(InputError):
        open_sink(tmp_path / name, SCHEMA, **named)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("codec", ["zstd", "lz4", "none"])
@pytest.mark.parametrize("name", ["parquet", "arrow", "arrows"])
def test_codecs_inside(name: str, codec: str, tmp_path: Path) -> None:
    write(tmp_path / f"rows.{name}", BATCHES, SCHEMA, codec=codec)
    assert plain(read(tmp_path / f"rows.{name}")) == ALL


def test_a_batch_of_other_columns_is_refused(tmp_path: Path) -> None:
    for name in TEXT + COLUMNAR:
        sink = open_sink(tmp_path / f"rows.{name}", SCHEMA)
        with pytest.raises(InputError, match="columns"):
            sink.write(pa.record_batch({"x": [1]}))
        sink.abandon()


@pytest.mark.parametrize("name", [*COLUMNAR, "csv"])
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"none.{name}"
    with pytest.raises(RowsError, match=f"{path}: No such file"):
        open_source(path)


def test_text_of_every_type(tmp_path: Path) -> None:
    batch = pa.record_batch(
        {
            "ip": pa.array([bytes([192, 0, 2, 1]), bytes(15) + b"\1"], pa.binary()),
            "octets": pa.array([b"text", b"\xff"]),
            "time": pa.array([0, None], pa.timestamp("s", "Europe/Berlin")),
            "number": pa.array([1.5, float("nan")]),
            "whole": pa.array([2**63 - 1, None]),
            "flag": pa.array([True, False]),
            "list": pa.array([["a", 'b"'], None]),
        }
    )
    write(tmp_path / "a.jsonl", [batch], batch.schema)
    assert [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()] == [
        {
            "ip": "192.0.2.1", "octets": "text", "time": "1970-01-01T00:00:00Z", "number": 1.5,
            "whole": 2**63 - 1, "flag": True, "list": ["a", 'b"'],
        },
        {
            "ip": "::1", "octets": "\\xff", "time": None, "number": None, "whole": None,
            "flag": False, "list": None,
        },
    ]  # fmt: skip
    write(tmp_path / "a.csv", [batch], batch.schema)
    assert (tmp_path / "a.csv").read_text().splitlines() == [
        "ip,octets,time,number,whole,flag,list",
        r'192.0.2.1,text,1970-01-01T00:00:00Z,1.5,9223372036854775807,true,"[""a"",""b\""""]"',
        "::1,\\xff,,nan,,false,",
    ]  # fmt: skip


def test_results_replace_fields_of_a_line_that_have_their_names(tmp_path: Path) -> None:
    lines = ['{"ip":"a","spf_result":"old","n":1}', "{ }", None]
    batch = pa.record_batch({"row_json": lines, "spf_result": ["pass", "fail", None]})
    write(tmp_path / "a.jsonl", [batch], batch.schema)
    assert (tmp_path / "a.jsonl").read_text().splitlines() == [
        '{"ip":"a","n":1,"spf_result":"pass"}',
        '{ "spf_result":"fail"}',
        '{"spf_result":null}',
    ]


def test_dictionaries_that_differ_by_batch_go_into_every_format(tmp_path: Path) -> None:
    batches = [pa.record_batch({"d": pa.array([word]).dictionary_encode()}) for word in "abc"]
    for name in TEXT + COLUMNAR:
        path = tmp_path / f"rows.{name}"
        write(path, batches, batches[0].schema)
        assert [row["d"] for row in read(path)] == ["a", "b", "c"]


@pytest.mark.parametrize("reader", ["duckdb", "polars"])
def test_other_readers_read_a_parquet_file_of_stretches(reader: str, tmp_path: Path) -> None:
    module = pytest.importorskip(reader)
    path = tmp_path / "rows.parquet"
    sink = open_sink(path, SCHEMA)
    for batch in BATCHES:
        sink.write(batch)
        sink.place()
    sink.close()
    senders = [row["mail_from"] for row in ALL]
    if reader == "duckdb":
        assert module.sql(f"select mail_from from '{path}'").fetchall() == [(s,) for s in senders]
        query = f"select count(*) from '{path}' where helo >= 'mail350' and helo < 'mail36'"
        assert module.sql(query).fetchall() == [(10,)]
    else:
        assert module.read_parquet(path)["mail_from"].to_list() == senders
        chosen = module.scan_parquet(path).filter(module.col("mail_from") == senders[399])
        assert chosen.collect().height == 1
