"""The file of --save-answers: under a passing name until the job that fills it has ended.

What may live here: which file answers go to, and when it has its name. How answers lie in it is
told in answersets/streams.py.

As with rows, what an earlier job left unfinished goes when a job begins afresh, and a file with the
final name is replaced when the new one is whole: a command that fails has lost nothing. The partial
file is locked, as that of rows is.
"""

from __future__ import annotations

import os
import threading
from datetime import datetime
from io import FileIO
from pathlib import Path

from senderid_fast.answersets import AnswerWriter
from senderid_fast.errors import InputError, RowsError
from senderid_fast.questions import Answer, Question
from senderid_fast.rows.outputs import open_locked, partial_of, sync_folder

__all__ = ["KeptAnswers"]

OPTION = "--save-answers"


class KeptAnswers:
    """The answers of a job: a sink of RecordingResolver, and what is kept beside the job's output.

    Raises InputError for a name that cannot be that of a file, and RowsError.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._final = Path(os.path.realpath(name))
        self._partial = partial_of(name)
        self._writer: AnswerWriter | None = None
        self._held: FileIO | None = None  # with the lock on the partial file
        self._lock = threading.Lock()
        if self._is_there() and not self._final.is_file():
            raise InputError(OPTION, f"{name} is no file")

    def check_new(self) -> None:
        """Raise InputError if there is a file with the name."""
        if self._is_there():
            raise InputError(OPTION, f"{self._name} is there already: replace with --overwrite")

    def go_on(self, written: bool) -> None:
        """Go on with the answers that the job left.

        written  nothing will be asked any more: the answers may have their name already

        Raises InputError if the job would replace answers that are not its own, and RowsError.
        """
        if self._partial.exists():
            self._open()
        elif not written:
            self.check_new()

    def add(self, question: Question, answer: Answer, fetched_at: datetime | None = None) -> None:
        """Append an answer; fetched_at None: now. Raises RowsError if the disk will not have it."""
        self._open().add(question, answer, fetched_at)

    def claim(self) -> None:
        """Keep other jobs from the partial file. Raises RowsError if one writes it."""
        if self._held is None:
            try:
                self._held = open_locked(self._partial, "ab")
            except OSError as error:
                raise self._trouble(error) from None

    def begin(self) -> None:
        """Begin a file without answers. Raises RowsError."""
        self.claim()
        self._end_writer()
        assert self._held is not None
        try:
            self._held.truncate(0)
        except OSError as error:
            raise self._trouble(error) from None
        self._open()

    def flush(self) -> None:
        """Bring all that was added to the disk. Raises RowsError."""
        if self._writer is not None:
            self._writer.flush()

    def finish(self) -> None:
        """Give the file its name, if this job has one without. Raises RowsError."""
        if self._writer is None:
            return
        self._writer.flush()
        self._end_writer()
        try:
            self._partial.replace(self._final)
            sync_folder(self._final.parent)
        except OSError as error:
            raise self._trouble(error) from None
        self.close()

    def close(self) -> None:
        """Let go of the file; what was added stays."""
        try:
            self._end_writer()
        finally:
            held, self._held = self._held, None
            if held is not None:
                held.close()

    def _end_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _open(self) -> AnswerWriter:
        with self._lock:
            if self._writer is None:
                self.claim()
                self._writer = AnswerWriter(self._partial)
            return self._writer

    def _is_there(self) -> bool:
        try:
            return self._final.exists()
        except OSError as error:
            raise self._trouble(error) from None

    def _trouble(self, error: OSError) -> RowsError:
        return RowsError(self._name, "", f"cannot be written: {error.strerror or error}")
