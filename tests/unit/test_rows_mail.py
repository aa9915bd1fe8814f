"""Messages as rows: mbox, Maildir, single files."""

from __future__ import annotations

import gzip
import json
import os
from contextlib import closing
from pathlib import Path

import pytest
from support.rowlogs import Open, assert_resumes, read_rows

from senderid_fast.errors import RowsError
from senderid_fast.receiver.relays import TrustedRelays
from senderid_fast.rows import mail
from senderid_fast.rows.mail import open_eml, open_maildir, open_mbox
from senderid_fast.rows.mailfiles import HEADER_MOST

MESSAGES = Path(__file__).parents[2] / "examples" / "messages"


def message(ip: str = "192.0.2.1", path: str | None = "<a@b.test>", more: str = "") -> bytes:
    first = "" if path is None else f"Return-Path: {path}\n"
    return (
        f"{first}Received: from h.test (h.test [{ip}]) by mx.example.org; x\n{more}"
        "From: a@b.test\n\nThe body\nFrom here\n\n>From too\n"
    ).encode()


def mbox_of(path: Path, *messages: bytes) -> Path:
    path.write_bytes(b"".join(b"From x Thu Jan  1 00:00:00 2026\n" + each for each in messages))
    return path


def maildir_of(path: Path, **messages: bytes) -> Path:
    for folder in ("cur", "new", "tmp"):
        (path / folder).mkdir(parents=True)
    for name, octets in messages.items():
        folder, _, file = name.partition("_")
        (path / folder / file).write_bytes(octets)
    return path


# ---- Columns ------------------------------------------------------------------------------------


def test_mbox_columns(tmp_path: Path) -> None:
    path = mbox_of(
        tmp_path / "box",
        message() + b"\n",
        message("2001:db8::1", "<>") + b"\n",
        message(path=None),
    )
    read = read_rows(open_mbox, path)
    assert read.column("file") == [str(path)] * 3
    assert read.column("index") == [1, 2, 3]
    assert read.column("ip") == ["192.0.2.1", "2001:db8::1", "192.0.2.1"]
    assert read.column("helo") == ["h.test"] * 3
    assert read.column("mail_from") == ["a@b.test", "", None]
    assert read.rows[0]["headers"] == message().split(b"\n\n")[0] + b"\n"
    assert not read.faults


def test_maildir_columns(tmp_path: Path) -> None:
    path = maildir_of(
        tmp_path / "dir",
        new_1=message("192.0.2.3"),
        cur_2=message("192.0.2.2"),
        cur_1=message("192.0.2.1"),
        tmp_1=message("192.0.2.9"),
        **{"cur_.hidden": message("192.0.2.9")},
    )
    (path / "cur" / "3").mkdir()
    with closing(open_maildir(str(path))) as source:
        assert source.rows == 4
    read = read_rows(open_maildir, path)
    names = [str(path / name) for name in ("cur/1", "cur/2", "cur/3", "new/1")]
    assert read.column("file") == names
    assert read.column("index") == [1, 2, 3, 4]
    assert read.column("ip") == ["192.0.2.1", "192.0.2.2", None, "192.0.2.3"]
    assert read.faults == {2: "message 3: is no file"}


def test_eml_columns() -> None:
    read = read_rows(open_eml, MESSAGES / "honest.eml")
    (row,) = read.rows
    assert (row["index"], row["ip"], row["mail_from"]) == (
        1,
        "203.0.113.129",
        "alice@plain.example",
    )


def test_trusted_relays() -> None:
    trusted = TrustedRelays(["203.0.113.129"])
    read = read_rows(open_mbox, MESSAGES / "several.mbox", trusted=trusted)
    assert "203.0.113.129" not in read.column("ip")
    assert len(read.rows) == 3
    assert not read.faults


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"From: a@b.test\n\n", "no Received field shows an outside client"),
        (message("10.0.0.1"), "Received field 0: 10.0.0.1 is private, and on no list of relays"),
        (b"no field\n\n", "is no message: it does not begin with a header field"),
        (b"A: b\n" * (HEADER_MOST // 5 + 1), "has a header section of more than 1048576 octets"),
    ],
)
def test_messages_that_cannot_be_checked_are_rows_at_fault(
    tmp_path: Path, octets: bytes, reason: str
) -> None:
    path = mbox_of(tmp_path / "box", message() + b"\n", octets + b"\n", message())
    read = read_rows(open_mbox, path)
    assert read.faults == {1: f"message 2: {reason}"}
    assert read.column("index") == [1, 2, 3]
    assert read.column("ip") == ["192.0.2.1", None, "192.0.2.1"]
    (tmp_path / "eml").write_bytes(octets)
    assert read_rows(open_eml, tmp_path / "eml").faults == {0: f"message 1: {reason}"}


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    path = maildir_of(tmp_path / "dir", cur_1=message())
    name = os.fsdecode(b"\xff")
    (path / "cur" / name).write_bytes(message("192.0.2.2"))
    read = read_rows(open_maildir, path)
    assert read.column("file") == [str(path / "cur" / "1"), str(path / "cur" / "\ufffd")]
    assert_resumes(open_maildir, path)


