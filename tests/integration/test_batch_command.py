"""senderid-fast batch end to end: formats, resuming, signals, answers kept and replayed.

The command runs in a process of its own where signals, terminals or memory are the matter.
"""

from __future__ import annotations

import csv
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.batchcommand import (
    FORMATS,
    RESULTS,
    ROOT,
    ZONE,
    batch,
    command,
    environment,
    plain,
    read,
    run,
    start,
    table_of,
    write,
)

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """A folder with 2,000 rows in each format, and the rows as the output should have them."""
    from senderid_fast import Engine, InputError, ZoneResolver

    folder = tmp_path_factory.mktemp("small")
    table = table_of(2_000)
    for name in FORMATS:
        write(folder / f"rows.{name}", table)
    engine = Engine(ZoneResolver.from_file(ZONE))
    expected = table.to_pylist()
    for row in expected:
        null = row["mail_from"] in ("", "<>")
        row["spf_scope"] = "helo" if null else "mfrom"
        try:
            verdict = engine.check_mail_from(row["ip"], row["mail_from"], row["helo"])
        except InputError:
            row |= {"spf_result": "none", "spf_reason": "invalid-ip"}
        else:
            row |= {"spf_result": str(verdict.result), "spf_reason": str(verdict.reason)}
    return folder, expected


# ---- formats ------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("target", FORMATS)
def test_every_format_in_and_out(
    small: tuple[Path, list[dict[str, Any]]], tmp_path: Path, source: str, target: str
) -> None:
    folder, expected = small
    out = tmp_path / f"out.{target}"
    batch(folder / f"rows.{source}", "-o", out, "--zone", ZONE, "--quiet", "--batch-rows", 300)
    found = plain(read(out))
    names = ["ip", "helo", "mail_from", "spf_result", "spf_scope", "spf_reason"]
    assert len(found) == 2_000
    for row, wanted in zip(found, plain(expected), strict=True):
        assert [row[name] for name in names] == [wanted[name] for name in names]
        assert row.get("row_error") is None
    assert sorted(path.name for path in tmp_path.iterdir()) == [out.name]


@pytest.mark.parametrize("name", ["jsonl.gz", "csv.zst"])
def test_compressed_files(tmp_path: Path, name: str) -> None:
    rows = write(tmp_path / f"rows.{name}", table_of(100))
    out = tmp_path / f"out.{name}"
    batch(rows, "-o", out, "--zone", ZONE, "--quiet")
    assert len(read(out)) == 100


@pytest.mark.parametrize("name", ["csv", "jsonl", "arrows"])
def test_standard_input_and_output(
    small: tuple[Path, list[Any]], name: str, tmp_path: Path
) -> None:
    folder, _ = small
    octets = (folder / f"rows.{name}").read_bytes()
    done = subprocess.run(
        command("-", "--format", name, "--zone", ZONE),
        cwd=ROOT,
        env=environment(),
        input=octets,
        capture_output=True,
        check=True,
    )
    out = tmp_path / f"out.{name}"
    batch(folder / f"rows.{name}", "-o", out, "--zone", ZONE, "--quiet")
    assert done.stdout == out.read_bytes()
    assert done.stderr.startswith(b"rows               2,000\n")


def test_several_inputs_are_read_in_order(tmp_path: Path) -> None:
    table = table_of(900)
    names = [write(tmp_path / f"{at}.csv", table.slice(at, 300)) for at in (0, 300, 600)]
    whole = write(tmp_path / "whole.csv", table)
    batch(*names, "-o", tmp_path / "out.csv", "--zone", ZONE, "--quiet")
    batch(whole, "-o", tmp_path / "one.csv", "--zone", ZONE, "--quiet")
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()


def test_inputs_with_other_columns_are_refused(tmp_path: Path, capsys: Capture) -> None:
    first = write(tmp_path / "first.parquet", table_of(10))
    other = write(tmp_path / "other.parquet", table_of(10).drop_columns(["n"]))
    batch(first, other, "-o", tmp_path / "out.csv", "--zone", ZONE, status=2)
    err = capsys.readouterr().err
    assert f"{other}: its columns are not those of {first}: column 1 is ip (string)" in err
    assert not (tmp_path / "out.csv").exists()


