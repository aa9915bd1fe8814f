from collections.abc import Callable, Sequence

from senderid_fast._core.answers import AnswerStore
from senderid_fast._core.columns import Batch
from senderid_fast.questions import Answer, Question

def answer_one(
    batch: Batch,
    question: Question,
    answer: Answer | None,
    expires: int,
    failure_expires: int,
    now: int,
    took: int,
    keep: AnswerStore | None = None,
) -> None: ...
def answer_all(
    batch: Batch,
    questions: Sequence[Question],
    answers: Sequence[Answer],
    min_ttl: float,
    max_ttl: float,
    failure_ttl: int,
    now: int,
    took: int,
    keep: AnswerStore | None,
    other: Callable[[Question, Answer, int], object],
) -> None: ...
