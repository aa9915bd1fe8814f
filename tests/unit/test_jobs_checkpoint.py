"""The note of a job: written whole, read with distrust; and what inputs are known by."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from senderid_fast import RowsError
from senderid_fast.jobs.checkpoint import (
    Checkpoint,
    read_checkpoint,
    remove_checkpoint,
    state_path,
)
from senderid_fast.jobs.fingerprint import END_OCTETS, change_of, fingerprint_of


def checkpoint(**changes: Any) -> Checkpoint:
    values: dict[str, Any] = {
        "inputs": [{"path": "rows.csv", "size": 3, "mtime_ns": 4, "digest": "ab"}],
        "options": {"format": None, "columns": {"ip": "client"}},
        "source": {"octets": 17},
        "sink": {"rows": 5},
        "counters": {"rows": 5},
    }
    return Checkpoint(**(values | changes))


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    path = state_path(str(tmp_path / "out.csv"))
    assert path.name == "out.csv.state"
    assert read_checkpoint(path) is None
    for note in (checkpoint(), checkpoint(replaces=[1, 2, 3], ending=True)):
        note.write(path)
        assert read_checkpoint(path) == note
    assert [each.name for each in tmp_path.iterdir()] == ["out.csv.state"]
    remove_checkpoint(path)
    remove_checkpoint(path)
    assert list(tmp_path.iterdir()) == []


def test_a_note_that_cannot_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.state"
    checkpoint().write(path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RowsError, match="cannot be written: No space left on device"):
        checkpoint(source={"octets": 99}).write(path)
    assert read_checkpoint(path) == checkpoint()
    assert [each.name for each in tmp_path.iterdir()] == ["out.state"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RowsError, match="No such file or directory"):
        checkpoint().write(tmp_path / "no" / "out.state")


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"", "it is no JSON"),
        (b"\xff", "it is no JSON"),
        (b"[" * 100_000, "it is no JSON"),
        (b"[]", "is no state of a job"),
        (b'{"rows": 1}', "is no state of a job"),
        (b'{"version": 2}', "was written by another version"),
        (b'{"version": 1}', "is no whole state"),
    ],
)
def test_what_is_no_note(tmp_path: Path, octets: bytes, words: str) -> None:
    path = tmp_path / "out.state"
    path.write_bytes(octets)
    with pytest.raises(RowsError, match=words) as caught:
        read_checkpoint(path)
    assert caught.value.source == str(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("inputs", {}),
        ("inputs", [1]),
        ("inputs", [{"path": "x"}]),
        ("options", []),
        ("source", None),
        ("sink", 1),
        ("counters", "x"),
        ("replaces", 1),
        ("ending", 1),
    ],
)
def test_damaged_notes(tmp_path: Path, name: str, value: object) -> None:
    path = tmp_path / "out.state"
    checkpoint().write(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    with pytest.raises(RowsError, match=f"{name} is damaged"):
        read_checkpoint(path)


def test_an_endless_note_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "out.state"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(RowsError, match="it is too long"):
        read_checkpoint(path)


def change(path: Path, before: dict[str, Any]) -> str | None:
    return change_of(before, fingerprint_of(str(path)))


def test_fingerprints_of_files(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"a" * (3 * END_OCTETS))
    found = path.stat()
    before = fingerprint_of(str(path))
    assert json.loads(json.dumps(before)) == before
    assert change(path, before) is None

    def put(octets: bytes) -> None:
        path.write_bytes(octets)
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))

    put(b"a" * (3 * END_OCTETS + 1))
    assert change(path, before) == "its size was 196608 octets when the job began, and is 196609"
    for octets in (b"b" + b"a" * (3 * END_OCTETS - 1), b"a" * (3 * END_OCTETS - 1) + b"b"):
        put(octets)
        assert change(path, before) == "what it holds has changed since the job began"
    put(b"a" * (3 * END_OCTETS))
    assert change(path, before) is None
    os.utime(path, ns=(1, 1))
    assert change(path, before) == "it was written to since the job began"
    other = tmp_path / "other.csv"
    other.write_bytes(b"")
    assert str(change(other, before)).startswith(f"the job was begun with {path} in its place")


@pytest.mark.parametrize("size", [0, 1, END_OCTETS, END_OCTETS + 1, 2 * END_OCTETS])
def test_each_octet_of_a_short_file_counts(tmp_path: Path, size: int) -> None:
    path = tmp_path / "rows"
    path.write_bytes(b"x" * size)
    before = fingerprint_of(str(path))
    for at in {0, size // 2, size - 1} if size else set():
        path.write_bytes(b"x" * at + b"y" + b"x" * (size - at - 1))
        assert fingerprint_of(str(path))["digest"] != before["digest"]


def test_fingerprints_of_folders(tmp_path: Path) -> None:
    folder = tmp_path / "Maildir"
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True)
    (folder / "cur" / "1").write_bytes(b"one")
    before = fingerprint_of(str(folder))
    assert change(folder, before) is None
    os.utime(folder / "cur", ns=(1, 1))
    assert change(folder, before) is None
    (folder / "new" / "2").write_bytes(b"two")
    assert change(folder, before) == "what it holds has changed since the job began"
    (folder / "new" / "2").unlink()
    assert change(folder, before) is None
    (folder / "cur" / "1").write_bytes(b"ones")
    assert change(folder, before) == "what it holds has changed since the job began"


def test_an_input_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RowsError, match="cannot be read: No such file"):
        fingerprint_of(str(tmp_path / "no"))
