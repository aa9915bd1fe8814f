"""Rows that cannot be read: each stays a row, with line and column, and the others go on."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from support.rows import read, read_blocks

from senderid_fast.errors import RowsError
from senderid_fast.rows import texts
from senderid_fast.rows.base import Block, Fault
from senderid_fast.rows.faults import with_faults
from senderid_fast.rows.formats import open_source


def one(blocks: list[Block]) -> tuple[list[dict[str, object]], list[str]]:
    found = [row for block in blocks for row in block.batch.to_pylist()]
    return found, [fault.reason for block in blocks for fault in block.faults]


def csv(tmp_path: Path, text: bytes) -> tuple[list[list[object]], list[str]]:
    path = tmp_path / "rows.csv"
    path.write_bytes(text)
    found, reasons = one(read_blocks(path))
    return [list(row.values()) for row in found], reasons


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"x", "line 3, column 2: 1 fields where 2 are expected: x"),
        (b"x,y,z,w", "line 3, column 5: 4 fields where 2 are expected: x,y,z,w"),
        (b'"x",y,"z"', "line 3, column 7: 3 fields where 2 are expected"),
        (b'"x"z,y', "line 3, column 4: text behind a closing quote"),
        (b"x\0,y", "line 3, column 2: a NUL"),
    ],
)
def test_a_faulty_row_of_csv(row: bytes, reason: str, tmp_path: Path) -> None:
    found, reasons = csv(tmp_path, b"a,b\r\n1,2\r\n" + row + b"\r\n3,4")
    assert found == [["1", "2"], [None, None], ["3", "4"]]
    assert len(reasons) == 1
    assert reasons[0].startswith(reason)


def test_a_quote_that_never_ends_costs_its_own_line_only(tmp_path: Path) -> None:
    found, reasons = csv(tmp_path, b'a,b\n1,2\n3,"4\n5,6\n7,8\n')
    assert found == [["1", "2"], [None, None], ["5", "6"], ["7", "8"]]
    assert reasons == ['line 3: a quoted field that does not end: 3,"4']


def test_what_csv_lets_through(tmp_path: Path) -> None:
    text = b'\xef\xbb\xbf\na,b\n\n5" disk,x\n"two\r\nlines","""q"""\n,""\n\xff,lone\rcr\n'
    found, reasons = csv(tmp_path, text)
    assert found == [
        ['5" disk', "x"],
        ["two\r\nlines", '"q"'],
        ["", ""],
        ["\ufffd", "lone\rcr"],
    ]
    assert reasons == []


def test_faults_are_the_same_whatever_the_size_of_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [b'1,"2\n%d"\n' % n if n % 3 else b"bad\n" if n % 2 else b'a"b,c\n' for n in range(300)]
    text = b"a,b\n" + b"".join(rows)
    whole = csv(tmp_path, text)
    assert len(whole[0]) == 300
    assert len(whole[1]) == 50
    for piece in (64, 101, 1000):
        monkeypatch.setattr(texts, "PIECE", piece)
        monkeypatch.setattr(texts, "SLOW_PIECE", piece // 4)
        assert csv(tmp_path, text) == whole


def test_a_row_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "PIECE", 100)
    monkeypatch.setattr(texts, "ROW_LIMIT", 1000)
    path = tmp_path / "rows.jsonl"
    line = b'{"ip":"%s"}\n'
    path.write_bytes(line % b"1" + line % (b"x" * 5000) + line % b"2" + b"nope\n")
    found, reasons = one(read_blocks(path, wanted=["ip"], raw=True))
    assert [row["ip"] for row in found] == ["1", None, "2", None]
    assert reasons[0].startswith("line 2: a row of more than 1000 octets: ")
    assert reasons[1].startswith("line 4, column 1: not JSON")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "line 1, column 1: there is no header"),
        (b"a,b\0\n", "line 1, column 4: the header is not text"),
        (b"\x7fELF\x01\x02\n", "line 1, column 1: the header is not text"),
        ("a,b\n".encode("utf-16"), "line 1, column 4: the header is not text"),
        (b"a\xff,b\n1,2\n", "line 1, column 2: the header is not UTF-8"),
        (b"a,b,a\n1,2,3\n", 'line 1, column 5: the header names the column "a" twice'),
        (b'"a\n1,2\n', "line 1, column 1"),
    ],
)
def test_a_file_that_is_no_csv(text: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(text)
    with pytest.raises(RowsError) as raised:
        open_source(path)
    assert words in str(raised.value)


def test_columns_for_a_file_without_a_header(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_bytes(b"1\t2\n")
    assert read(path, columns=["ip", "helo"]) == [{"ip": "1", "helo": "2"}]


LONG = b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"nope", "line 2, column 1: not JSON (Expecting value): nope"),
        (b"[1]", "line 2, column 1: an array where an object is expected: [1]"),
        (b'{"ip":1}', 'line 2, column 2: the field "ip" is a number, not a string'),
        (b'{"x":1,"ip":{}}', 'line 2, column 8: the field "ip" is an object, not a string'),
        (b'{"ip":"a","ip":"b"}', 'line 2, column 2: the field "ip" is there twice'),
        (b'{"ip":"\\ud800"}', 'line 2, column 2: the field "ip" holds half a surrogate pair'),
        (b'{"ip":"a"}{"ip":"b"}', "line 2, column 11: not JSON (Extra data)"),
        (b'{"ip":NaN}', "line 2, column 1: NaN is no JSON"),
        (b'{"ip":"\xff"}', "line 2, column 8: not UTF-8"),
        (LONG[:-2], "line 2, column 1: nested too deeply"),
        (b'{"ip":' + b"9" * 5000 + b"}", 'line 2, column 2: the field "ip" is a number'),
    ],
)
@pytest.mark.parametrize("raw", [True, False])
def test_a_faulty_line_of_json(raw: bool, line: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"ip":"1"}\n' + line + b'\n\n {"ip":"2"} \r\n')
    found, reasons = one(read_blocks(path, wanted=["ip"], raw=raw))
    assert [row["ip"] for row in found] == ["1", None, "2"]
    assert len(reasons) == 1
    assert reasons[0].startswith(reason)


def test_deep_json_that_is_not_wanted_stays_as_it_came(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(LONG + b"\nnope\n")  # the second line makes the first be read with care
    found, reasons = one(read_blocks(path, wanted=["ip"], raw=True))
    assert found[0] == {"ip": None, "row_json": LONG.decode()}
    assert len(reasons) == 1


def test_typed_columns_of_json(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(
        '{"ip":"1","n":1,"f":1.5,"b":true,"s":"x"}\n'
        '{"ip":"2","n":2,"f":2,"b":null,"s":null}\n' + '{"ip":"3"}\n' * 100_000 + '{"ip":"4",'
        '"n":"two","f":1e999,"b":0,"s":[1,{"k":"\\u00e9"}],"new":123456789012345678901}\n'
    )
    blocks = read_blocks(path, wanted=["ip"])
    assert blocks[0].batch.schema.types[:5] == [
        pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.string()]  # fmt: skip
    last = blocks[-1].batch.to_pylist()[-1]
    assert last["other_fields"] == (
        '{"n":"two","f":"1e999","b":0,"s":[1,{"k":"é"}],"new":123456789012345678901}'
    )
    assert not blocks[-1].faults


def test_arrays_and_mixed_types_become_json_text(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"ip":"1","m":[1],"v":1}\n{"ip":"2","m":{"a":"b"},"v":"x"}\n')
    assert read(path, wanted=["ip"]) == [
        {"ip": "1", "m": "[1]", "v": "1", "other_fields": None},
        {"ip": "2", "m": '{"a":"b"}', "v": '"x"', "other_fields": None},
    ]


def test_strings_of_parquet_that_are_not_utf8_are_mended(tmp_path: Path) -> None:
    from pyarrow import parquet

    column = pa.array([b"ok", b"\xff", None]).view(pa.string())
    parquet.write_table(pa.table({"ip": column}), tmp_path / "rows.parquet")
    assert [row["ip"] for row in read(tmp_path / "rows.parquet")] == ["ok", "\ufffd", None]


def test_the_column_of_faults() -> None:
    batch = pa.record_batch({"row_error": ["old", "old"], "ip": ["a", None]})
    found = with_faults(batch, [Fault(1, "line 2: no")])
    assert found.schema.names == ["ip", "row_error"]
    assert found.column("row_error").to_pylist() == [None, "line 2: no"]
    assert with_faults(batch, []).column("row_error").to_pylist() == [None, None]
