"""CacheTier: a cache as an engine uses it: asked before the resolver, told what that brought.

What may live here: what holds for every cache. Nothing that a cache does reaches a check: what it
raises, what takes too long, and what cannot be an answer count as a miss, and as a failure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from time import time
from typing import TYPE_CHECKING, Any, cast

from senderid_fast._core.cachereader import CacheReader
from senderid_fast.cache.base import AnswerLeft, Cache, CachedAnswer, NearCache
from senderid_fast.cache.codec import SKEW
from senderid_fast.cache.guard import Breaker, Guard
from senderid_fast.questions import Answer, Question, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from senderid_fast._core.checks import Check
    from senderid_fast.stale import Stale

    # Takes what a cache has: (get, reader, now in seconds of Unix time, ...) -> how many answers.
    Supply = Callable[..., int]

__all__ = ["CacheTier"]

UNKNOWN_TIMEOUT = 0.005  # seconds, of a cache that has no timeout
TOGETHER = 256  # questions that one timeout is meant for; more have more
MOST_TASKS = 4_096  # of asyncio, under way at once, with those that nobody waits for any more


class CacheTier:
    """One engine's use of a cache.

    max_ttl      seconds from when an answer came
    failure_ttl  seconds for which an error of DNS is kept, for its question alone; below 1: it is
                 not put into the cache, and not taken from it
    stale        told of answers that are over, and asked for one in place of an error. While it is
                 on, errors are not put into the cache: each would take the place of such an answer.
                 Answers without a time to live are put there to do so, and are never taken
    """

    def __init__(self, cache: Cache, max_ttl: float, failure_ttl: float, stale: Stale) -> None:
        self._cache = cache
        self._max_ttl = max_ttl
        self._failure_ttl = failure_ttl
        self._stale = stale
        self._breaker = Breaker()
        self._guard = Guard()
        self._tasks: set[Any] = set()
        self._hits = self._misses = self._failures = self._dropped = 0
        try:
            self._timeout = float(cache.timeout)
        except Exception:  # noqa: BLE001 - a field of a stranger's object may raise anything
            self._timeout = UNKNOWN_TIMEOUT
        # The core passes over what is over, which would be remembered here.
        near = self._timeout == 0 and not stale.is_on
        self._near = self._near_of(cache) if near else None

    def _near_of(self, cache: Cache) -> tuple[NearCache, CacheReader] | None:
        """The cache, if the core can read it, with the reader of this engine."""
        try:
            if isinstance(cache, NearCache):
                reader = CacheReader(cache.head, self._max_ttl, self._failure_ttl, self._decoded)
                return cache, reader
        except Exception:  # noqa: BLE001 - a field of a stranger's object may raise anything
            self._failures += 1
        return None

    @property
    def is_near(self) -> bool:
        """Whether supply() is how the cache is asked; find() can be all the same."""
        return self._near is not None

    def supply(self, supply: Supply, *arguments: Any) -> None:
        """Have a check or a batch take what a near cache has, in one reading of it."""
        near = self._near
        if near is None or not self._breaker.may_ask():
            return
        cache, reader = near
        try:
            self._hits += cache.read(supply, reader, time(), *arguments)
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException:  # noqa: BLE001 - a cache may raise anything
            self._failures += 1
            self._breaker.failed()
        else:
            self._breaker.succeeded()

    def supply_check(self, check: Check, now: int) -> None:
        """As supply(), for one check; now  nanoseconds of monotonic_ns()."""
        self.supply(check.supply, now)
        self.missed(check.verdict is None)

    def missed(self, count: int) -> None:
        """Count what a near cache did not have, and what it could not be asked for."""
        self._misses += count

    def _decoded(self, question: Question, key: bytes, octets: bytes, now: float) -> Answer | None:
        """What a near cache makes of octets that the core does not read for sure."""
        cached = cast("NearCache", self._cache).decoded(question, key, octets, now)
        if cached is None or cached.expires <= now:
            return None
        return self._left(cached, now)

    def find(self, questions: Sequence[Question], seconds: float) -> dict[Question, Answer]:
        """The answers that the cache has, asked in one call.

        seconds  that the one who asks has left
        """
        if not questions or seconds <= 0 or not self._may_ask(questions):
            return {}
        budget = self._budget(questions, seconds)
        try:
            if self._timeout == 0:
                found = self._cache.get_many(questions, budget)
            else:
                found = self._guard.run(budget, self._cache.get_many, questions, budget)
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException:  # noqa: BLE001 - a cache may raise anything
            return self._failed(questions)
        return self._taken(questions, found)

    async def find_async(
        self, questions: Sequence[Question], seconds: float
    ) -> dict[Question, Answer]:
        """As find(), awaited. A task that is late goes on: a reply of a connection that is given
        up half-way might be taken for that to the next question."""
        import asyncio

        if not questions or seconds <= 0:
            return {}
        if self._timeout == 0:
            return self.find(questions, seconds)
        get_many_async = getattr(self._cache, "get_many_async", None)
        if len(self._tasks) >= MOST_TASKS or not self._may_ask(questions):
            return {}
        budget = self._budget(questions, seconds)
        try:
            if get_many_async is None:
                task: Any = asyncio.wrap_future(
                    self._guard.submit(self._cache.get_many, questions, budget)
                )
            else:
                task = asyncio.ensure_future(get_many_async(questions, budget))
            self._tasks.add(task)
            task.add_done_callback(self._ended)
            done, _ = await asyncio.wait((task,), timeout=budget)
            found = task.result() if done else None
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except asyncio.CancelledError:
            if task.cancelled():
                return self._failed(questions)
            raise
        except BaseException:  # noqa: BLE001 - a cache may raise anything
            return self._failed(questions)
        return self._failed(questions) if found is None else self._taken(questions, found)

    def _ended(self, task: Any) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # has been counted; asyncio need not tell of it

    def _may_ask(self, questions: Sequence[Question]) -> bool:
        if self._breaker.may_ask():
            return True
        self._misses += len(questions)
        return False

    def _budget(self, questions: Sequence[Question], seconds: float) -> float:
        return min(self._timeout * -(-len(questions) // TOGETHER), seconds)

    def _failed(self, questions: Sequence[Question]) -> dict[Question, Answer]:
        self._failures += 1
        self._misses += len(questions)
        self._breaker.failed()
        return {}

    def _taken(
        self, questions: Sequence[Question], found: Mapping[Question, CachedAnswer]
    ) -> dict[Question, Answer]:
        """What of the cache's reply can be used, and to questions that were asked only."""
        now = time()
        answers: dict[Question, Answer] = {}
        try:
            for question in questions if found else ():
                cached = found.get(question)
                if cached is None:
                    continue
                if (answer := self._left(cached, now)) is not None:
                    answers[question] = self._stale.instead(question, answer)
                elif self._stale.is_on:
                    self._remember(question, cached, now)
        except Exception:  # noqa: BLE001 - a field of a stranger's object may raise anything
            self._failures += 1
            self._breaker.failed()
        else:
            self._breaker.succeeded()
        self._hits += len(answers)
        self._misses += len(questions) - len(answers)
        return answers

    def _left(self, cached: CachedAnswer, now: float) -> Answer | None:
        status, records, ttl, detail = cached.answer
        status = Status(status)
        most = self._failure_ttl if status.is_error else self._max_ttl
        left = cached.fetched_at + min(ttl, most) - now
        # One without a time to live is never taken, however far the clocks are apart.
        if ttl <= 0 or not 0 < left <= most + SKEW:
            return None
        # No more than it had, where this clock is behind the one of the machine that asked.
        return AnswerLeft(status, records, int(min(left, most)), detail)

    def _remember(self, question: Question, cached: CachedAnswer, now: float) -> None:
        answer = cached.answer
        over = now - cached.fetched_at - min(answer.ttl, self._max_ttl)
        if answer.ttl > 0 and not Status(answer.status).is_error:
            self._stale.remember(question, answer, over)

    def keep(self, pairs: Iterable[tuple[Question, Answer]]) -> None:
        """Have answers of the resolver put into the cache, some time later."""
        now = time()
        try:
            entries = [
                (question, CachedAnswer(kept, now))
                for question, answer in pairs
                if (kept := self._kept(answer)) is not None
            ]
            if entries:
                self._cache.put_many(entries)
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException:  # noqa: BLE001 - a cache may raise anything
            self._failures += 1

    def _kept(self, answer: Answer) -> Answer | None:
        """The answer with the time to live that others may use it for; None: it has none."""
        try:
            is_error = Status(answer.status).is_error
            if is_error and self._stale.is_on:
                return None
            most = self._failure_ttl if is_error else min(answer.ttl, self._max_ttl)
            ttl = int(most)
            if ttl <= 0 and not self._stale.is_on:
                return None
            return Answer(answer.status, answer.records, ttl, answer.detail)
        except Exception:  # noqa: BLE001 - a field of a stranger's object may raise anything
            self._dropped += 1
            return None

    def statistics(self) -> dict[str, int]:
        """cache_hits and cache_misses by question; cache_dropped: entries that could not be read or
        written; cache_failures: calls that raised, were late, or gave what is no answer."""
        dropped = self._dropped
        try:
            counts = self._cache.statistics()
            dropped += int(counts.get("dropped", 0))
            failures = self._failures + int(counts.get("write_failures", 0))
        except Exception:  # noqa: BLE001 - a cache may raise anything
            failures = self._failures
        return {
            "cache_hits": self._hits,
            "cache_misses": self._misses,
            "cache_dropped": dropped,
            "cache_failures": failures,
        }

    def close(self) -> None:
        """Have the cache write what waits, and let go of files and connections."""
        try:
            self._cache.close()
        except Exception:  # noqa: BLE001 - a cache may raise anything
            self._failures += 1

    async def close_async(self) -> None:
        """As close(), with what the cache has open for the running loop."""
        import asyncio

        close = getattr(self._cache, "close_async", None)
        if close is not None:
            try:
                await close()
            except Exception:  # noqa: BLE001 - a cache may raise anything
                self._failures += 1
        await asyncio.to_thread(self.close)

    def after_fork(self) -> None:
        """The child has none of the threads and tasks of its parent."""
        self._guard = Guard()
        self._tasks = set()
