"""Files of answers: what is written is read again; what is wrong in them is named."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from support.answersets import answer, question, row

import senderid_fast as sf
from senderid_fast.answersets import answers_schema
from senderid_fast.answersets.zones import publish

TABLE = pa.Table.from_pylist(
    [
        row(records=[b"v=spf1 -all", b"\x00\xff\n"]),
        row(name="a\x00\xff.example", type="MX", records=[b"10 mx.example"], fetched_at=None),
        row(name="n.example", status="servfail", records=[], detail='words "\u20ac"'),
    ],
    answers_schema(),
)
ENDINGS = ["arrow", "feather", "arrows", "parquet", "jsonl", "json", "jsonl.gz", "jsonl.zst"]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("data", [TABLE, TABLE.slice(0, 0)], ids=["some", "none"])
def test_every_kind_of_file(tmp_path: Path, ending: str, data: pa.Table) -> None:
    answers = sf.AnswerSet.from_arrow(data)
    path = tmp_path / f"answers.{ending}"
    answers.write(path)
    answers.write(str(path))  # in place of the one before
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    again = sf.AnswerSet.read(path)
    assert again == answers
    assert again.to_arrow().schema.equals(answers_schema())


@pytest.mark.parametrize(
    "name", ["answers", "answers.csv", "answers.arrow.gz", "answers.parquet.zst"]
)
def test_a_name_that_says_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(sf.InputError, match=r"path: must end in \.arrow, \.arrows"):
        sf.AnswerSet().write(tmp_path / name)


def test_a_file_that_cannot_be_written_or_read(tmp_path: Path) -> None:
    for ending in ENDINGS:
        path = tmp_path / "nowhere" / f"a.{ending}"
        with pytest.raises(sf.RowsError, match="cannot be written: "):
            sf.AnswerSet().write(path)
        with pytest.raises(sf.RowsError, match=r"cannot be read: No such file|No such file"):
            sf.AnswerSet.read(path)
        folder = tmp_path / f"folder.{ending}"
        folder.mkdir()
        with pytest.raises(sf.RowsError, match=r"folder"):
            sf.AnswerSet.read(folder)
    with pytest.raises(sf.RowsError, match="compressed within"):
        sf.AnswerSet.read(tmp_path / "a.arrow.gz")


@pytest.mark.parametrize("ending", ["arrow", "arrows", "parquet"])
def test_a_row_that_is_wrong_is_named(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    bad = pa.concat_tables(
        [TABLE] * 4000 + [pa.Table.from_pylist([row(type="SPF")], answers_schema())]
    )
    if ending == "parquet":
        parquet.write_table(bad, path)
    else:
        new = pa.ipc.new_file if ending == "arrow" else pa.ipc.new_stream
        with new(path, bad.schema) as writer:
            writer.write_table(bad)
    with pytest.raises(sf.RowsError) as caught:
        sf.AnswerSet.read(path)
    assert caught.value.source == str(path)
    assert caught.value.place == "row 12000"
    assert caught.value.problem.startswith("type: must be one of A, ")
    other = tmp_path / f"b.{ending}"
    if ending == "parquet":
        parquet.write_table(pa.table({"x": [1]}), other)
    else:
        with new(other, pa.schema({"x": pa.int8()})):
            pass
    with pytest.raises(sf.RowsError, match=r"b\.\w+: name: is missing"):
        sf.AnswerSet.read(other)


GOOD = {"name": "a.example", "type": "TXT", "status": "ok", "ttl": 5, "records": ["v=spf1 -all"]}


def test_json_lines_as_people_write_them(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    other = {"name": "B.example.", "type": "A", "status": "nxdomain"}
    timed = {**GOOD, "name": "c", "fetched_at": "2026-01-31T12:00:00Z", "more": [1]}
    path.write_text("\n".join(["", *map(json.dumps, [GOOD, other, timed]), "", ""]))
    answers = sf.AnswerSet.read(path)
    assert answers.get(question("a.example")) == answer(b"v=spf1 -all", ttl=5)
    assert answers.get(question("b.example", "A")) == sf.Answer(sf.Status.NXDOMAIN)
    assert [str(each[2]) for each in answers.timed()][2] == "2026-01-31 12:00:00+00:00"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "Expecting"),
        ("5", "must be an object"),
        ('"text"', "must be an object"),
        ("[1]", "must be an object"),
        ("[" * 100_000, "recursion"),
        ("{}", "name: must be text, is None"),
        ({**GOOD, "name": 5}, "name: must be text, is 5"),
        ({**GOOD, "name": "\ud800"}, "name: holds half a character"),
        ({**GOOD, "detail": []}, r"detail: must be text, is \[\]"),
        ({**GOOD, "type": "spf"}, "type: must be one of"),
        ({**GOOD, "ttl": -1}, "ttl: must be 0 to 4294967295 seconds, is -1"),
        ({**GOOD, "ttl": True}, "ttl: must be"),
        ({**GOOD, "ttl": 1.5}, "ttl: must be"),
        ({**GOOD, "ttl": 1 << 32}, "ttl: must be"),
        ({**GOOD, "records": "text"}, "records: must be a list of text"),
        ({**GOOD, "records": [5]}, "records: must be a list of text"),
        ({**GOOD, "records": ["\u20ac"]}, "records: a character stands for an octet"),
        ({**GOOD, "type": "A"}, "records: b'v=spf1 -all' is no IPv4 address"),
        ({**GOOD, "fetched_at": "today"}, "fetched_at: must be a time with its zone"),
        ({**GOOD, "fetched_at": "2026-01-31T12:00:00"}, "fetched_at: must be a time with its zone"),
        ({**GOOD, "fetched_at": 5}, "fetched_at: must be a time with its zone"),
        ({**GOOD, "fetched_at": "0001-01-01T00:00:00+00:00"}, "fetched_at: must be from the years"),
        ({**GOOD, "fetched_at": "0001-01-01T00:00:00+23:00"}, "fetched_at: "),
        ("\xff", "codec"),
    ],
)
def test_a_line_that_is_wrong_is_named(tmp_path: Path, line: Any, words: str) -> None:
    path = tmp_path / "answers.jsonl"
    text = line if isinstance(line, str) else json.dumps(line)
    path.write_bytes(b"\n".join([json.dumps(GOOD).encode(), b"", text.encode("latin-1")]))
    with pytest.raises(sf.RowsError, match=words) as caught:
        sf.AnswerSet.read(path)
    assert caught.value.place == "line 3"


def test_a_line_without_an_end_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("senderid_fast.answersets.files._MOST_LINE", 1000)
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(b" " * 1_000_000))
    with pytest.raises(sf.RowsError, match="line 1: there are more than 1000 octets"):
        sf.AnswerSet.read(path)
    monkeypatch.setattr("senderid_fast.answersets.files.MOST_OCTETS", 5000)
    path.write_bytes(gzip.compress(b"\n" * 1_000_000))
    with pytest.raises(sf.RowsError, match="line 5001: there are more than 5000 octets"):
        sf.AnswerSet.read(path)


def test_more_octets_than_arrow_can_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("senderid_fast.answersets.checking.MOST_OCTETS", 100)
    rows = [row(name="abc", status="nodata", records=[])] * 30
    assert len(sf.AnswerSet.from_arrow(pa.Table.from_pylist(rows, answers_schema()))) == 1
    with pytest.raises(sf.InputError, match="answers: row 0: are more than 100 octets"):
        sf.AnswerSet.from_arrow(
            pa.concat_tables([pa.Table.from_pylist(rows, answers_schema())] * 2)
        )
    with pytest.raises(sf.InputError, match="answers: row 0: are more than 100 octets"):
        sf.AnswerSet.from_arrow(pa.Table.from_pylist([row(records=[b"x" * 101])], answers_schema()))


def test_random_octets(tmp_path: Path) -> None:
    chance = random.Random(5)
    good = {}
    for ending in ENDINGS:
        sf.AnswerSet.from_arrow(TABLE).write(tmp_path / f"good.{ending}")
        good[ending] = (tmp_path / f"good.{ending}").read_bytes()
    read = refused = 0
    for _ in range(150):
        for ending in ENDINGS:
            octets = bytearray(good[ending])
            match chance.randrange(4):
                case 0:
                    del octets[chance.randrange(len(octets)) :]
                case 1:
                    octets = bytearray(chance.randbytes(chance.randrange(200)))
                case _:
                    for _ in range(chance.randrange(1, 9)):
                        octets[chance.randrange(len(octets))] = chance.randrange(256)
            path = tmp_path / f"bad.{ending}"
            path.write_bytes(octets)
            try:
                sf.AnswerSet.read(path)
                read += 1
            except (sf.RowsError, sf.ZoneError) as error:
                assert str(path) in str(error)  # noqa: PT017 - not every one of them is refused
                refused += 1
    assert read > 25
    assert refused > 250


ZONE = """
$ORIGIN example.com.
@       TXT   "v=spf1 mx -all"
        MX    10 mail
