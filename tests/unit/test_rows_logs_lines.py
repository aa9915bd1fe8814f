"""What all logs have in common: lines, blocks, places, compression, files that are no such log."""

from __future__ import annotations

import gzip
import io
import sys
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
from support.rowlogs import Open, assert_resumes, read_rows

from senderid_fast.errors import MissingExtraError, RowsError
from senderid_fast.rows.base import Place
from senderid_fast.rows.logs import lines as lines_module
from senderid_fast.rows.logs import syslog
from senderid_fast.rows.logs.exchange import open_exchange
from senderid_fast.rows.logs.exim import open_exim
from senderid_fast.rows.logs.lines import LONGEST, Lines, Piece, candidates
from senderid_fast.rows.logs.postfix import open_postfix
from senderid_fast.rows.logs.sendmail import open_sendmail

LOGS = Path(__file__).parents[2] / "examples" / "logs"
OPENED = {
    "postfix.log": open_postfix,
    "exim.log": open_exim,
    "sendmail.log": open_sendmail,
    "exchange-tracking.csv": open_exchange,
    "exchange-receive.csv": open_exchange,
}
ROWS = {
    "postfix.log": 4,
    "exim.log": 4,
    "sendmail.log": 3,
    "exchange-tracking.csv": 2,
    "exchange-receive.csv": 2,
}


def compressed(path: Path, octets: bytes) -> Path:
    """The file, in the compression that its name ends with."""
    if path.suffix == ".gz":
        # Two members, as when rotated files are put together.
        half = len(octets) // 2
        path.write_bytes(gzip.compress(octets[:half]) + gzip.compress(octets[half:]))
    elif path.suffix == ".zst":
        path.write_bytes(pa.compress(octets, codec="zstd", asbytes=True))
    else:
        path.write_bytes(octets)
    return path


def places_of(opened: Open, path: Path) -> list[Place]:
    """The places behind each of the rows."""
    with closing(opened(str(path), batch_rows=1)) as source:
        return [block.place for block in source.blocks()]


# ---- Lines --------------------------------------------------------------------------------------


def pieces_of(path: Path) -> list[Piece]:
    lines = Lines(str(path), 0, 0)
    with closing(lines.stream):
        return list(lines.pieces())


@pytest.mark.parametrize("piece", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize("longest", [4, 5, LONGEST])
def test_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int, longest: int) -> None:
    monkeypatch.setattr(lines_module, "PIECE", piece)
    monkeypatch.setattr(lines_module, "LONGEST", longest)
    wanted = [b"a", b"", b"abcd", b"abcde", b"abcdefghijk", b"", b"abcdefghijkl", b"xy"]
    for end in (b"", b"\n"):
        octets = b"\n".join(wanted) + end
        path = tmp_path / "log"
        path.write_bytes(octets)
        pieces = pieces_of(path)
        data = b"".join(each.data for each in pieces)
        assert data.split(b"\n") == [*(line[:longest] for line in wanted), b""]
        assert sum(each.octets(0, len(each.data)) for each in pieces) == len(octets)
        cut = sum(each.cut(0, len(each.data)) for each in pieces)
        assert cut == sum(len(line) > longest for line in wanted)


def test_candidates_are_the_lines_with_a_needle() -> None:
    data = b"a x\nb\nc y x\n\nd y\ne\nf x y x\n"
    needles = (b"x", b"y")
    assert list(candidates(data, 0, needles)) == [
        (b"a x", 1, 0, 4),
        (b"c y x", 3, 1, 12),
        (b"d y", 5, 1, 17),
        (b"f x y x", 7, 0, 27),
    ]
    assert [each[:2] for each in candidates(data, 4, needles)] == [
        (b"c y x", 2),
        (b"d y", 4),
        (b"f x y x", 6),
    ]
    assert list(candidates(b"", 0, needles)) == []


# ---- Every log ----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
@pytest.mark.parametrize("name", OPENED)
def test_resumed_at_every_block(tmp_path: Path, name: str, suffix: str) -> None:
    octets = (LOGS / name).read_bytes()
    path = compressed(tmp_path / f"log{suffix}", octets * 3)
    assert assert_resumes(OPENED[name], path, 1) == 3 * ROWS[name]
    assert_resumes(OPENED[name], path, 2)
    assert read_rows(OPENED[name], path) == read_rows(OPENED[name], path, batch_rows=2)


@pytest.mark.parametrize("piece", [1, 100, 1000])
@pytest.mark.parametrize("name", OPENED)
def test_resumed_whatever_the_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, piece: int
) -> None:
    whole = read_rows(OPENED[name], LOGS / name)
    monkeypatch.setattr(lines_module, "PIECE", piece)
    monkeypatch.setattr(lines_module, "LONGEST", 500)
    path = tmp_path / "log"
    path.write_bytes(b"x" * 1_500 + b"\n" + (LOGS / name).read_bytes().rstrip(b"\n"))
    assert_resumes(OPENED[name], path, 1)
    moved = read_rows(OPENED[name], path)
    assert [{**row, "line": row["line"] - 1} for row in moved.rows] == whole.rows


@pytest.mark.parametrize("name", OPENED)
def test_line_ends_with_carriage_returns(tmp_path: Path, name: str) -> None:
    path = tmp_path / "log"
    path.write_bytes((LOGS / name).read_bytes().replace(b"\n", b"\r\n"))
    assert read_rows(OPENED[name], path) == read_rows(OPENED[name], LOGS / name)