def test_columns_with_other_names(tmp_path: Path, capsys: Capture) -> None:
    table = table_of(100)
    rows = write(tmp_path / "rows.csv", table.rename_columns(["n", "client", "name", "sender"]))
    words = [rows, "-o", tmp_path / "out.csv", "--zone", ZONE, "--quiet"]
    batch(*words, "--columns", "ip=client,helo=name,mail_from=sender")
    other = write(tmp_path / "same.csv", table)
    batch(other, "-o", tmp_path / "same-out.csv", "--zone", ZONE, "--quiet")
    found, wanted = read(tmp_path / "out.csv"), read(tmp_path / "same-out.csv")
    assert [row["spf_result"] for row in found] == [row["spf_result"] for row in wanted]
    batch(*words, "--overwrite", status=2)
    err = capsys.readouterr().err
    assert f"--columns: {rows} has no column ip; it has n, client, name, sender" in err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ip", "'ip' is not of the form ip=NAME"),
        ("ip=", "is not of the form"),
        ("ip=a,ip=b", "ip is there twice"),
        ("adress=a", "'adress' is none of ip, helo, mail_from"),
        ("ip=helo", "one column cannot be two"),
    ],
)
def test_bad_columns(tmp_path: Path, capsys: Capture, text: str, words: str) -> None:
    batch(tmp_path / "rows.csv", "--columns", text, status=2)
    err = capsys.readouterr().err
    assert err.startswith("senderid-fast: error: --columns: ")
    assert words in err


def test_more_columns(tmp_path: Path) -> None:
    table = table_of(200).append_column(
        "section", pa.array(["From: alice@plain.example\r\n\r\n"] * 200)
    )
    rows = write(tmp_path / "rows.parquet", table)
    out = tmp_path / "out.parquet"
    words = ["--headers", "section", "--helo-result", "--counts", "--explanations"]
    batch(rows, "-o", out, "--zone", ZONE, "--quiet", "--receiver", "mx.receiver.example", *words)
    found = read(out)
    assert {*RESULTS, "pra_result", "pra_domain", "helo_result", "helo_reason"} <= found[0].keys()
    assert {"spf_lookups", "spf_void_lookups", "spf_explanation"} <= found[0].keys()
    assert any(
        (row["spf_explanation"] or "").endswith("of strict.example. Ask postmaster@strict.example.")
        for row in found
    )


# ---- faults -------------------------------------------------------------------------------------


def test_faulty_rows_stay_with_their_reasons(tmp_path: Path, capsys: Capture) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(
        "ip,helo,mail_from\n"
        "192.0.2.1,a.example,alice@plain.example\n"
        "192.0.2.1,a.example\n"
        "192.0.2.400,a.example,alice@plain.example\n"
    )
    batch(rows, "-o", tmp_path / "out.csv", "--zone", ZONE, "--json")
    found = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert [row["spf_result"] for row in found] == ["pass", "none", "none"]
    assert [row["spf_reason"] for row in found][1:] == ["invalid-ip"] * 2
    assert [bool(row["row_error"]) for row in found] == [False, True, False]
    assert "line 3" in found[1]["row_error"]
    summary = json.loads(capsys.readouterr().out)
    assert (summary["rows"], summary["faults"]) == (3, 1)


def test_a_file_that_cannot_be_read(tmp_path: Path, capsys: Capture) -> None:
    rows = tmp_path / "rows.parquet"
    rows.write_bytes(b"PAR1 this is none PAR1")
    batch(rows, "-o", tmp_path / "out.csv", "--zone", ZONE, status=2)
    assert f"{rows}: " in capsys.readouterr().err
    batch(tmp_path / "no.csv", "-o", tmp_path / "out.csv", "--zone", ZONE, status=2)
    assert "No such file" in capsys.readouterr().err
    (tmp_path / "rows.what").write_bytes(b"")
    batch(tmp_path / "rows.what", "-o", tmp_path / "out.csv", "--zone", ZONE, status=2)
    assert "error: --format: " in capsys.readouterr().err
    assert list(tmp_path.glob("out*")) == []


