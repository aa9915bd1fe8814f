from collections.abc import Callable
from typing import Any, final

from senderid_fast.questions import Answer, Question

Form = tuple[Any, ...]

@final
class CacheReader:
    def __init__(
        self,
        head: int,
        max_ttl: float,
        failure_ttl: float,
        decode: Callable[[Question, bytes, bytes, float], Answer | None],
    ) -> None: ...

def key(name: bytes, rrtype: int) -> bytes: ...
def read(octets: bytes, question: Question, now: float) -> tuple[int, int, Form] | None: ...
def form(question: Question, answer: Answer) -> Form: ...
