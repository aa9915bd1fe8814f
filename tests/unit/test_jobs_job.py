"""How a job begins and ends: killed at the very end, outputs replaced, options refused."""

from __future__ import annotations

import csv
import errno
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from senderid_fast import Engine, InputError, RowsError, ZoneResolver
from senderid_fast.jobs import job as module
from senderid_fast.jobs.chain import ChainedSource
from senderid_fast.jobs.checkpoint import read_checkpoint, state_path
from senderid_fast.jobs.job import Job, Outcome
from senderid_fast.jobs.options import JobOptions
from senderid_fast.jobs.running import Run
from senderid_fast.rows.formats import open_source

ROOT = Path(__file__).parents[2]
ROWS = 500


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = [f"192.0.2.{at % 256},mail.plain.example,user{at}@plain.example" for at in range(ROWS)]
    (tmp_path / "rows.csv").write_text("\n".join(["ip,helo,mail_from", *lines, ""]))
    return tmp_path


def job_of(folder: Path, **how: Any) -> Job:
    options = JobOptions(
        inputs=(str(folder / "rows.csv"),), output=str(folder / "out.csv"), batch_rows=100
    )
    zone = ROOT / "examples" / "example.zone"
    return Job(Engine(ZoneResolver.from_file(str(zone))), options, note_seconds=0.0, **how)


