"""Job: all rows of some files checked and written; a job that was stopped or killed goes on.

What may live here: how a job begins (afresh, resumed, or not at all) and how it ends. The run
itself is in running.py, what is opened in opening.py.

    job = Job(Engine(), JobOptions(inputs=("rows.parquet",), output="checked.parquet"))
    outcome = job.run()
    print(outcome.summary.as_dict())
"""

from __future__ import annotations

import stat
import threading
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from senderid_fast.errors import InputError, RowsError
from senderid_fast.jobs.checkpoint import (
    Checkpoint,
    read_checkpoint,
    remove_checkpoint,
    state_path,
)
from senderid_fast.jobs.fingerprint import change_of, fingerprint_of
from senderid_fast.jobs.opening import checker, sink_of, source_of
from senderid_fast.jobs.options import JobOptions
from senderid_fast.jobs.progress import Figures
from senderid_fast.jobs.running import NOTE_SECONDS, Run
from senderid_fast.jobs.summary import Summary
from senderid_fast.rows.outputs import partial_of, remove_beside
from senderid_fast.rows.waiting import InputStopped, stoppable

if TYPE_CHECKING:
    from senderid_fast.engine import Engine
    from senderid_fast.rows.base import Place, RowSink, RowSource

__all__ = ["Beside", "Job", "Outcome"]


class Outcome(NamedTuple):
    """How a job ended.

    finished  all rows are written, and the output has its name; False: it was stopped before
    already   there was nothing to do: it had been finished before
    summary   what was found; None if it had been finished before and its notes are gone
    """

    finished: bool
    already: bool
    summary: Summary | None


class Beside(Protocol):
    """What is kept beside a job's output, and goes on with the job."""

    def claim(self) -> None:
        """The job will begin afresh: raises a SenderIDError if another one is at it."""
        ...

    def begin(self) -> None:
        """The job begins afresh: what an earlier one left unfinished goes."""
        ...

    def flush(self) -> None:
        """A note will be kept: what belongs to it is on the disk by then."""
        ...

    def finish(self) -> None:
        """All is written, and the output is about to have its name."""
        ...


