"""The protocol of a cache: what an engine asks of whatever keeps answers for several processes.

What may live here: the protocols, and the values that go through them. An object need not inherit
from a protocol; to have the methods is enough.

A cache may raise, hang, lose and invent: the engine then asks DNS, and counts it (cache/tier.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

from senderid_fast.errors import InputError
from senderid_fast.questions import Answer, Question

__all__ = [
    "AnswerLeft",
    "AsyncCache",
    "Cache",
    "CachedAnswer",
    "ListedCache",
    "NearCache",
    "stale_of",
]

MOST_STALE = 604_800  # seconds: the most that Settings.stale_seconds may be
Result = TypeVar("Result")


class CachedAnswer(NamedTuple):
    """An answer, and when it came.

    answer      its ttl counts from fetched_at
    fetched_at  seconds of Unix time
    """

    answer: Answer
    fetched_at: float

    @property
    def expires(self) -> float:
        """Seconds of Unix time after which it is over."""
        return self.fetched_at + self.answer.ttl


class AnswerLeft(Answer):
    """An answer that came from a cache; its ttl is what was left of it, and is not extended."""

    __slots__ = ()


def stale_of(seconds: object) -> float:
    """The setting stale_seconds of a cache. Raises InputError."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise InputError("stale_seconds", f"must be a number of seconds, is {seconds!r}")
    if not 0 <= seconds <= MOST_STALE:
        raise InputError("stale_seconds", f"must be from 0 to {MOST_STALE}, is {seconds!r}")
    return float(seconds)


@runtime_checkable
class Cache(Protocol):
    """Keeps answers for engines of several processes. One is used by many threads at once.

    timeout  seconds that an engine waits for one get_many() of some hundred questions, before it
             asks DNS; 0: get_many() never waits, and is called as it is
    """

    timeout: float

    def get_many(
        self, questions: Sequence[Question], timeout: float
    ) -> Mapping[Question, CachedAnswer]:
        """The answers that are there and not over, within ``timeout`` seconds.

        Those that are over may be given as well: an engine uses them in place of errors, if its
        ``stale_seconds`` are above 0, and drops them otherwise.
        """
        ...

    def put_many(self, entries: Iterable[tuple[Question, CachedAnswer]]) -> None:
        """Keep these, some time later. Never waits; what there is no room for is dropped."""
        ...

    def statistics(self) -> dict[str, int]:
        """Counts since it was made; "dropped": entries that could not be read or written."""
        ...

    def close(self) -> None:
        """Write what is waiting, let go of files and connections. The next use opens them again."""
        ...


@runtime_checkable
class AsyncCache(Protocol):
    """A Cache whose get_many can be awaited, for an AsyncEngine."""

    async def get_many_async(
        self, questions: Sequence[Question], timeout: float
    ) -> Mapping[Question, CachedAnswer]:
        """As Cache.get_many, awaited."""
        ...


@runtime_checkable
class NearCache(Cache, Protocol):
    """A Cache that lies in this machine's memory (its timeout is 0): the core reads its octets, one
    answer after the other, while a check or a batch goes on.

    head  octets before each value, which is in the form of cache/codec.py: the first four are the
          CRC 32 of the key and of all that follows them; 0: there are none
    """

    head: int

    def read(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """What work(get, *arguments) gives, called once, while nothing of the cache moves. get(key)
        gives the octets of a key of codec.key_of, or None."""
        ...

    def decoded(
        self, question: Question, key: bytes, octets: bytes, now: float
    ) -> CachedAnswer | None:
        """The answer of octets that the core does not read for sure; None, and counted, if there is
        none to be believed."""
        ...


@runtime_checkable
class ListedCache(Cache, Protocol):
    """A Cache whose entries can be listed and removed, as the command cache does."""

    def entries(self) -> Iterator[tuple[Question, CachedAnswer]]:
        """All answers that are not over, in no certain order."""
        ...

    def purge(self, domain: str | None = None, *, below: bool = True) -> int:
        """Remove the answers of a name, and with ``below`` of all names below it; None: all. How
        many these were."""
        ...

    def flush(self, timeout: float) -> bool:
        """Wait until what was put is written, at most ``timeout`` seconds; whether it is."""
        ...
