"""The command as a whole: errors become a line and a status, and what a process of its own does."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from senderid_fast import InputError, __version__
from senderid_fast.cli import check, main

ROOT = Path(__file__).parents[2]
ZONE = str(ROOT / "examples" / "example.zone")
CONNECTIONS = str(ROOT / "examples" / "connections.tsv")
COMMANDS = ("check", "trace", "record", "verify")
COLUMNS = ["--columns", "ip=client,helo=name,mail_from=sender"]
SESSION = ["--ip", "192.0.2.1", "--mail-from", "a@plain.example"]

Capture = pytest.CaptureFixture[str]


def python(
    *arguments: str | bytes, prefix: Sequence[str] = (), **options: Any
) -> subprocess.CompletedProcess[bytes]:
    """python -m senderid_fast with warnings as errors."""
    command = [*prefix, sys.executable, "-W", "error", "-m", "senderid_fast", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False, **options)


# ---- the boundary -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), 130, ""),
        (RuntimeError("odd\x1b"), 1, "senderid-fast: error: unexpected RuntimeError: odd\\x1b\n"),
        (OSError(28, "No space left"), 1, "senderid-fast: error: No space left\n"),
        (InputError("seconds", "is odd"), 2, "senderid-fast: error: --timeout: is odd\n"),
    ],
)
def test_errors_become_a_line_and_a_status(
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    status: int,
    said: str,
) -> None:
    def run(arguments: object) -> int:
        raise error

    monkeypatch.setattr(check, "run", run)
    # No file descriptor behind it: the one of pytest is not to be closed.
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert main(["check"]) == status
    assert capsys.readouterr().err == said


def test_version(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"senderid-fast {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help(capsys: Capture, command: str) -> None:
    assert main([command, "--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "examples:" in out
    assert "exit status:" in out
    assert "RFC 7208" in out


def test_nothing_heavy_is_imported_before_it_is_used() -> None:
    program = (
        "import sys\n"
        "from senderid_fast.cli import main\n"
        "main(['--version'])\n"
        "heavy = {'dns', 'idna', 'asyncio', 'msgpack', 'ssl'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, cwd=ROOT)
    assert run.stdout.splitlines()[-1] == b"[]"


# ---- as a process -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "status", "ip", "domain"),
    [
        ("pass", 0, "192.0.2.10", "plain.example"),
        ("fail", 3, "192.0.2.64", "plain.example"),
        ("softfail", 4, "203.0.113.99", "shop.example"),
    ],
)
def test_process(result: str, status: int, ip: str, domain: str) -> None:
    run = python("check", "--zone", ZONE, "--ip", ip, "--mail-from", f"a@{domain}", "--exit-code")
    assert run.returncode == status
    assert run.stdout.startswith(result.encode())
    assert run.stderr == b""


def test_process_with_octets_that_are_no_utf8() -> None:
    run = python(
        *("check", "--zone", ZONE, "--ip", "192.0.2.1", "--helo", b"\xff\x1b", "--mail-from"),
        b"\xfe@plain.example",
    )
    assert run.returncode == 0
    assert run.stderr == b""
    assert b"sender        \\xfe@plain.example\n" in run.stdout


@pytest.mark.parametrize(
    "arguments", [["check"], ["check", *SESSION, "--zone", "/does/not/exist"], ["record", ""]]
)
def test_process_without_traceback(arguments: list[str]) -> None:
    run = python(*arguments)
    assert run.returncode in (1, 2)
    assert b"Traceback" not in run.stderr


def test_process_whose_reader_has_gone() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as gone:
        command = [sys.executable, "-m", "senderid_fast", "check", "--connections", CONNECTIONS]
        run = subprocess.run(
            [*command, "--zone", ZONE], stdout=gone, stderr=subprocess.PIPE, check=False
        )
    assert run.returncode == 141
    assert run.stderr == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_process_on_a_full_disk() -> None:
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "senderid_fast", "record", "v=spf1 mx"]
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert run.returncode == 1
    assert run.stderr == b"senderid-fast: error: No space left on device\n"


@pytest.mark.parametrize(
    ("closed", "words", "status", "said"),
    [
        ("<&-", ["batch", "-", "--format", "csv"], 2, "standard input: Bad file descriptor"),
        ("<&-", ["verify", "-"], 2, "Bad file descriptor"),
        ("<&-", ["record", "v=spf1 -all"], 0, ""),
        (
            ">&-",
            ["batch", "examples/batch/rows.csv", *COLUMNS, "--quiet"],
            1,
            "standard output: Bad",
        ),
        (">&-", ["record", "v=spf1 -all"], 1, "Bad file descriptor"),
        (">&-", ["record", "v=spf1 what"], 1, "Bad file descriptor"),
    ],
)
def test_standard_streams_that_are_closed(
    closed: str, words: list[str], status: int, said: str
) -> None:
    done = python(*words, prefix=["sh", "-c", f'exec "$@" {closed}', "sh"])
    err = done.stderr.decode()
    assert (done.returncode, said in err) == (status, True), err
    assert all(line.startswith("senderid-fast: error: ") for line in err.splitlines())


def test_nothing_is_written_into_what_is_opened_next(tmp_path: Path) -> None:
    """It would have the number of standard error, where a problem is told."""
    out = tmp_path / "out.csv"
    words = ["batch", "examples/batch/rows.csv", *COLUMNS, "--zone", ZONE, "-o", str(out)]
    shell = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
    assert python(*words, "--quiet", prefix=shell).returncode == 0
    text = out.read_bytes()
    assert python(*words, "--quiet", prefix=shell).returncode == 2  # it is there already
    assert out.read_bytes() == text
    assert b"senderid-fast" not in text
