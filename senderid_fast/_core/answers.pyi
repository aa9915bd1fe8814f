from typing import final

from senderid_fast.questions import Answer, Question, RRType, StaleAnswer, Status

@final
class AnswerStore:
    def __new__(
        cls,
        limit: int = ...,
        heat_for_table: int = ...,
        shares_records: bool = ...,
        stale: int = ...,
    ) -> AnswerStore: ...
    def put(
        self,
        question: Question,
        answer: Answer,
        expires: int,
        now: int,
        failure_expires: int | None = ...,
    ) -> None: ...
    def put_over(self, question: Question, answer: Answer, over: int) -> None: ...
    def find_stale(self, question: Question, now: int) -> StaleAnswer | None: ...
    def export(
        self, now: int
    ) -> list[tuple[str, RRType, Status, int, int, tuple[bytes | str | tuple[int, str], ...]]]: ...
    def clear(self) -> None: ...
    def after_fork(self) -> None: ...
    def __len__(self) -> int: ...
    def statistics(self) -> dict[str, int]: ...
