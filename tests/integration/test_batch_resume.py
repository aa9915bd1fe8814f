"""senderid-fast batch stopped, killed and resumed: no row is lost or doubled."""

from __future__ import annotations

import json
import random
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from support.batchcommand import (
    ZONE,
    batch,
    read,
    run,
    start,
    table_of,
    write,
)
from support.jobs import recount

Capture = pytest.CaptureFixture[str]


def test_resume_needs_files(tmp_path: Path, capsys: Capture) -> None:
    rows = write(tmp_path / "rows.csv", table_of(10))
    for words, why in (
        ([rows], "what went to standard output cannot be taken back"),
        (["-", "--format", "csv", "-o", tmp_path / "out.csv"], "what was read from standard input"),
        ([rows, "-o", "/dev/null", "--output-format", "csv"], "/dev/null is none"),
    ):
        batch(*words, "--resume", "--zone", ZONE, status=2)
        err = capsys.readouterr().err
        assert err.startswith("senderid-fast: error: --resume: needs ")
        assert why in err


def test_a_device_as_output(tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.csv", table_of(10))
    batch(rows, "-o", "/dev/null", "--output-format", "csv", "--zone", ZONE, "--quiet")


# ---- stopped and killed -------------------------------------------------------------------------


def stopped(
    words: list[Any], out: Path, number: int, status: int, seconds: float = 0.0
) -> tuple[str, int]:
    """Start a job, send the signal when its first note is there; what it said, and rows done."""
    job = start(*words)
    state = Path(f"{out}.state")
    while not state.exists():
        assert job.poll() is None, job.communicate()
        time.sleep(0.002)
    time.sleep(seconds)
    job.send_signal(number)
    _, err = job.communicate(timeout=60)
    assert job.returncode == status, err.decode()
    return err.decode(), json.loads(state.read_text())["counters"]["rows"]


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"]
)
def test_a_signal_stops_a_job_and_resume_goes_on(tmp_path: Path, number: int, status: int) -> None:
    rows = write(tmp_path / "rows.csv", table_of(150_000))
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    batch(rows, "-o", whole, "--zone", ZONE, "--quiet")
    words = [rows, "-o", out, "--zone", ZONE, "--batch-rows", 2_000, "--checkpoint-seconds", 0]
    err, done = stopped(words, out, number, status)
    assert 0 < done < 150_000
    assert "stops after the block in hand" in err
    assert f"stopped after {done:,} rows; to go on, give the same command with --resume" in err
    assert not out.exists()
    batch(*words, status=2)  # neither --resume nor --overwrite
    out_text, err = run(*words, "--resume", "--json")
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "rows.csv", "whole.csv"]
    found = read(out)
    summary, expected = json.loads(out_text), recount(found)
    assert summary["rows"] == 150_000
    for name, counts in expected["results"].items():
        assert {key: rows for key, rows in summary["results"][name].items() if rows} == counts
    tops = {top["domain"]: top["rows"] for top in summary["failing_domains"]}
    assert tops == dict(expected["domains"])
    tops = {top["network"]: top["rows"] for top in summary["failing_networks"]}
    assert tops == dict(expected["networks"])
    for name, counts in expected["errors"].items():
        assert summary[name] == counts