@pytest.mark.parametrize("name", OPENED)
def test_standard_input(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    octets = (LOGS / name).read_bytes()

    def feed() -> None:
        stream = io.BufferedReader(io.BytesIO(octets))
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))

    feed()
    source = OPENED[name]("-", batch_rows=1)
    assert source.octets is None
    blocks = list(source.blocks())
    assert sum(block.batch.num_rows for block in blocks) == ROWS[name]
    assert blocks[-1].octets == len(octets)
    feed()
    rest = list(OPENED[name]("-", place=blocks[0].place).blocks())
    assert sum(block.batch.num_rows for block in rest) == ROWS[name] - 1


@pytest.mark.parametrize("name", OPENED)
def test_counts_go_on_in_a_resumed_job(name: str) -> None:
    with closing(OPENED[name](str(LOGS / name))) as whole:
        list(whole.blocks())
    for place in places_of(OPENED[name], LOGS / name):
        with closing(OPENED[name](str(LOGS / name), place=place)) as rest:
            list(rest.blocks())
        assert rest.counts == whole.counts
    assert whole.counts["lines"] == (LOGS / name).read_bytes().count(b"\n")


# ---- Files that are none ------------------------------------------------------------------------


@pytest.mark.parametrize("opened", [open_postfix, open_exim, open_sendmail, open_exchange])
def test_no_such_log(tmp_path: Path, opened: Open) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"nothing\n\n" * 5_000)
    with pytest.raises(RowsError, match=r"log: line 1999: none of .*expected: ") as error:
        read_rows(opened, path)
    assert error.value.place == "line 1999"
    path.write_bytes(b"nothing\n" * 7)
    with pytest.raises(RowsError, match="line 7: none of"):
        read_rows(opened, path)
    path.write_bytes(b"\n \n")
    assert read_rows(opened, path).rows == []


@pytest.mark.parametrize("name", OPENED)
def test_the_thousandth_line_may_be_the_first(tmp_path: Path, name: str) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"other\n" * 999 + (LOGS / name).read_bytes().split(b"\n", 4)[-1])
    if name.startswith("exchange"):
        path.write_bytes(b"#other\n" * 995 + (LOGS / name).read_bytes())
    assert read_rows(OPENED[name], path).rows


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent", "a\0b"):
        with pytest.raises(RowsError, match="cannot be read: "):
            open_postfix(str(path))


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_compressed_data_that_end_too_early_or_are_broken(tmp_path: Path, suffix: str) -> None:
    octets = (LOGS / "postfix.log").read_bytes() * 200
    whole = compressed(tmp_path / f"log{suffix}", octets).read_bytes()
    for broken in (whole[:-9], whole[:20], whole[:40] + bytes(40) + whole[80:]):
        path = tmp_path / "broken"
        path.write_bytes(broken)
        with pytest.raises(RowsError, match=r"line \d+: cannot be read: \w"):
            read_rows(open_postfix, path)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "exim"},
        {"offset": -1},
        {"offset": "1"},
        {"line": None},
        {"counts": {}},
        {"counts": None},
        {"counts": {"no_client": "a", "no_identity": 0, "pushed_out": 0}},
        {"state": 7},
        {"state": "{"},
        {"state": "[1]"},
        {"state": '[["a",1,null,""]]'},
        {"state": '[["a",null,1,""]]'},
        {"state": '[["a",null,null,null]]'},
        {"state": '[[7,null,null,""]]'},
        {"state": "[" * 100_000},
    ],
)
def test_places_that_are_none(change: dict[str, object]) -> None:
    path = str(LOGS / "postfix.log")
    place = places_of(open_postfix, LOGS / "postfix.log")[0]
    with pytest.raises(RowsError, match="the place to go on from is none of format postfix"):
        open_postfix(path, place={**place, **change})


def test_another_file_in_the_place_of_the_one_that_was_read(tmp_path: Path) -> None:
    path = tmp_path / "log"
    octets = (LOGS / "postfix.log").read_bytes()
    path.write_bytes(octets)
    place = places_of(open_postfix, path)[1]
    path.write_bytes(octets[:100])
    with pytest.raises(RowsError, match="is shorter than when the job was stopped"):
        open_postfix(str(path), place=place)
    path.write_bytes(b"x" + octets)
    with pytest.raises(RowsError, match="line 9: the file is not the one"):
        read_rows(open_postfix, path, place)


def test_what_is_remembered_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syslog, "PENDING_MOST", 3)
    head = b"Jan  5 08:00:00 mx postfix/"
    path = tmp_path / "log"
    client = b"%ssmtpd[1]: AAAA%d: client=unknown[192.0.2.%d]\n"
    sender = b"%sqmgr[2]: AAAA%d: from=<user%d@example.com>, size=1, nrcpt=1\n"
    path.write_bytes(
        b"".join(client % (head, each, each) for each in range(5))
        + b"".join(sender % (head, each, each) for each in range(5))
    )
    with closing(open_postfix(str(path))) as source:
        (block,) = source.blocks()
    assert block.batch.column("ip").to_pylist() == ["192.0.2.2", "192.0.2.3", "192.0.2.4"]
    counts = source.counts
    assert (counts["pushed_out"], counts["no_client"]) == (2, 2)
    assert_resumes(open_postfix, path)


def test_pyarrow_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"senderid-fast\[batch\]"):
        open_postfix(str(LOGS / "postfix.log"))