def check_output(folder: Path, outcome: Outcome) -> None:
    with (folder / "out.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["mail_from"] for row in found] == [f"user{at}@plain.example" for at in range(ROWS)]
    assert {row["spf_result"] for row in found} == {"pass", "fail"}
    assert sorted(path.name for path in folder.iterdir()) == ["out.csv", "rows.csv"]
    assert outcome.finished
    assert outcome.summary is not None
    assert outcome.summary.rows == ROWS


class Killed(BaseException):
    """Stands for the end of the process."""


def kill(*_: object) -> None:
    raise Killed


def test_killed_before_the_output_has_its_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(folder)
    with monkeypatch.context() as patch:
        patch.setattr("senderid_fast.rows.outputs.Output.close", kill)
        with pytest.raises(Killed):
            job.run()
    note = read_checkpoint(state_path(str(folder / "out.csv")))
    assert note is not None
    assert note.ending
    job = job_of(folder, resume=True)
    assert job.resumed
    assert not job.ended
    check_output(folder, job.run())


@pytest.mark.parametrize("before", [None, "an older output"])
def test_killed_after_the_output_has_its_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    if before is not None:
        (folder / "out.csv").write_text(before)
    job = job_of(folder, overwrite=True)
    with monkeypatch.context() as patch:
        # Not at the beginning, where there is no note that could be removed.
        patch.setattr(module, "remove_checkpoint", lambda path: path.exists() and kill())
        with pytest.raises(Killed):
            job.run()
    job = job_of(folder, resume=True)
    assert job.ended
    outcome = job.run()
    assert outcome.already
    check_output(folder, outcome)
    assert job_of(folder, resume=True).run() == Outcome(True, True, None)


def test_an_output_that_is_to_be_replaced_is_not_taken_for_the_job_s(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The note of the end is there, and a file with the name: but it is the one from before."""
    (folder / "out.csv").write_text("an older output")
    job = job_of(folder, overwrite=True)
    with monkeypatch.context() as patch:
        patch.setattr("senderid_fast.rows.outputs.Output.close", kill)
        with pytest.raises(Killed):
            job.run()
    assert (folder / "out.csv").read_text() == "an older output"
    job = job_of(folder, resume=True)
    assert not job.ended
    check_output(folder, job.run())


def test_an_older_output_is_not_taken_for_that_of_a_job_killed_before_its_first_note(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "out.csv").write_text("an older output")
    job = job_of(folder, overwrite=True)
    with monkeypatch.context() as patch:
        patch.setattr(Run, "_make_note", kill)
        patch.setattr(Run, "_write", kill)
        with pytest.raises(Killed):
            job.run()
    job = job_of(folder, resume=True)
    assert not job.ended
    assert not job.resumed
    check_output(folder, job.run())


def test_a_job_that_ends_while_another_looks_keeps_its_output(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second job opens the partial file, and has its lock when that is whole and renamed."""
    first, second = job_of(folder), job_of(folder)
    ended: list[Outcome] = []

    def locked(file: int, how: int) -> None:
        monkeypatch.undo()
        ended.append(first.run())

    monkeypatch.setattr("senderid_fast.rows.outputs.fcntl.flock", locked)
    with pytest.raises(RowsError, match="another job is writing it"):
        second.run()
    check_output(folder, ended[0])


def test_a_file_system_without_fsync_of_folders(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_fsync = os.fsync

    def fsync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        true_fsync(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    check_output(folder, job_of(folder).run())


def test_stopped_block_by_block(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    hand_over = Run._hand_over

    def stopping(run: Run, item: Any) -> bool:
        stop.set()
        return hand_over(run, item)

    monkeypatch.setattr(Run, "_hand_over", stopping)
    for rows in range(100, ROWS, 100):
        stop.clear()
        outcome = job_of(folder, resume=True).run(stop)
        assert not outcome.finished
        assert outcome.summary is not None
        assert outcome.summary.rows == rows
        assert not (folder / "out.csv").exists()
    monkeypatch.undo()
    job = job_of(folder, resume=True)
    check_output(folder, job.run())
    assert job.figures().rows == ROWS
    assert job.figures().part == 1.0


def test_two_jobs_with_one_output(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = job_of(folder), job_of(folder)
    raised: list[RowsError] = []

    def during(self: Run) -> bool:
        monkeypatch.undo()
        try:
            second.run()
        except RowsError as error:
            raised.append(error)
        return self.all()

    monkeypatch.setattr(Run, "all", during)
    check_output(folder, first.run())
    assert "another job is writing it" in str(raised[0])


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, "inputs"),
        ({"inputs": ("-", "-")}, "inputs"),
        ({"inputs": ("a",), "workers": 0}, "workers"),
        ({"inputs": ("a",), "workers": True}, "workers"),
        ({"inputs": ("a",), "batch_rows": 1 << 40}, "batch_rows"),
        ({"inputs": ("a",), "columns": {"from": "x"}}, "columns"),
        ({"inputs": ("a",), "columns": {"ip": "x", "helo": "x"}}, "columns"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as caught:
        JobOptions(**options)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("there", "damaged"), [('"asked":', '"asking":'), ('"faults":0', '"faults":Infinity')]
)
def test_a_damaged_summary_in_the_note(
    folder: Path, monkeypatch: pytest.MonkeyPatch, there: str, damaged: str
) -> None:
    job = job_of(folder)
    with monkeypatch.context() as patch:
        patch.setattr("senderid_fast.rows.outputs.Output.close", kill)
        with pytest.raises(Killed):
            job.run()
    state = state_path(str(folder / "out.csv"))
    assert there in state.read_text()
    state.write_text(state.read_text().replace(there, damaged))
    with pytest.raises(RowsError, match="counters is damaged"):
        job_of(folder, resume=True)


@pytest.mark.parametrize(
    "place", [{}, {"input": 2, "place": {}}, {"input": True, "place": {}}, {"input": 0, "place": 1}]
)
def test_places_that_are_none(folder: Path, place: dict[str, Any]) -> None:
    with pytest.raises(RowsError, match="is none of these inputs"):
        ChainedSource([str(folder / "rows.csv")] * 2, opener, place)


def opener(name: str, place: Any) -> Any:
    return open_source(name, place=place, batch_rows=100)


def test_places_among_inputs(folder: Path) -> None:
    names = [str(folder / "rows.csv")] * 3
    source = ChainedSource(names, opener, None)
    blocks = list(source.blocks())
    source.close()
    assert [block.batch.num_rows for block in blocks] == [100] * 15
    size = (folder / "rows.csv").stat().st_size
    assert source.octets == 3 * size
    assert blocks[-1].octets == 3 * size
    for at, block in enumerate(blocks):
        rest = ChainedSource(names, opener, block.place)
        assert [each.batch for each in rest.blocks()] == [each.batch for each in blocks[at + 1 :]]
        rest.close()