@pytest.mark.parametrize("name", ["jsonl", "csv", "parquet", "arrow"])
def test_killed_at_any_moment_and_resumed(tmp_path: Path, name: str) -> None:
    rows = write(tmp_path / f"rows.{name}", table_of(120_000))
    whole, out = tmp_path / f"whole.{name}", tmp_path / f"out.{name}"
    words = ["--zone", ZONE, "--quiet", "--batch-rows", 2_000, "--checkpoint-seconds", 0]
    began = time.monotonic()
    run(rows, "-o", whole, *words)
    took = time.monotonic() - began
    generator = random.Random(name)
    state = Path(f"{out}.state")
    done = [0]
    for number in range(5):
        job = start(rows, "-o", out, *words, "--resume")
        if number == 0:  # the first time surely in the midst of it
            while not state.exists():
                assert job.poll() is None
                time.sleep(0.001)
            job.kill()
        try:
            job.communicate(timeout=generator.uniform(0.3, 1.1) * took)
        except subprocess.TimeoutExpired:
            job.kill()
            job.communicate()
        if job.returncode == 0:
            break
        assert job.returncode == -signal.SIGKILL
        if state.exists():
            done.append(json.loads(state.read_text())["counters"]["rows"])
            assert done[-1] >= done[-2]
    run(rows, "-o", out, *words, "--resume")
    assert len(done) > 1
    if name in ("jsonl", "csv"):
        assert out.read_bytes() == whole.read_bytes()
    else:
        assert read(out) == read(whole)
    assert sorted(path.name for path in tmp_path.glob("out*")) == [out.name]


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    """A job that waits for DNS does not keep who has lost patience."""
    rows = tmp_path / "rows.csv"
    rows.write_text("ip,helo,mail_from\n192.0.2.1,x,alice@plain.example\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.settimeout(60)
        server = f"127.0.0.1:{silent.getsockname()[1]}"
        job = start(rows, "-o", tmp_path / "out.csv", "--server", server, "--timeout", 3_600)
        assert silent.recv(512)  # it has asked, and waits
        job.send_signal(signal.SIGINT)
        assert job.stderr is not None
        assert b"interrupt again to stop at once" in job.stderr.readline()
        assert job.poll() is None
        job.send_signal(signal.SIGINT)
        job.communicate(timeout=60)
    assert job.returncode == 130


def test_changes_are_refused(tmp_path: Path, capsys: Capture) -> None:
    rows = write(tmp_path / "rows.csv", table_of(150_000))
    out = tmp_path / "out.csv"
    words = [rows, "-o", out, "--zone", ZONE, "--batch-rows", 2_000, "--checkpoint-seconds", 0]
    stopped(words, out, signal.SIGINT, 130)
    resume = [*words, "--resume"]
    for more, said in (
        (["--helo-result"], "--helo-result: was False when the job was begun, and is True now"),
        (["--columns", "helo=n"], "--columns: was not given when the job was begun, and is helo=n"),
        (["--lookups", "9"], "--lookups: was 10 when the job was begun, and is 9 now"),
        (["--output-format", "tsv"], "--output-format: was not given when"),
    ):
        batch(*resume, *more, status=2)
        assert said in capsys.readouterr().err
    batch(rows, rows, *resume[1:], status=2)
    assert "ROWS: were 1 when the job was begun, and are 2 now" in capsys.readouterr().err
    octets = rows.read_bytes()
    for changed, said in (
        (octets + b"1,192.0.2.1,x,y\n", "its size was"),
        (octets[:-2] + b"x\n", "what it holds has changed"),
        (octets, "it was written to since the job began"),
    ):
        rows.write_bytes(changed)
        batch(*resume, status=2)
        err = capsys.readouterr().err
        assert f"error: {rows}: {said}" in err
        assert "start afresh with overwrite" in err
    Path(f"{out}.state").write_text("{")
    batch(*resume, status=2)
    assert "is no state of a job" in capsys.readouterr().err
    batch(*words, "--overwrite", "--quiet")
    assert len(read(out)) == 150_000


# ---- logs, mail and the document ----------------------------------------------------------------


def test_answers_of_a_job_in_two_parts(tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.csv", table_of(150_000))
    out, again = tmp_path / "out.csv", tmp_path / "again.csv"
    answers = tmp_path / "answers.arrows"
    words = [rows, "-o", out, "--zone", ZONE, "--save-answers", answers]
    words += ["--batch-rows", 2_000, "--checkpoint-seconds", 0]
    stopped(words, out, signal.SIGINT, 130)
    run(*words, "--resume")
    batch(rows, "-o", again, "--answers", answers, "--quiet")
    assert again.read_bytes() == out.read_bytes()