def test_a_file_that_breaks_in_its_midst_leaves_what_came_before(
    tmp_path: Path, capsys: Capture
) -> None:
    table = table_of(40_000)
    whole = write(tmp_path / "rows.arrows", table)
    octets = whole.read_bytes()
    whole.write_bytes(octets[: len(octets) * 2 // 3])
    out = tmp_path / "out.csv"
    words = [whole, "-o", out, "--zone", ZONE, "--quiet", "--batch-rows", 1_000]
    batch(*words, status=2)
    err = capsys.readouterr().err
    assert f"error: {whole}: " in err
    assert "--resume" in err
    state = json.loads(Path(f"{out}.state").read_text())
    assert 5_000 < state["counters"]["rows"] < 40_000


# ---- what is there already ----------------------------------------------------------------------


def test_an_output_that_is_there(tmp_path: Path, capsys: Capture) -> None:
    rows = write(tmp_path / "rows.csv", table_of(100))
    out = tmp_path / "out.csv"
    words = [rows, "-o", out, "--zone", ZONE, "--quiet"]
    batch(*words, "--resume")
    assert "was begun: this one begins afresh" in capsys.readouterr().err
    octets = out.read_bytes()
    batch(*words, status=2)
    assert f"error: --output: {out} is there already" in capsys.readouterr().err
    batch(*words, "--resume")
    assert f"{out} is whole: the job was finished before" in capsys.readouterr().err
    out.write_text("something else")
    batch(*words, "--overwrite")
    assert out.read_bytes() == octets
    batch(rows, "-o", rows, "--zone", ZONE, "--overwrite", status=2)
    assert "is an input" in capsys.readouterr().err


def test_the_summary_in_the_document(tmp_path: Path, capsys: Capture) -> None:
    document = (ROOT / "docs" / "batch-command.md").read_text("utf-8")
    shown = document.partition("```text\n")[2].partition("```")[0].splitlines()
    log = ROOT / "examples" / "logs" / "postfix.log"
    batch(log, "--format", "postfix", "--zone", ZONE, "-o", tmp_path / "checked.csv")
    lines = capsys.readouterr().out.splitlines()
    assert lines[:-1] == shown[:-1]  # the last one is the time


@pytest.mark.parametrize(
    ("name", "kind", "rows"),
    [
        ("logs/postfix.log", "postfix", 4),
        ("logs/exim.log", "exim", 4),
        ("logs/sendmail.log", "sendmail", 3),
        ("logs/exchange-receive.csv", "exchange", 2),
        ("messages/several.mbox", "mbox", 3),
    ],
)
def test_logs_and_mail(tmp_path: Path, capsys: Capture, name: str, kind: str, rows: int) -> None:
    out = tmp_path / "out.jsonl"
    batch(ROOT / "examples" / name, "--format", kind, "--zone", ZONE, "-o", out, "--json")
    assert json.loads(capsys.readouterr().out)["rows"] == rows
    found = read(out)
    assert len(found) == rows
    assert all(row["spf_result"] for row in found)


def test_a_maildir_behind_relays(tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "Maildir"
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True)
    for path in (ROOT / "examples" / "messages").glob("*.eml"):
        (folder / "cur" / f"{path.stem}:2,S").write_bytes(path.read_bytes())
    words = [folder, "--format", "maildir", "--zone", ZONE, "--trusted", "203.0.113.128/28"]
    batch(*words, "-o", tmp_path / "out.jsonl", "--json")
    results = json.loads(capsys.readouterr().out)["results"]
    assert sum(results["pra"].values()) == 4
    assert results["pra"]["pass"] == 3
    batch(tmp_path / "rows.csv", "--trusted", "192.0.2.1", status=2)
    assert "error: --trusted: is for the formats mbox" in capsys.readouterr().err


# ---- answers ------------------------------------------------------------------------------------


def test_workers_give_the_same_output(tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.csv", table_of(50_000))
    for workers in (1, 2, 5):
        out = tmp_path / f"{workers}.csv"
        batch(rows, "-o", out, "--zone", ZONE, "--quiet", "--workers", workers)
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "5.csv").read_bytes()


@pytest.mark.parametrize("name", FORMATS)
def test_answers_are_kept_and_replayed(tmp_path: Path, capsys: Capture, name: str) -> None:
    rows = write(tmp_path / f"rows.{name}", table_of(5_000))
    out, again = tmp_path / f"out.{name}", tmp_path / f"again.{name}"
    answers = tmp_path / "answers.arrows"
    words = [rows, "--quiet", "-o"]
    batch(*words, out, "--zone", ZONE, "--save-answers", answers)
    batch(*words, again, "--answers", answers)
    assert read(again) == read(out)
    batch(*words, tmp_path / "x.csv", "--zone", ZONE, "--save-answers", answers, status=2)
    assert "error: --save-answers: " in capsys.readouterr().err


def test_a_cache_that_a_second_run_finds_warm(tmp_path: Path, capsys: Capture) -> None:
    rows = write(tmp_path / "rows.csv", table_of(2_000))
    words = [rows, "--zone", ZONE, "--cache", f"lmdb:{tmp_path / 'cache'}", "--json", "-o"]
    asked = []
    for name in ("first.csv", "second.csv"):
        batch(*words, tmp_path / name)
        asked.append(json.loads(capsys.readouterr().out))
    first, second = asked
    assert first["questions_asked"] > 10
    assert first["questions_cached"] == 0
    assert second["questions_asked"] <= first["questions_failed"]  # failures are not kept for long
    assert second["questions_cached"] >= first["questions_asked"] - first["questions_failed"]
    assert (tmp_path / "first.csv").read_bytes() == (tmp_path / "second.csv").read_bytes()


def test_servers_that_are_named(tmp_path: Path, knot: Any) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("ip,mail_from\n192.0.2.10,a@spf.test\n192.0.2.12,a@spf.test\n")
    out = tmp_path / "out.csv"
    batch(rows, "-o", out, "--server", knot.address, "--quiet")
    assert [line.split(",")[2] for line in out.read_text().splitlines()[1:]] == ["pass", "fail"]


def test_an_answer_that_is_not_there(tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.csv", table_of(10).slice(0, 1))
    answers = tmp_path / "answers.arrows"
    batch(rows, "-o", tmp_path / "a.csv", "--zone", ZONE, "--save-answers", answers, "--quiet")
    other = tmp_path / "other.csv"
    other.write_text("ip,helo,mail_from\n192.0.2.1,x,a@unasked.example\n")
    batch(other, "-o", tmp_path / "b.csv", "--answers", answers, "--quiet")
    (row,) = read(tmp_path / "b.csv")
    assert (row["spf_result"], row["spf_reason"]) == ("temperror", "resolver-failed")


# ---- progress, memory ---------------------------------------------------------------------------


def test_progress_on_a_terminal(tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.csv", table_of(150_000))
    ours, theirs = pty.openpty()
    job = start(rows, "-o", tmp_path / "out.csv", "--zone", ZONE, stderr=theirs)
    os.close(theirs)
    said = b""
    while True:
        try:
            octets = os.read(ours, 65_536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not octets:
            break
        said += octets
    os.close(ours)
    out, _ = job.communicate()
    assert job.returncode == 0
    assert out.startswith(b"rows               150,000\n")
    lines = said.decode().rstrip("\r\n").split("\r")[1:]
    assert lines[-1].startswith("100 %  150,000 rows  ")
    assert all("questions asked" in line and "\n" not in line for line in lines)


def test_progress_on_a_pipe(tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.csv", table_of(1_000))
    _, err = run(rows, "-o", tmp_path / "out.csv", "--zone", ZONE)
    assert err == ""  # the first line comes after ten seconds


MEASURE = """
import resource, sys
from senderid_fast.cli import main
status = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(status)
"""


def test_memory_is_bounded(tmp_path: Path) -> None:
    peaks = []
    for number in (200_000, 1_000_000):
        rows = tmp_path / f"{number}.parquet"
        part = table_of(100_000)
        with pq.ParquetWriter(rows, part.schema) as writer:
            for _ in range(number // part.num_rows):
                writer.write_table(part)
        words = ["batch", rows, "-o", tmp_path / "out.parquet", "--zone", ZONE, "--quiet"]
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, *map(str, words), "--overwrite"],
            cwd=ROOT,
            env=environment(),
            capture_output=True,
            check=True,
        )
        peaks.append(int(done.stdout) << 10)
    assert peaks[1] - peaks[0] < 64 << 20
