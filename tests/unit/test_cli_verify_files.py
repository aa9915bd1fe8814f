"""senderid-fast verify: where messages are found in files, and what is done about those that are
none."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest

from senderid_fast.cli import main
from senderid_fast.rows.mailfiles import HEADER_MOST, Found, read_messages

ROOT = Path(__file__).parents[2]
ZONE = str(ROOT / "examples" / "example.zone")
MESSAGES = ROOT / "examples" / "messages"

Capture = pytest.CaptureFixture[str]


def stdin_of(monkeypatch: pytest.MonkeyPatch, octets: bytes) -> io.BytesIO:
    stream = io.BytesIO(octets)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream, encoding="utf-8"))
    return stream


def of_octets(tmp_path: Path, octets: bytes, kind: str = "auto") -> list[Found]:
    path = tmp_path / "file"
    path.write_bytes(octets)
    return list(read_messages([str(path)], kind))


def headers(found: list[Found]) -> list[bytes | str]:
    """Header sections, and problems in place of those that are missing."""
    return [each.problem or each.headers for each in found]


# ---- single messages ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("octets", "section"),
    [
        (b"A: b\n\nC: d\n", b"A: b\n"),
        (b"A: b\r\n\r\nC: d\r\n", b"A: b\r\n"),
        (b"A: b", b"A: b"),
        (b"A: b\n \n\tc\n\nd", b"A: b\n \n\tc\n"),
        (b"A: b\n\r\r\n", b"A: b\n\r\r\n"),
        (b">From x\nA: b\n\n", b">From x\nA: b\n"),
    ],
)
def test_a_message_ends_at_its_empty_line(tmp_path: Path, octets: bytes, section: bytes) -> None:
    assert headers(of_octets(tmp_path, octets)) == [section]


NO_MESSAGE = "is no message: it does not begin with a header field"


@pytest.mark.parametrize(
    ("octets", "problem"),
    [
        (b"", "is empty"),
        (b"\n", NO_MESSAGE),
        (b"\nA: b\n", NO_MESSAGE),
        (b"\x7fELF\x02\x01\x01\x00" + bytes(range(256)) * 9, NO_MESSAGE),
        (bytes(HEADER_MOST * 2), NO_MESSAGE),
        (b"some text\nA: b\n", NO_MESSAGE),
        (b"A: " + b"b" * HEADER_MOST, f"has a header section of more than {HEADER_MOST} octets"),
        (b"A: b\n" * (HEADER_MOST // 5 + 1) + b"\n", f"of more than {HEADER_MOST} octets"),
    ],
)
def test_files_that_hold_no_message(tmp_path: Path, octets: bytes, problem: str) -> None:
    (found,) = of_octets(tmp_path, octets)
    assert found.problem is not None
    assert found.problem.endswith(problem)
    assert found.headers == b""


def test_the_longest_header_section(tmp_path: Path) -> None:
    section = b"A: " + b"b" * (HEADER_MOST - 4) + b"\n"
    assert headers(of_octets(tmp_path, section + b"\nbody")) == [section]


# ---- mbox ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_an_mbox(tmp_path: Path, end: bytes) -> None:
    octets = end.join(
        [
            *(b"From a Tue Mar  3", b"A: 1", b"", b"body", b"From here no message begins", b""),
            *(b"", b"From b", b"A: 2", b"", b">From c", b"A: no", b""),
            *(b"From d", b"A: 3", b"", b"From e", b"A: 4"),
        ]
    )
    found = of_octets(tmp_path, octets)
    assert headers(found) == [b"A: 1" + end, b"A: 2" + end, b"A: 3" + end, b"A: 4"]
    assert [each.number for each in found] == [1, 2, 3, 4]
    assert found[1].place.endswith("file, message 2")


def test_an_mbox_with_messages_that_are_none(tmp_path: Path) -> None:
    octets = (
        b"From a\n\nFrom b\nA: " + b"1" * 2 * HEADER_MOST + b"\nX: y\n\nbody\n\n"
        b"From c\nno field\n\n\nFrom d\nA: 4\n\nFrom " + b"e" * 200_000 + b"\nA: 5\n\nFrom f"
    )
    assert headers(of_octets(tmp_path, octets)) == [
        NO_MESSAGE,
        f"has a header section of more than {HEADER_MOST} octets",
        NO_MESSAGE,
        b"A: 4\n",
        b"A: 5\n",
        NO_MESSAGE,
    ]


def test_a_separator_in_a_header_is_none(tmp_path: Path) -> None:
    (found,) = of_octets(tmp_path, b"From a\nA: 1\nFrom b\nA: 2\n\n")
    assert [name for name, *_ in found.fields] == ["A"]
    assert found.junk_at == 5


def test_messages_come_as_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing behind a header section is read before its message is handed out."""
    stream = stdin_of(monkeypatch, b"From a\nA: 1\n\n" + b"body\n" * 100 + b"\nFrom b\nA: 2\n\n")
    found = read_messages(["-"], "mbox")
    assert next(found).headers == b"A: 1\n"
    assert sys.stdin.buffer.tell() == len(b"From a\nA: 1\n\n")
    assert next(found).headers == b"A: 2\n"
    assert list(found) == []
    assert stream.read() == b""