class Job:
    """One job over an engine. run() is called once; figures() may be called by other threads.

    resume        go on from the last note if there is one
    overwrite     an output, or the notes of a job, that are there already are replaced
    note_seconds  a note is kept so often; what came after the last one is done again
    beside        what else is kept; it is called by the threads of the job, one at a time

    Raises InputError for options that cannot be used together, and RowsError for files.
    """

    def __init__(
        self,
        engine: Engine,
        options: JobOptions,
        *,
        resume: bool = False,
        overwrite: bool = False,
        note_seconds: float = NOTE_SECONDS,
        beside: Beside | None = None,
    ) -> None:
        self._engine = engine
        self._options = options
        self._overwrite = overwrite
        self._note_seconds = note_seconds
        self._beside = beside
        self._source: RowSource | None = None
        self._run: Run | None = None
        self._summary = Summary(options.helo_result)
        self._began = 0.0
        self._earlier = (0, 0, 0, 0.0)  # of the runs before: asked, failed, cached, seconds
        self._at_start = engine.statistics()
        self._inputs: list[dict[str, Any]] = []
        self._replaces: list[int] | None = None
        self._ended = False
        self._state = None if options.output is None else state_path(options.output)
        if resume:
            options.check_resumable()
        self._note = self._begin(resume)

    @property
    def resumed(self) -> bool:
        """Whether the job goes on from a note."""
        return self._note is not None

    @property
    def ended(self) -> bool:
        """Whether there is nothing to do, as the output is whole."""
        return self._ended

    @property
    def written(self) -> bool:
        """Whether all rows were written by a job before: nothing will be asked."""
        return self._ended or (self._note is not None and self._note.ending)

    @property
    def resumable(self) -> bool:
        """Whether notes are kept, so that the job can go on when it was stopped."""
        return self._state is not None and self._options.is_resumable

    def _begin(self, resume: bool) -> Checkpoint | None:
        """The note to go on from, or None for a job that starts afresh."""
        options, path = self._options, self._state
        if options.output is None or path is None:
            return None
        output = Path(options.output)
        there = _identity(output)
        note = read_checkpoint(path) if resume or not self._overwrite else None
        if not resume and not self._overwrite:
            if note is not None:
                raise InputError(
                    "output",
                    f"a job for {output} was begun and not finished: go on with resume, "
                    "or start afresh with overwrite",
                )
            if there is not None:
                raise InputError("output", f"{output} is there already: replace with overwrite")
        if resume and there is not None:
            unfinished = partial_of(options.output).exists()
            if note is not None:
                self._ended = note.ending and there != note.replaces and not unfinished
            else:
                # A job that was killed before its first note has left the output as it was.
                self._ended = not unfinished
        if note is None:
            self._replaces = there
            if self.resumable and not self._ended:
                self._inputs = [fingerprint_of(name) for name in options.inputs]
            return None
        self._replaces = note.replaces
        if not self._ended:
            self._inputs = [fingerprint_of(name) for name in options.inputs]
            self._refuse_changes(note)
        self._restore(note, path)
        return note

    def _refuse_changes(self, note: Checkpoint) -> None:
        """Raise if the job that was begun is another one."""
        advice = "start afresh with overwrite"
        now = self._options.of_output(self._engine.settings)
        for name in now.keys() | note.options.keys():
            if now.get(name) != note.options.get(name):
                then, this = _shown(note.options.get(name)), _shown(now.get(name))
                raise InputError(
                    name, f"was {then} when the job was begun, and is {this} now; {advice}"
                )
        if len(note.inputs) != len(self._inputs):
            raise InputError(
                "inputs",
                f"were {len(note.inputs)} when the job was begun, and are {len(self._inputs)} now; "
                f"{advice}",
            )
        for before, after in zip(note.inputs, self._inputs, strict=True):
            change = change_of(before, after)
            if change is not None:
                raise RowsError(after["path"], "", f"{change}; {advice}")

    def _restore(self, note: Checkpoint, path: Path) -> None:
        try:
            self._summary.restore(note.counters)
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
            raise RowsError(
                str(path),
                "",
                "is no state of a job: counters is damaged; start afresh with overwrite",
            ) from None
        summary = self._summary
        self._earlier = summary.asked, summary.failed, summary.cached, summary.seconds

    def figures(self) -> Figures:
        """How far the job is."""
        source, run = self._source, self._run
        statistics = self._engine.statistics()
        return Figures(
            rows=self._summary.rows,
            all_rows=None if source is None else source.rows,
            octets=0 if run is None else run.octets,
            all_octets=None if source is None else source.octets,
            asked=self._earlier[0] + statistics["asked"] - self._at_start["asked"],
            open=statistics.get("open", 0),
        )

    def run(self, stop: threading.Event | None = None) -> Outcome:
        """Do the job, or what is left of it.

        stop  once set, the block in hand is finished and noted, and the job ends unfinished
        """
        note, path = self._note, self._state
        if self._ended:
            if path is not None and self._options.output is not None:
                remove_beside(partial_of(self._options.output))
                remove_checkpoint(path)
            return Outcome(True, True, None if note is None else self._summary)
        with stoppable(stop):
            return self._run_from(note, stop)

    def _run_from(self, note: Checkpoint | None, stop: threading.Event | None) -> Outcome:
        path = self._state
        self._began = monotonic()
        try:
            source = source_of(self._options, None if note is None else note.source)
        except InputStopped:
            return Outcome(False, False, self._summary)
        self._source = source
        try:
            check = checker(self._engine, self._options)
            sink = sink_of(
                self._options,
                source,
                check,
                None if note is None else note.sink,
                overwrite=self._overwrite or self._replaces is not None,
                begun=self._forget,
            )
            try:
                done = self._run_over(source, sink, check, stop)
                if done and self._beside is not None:
                    self._beside.finish()
                if done:
                    sink.close()
            except BaseException:
                sink.abandon()
                raise
            if not done:
                sink.abandon()
        finally:
            source.close()
            self._take_counts()
        if done and path is not None:
            remove_checkpoint(path)
        return Outcome(done, False, self._summary)

    def _forget(self) -> None:
        """The job begins afresh: the notes of an earlier one go, before what they speak of does."""
        if self._beside is not None:
            self._beside.claim()
        if self._state is not None:
            remove_checkpoint(self._state)
        if self._beside is not None:
            self._beside.begin()

    def _run_over(
        self, source: RowSource, sink: RowSink, check: Any, stop: threading.Event | None
    ) -> bool:
        run = self._run = Run(
            source,
            sink,
            check,
            self._summary,
            note=self._keep_note if self.resumable else None,
            stop=stop,
            drains=self._options.passing is not None,
            address=self._options.address,
            note_seconds=self._note_seconds,
        )
        done = run.all()
        if self._beside is not None:
            self._beside.flush()
        # From here on the output may have its name at any moment: the note tells that apart from an
        # output that was there before.
        place = run.place or (self._note.source if self._note is not None else None)
        if done and self.resumable and place is not None:
            self._keep_note(place, sink.place(), ending=True)
        return done

    def _keep_note(self, source: Place, sink: Place, ending: bool = False) -> None:
        if self._beside is not None:
            self._beside.flush()
        self._take_counts()
        assert self._state is not None
        Checkpoint(
            inputs=self._inputs,
            options=self._options.of_output(self._engine.settings),
            source=source,
            sink=sink,
            counters=self._summary.state(),
            replaces=self._replaces,
            ending=ending,
        ).write(self._state)

    def _take_counts(self) -> None:
        """Bring the counts of questions and of time to this moment."""
        asked, failed, cached, seconds = self._earlier
        now, start = self._engine.statistics(), self._at_start
        self._summary.asked = asked + now["asked"] - start["asked"]
        self._summary.failed = failed + now["failed"] - start["failed"]
        hits = now.get("cache_hits", 0) - start.get("cache_hits", 0)
        self._summary.cached = cached + hits
        self._summary.seconds = seconds + monotonic() - self._began


def _identity(path: Path) -> list[int] | None:
    """What tells a file at this name from one that replaces it; None if there is none."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return None  # a pipe or a device is written to as it is
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RowsError(str(path), "", f"cannot be written: {error.strerror or error}") from None
    return [found.st_ino, found.st_size, found.st_mtime_ns]


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}={each}" for name, each in value.items()) or "not given"
    return "not given" if value is None else str(value)
