"""senderid-fast batch on inputs that keep it waiting: pipes, with somebody who writes now and then.

A signal ends the job at once, and what had come by then is written.
"""

from __future__ import annotations

import fcntl
import gzip
import os
import resource
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support.batchcommand import ROOT, ZONE, batch, command, environment, read, table_of, write

from senderid_fast.rows.texts import PIECE

Capture = pytest.CaptureFixture[str]
EXAMPLES = ROOT / "examples"
SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
TEXT = ["csv", "tsv", "jsonl"]
FORMATS = [
    *TEXT, "jsonl.gz", "csv.zst", "arrow", "arrows", "parquet", "postfix", "exim", "sendmail",
    "exchange", "mbox", "eml", None,
]  # fmt: skip
ENDED = 20.0  # a machine that is busy; without the signal it would be never


def started(*words: object, stdin: Any = None) -> subprocess.Popen[bytes]:
    """A job; standard input is the end of a pipe that is given."""
    return subprocess.Popen(
        command(*words),
        cwd=ROOT,
        env=environment(),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


class Pipe:
    """Both ends of a pipe; the job has its own copy of the one it reads."""

    def __init__(self) -> None:
        ours, theirs = os.pipe()
        self.end = os.fdopen(ours, "rb", buffering=0)
        self.writer = os.fdopen(theirs, "wb", buffering=0)

    def write(self, octets: bytes) -> None:
        """Write, and wait until the job has taken all of it."""
        self.writer.write(octets)
        left = bytearray(4)
        while any(fcntl.ioctl(self.writer, termios.FIONREAD, bytes(left))):
            time.sleep(0.01)
        time.sleep(0.2)  # it has to put away what it has taken

    def close(self) -> None:
        self.writer.close()
        self.end.close()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def listens(job: subprocess.Popen[bytes]) -> None:
    """Wait until a signal would be heard: its mask is in the status of the process."""
    wanted = (1 << signal.SIGINT - 1) | (1 << signal.SIGTERM - 1)
    while True:
        assert job.poll() is None, job.communicate()
        status = Path(f"/proc/{job.pid}/status").read_text()
        caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
        if int(caught.split()[1], 16) & wanted == wanted:
            return
        time.sleep(0.01)


def ended(job: subprocess.Popen[bytes], number: int) -> tuple[bytes, str]:
    job.send_signal(number)
    out, err = job.communicate(timeout=ENDED)
    return out, err.decode()


@pytest.mark.parametrize("name", FORMATS, ids=str)
def test_a_signal_ends_a_job_to_which_nothing_comes(name: str | None, pipe: Pipe) -> None:
    named = [] if name is None else ["--format", name]
    job = started("-", *named, "--zone", ZONE, stdin=pipe.end)
    listens(job)
    out, err = ended(job, signal.SIGTERM)
    assert (job.returncode, out) == (143, b"")
    assert "interrupt again to stop at once" in err
    assert err.endswith("senderid-fast: error: stopped after 0 rows\n")


@pytest.mark.parametrize(("number", "status"), SIGNALS)
@pytest.mark.parametrize("name", [*TEXT, "arrows"])
def test_rows_that_came_are_written(
    name: str, number: int, status: int, pipe: Pipe, tmp_path: Path
) -> None:
    """Whole ones: what is half written would be another row."""
    rows = write(tmp_path / f"rows.{name}", table_of(50))
    whole = tmp_path / "whole.jsonl"
    batch(rows, "-o", whole, "--zone", ZONE, "--quiet")
    job = started("-", "--format", name, "--output-format", "jsonl", "--zone", ZONE, stdin=pipe.end)
    listens(job)
    cut = 8 if name == "arrows" else 5  # the end of the stream; half of a row
    pipe.write(rows.read_bytes()[:-cut])
    out, err = ended(job, number)
    assert job.returncode == status
    found, wanted = out.splitlines(), whole.read_bytes().splitlines()
    assert found == wanted[: len(found)]
    assert len(found) == (50 if name == "arrows" else 49)
    assert f"stopped after {len(found)} rows" in err


def test_a_header_that_is_half_written(pipe: Pipe) -> None:
    job = started("-", "--format", "csv", "--zone", ZONE, stdin=pipe.end)
    listens(job)
    pipe.write(b"ip,helo,mail_fr")
    out, err = ended(job, signal.SIGTERM)
    assert (job.returncode, out) == (143, b"")
    assert "stopped after 0 rows" in err


@pytest.mark.parametrize(
    ("name", "file", "rows"),
    [
        ("postfix", "logs/postfix.log", 4),
        ("exim", "logs/exim.log", 4),
        ("mbox", "messages/several.mbox", 3),
    ],
)
def test_lines_and_messages_that_came_are_written(
    name: str, file: str, rows: int, pipe: Pipe
) -> None:
    job = started("-", "--format", name, "--zone", ZONE, "--quiet", stdin=pipe.end)
    listens(job)
    pipe.write((EXAMPLES / file).read_bytes())
    out, err = ended(job, signal.SIGTERM)
    assert job.returncode == 143
    assert f"stopped after {rows} rows" in err
    assert out.count(b"\n") > rows


def test_all_blocks_that_were_read_are_written(pipe: Pipe, tmp_path: Path) -> None:
    """They cannot be read again, so that "stopped after" tells where to go on."""
    rows = write(tmp_path / "rows.csv", table_of(100))
    answers = tmp_path / "answers.arrows"
    words = ["--zone", ZONE, "--batch-rows", 3, "--quiet", "--save-answers", answers]
    out = tmp_path / "out.csv"
    job = started("-", "--format", "csv", "-o", out, *words, stdin=pipe.end)
    listens(job)
    pipe.write(rows.read_bytes())
    _, err = ended(job, signal.SIGTERM)
    assert job.returncode == 143
    assert "stopped after 100 rows" in err
    assert not out.exists()
    partial = Path(f"{out}.partial")
    whole = tmp_path / "whole.csv"
    batch(rows, "-o", whole, "--zone", ZONE, "--quiet")
    assert partial.read_bytes() == whole.read_bytes()
    # The job cannot go on: its answers are all it will ever have.
    batch(rows, "-o", tmp_path / "again.csv", "--answers", answers, "--quiet")
    assert (tmp_path / "again.csv").read_bytes() == whole.read_bytes()


def test_a_named_pipe_that_nobody_opens(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "rows")
    job = started(tmp_path / "rows", "--format", "csv", "--zone", ZONE)
    listens(job)
    time.sleep(0.2)
    _, err = ended(job, signal.SIGTERM)
    assert job.returncode == 143
    assert "stopped after 0 rows" in err


def test_no_row_of_a_pipe_with_a_name_is_lost(tmp_path: Path, capsys: Capture) -> None:
    """What a job would know it by, to go on with it later, must not be read from it."""
    table = table_of(20_000)
    rows = write(tmp_path / "rows.jsonl", table)
    batch(rows, "-o", tmp_path / "whole.jsonl", "--zone", ZONE, "--quiet")
    named = tmp_path / "pipe"
    os.mkfifo(named)
    words = [named, "--format", "jsonl", "--zone", ZONE, "-o", tmp_path / "out.jsonl", "--quiet"]
    job = started(*words)
    with named.open("wb") as file:
        file.write(rows.read_bytes())
    _, err = job.communicate()
    assert job.returncode == 0, err
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    batch(*words, "--resume", status=2)
    assert f"--resume: needs files as inputs: what was read from {named}" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["csv", "jsonl", "jsonl.gz", "arrows", "postfix"])
