"""senderid-fast batch --overwrite: what was there before goes when what replaces it is there.

A command that fails at once on its arguments or inputs has lost nothing; a job that is killed
leaves no mix of old and new under a final name.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.batchcommand import ZONE, batch, read, run, start, table_of, write

from senderid_fast import AnswerSet
from senderid_fast.cli import main

Capture = pytest.CaptureFixture[str]
# So often that a job has notes from its first blocks on.
BLOCKS = ["--batch-rows", 2_000, "--checkpoint-seconds", 0]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.exists()}


def killed(*words: Any, out: Path) -> None:
    """Start a job and kill it when its first note is there."""
    job = start(*words)
    while not Path(f"{out}.state").exists():
        assert job.poll() is None, job.communicate()
        time.sleep(0.002)
    job.kill()
    job.communicate()


@pytest.fixture(params=["csv", "tsv", "parquet", "arrow"])
def begun(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Path, list[Any]]:
    """A folder with a whole output and its answers, and a job begun over them and killed."""
    rows = write(tmp_path / f"rows.{request.param}", table_of(100_000))
    few = write(tmp_path / f"few.{request.param}", table_of(1_000))
    out = tmp_path / f"out.{request.param}"
    more = ["-o", out, "--save-answers", tmp_path / "answers.arrows", "--quiet"]
    batch(few, *more, "--zone", ZONE)
    words = [rows, *more, *BLOCKS, "--zone", ZONE]
    old = out.read_bytes(), (tmp_path / "answers.arrows").read_bytes()
    killed(*words, "--overwrite", out=out)
    # The names are those of whole files, and those are the old ones.
    assert (out.read_bytes(), (tmp_path / "answers.arrows").read_bytes()) == old
    assert Path(f"{out}.partial").exists()
    assert (tmp_path / "answers.arrows.partial").exists()
    return tmp_path, words


def test_a_command_that_fails_at_once_has_lost_nothing(
    begun: tuple[Path, list[Any]], tmp_path_factory: pytest.TempPathFactory, capsys: Capture
) -> None:
    folder, words = begun
    rows, *others = words
    elsewhere = tmp_path_factory.mktemp("inputs")
    other = elsewhere / "other.csv"
    other.write_text("address,sender\n192.0.2.1,a@plain.example\n")
    broken = elsewhere / "broken.parquet"
    broken.write_bytes(b"PAR1 is none PAR1")
    before = contents(folder)
    for wrong, said in (
        ([elsewhere / "mistyped.csv", *others], "No such file"),
        ([rows, elsewhere / "mistyped.csv", *others], "No such file"),
        ([other, *others], "has no column ip"),
        ([broken, *others], "broken.parquet: "),
        ([rows, *others, "--columns", "ip=nothing"], "has no column nothing"),
        ([rows, *others, "--headers", "nothing"], "has no column nothing"),
        ([rows, *others, "--workers", 0], "--workers: "),
        ([rows, *others, "--lookups", -1], "--lookups: "),
        ([rows, *others, "--format", "what"], "--format: "),
        ([rows, *others, "--output-format", "mbox"], "--output-format: "),
        ([rows, *others[:-1], elsewhere / "mistyped.zone"], "No such file"),
        ([rows, *others, "--cache", "nowhere:"], "--cache: "),
    ):
        batch(*wrong, "--overwrite", status=2)
        assert said in capsys.readouterr().err
        assert contents(folder) == before, said
    # The job that was begun is still there to go on with.
    batch(*words, "--resume")
    found = read(Path(others[1]))
    assert [str(row["n"]) for row in found] == [str(n) for n in range(100_000)]
    assert not list(folder.glob("*.partial*"))
    again = folder / f"again.{rows.suffix[1:]}"
    batch(rows, "-o", again, "--answers", folder / "answers.arrows", "--quiet")
    assert read(again) == found


def test_a_job_that_is_written_to_is_not_disturbed(tmp_path: Path, capsys: Capture) -> None:
    """The second one has no lock: the notes of the first one are not its to remove."""
    rows = write(tmp_path / "rows.csv", table_of(200_000))
    out = tmp_path / "out.csv"
    words = [rows, "-o", out, "--zone", ZONE, "--quiet"]
    first = start(*words, "--batch-rows", 1_000, "--checkpoint-seconds", 0)
    while not Path(f"{out}.state").exists():
        assert first.poll() is None, first.communicate()
        time.sleep(0.002)
    first.send_signal(signal.SIGSTOP)
    _, status = os.waitpid(first.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)  # it stands still, and keeps its lock
    before = contents(tmp_path)
    batch(*words, "--overwrite", status=2)
    assert "another job is writing it" in capsys.readouterr().err
    assert contents(tmp_path) == before
    first.kill()
    first.communicate()
    batch(*words, "--resume")
    assert len(read(out)) == 200_000


@pytest.mark.parametrize("more", [[], ["--overwrite"], ["--resume"]], ids=["new", "over", "on"])
def test_answers_that_another_job_writes(more: list[str], tmp_path: Path, capsys: Capture) -> None:
    """Two jobs with outputs of their own and one file of answers: the second one is refused, and
    neither its notes nor the answers of the first one are lost."""
    rows = write(tmp_path / "rows.csv", table_of(100_000))
    other, answers = tmp_path / "other.csv", tmp_path / "answers.arrows"
    keep = ["--save-answers", answers, "--zone", ZONE, "--quiet", *BLOCKS]
    if more:  # there is a job to give up, or to go on with
        killed(rows, "-o", other, *keep, out=other)
    out = tmp_path / "out.csv"
    first = start(rows, "-o", out, *keep, "--overwrite")
    while not Path(f"{out}.state").exists():
        assert first.poll() is None, first.communicate()
        time.sleep(0.002)
    first.send_signal(signal.SIGSTOP)
    _, status = os.waitpid(first.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    before = contents(tmp_path)
    batch(rows, "-o", other, *keep, *more, status=2)
    assert f"{answers}.partial: another job is writing it" in capsys.readouterr().err
    assert contents(tmp_path) == before
    first.send_signal(signal.SIGCONT)
    first.communicate()
    assert first.returncode == 0
    batch(rows, "-o", tmp_path / "again.csv", "--answers", answers, "--quiet")
    assert (tmp_path / "again.csv").read_bytes() == out.read_bytes()


def test_columns_that_an_output_cannot_hold(tmp_path: Path, capsys: Capture) -> None:
    """Parquet has no such intervals: that is found out before what a job left is lost."""
    table = table_of(100_000)
    spans = pa.array([(1, 2, 3)] * 10, pa.month_day_nano_interval())
    columns = [*(column.combine_chunks() for column in table.slice(0, 10).columns), spans]
    few = pa.record_batch(columns, names=[*table.schema.names, "span"])
    odd = tmp_path / "odd.arrow"
    with pa.ipc.new_file(odd, few.schema) as writer:
        writer.write_batch(few)
    rows, out = write(tmp_path / "rows.arrow", table), tmp_path / "out.parquet"
    words = ["-o", out, "--zone", ZONE, "--quiet"]
    killed(rows, *words, *BLOCKS, out=out)
    before = contents(tmp_path)
    batch(odd, *words, "--overwrite", status=2)
    assert "parquet cannot hold these columns" in capsys.readouterr().err
    assert contents(tmp_path) == before
    batch(odd, "-o", tmp_path / "new.parquet", "--zone", ZONE, status=2)
    assert contents(tmp_path) == before  # nor is there anything of what was never begun
    batch(rows, *words, "--resume")
    assert len(read(out)) == 100_000


def test_a_killed_job_that_goes_on_keeps_only_its_own_answers(tmp_path: Path) -> None:
    """An answer of before that the new job does not ask for is not among its answers."""
    rows = write(tmp_path / "rows.csv", table_of(100_000))
    old = tmp_path / "old.csv"
    old.write_text("ip,mail_from\n192.0.2.1,a@gone.example\n")
    out, answers = tmp_path / "out.csv", tmp_path / "answers.arrows"
    batch(old, "-o", out, "--zone", ZONE, "--save-answers", answers, "--quiet")
    assert "gone.example" in AnswerSet.read(answers).to_arrow()["name"].to_pylist()
    words = [rows, "-o", out, "--zone", ZONE, "--save-answers", answers, "--quiet", *BLOCKS]
    killed(*words, "--overwrite", out=out)
    run(*words, "--resume")
    assert "gone.example" not in AnswerSet.read(answers).to_arrow()["name"].to_pylist()


def test_a_resumed_job_does_not_replace_answers_of_another_one(
    tmp_path: Path, capsys: Capture
) -> None:
    rows = write(tmp_path / "rows.csv", table_of(100))
    answers = tmp_path / "answers.arrows"
    batch(rows, "-o", tmp_path / "a.csv", "--zone", ZONE, "--save-answers", answers, "--quiet")
    octets = answers.read_bytes()
    words = ["--zone", ZONE, "--save-answers", answers, "--quiet", "--resume"]
    batch(rows, "-o", tmp_path / "b.csv", *words, status=2)
    assert "--save-answers: " in capsys.readouterr().err
    # That job is over: there is nothing to go on with, and nothing to complain of.
    batch(rows, "-o", tmp_path / "a.csv", *words)
    assert answers.read_bytes() == octets


def test_a_file_for_answers_that_is_another_one_of_the_command(
    tmp_path: Path, capsys: Capture
) -> None:
    rows = write(tmp_path / "rows.arrows", table_of(100))
    zone = tmp_path / "my.zone"
    zone.write_bytes(Path(ZONE).read_bytes())
    (tmp_path / "link").symlink_to(rows)
    (tmp_path / "folder").mkdir()
    before = rows.read_bytes(), zone.read_bytes()
    for answers, said in (
        (rows, "is another file of this command"),
        (tmp_path / "link", "is another file of this command"),
        (zone, "is another file of this command"),
        *(
            (tmp_path / f"out.csv{end}", "is another file of this command")
            for end in ("", ".partial", ".partial.footers", ".partial.copy", ".state")
        ),
        (tmp_path / "folder", "is no file"),
        ("/dev/null", "is no file"),
    ):
        words = [rows, "-o", tmp_path / "out.csv", "--zone", zone, "--save-answers", answers]
        batch(*words, "--overwrite", status=2)
        assert f"error: --save-answers: {answers} {said}" in capsys.readouterr().err
    answers = tmp_path / "answers"
    words = [rows, "-o", f"{answers}.partial", "--zone", zone, "--save-answers", answers]
    batch(*words, status=2)
    assert f"{answers} is another file of this command" in capsys.readouterr().err
    assert (rows.read_bytes(), zone.read_bytes()) == before
    assert Path("/dev/null").is_char_device()


def test_a_file_for_answers_that_cannot_be_looked_for(tmp_path: Path, capsys: Capture) -> None:
    rows = write(tmp_path / "rows.csv", table_of(10))
    answers = tmp_path / ("a" * 300)
    batch(rows, "-o", tmp_path / "out.csv", "--save-answers", answers, status=2)
    assert f"{answers}: cannot be written: File name too long" in capsys.readouterr().err


def test_an_output_with_two_names_has_one_job(tmp_path: Path, capsys: Capture) -> None:
    """By its other name it is neither begun anew nor found without a note."""
    rows = write(tmp_path / "rows.csv", table_of(100_000))
    out, link = tmp_path / "out.csv", tmp_path / "link.csv"
    link.symlink_to(out)
    words = [rows, "--zone", ZONE, "--quiet", *BLOCKS, "-o"]
    killed(*words, link, out=out)
    before = contents(tmp_path)
    batch(*words, out, status=2)
    assert "was begun and not finished" in capsys.readouterr().err
    assert contents(tmp_path) == before
    batch(*words, out, "--resume")
    assert len(read(link)) == 100_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.csv", "out.csv", "rows.csv"]


def test_a_failed_command_can_be_given_again_with_its_mistake_mended(
    tmp_path: Path, capsys: Capture
) -> None:
    """It left no file of answers that would be in the way."""
    rows = write(tmp_path / "rows.csv", table_of(100))
    more = ["--zone", ZONE, "--save-answers", tmp_path / "answers.arrows", "--quiet"]
    batch(tmp_path / "row.csv", "-o", tmp_path / "out.csv", *more, status=2)
    assert "No such file" in capsys.readouterr().err
    batch(rows, "-o", tmp_path / "out.csv", *more)
    assert len(AnswerSet.read(tmp_path / "answers.arrows")) > 5


class Killed(BaseException):
    """Stands for the end of the process."""


MOMENTS = {
    "before the answers have their name": "senderid_fast.cli.keeping.KeptAnswers.finish",
    "before the rows have theirs": "senderid_fast.rows.outputs.Output.close",
    "when they have it": "senderid_fast.rows.outputs.sync_folder",
}


def killed_at(moment: str, *words: Any) -> None:
    """Run a command that ends where the function of this name would be called."""

    def kill(*_: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moment, kill)
        with pytest.raises(Killed):
            main(["batch", *map(str, words)])


@pytest.mark.parametrize("name", ["csv", "parquet", "arrow"])
@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_killed_at_the_very_end(moment: str, name: str, tmp_path: Path) -> None:
    """--resume gives both their names, asks nothing, complains of nothing that is there, and leaves
    nothing but them."""
    old, rows = (write(tmp_path / f"{n}.{name}", table_of(n, seed=n)) for n in (20, 500))
    out, answers = tmp_path / f"out.{name}", tmp_path / "answers.arrows"
    more = ["-o", out, "--save-answers", answers, "--zone", ZONE, "--quiet"]
    batch(old, *more)
    before = out.read_bytes()
    killed_at(moment, rows, *more, "--overwrite")
    assert (out.read_bytes() == before) == (moment != MOMENTS["when they have it"])
    batch(rows, *more, "--resume")
    assert len(read(out)) == 500
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"20.{name}", f"500.{name}", "answers.arrows", out.name,
    ]  # fmt: skip
    again = tmp_path / f"again.{name}"
    batch(rows, "-o", again, "--answers", answers, "--quiet")
    assert read(again) == read(out)


def test_a_file_that_took_the_name_of_a_job_that_was_killed(
    tmp_path: Path, capsys: Capture
) -> None:
    """It is not what the job wrote, and is neither called whole nor replaced."""
    rows, out = write(tmp_path / "rows.csv", table_of(500)), tmp_path / "out.csv"
    words = [rows, "-o", out, "--zone", ZONE, "--quiet"]
    killed_at(MOMENTS["before the rows have theirs"], *words)
    out.write_text("of somebody else\n")
    before = contents(tmp_path)
    batch(*words, "--resume", status=2)
    assert "out.csv is there already" in capsys.readouterr().err
    assert contents(tmp_path) == before
    out.unlink()
    batch(*words, "--resume")
    assert len(read(out)) == 500


def test_what_a_format_keeps_beside_an_output_goes_with_it(tmp_path: Path) -> None:
    """Also where the job that comes after writes another format."""
    rows, out = write(tmp_path / "rows.csv", table_of(100_000)), tmp_path / "out"
    words = [rows, "-o", out, "--zone", ZONE, "--quiet", *BLOCKS, "--output-format"]
    killed(*words, "parquet", out=out)
    assert (tmp_path / "out.partial.footers").exists()
    batch(*words, "csv", "--overwrite")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "rows.csv"]