@pytest.mark.parametrize(
    ("kind", "octets", "expected"),
    [
        ("mbox", b"A: b\n\n", ['does not begin with a "From " line, so it is no mbox']),
        ("mbox", b"", []),
        ("eml", b"From a\nA: 1\n\n\nFrom b\nA: 2\n\n", [b"From a\nA: 1\n"]),
        ("maildir", b"A: b\n\n", ["is no folder"]),
    ],
)
def test_a_format_that_was_asked_for(
    tmp_path: Path, kind: str, octets: bytes, expected: list[bytes | str]
) -> None:
    assert headers(of_octets(tmp_path, octets, kind)) == expected


# ---- Maildir ------------------------------------------------------------------------------------


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    path = tmp_path / "Maildir"
    for name in ("cur", "new", "tmp"):
        (path / name).mkdir(parents=True)
    return path


def test_a_maildir(maildir: Path) -> None:
    for name, octets in {
        "cur/2:2,S": b"A: 2\n\n",
        "cur/1:2,": b"A: 1\n\n",
        "new/3": b"From x\nA: 3\n\n\nFrom y\nA: 4\n\n",
        "new/4": b"",
        "new/.hidden": b"A: 5\n\n",
        "tmp/6": b"A: 6\n\n",
    }.items():
        (maildir / name).write_bytes(octets)
    (maildir / "new" / "5").mkdir()
    os.mkfifo(maildir / "new" / "6")  # nobody writes to it
    (maildir / "new" / "7").symlink_to("nowhere")
    found = list(read_messages([str(maildir)], "auto"))
    assert headers(found) == [
        *(b"A: 1\n", b"A: 2\n", b"From x\nA: 3\n", "is empty"),
        *("is no file", "is no file", "is no file"),
    ]
    assert found[0].place == str(maildir / "cur" / "1:2,")
    assert [each.file for each in read_messages([str(maildir)], "maildir")] == [
        each.file for each in found
    ]
    assert headers(list(read_messages([str(maildir)], "mbox"))) == ["is a folder"]


def test_folders_that_are_no_maildir(tmp_path: Path, maildir: Path) -> None:
    assert headers(list(read_messages([str(maildir)], "auto"))) == []
    assert headers(list(read_messages([str(tmp_path)], "auto"))) == [
        "is a folder without cur and new, so no Maildir"
    ]


# ---- what cannot be read ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["auto", "eml", "mbox", "maildir"])
def test_files_that_are_not_there(kind: str) -> None:
    found = list(read_messages(["/does/not/exist", "a\0b"], kind))
    assert len(found) == 2
    assert str(found[0].problem).startswith("cannot be read: ")
    assert found[1].problem


def test_bad_files_do_not_stop_the_rest(capsys: Capture, tmp_path: Path) -> None:
    binary = tmp_path / "bin\x1bary"
    binary.write_bytes(b"\0" * 1000)
    words = ["--ip", "192.0.2.10", "--json", "--exit-code"]
    names = [str(binary), str(MESSAGES / "honest.eml"), "/does/not/exist"]
    assert main(["verify", "--zone", ZONE, *words, *names]) == 2
    out, err = capsys.readouterr()
    assert [json.loads(line)["file"] for line in out.splitlines()] == [names[1]]
    shown = str(binary).replace("\x1b", "\\x1b")
    assert err.splitlines() == [
        f"senderid-fast: error: {shown}: {NO_MESSAGE}",
        "senderid-fast: error: /does/not/exist: cannot be read: No such file or directory",
    ]


# ---- standard input -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [[], ["-"]])
def test_standard_input(capsys: Capture, monkeypatch: pytest.MonkeyPatch, name: list[str]) -> None:
    octets = (MESSAGES / "honest.eml").read_bytes() + b"body\n" * 100_000
    stream = stdin_of(monkeypatch, octets)
    assert main(["verify", "--zone", ZONE, "--ip", "192.0.2.10", "--json", *name]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["file"], found["message"]) == ("-", None)
    assert found["checks"]["pra"]["result"] == "pass"
    assert stream.tell() == len(octets)  # who writes to a pipe is not stopped


def test_standard_input_as_mbox(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin_of(monkeypatch, (MESSAGES / "several.mbox").read_bytes())
    assert main(["verify", "--zone", ZONE, "--ip", "192.0.2.10", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["message"] for line in lines] == [1, 2, 3]


def test_standard_input_is_no_folder(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin_of(monkeypatch, b"A: b\n\n")
    assert main(["verify", "--zone", ZONE, "--format", "maildir"]) == 2
    assert capsys.readouterr().err == "senderid-fast: error: -: is standard input, no folder\n"
