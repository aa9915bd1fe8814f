from collections.abc import Callable
from typing import Any

from senderid_fast._core.answers import AnswerStore
from senderid_fast._core.cachereader import CacheReader
from senderid_fast._core.columns import Batch

def supply_batch(
    batch: Batch,
    reader: CacheReader,
    get: Callable[[bytes], Any],
    unix: float,
    now: int,
    keep: AnswerStore | None,
) -> int: ...