def test_a_pipe_behind_another_input(name: str, pipe: Pipe, tmp_path: Path) -> None:
    """All inputs are opened at once; of a pipe nothing is read twice."""
    if name == "postfix":
        first = second = EXAMPLES / "logs" / "postfix.log"
    else:
        first = write(tmp_path / f"first.{name}", table_of(700))
        second = write(tmp_path / f"second.{name}", table_of(900, seed=2))
    named = ["--format", name, "--zone", ZONE, "--quiet"]
    batch(first, second, *named, "-o", tmp_path / "whole.csv")
    octets = second.read_bytes()
    job = started(first, "-", *named, "-o", tmp_path / "out.csv", stdin=pipe.end)
    for at in range(0, len(octets), 4_096):  # more than a pipe holds
        pipe.writer.write(octets[at : at + 4_096])
    pipe.writer.close()
    _, err = job.communicate()
    assert job.returncode == 0, err
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_file_before_a_pipe_is_not_read_to_its_end(pipe: Pipe, tmp_path: Path) -> None:
    """The file can be read again, and would keep whoever stops the job."""
    rows = write(tmp_path / "rows.csv", table_of(300_000))
    words: list[Any] = [rows, "-", "--format", "csv", "--zone", ZONE, "--batch-rows", 500]
    job = started(*words, "-o", tmp_path / "out.csv", "--quiet", stdin=pipe.end)
    pipe.writer.write(b"n,ip,helo,mail_from\n1,192.0.2.1,x,a@plain.example\n")
    partial = tmp_path / "out.csv.partial"
    pipe.writer.close()
    while not partial.exists() or partial.stat().st_size < 10_000:
        assert job.poll() is None, job.communicate()
        time.sleep(0.002)
    _, err = ended(job, signal.SIGTERM)
    assert job.returncode == 143
    assert "stopped after" in err
    assert partial.read_bytes().count(b"\n") < 300_000


def test_a_slow_writer_loses_nothing(pipe: Pipe, tmp_path: Path) -> None:
    """Pieces of a few octets, so that reads end anywhere, compressed or not."""
    rows = write(tmp_path / "rows.jsonl", table_of(30))
    batch(rows, "-o", tmp_path / "whole.jsonl", "--zone", ZONE, "--quiet")
    words = ["-", "--format", "jsonl.gz", "--zone", ZONE, "-o", tmp_path / "out.jsonl", "--quiet"]
    job = started(*words, stdin=pipe.end)
    octets = gzip.compress(rows.read_bytes())
    for at in range(0, len(octets), 7):
        pipe.writer.write(octets[at : at + 7])
        time.sleep(0.001)
    pipe.writer.close()
    _, err = job.communicate()
    assert job.returncode == 0, err
    assert read(tmp_path / "out.jsonl") == read(tmp_path / "whole.jsonl")


def test_a_disk_that_is_full_is_told_of_while_nothing_comes(pipe: Pipe, tmp_path: Path) -> None:
    """Whoever waits for the next row would not hear of it before there is one."""
    out = tmp_path / "out.csv"
    rows = write(tmp_path / "rows.csv", table_of(100_000)).read_bytes()
    job = started("-", "--format", "csv", "-o", out, "--zone", ZONE, "--quiet", stdin=pipe.end)
    pipe.end.close()
    listens(job)
    resource.prlimit(job.pid, resource.RLIMIT_FSIZE, (4_096, 4_096))
    assert len(rows) > PIECE  # what is read at once, and checked and written then
    with suppress(BrokenPipeError):
        while rows:
            rows = rows[pipe.writer.write(rows) :]
    _, err = job.communicate(timeout=ENDED)
    assert job.returncode == 2
    assert err.decode().endswith("File too large\n")
    assert str(out) in err.decode()
    assert not out.exists()
