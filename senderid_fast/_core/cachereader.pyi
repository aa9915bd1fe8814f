from collections.abc import Callable
from typing import final

from senderid_fast.questions import Answer, Question

@final
class CacheReader:
    def __init__(
        self,
        head: int,
        max_ttl: float,
        failure_ttl: float,
        decode: Callable[[Question, bytes, bytes, float], Answer | None],
    ) -> None: ...
