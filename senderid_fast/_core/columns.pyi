from typing import final

from senderid_fast._core.answers import AnswerStore
from senderid_fast._core.arrow import Column
from senderid_fast._core.checks import Evaluator
from senderid_fast._core.outcomes import Octets
from senderid_fast.questions import Answer, Question

@final
class Batch:
    @property
    def part_count(self) -> int: ...
    @property
    def rows(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def open(self) -> int: ...
    @property
    def scope_codes(self) -> Octets: ...
    @property
    def pra_codes(self) -> tuple[Octets, Octets]: ...
    def __init__(
        self,
        evaluator: Evaluator,
        store: AnswerStore,
        now: int,
        unix: int,
        limit: int,
        ip: Column,
        mail_from: Column,
        helo: Column,
        headers: Column | None,
        helo_result: bool,
        counts: bool,
        stale: bool,
        explanations: bool,
        parts: int,
    ) -> None: ...
    @property
    def begun(self) -> bool: ...
    def run(self, number: int, most: int = ...) -> None: ...
    def questions(self) -> list[Question]: ...
    def answer(
        self,
        question: Question,
        answer: Answer | None,
        expires: int,
        failure_expires: int,
        now: int,
        took: int,
        keep: AnswerStore | None = None,
    ) -> None: ...
    def expire(self) -> None: ...
    def codes(self, kind: int, which: str) -> Octets: ...
    def known(self, kind: int) -> tuple[Octets | None, int]: ...
    def given(self, kind: int, codes: Octets) -> tuple[Octets | None, int]: ...
    def text(self, kind: int, column: int) -> tuple[Octets, Octets, Octets]: ...