mail    A     192.0.2.1
alias   CNAME mail
loop    CNAME loop
away    CNAME mail.elsewhere.example.
deep.er TXT   "text"
*.wild  A     192.0.2.9
"""


@pytest.mark.parametrize("name", ["example.zone", "example.txt.gz"])
def test_a_zone_is_a_set(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(ZONE.encode()) if name.endswith(".gz") else ZONE.encode())
    answers = sf.AnswerSet.read(path, ttl=77)
    zone = sf.ZoneResolver.from_file(path, ttl=77)
    names = {asked.name for asked, _ in answers}
    assert {"example.com", "mail.example.com", "er.example.com", "alias.example.com"} <= names
    assert "away.example.com" not in names
    for asked, found in answers:
        assert found == zone.resolve(asked)
    assert answers.get(question("mail.example.com", "TXT")) == sf.Answer(sf.Status.NODATA, ttl=77)
    assert answers.get(question("alias.example.com", "A")) == answer("192.0.2.1", ttl=77)
    assert answers.resolve(question("x.wild.example.com", "A")).status == sf.Status.ERROR


def test_a_zone_in_json_lines(tmp_path: Path) -> None:
    for name in ("zone.jsonl", "zone.jsonl.gz"):
        path = tmp_path / name
        octets = b'\n["a.example", "TXT", "v=spf1 -all"]\n["b.example", "TXT", "TIMEOUT"]\n'
        path.write_bytes(gzip.compress(octets) if name.endswith(".gz") else octets)
        answers = sf.AnswerSet.read(path)
        assert answers.get(question("a.example")) == answer(b"v=spf1 -all", ttl=3600)
        assert answers.resolve(question("b.example")).status == sf.Status.TIMEOUT
        path.write_bytes(gzip.compress(b"[5]") if name.endswith(".gz") else b"[5]")
        with pytest.raises(sf.ZoneError, match=r"line 1: must be \[name, type, data\]"):
            sf.AnswerSet.read(path)


def test_publish() -> None:
    before = sf.AnswerSet(
        [
            (question("a.example"), answer(b"v=spf1 +all")),
            (question("a.example", "MX"), sf.Answer(sf.Status.NXDOMAIN, ttl=9)),
            (question("b.example", "A"), answer("192.0.2.1", ttl=9)),
        ]
    )
    after = publish(
        before,
        [
            'A.example TXT "v=spf1 " "mx -all"',
            "a.example. 60 IN A 192.0.2.2",
            "a.example A 192.0.2.3",
            "c.example CNAME b.example",
        ],
    )
    assert after.get(question("a.example")) == answer(b"v=spf1 mx -all", ttl=3600)
    assert after.get(question("a.example", "A")) == answer("192.0.2.2", "192.0.2.3", ttl=60)
    assert after.get(question("a.example", "MX")) == sf.Answer(sf.Status.NODATA, ttl=9)
    assert after.get(question("c.example", "A")) == answer("192.0.2.1", ttl=9)
    assert "b.example TXT is not among" in after.resolve(question("c.example")).detail
    assert after.get(question("a.example", "AAAA")) is None
    assert publish(before, []) == before


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ("", "must be of type"),
        ("a.example", "the record has no type"),
        ("a.example TXT", "TXT takes strings"),
        ('a.example TXT "open', "has no end"),
        ("a.example A 192.0.2.300", "A data must be"),
        ("a.example SPF x", "must be of type TXT, A, AAAA, MX, PTR or CNAME"),
        ("$ORIGIN example.", "must be one line with one record"),
        ("a.example A 192.0.2.1\nb.example A 192.0.2.1", "must be one line with one record"),
        ("a.example CNAME b.example", "record 2: a CNAME stands next to other data"),
    ],
)
def test_a_record_that_cannot_be_published(record: str, words: str) -> None:
    with pytest.raises(sf.InputError, match=f"publish: record 2: .*{words}|{words}"):
        publish(sf.AnswerSet(), ["a.example TXT ok", record])
