"""Between an engine's store and a set of answers: what is in it now, and what is put into it.

What may live here: the reckoning of times. A store counts the nanoseconds of a clock that begins
anywhere; a set tells when an answer came.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from senderid_fast.answersets.answerset import AnswerSet
from senderid_fast.questions import Answer, Question, RRType, Status

if TYPE_CHECKING:
    from senderid_fast._core.answers import AnswerStore
    from senderid_fast.settings import Settings

    Exported = tuple[str, RRType, Status, int, int, tuple[Any, ...]]

__all__ = ["answers_in", "put_answers"]

_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)


def answers_in(exported: Iterable[Exported], epoch: int) -> AnswerSet:
    """The set of what a store exported; epoch: nanoseconds from 1970 to its clock's beginning.

    fetched_at is such that fetched_at + ttl is when the answer is over.
    """
    return AnswerSet(_timed(exported, epoch))


def _timed(
    exported: Iterable[Exported], epoch: int
) -> Iterator[tuple[Question, Answer, datetime | None]]:
    for name, rrtype, status, expires, ttl, records in exported:
        answer = Answer(status, records, ttl)
        over = max((epoch + expires) // 1000, 0)  # microseconds
        fetched_at = _BEGIN + timedelta(microseconds=max(over - ttl * 1_000_000, 0))
        yield Question(name, rrtype), answer, fetched_at


def put_answers(
    store: AnswerStore, settings: Settings, answers: AnswerSet, now: int, epoch: int, expired: bool
) -> int:
    """Put answers into a store whose clock says now; how many were put.

    A time to live is bounded by the settings, from when the answer came: one without a time, or
    with one to come, came now. An answer that is over is left out, or with expired counts as one
    that came now.
    """
    count = 0
    for question, answer, fetched_at in answers.timed():
        if answer.status.is_error:
            seconds = settings.failure_ttl
        else:
            seconds = min(max(answer.ttl, settings.min_ttl), settings.max_ttl)
        came = now
        if fetched_at is not None:
            microseconds = (fetched_at - _BEGIN) // timedelta(microseconds=1)
            came = min(microseconds * 1000 - epoch, now)
        expires = came + int(seconds * 1e9)
        if expires <= now:
            if not expired:
                continue
            expires = now + int(seconds * 1e9)
        store.put(question, answer, expires, now)
        count += 1
    return count
