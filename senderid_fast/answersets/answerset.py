"""AnswerSet: a fixed set of answers, which answers questions as a resolver does.

What may live here: the public class. Its rows are checked in checking.py, files are read and
written in files.py, zones are made into answers in zones.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from senderid_fast._core.answers import AnswerStore
from senderid_fast.answersets.checking import BadRow, checked_batch, checked_table, raw_batches
from senderid_fast.answersets.schema import (
    BATCH_ROWS,
    Row,
    answer_of,
    answers_schema,
    arrow,
    batch_of,
    row_of,
    rows_of,
)
from senderid_fast.errors import InputError
from senderid_fast.questions import Answer, Question, RRType, Status
from senderid_fast.resolver.zonedata import normal_name

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

    Item = tuple[Question, Answer] | tuple[Question, Answer, datetime | None]

__all__ = ["AnswerSet"]

_FOREVER = (1 << 63) - 1  # of the nanoseconds that a store counts
_ROOM = 1 << 62  # octets: nothing is evicted


class AnswerSet:
    """A fixed set of answers that never expire: for replays, for what-if, for tables of answers.

        saved = AnswerSet.read("answers.arrows")
        Engine(saved).check_mail_from("192.0.2.1", "user@example.com")

    It is a resolver: a question whose answer is not among them gets an answer with the status
    ERROR that says so, hence temperror. One set may be used by many threads; it cannot be changed,
    is equal to a set of the same answers, can be hashed and pickled. Its answers lie in one Arrow
    table in the order of their questions; memory is that of the table, and that of ``store`` once
    it was asked for.

    Where a question has several answers, the last one counts.

    answers  pairs of Question and Answer, or triples with the time when the answer came (a datetime
             with a time zone, or None)

    Raises InputError, which names item and field; MissingExtraError if pyarrow is not installed.
    """

    __slots__ = ("_names", "_store", "_table", "_types")

    _table: pa.Table
    _store: AnswerStore | None

    def __init__(self, answers: Iterable[Item] = ()) -> None:
        self._set(_table_of(answers))

    def _set(self, table: pa.Table) -> None:
        self._table = _in_order(table)
        self._names = _only_chunk(self._table, "name")
        self._types = _only_chunk(self._table, "type")
        self._store = None

    @classmethod
    def from_answers(cls, answers: Iterable[Item]) -> AnswerSet:
        """As AnswerSet(answers)."""
        return cls(answers)

    @classmethod
    def from_arrow(cls, data: object) -> AnswerSet:
        """The answers in a table, batch, reader, or any object with the PyCapsule interface.

        The columns are those of answers_schema(). Wider kinds of text, lists and integers do as
        well; fetched_at and detail may be missing; other columns are ignored. Every row is checked.
        Raises InputError: field is the column, the words name the row, counted from 0.
        """
        try:
            return cls.of_checked(checked_table(raw_batches(data)))
        except BadRow as bad:
            raise _input_error(bad, "row") from None

    @classmethod
    def of_checked(cls, table: pa.Table) -> AnswerSet:
        """The set of a table in the schema of answers whose rows were checked."""
        answers = cls.__new__(cls)
        answers._set(table)
        return answers

    @classmethod
    def read(cls, path: str | os.PathLike[str], *, ttl: int = 3600) -> AnswerSet:
        """The answers in a file.

        By name: .arrow, .arrows, .feather (Arrow IPC), .parquet, .jsonl or .json (one object with
        the fields of answers_schema() on each line), the last also with .gz or .zst. Any other
        name, and JSON lines of [name, type, data], is a zone as ZoneResolver.from_file reads it;
        ``ttl`` is for its records without one. Of a zone, each name that stands there has an answer
        for each type; names that a wildcard would answer for are not among them.

        What a writer that was killed left at the end of an .arrows file is left out.

        Raises RowsError, which names the file and the row (from 0) or line (from 1); ZoneError for
        a zone.
        """
        from senderid_fast.answersets.files import read

        return cls.of_checked(read(path, ttl))

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write a file of the kind that its name says, as in read(), but no zone.

        The file has its name only when it is whole. Raises InputError for another name, RowsError
        if it cannot be written.
        """
        from senderid_fast.answersets.files import write

        write(self._table, path)

    def to_arrow(self) -> pa.Table:
        """The answers as a table in the schema of answers_schema(), in order of name and type."""
        return self._table

    def overlay(self, other: AnswerSet) -> AnswerSet:
        """A new set: other's answers, and this one's for all questions that other has none for."""
        if not isinstance(other, AnswerSet):
            raise InputError("other", f"must be an AnswerSet, is {type(other).__name__}")
        return type(self).of_checked(arrow().concat_tables([self._table, other._table]))

    def get(self, question: Question) -> Answer | None:
        """The answer to ``question``; None if it is not among them."""
        at = self._find(question)
        if at is None:
            return None
        status, ttl, records, detail = (
            self._table.column(field)[at].as_py()
            for field in ("status", "ttl", "records", "detail")
        )
        return answer_of(RRType(question.rrtype), status, ttl, records, detail or "")

    def resolve(self, question: Question, timeout: float = 0.0) -> Answer:
        """The answer to ``question``; ``timeout`` is not needed."""
        answer = self.get(question)
        if answer is not None:
            return answer
        asked = str(question).encode("unicode_escape").decode("ascii")
        return Answer(Status.ERROR, detail=f"{asked} is not among the saved answers")

    async def resolve_async(self, question: Question, timeout: float = 0.0) -> Answer:
        """As resolve(); nothing in it waits."""
        return self.resolve(question, timeout)

    def resolve_many(self, questions: Iterable[Question], timeout: float = 0.0) -> list[Answer]:
        """As resolve() for each of the questions, in their order."""
        return [self.resolve(question, timeout) for question in questions]

    @property
    def store(self) -> AnswerStore:
        """The answers in compiled form, in a store that lets none of them go. Not to be changed."""
        if self._store is None:  # two threads may both make one: either will do
            store = AnswerStore(_ROOM)
            for question, answer, _ in rows_of(self._table):
                store.put(question, answer, _FOREVER, 0)
            self._store = store
        return self._store

    def _find(self, question: Question) -> int | None:
        """The row of a question, by bisection: the table is in order."""
        try:
            name, kind = normal_name(question.name), RRType(question.rrtype).name
        except UnicodeEncodeError:  # a character above U+00FF: not the name of anything here
            return None
        names, end = self._names, len(self._names)
        low, high = 0, end
        while low < high:
            middle = (low + high) // 2
            if names[middle].as_py() < name:
                low = middle + 1
            else:
                high = middle
        while low < end and names[low].as_py() == name:  # one row for each type
            if self._types[low].as_py() == kind:
                return low
            low += 1
        return None

    def __contains__(self, question: object) -> bool:
        return isinstance(question, Question) and self._find(question) is not None

    def __len__(self) -> int:
        """The number of answers."""
        return int(self._table.num_rows)

    def __bool__(self) -> bool:
        return True  # a resolver without answers is one all the same

    def __iter__(self) -> Iterator[tuple[Question, Answer]]:
        for question, answer, _ in rows_of(self._table):
            yield question, answer

    def timed(self) -> Iterator[tuple[Question, Answer, datetime | None]]:
        """The answers, each with the time when it came."""
        return rows_of(self._table)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AnswerSet):
            return NotImplemented
        return self is other or bool(self._table.equals(other._table))

    def __hash__(self) -> int:
        ends = [self._names[at].as_py() for at in (0, len(self) // 2, -1)] if len(self) else []
        return hash((len(self), *ends))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).of_checked, (self._table,)

    def __repr__(self) -> str:
        return f"<AnswerSet {len(self)} answers>"


def _only_chunk(table: pa.Table, field: str) -> Any:
    return arrow().concat_arrays(table.column(field).chunks) if table.num_rows else []


def _in_order(table: pa.Table) -> pa.Table:
    """The rows by name and type; of several for one question the last one. In one chunk."""
    compute = arrow().compute
    order = compute.sort_indices(table, [("name", "ascending"), ("type", "ascending")])  # stable
    table = table.take(order).combine_chunks()
    if table.num_rows < 2:
        return table
    names, types = _only_chunk(table, "name"), _only_chunk(table, "type")
    again = compute.and_(compute.equal(names[1:], names[:-1]), compute.equal(types[1:], types[:-1]))
    if not compute.any(again).as_py():
        return table
    keep = arrow().concat_arrays([compute.invert(again), arrow().array([True])])
    return table.filter(keep).combine_chunks()


def _input_error(bad: BadRow, unit: str, start: int = 0) -> InputError:
    if bad.row is None:
        return InputError(bad.field, bad.problem)
    return InputError(bad.field, f"{unit} {start + bad.row}: {bad.problem}")


def _table_of(answers: Iterable[Item]) -> pa.Table:
    batches = []
    rows: list[Row] = []
    start = 0

    def finish() -> None:
        try:
            batches.append(checked_batch(batch_of(rows)))
        except BadRow as bad:
            raise _input_error(bad, "item", start) from None

    for number, item in enumerate(answers):
        try:
            question, answer, *rest = item
            fetched_at = _moment(rest[0]) if rest else None
            rows.append(row_of(question, answer, fetched_at))
        except Exception as error:  # noqa: BLE001 - a stranger's object may raise anything
            words = f"item {number}: {type(error).__name__}: {error}"
            raise InputError("answers", words[:500]) from None
        if len(rows) >= BATCH_ROWS:
            finish()
            start += len(rows)
            rows.clear()
    if rows:
        finish()
    return arrow().Table.from_batches(batches, answers_schema())


def _moment(value: object) -> Any:
    from datetime import datetime

    if value is not None and (not isinstance(value, datetime) or value.tzinfo is None):
        raise ValueError(f"fetched_at must be a datetime with a time zone, is {value!r}")
    return value
