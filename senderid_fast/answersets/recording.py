"""Answers of a run, kept as they come: the resolver that listens, and what it hands them to.

What may live here: what is between a resolver and an engine, and the gathering of answers into
batches. How they lie in a file is told in streams.py.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, cast

from senderid_fast.answersets.answerset import AnswerSet
from senderid_fast.answersets.checking import BadRow, checked_batch
from senderid_fast.answersets.schema import (
    BATCH_ROWS,
    MOST_DETAIL,
    Row,
    answers_schema,
    arrow,
    batch_of,
    row_of,
)
from senderid_fast.questions import Answer, Question, Status

if TYPE_CHECKING:
    import pyarrow as pa

    from senderid_fast.resolver.base import AsyncResolver, Resolver

__all__ = ["AnswerCollector", "AnswerSink", "RecordingResolver"]

_BATCH_OCTETS = 4 << 20


class AnswerSink(Protocol):
    """Takes answers as they come: an AnswerCollector or an AnswerWriter."""

    def add(self, question: Question, answer: Answer, fetched_at: datetime | None = None) -> None:
        """One answer; fetched_at None: now."""
        ...


class AnswerCollector:
    """Gathers answers into batches of the schema of answers. Safe under threads.

    finished  is called with each batch that is full, by the thread that filled it; without it the
              batches stay here, for answers()

    An answer that cannot be kept (its records are of the wrong type, say) becomes one with the
    status MALFORMED and the reason, as an engine takes it: recording never ends a run.
    """

    def __init__(self, finished: Callable[[pa.RecordBatch], None] | None = None) -> None:
        answers_schema()  # MissingExtraError now rather than in the midst of a run
        self._batches: list[pa.RecordBatch] = []
        self._finished = self._batches.append if finished is None else finished
        self._rows: dict[Question, Row] = {}  # the last answer to each
        self._octets = 0
        self._lock = threading.Lock()

    def add(self, question: Question, answer: Answer, fetched_at: datetime | None = None) -> None:
        """One answer; fetched_at None: now."""
        row = _row(question, answer, datetime.now(UTC) if fetched_at is None else fetched_at)
        with self._lock:
            self._rows.pop(question, None)
            self._rows[question] = row
            self._octets += 100 + len(row.detail or "") + sum(len(each) for each in row.records)
            if len(self._rows) >= BATCH_ROWS or self._octets >= _BATCH_OCTETS:
                self._finish()

    def flush(self) -> None:
        """Make a batch of what came since the last one."""
        with self._lock:
            self._finish()

    def _finish(self) -> None:
        rows = list(self._rows.values())
        if rows:
            batch = _good_batch(rows)
            self._finished(batch)
            self._rows.clear()  # not before they were taken: a full disk loses none
            self._octets = 0

    def answers(self) -> AnswerSet:
        """All that were gathered, if they stay here."""
        self.flush()
        with self._lock:
            table = arrow().Table.from_batches(self._batches, answers_schema())
        return AnswerSet.of_checked(table)


def _row(question: Question, answer: Answer, fetched_at: datetime) -> Row:
    try:
        row = row_of(question, answer, fetched_at)
    except Exception as error:  # noqa: BLE001 - a field of a stranger's object may raise anything
        try:
            words = f"{type(error).__name__}: {error}"
        except Exception:  # noqa: BLE001 - its text may raise, too
            words = type(error).__name__
        return _malformed(question, words, fetched_at)
    if row.status != Status.OK and row.records:
        row = row._replace(records=[])  # an engine does not look at them either
    if row.detail is not None and len(row.detail) > 500:
        row = row._replace(detail=row.detail[: MOST_DETAIL // 4])
    return row


def _malformed(question: Question, words: str, fetched_at: datetime | None) -> Row:
    detail = f"the resolver's answer cannot be read: {words}"[:500]
    return row_of(question, Answer(Status.MALFORMED, detail=detail), fetched_at)


def _good_batch(rows: list[Row]) -> pa.RecordBatch:
    """The rows as a checked batch; those that cannot be kept are replaced, or left out."""
    while True:
        try:
            return checked_batch(batch_of(rows))
        except BadRow as bad:
            at = bad.row or 0  # the columns are ours: it is always a row
            row = rows[at]
            if bad.field == "records":
                detail = f"the resolver's answer cannot be read: {bad.problem}"[:500]
                status = str(Status.MALFORMED)
                rows[at] = row._replace(status=status, records=[], detail=detail)
            else:
                del rows[at]  # a question that no resolver can be asked


class RecordingResolver:
    """Stands between an engine and its resolver, and hands every answer to a sink as it came.

        with AnswerWriter("answers.arrows") as sink:
            engine = Engine(RecordingResolver(SystemResolver(), sink))

    It has those of the methods resolve, resolve_async and resolve_many that the resolver has.
    What the resolver raises is passed on, and recorded as the answer that an engine makes of it.
    """

    def __init__(self, resolver: Resolver | AsyncResolver, sink: AnswerSink) -> None:
        self.resolver = resolver
        self.sink = sink

    @property
    def resolve(self) -> Callable[[Question, float], Answer]:
        ask = cast("Callable[[Question, float], Answer]", getattr(self.resolver, "resolve"))  # noqa: B009

        def resolve(question: Question, timeout: float) -> Answer:
            try:
                answer = ask(question, timeout)
            except Exception as error:
                self._raised([question], error)
                raise
            self._keep(question, answer)
            return answer

        return resolve

    @property
    def resolve_many(self) -> Callable[[Sequence[Question], float], list[Answer]]:
        ask = cast(
            "Callable[[Sequence[Question], float], list[Answer]]",
            getattr(self.resolver, "resolve_many"),  # noqa: B009
        )

        def resolve_many(questions: Sequence[Question], timeout: float) -> list[Answer]:
            asked = list(questions)
            try:
                answers = list(ask(asked, timeout))
            except Exception as error:
                self._raised(asked, error)
                raise
            for question, answer in zip(asked, answers, strict=False):
                self._keep(question, answer)
            return answers

        return resolve_many

    @property
    def resolve_async(self) -> Callable[[Question, float], Awaitable[Answer]]:
        ask = cast(
            "Callable[[Question, float], Awaitable[Answer]]",
            getattr(self.resolver, "resolve_async"),  # noqa: B009
        )

        async def resolve_async(question: Question, timeout: float) -> Answer:
            try:
                answer = await ask(question, timeout)
            except Exception as error:
                self._raised([question], error)
                raise
            self._keep(question, answer)
            return answer

        return resolve_async

    def _keep(self, question: Question, answer: Answer | None) -> None:
        if answer is None:
            answer = Answer(Status.ERROR, detail="the resolver returned None")
        self.sink.add(question, answer)

    def _raised(self, questions: Sequence[Question], error: Exception) -> None:
        try:
            words = f"{type(error).__name__}: {error}"
        except Exception:  # noqa: BLE001 - its text may raise, too
            words = type(error).__name__
        answer = Answer(Status.ERROR, detail=f"the resolver raised {words}"[:500])
        for question in questions:
            self._keep(question, answer)