# ---- Places -------------------------------------------------------------------------------------


@pytest.mark.parametrize("squeeze", [bytes, gzip.compress])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_mbox_resumed_at_every_block(tmp_path: Path, squeeze: object, end: bytes) -> None:
    octets = (MESSAGES / "several.mbox").read_bytes().rstrip() + b"\n\n"
    path = tmp_path / "box"
    lone = b"From x\nA: b"  # neither an empty line nor a line feed
    data = (octets * 3 + b"From x\nno field\n\n\n" + lone).replace(b"\n", end)
    path.write_bytes(squeeze(data))  # type: ignore[operator]
    assert assert_resumes(open_mbox, path, 1) == 11
    assert_resumes(open_mbox, path, 3)


def test_maildir_resumed_at_every_block(tmp_path: Path) -> None:
    path = maildir_of(
        tmp_path / "dir", cur_2=message(), cur_10=message(), new_1=b"", new_3=message(path="<>")
    )
    assert assert_resumes(open_maildir, path) == 4


def test_maildir_that_changed_while_the_job_was_stopped(tmp_path: Path) -> None:
    path = maildir_of(tmp_path / "dir", cur_2=message("192.0.2.2"), cur_3=message("192.0.2.3"))
    with closing(open_maildir(str(path), batch_rows=1)) as source:
        place = next(iter(source.blocks())).place
    (path / "cur" / "2").unlink()
    (path / "cur" / "1").write_bytes(message("192.0.2.1"))
    (path / "new" / "0").write_bytes(message("192.0.2.4"))
    read = read_rows(open_maildir, path, json.loads(json.dumps(place)))
    assert read.column("ip") == ["192.0.2.3", "192.0.2.4"]
    assert read.column("index") == [2, 3]


def test_eml_resumed(tmp_path: Path) -> None:
    assert assert_resumes(open_eml, MESSAGES / "honest.eml") == 1


def test_blocks_are_bounded_in_octets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "BLOCK_OCTETS", 300)
    path = mbox_of(tmp_path / "box", *[message(more="X: y\n" * 20) + b"\n"] * 5)
    with closing(open_mbox(str(path))) as source:
        assert [block.batch.num_rows for block in source.blocks()] == [2, 2, 1]
    assert_resumes(open_mbox, path)


# ---- What is none -------------------------------------------------------------------------------


@pytest.mark.parametrize("opened", [open_mbox, open_maildir, open_eml])
@pytest.mark.parametrize(
    "place", [{}, {"format": "other"}, {"offset": -1, "message": 1}, {"after": 1, "message": "x"}]
)
def test_places_that_are_none(tmp_path: Path, opened: Open, place: dict[str, object]) -> None:
    path = maildir_of(tmp_path / "dir")
    if opened is not open_maildir:
        path = mbox_of(tmp_path / "box", message())
        place = {"format": "mbox", **place} if opened is open_mbox else place
    with pytest.raises(RowsError, match="the place to go on from is none of format"):
        opened(str(path), place=place)


def test_what_is_no_mail(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"no mbox\n")
    with pytest.raises(RowsError, match='file: line 1: does not begin with a "From " line'):
        read_rows(open_mbox, path)
    path.write_bytes(b"")
    assert read_rows(open_mbox, path).rows == []
    assert read_rows(open_eml, path).faults == {0: "message 1: is empty"}
    for opened in (open_mbox, open_eml):
        with pytest.raises(RowsError, match="cannot be read: Is a directory"):
            opened(str(tmp_path))
    for name in (str(tmp_path), str(path), str(tmp_path / "absent"), "a\0b"):
        with pytest.raises(RowsError, match=r"is no Maildir|cannot be read"):
            open_maildir(name)
