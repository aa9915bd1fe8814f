"""AsyncAskingEngine: how an AsyncEngine gets answers: from its cache, then from its resolver.

What may live here: loops that await answers. Which question is open is said by the core; what the
caller sees is in async_engine.py.
"""

from __future__ import annotations

from collections import deque
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, cast

from senderid_fast.closure import Closure
from senderid_fast.engine_base import EngineBase, cut
from senderid_fast.questions import Answer, Question, Status
from senderid_fast.results import Scope

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence

    from senderid_fast._core.checks import Check
    from senderid_fast._core.verdict import Verdict
    from senderid_fast.batch import BatchJob, BatchRun
    from senderid_fast.engine_base import Text

    Asking = Callable[[Question, int], Coroutine[Any, Any, Answer]]
    Dated = tuple[Answer | None, int]  # with the time when it came

__all__ = ["AsyncAskingEngine"]


class AsyncAskingEngine(EngineBase):
    """The part of AsyncEngine that waits."""

    def _forget_flights(self) -> None:
        self._flights: dict[tuple[int, Question], _AsyncFlight] = {}

    async def _finish(self, check: Check, began: int) -> Verdict:
        """The driver: as Engine._finish, awaiting."""
        end = began + self._nanoseconds
        ahead: dict[Question, asyncio.Task[Dated]] = {}
        self._supply(check)
        try:
            while check.question is not None:
                answer, came = await self._ask_ahead(check, end, ahead)
                if answer is None or monotonic_ns() >= end:
                    return check.expire()
                self._take(check, answer, came)
                self._supply(check)
            return cast("Verdict", check.verdict)
        finally:
            for task in ahead.values():
                task.cancel()

    async def _ask_ahead(
        self, check: Check, end: int, ahead: dict[Question, asyncio.Task[Dated]]
    ) -> Dated:
        """The answer that the check waits for, and when it came. What it may ask next is asked at
        the same time, up to settings.prefetch questions, and stands in ahead until the check comes
        to it."""
        import asyncio

        most = self._settings.prefetch
        for question in check.ahead(most + 1) if most else ():
            if question not in ahead:
                ahead[question] = asyncio.create_task(self._ask_dated(question, end, self._answer))
        question = cast("Question", check.question)
        task = ahead.pop(question, None)
        # What a near cache has, the check has taken.
        near = self._tier is not None and self._tier.is_near
        asking = self._resolve if near else self._answer
        return await (task or self._ask_dated(question, end, asking))

    async def _ask_dated(self, question: Question, end: int, asking: Asking) -> Dated:
        answer = await self._ask(question, end, asking)
        return answer, monotonic_ns()

    async def _stream(self, job: BatchJob, missing: str) -> AsyncIterator[Any]:
        import asyncio

        if missing == "emit":
            outcomes = iter(cast("Iterator[Any]", job.outcome()))
            while (outcome := await asyncio.to_thread(next, outcomes, None)) is not None:
                yield outcome
            return
        runs = job.runs()
        while (run := await asyncio.to_thread(next, runs, None)) is not None:
            yield (await self._settle(run)).result()

    async def _settle(self, run: BatchRun) -> BatchRun:
        """The driver of a batch: as Engine._settle, awaiting."""
        import asyncio

        questions = deque(await self._past_cache(run))
        pending: set[asyncio.Task[tuple[Question, Answer | None, int]]] = set()
        try:
            while run.waiting:
                while questions and len(pending) < self._settings.concurrency:
                    pending.add(asyncio.create_task(self._ask_timed(questions.popleft())))
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                if pending and not questions:  # running a batch again has its price
                    more, pending = await asyncio.wait(pending, timeout=0.005)
                    done |= more
                for task in done:
                    question, answer, took = task.result()
                    run.answer(question, answer, self._expiry(answer), took)
                if not questions:
                    questions.extend(await self._past_cache(run))
        finally:
            for task in pending:
                task.cancel()
        return run

    async def _past_cache(self, run: BatchRun) -> list[Question]:
        """Run the batch; as Engine._past_cache, awaiting."""
        import asyncio

        left: list[Question] = []
        if self._tier is None or self._tier.is_near:
            return list(await asyncio.to_thread(run.run, self._tier))
        while True:
            questions = await asyncio.to_thread(run.run)
            began = monotonic_ns()
            found = await self._found(questions)
            took = monotonic_ns() - began
            for question, answer in found.items():
                run.answer(question, answer, self._expiry(answer), took)
            left += [question for question in questions if question not in found]
            if not found:
                return left

    async def _found(self, questions: Sequence[Question]) -> dict[Question, Answer]:
        """What the cache has, if there is one."""
        if self._tier is None:
            return {}
        return await self._tier.find_async(questions, self._nanoseconds / 1e9)

    async def fetch(
        self,
        domains: Iterable[Text],
        scope: Scope = Scope.SPF,
        *,
        ip4: bool = True,
        ip6: bool = True,
        explanations: bool = True,
    ) -> Closure:
        """As Engine.fetch."""
        import asyncio

        left: list[Closure] = []
        for questions in self._rounds(left, domains, scope, ip4, ip6, explanations):
            found = await self._found(questions)
            for question, answer in found.items():
                self._keep(question, answer)
            others = [question for question in questions if question not in found]
            for some in cut(others, self._settings.concurrency):
                for question, reply, _ in await asyncio.gather(*map(self._ask_timed, some)):
                    self._keep(question, reply)
        return Closure.union(left)

    async def _ask_timed(self, question: Question) -> tuple[Question, Answer | None, int]:
        began = monotonic_ns()
        answer = await self._ask(question, began + self._nanoseconds, self._resolve)
        return question, answer, monotonic_ns() - began

    async def _ask(self, question: Question, end: int, asking: Asking) -> Answer | None:
        """The answer, asked once for all tasks that want it; None if the time is over."""
        import asyncio

        loop = asyncio.get_running_loop()
        key = id(loop), question
        while (left := end - monotonic_ns()) > 0:
            flight = self._flights.get(key)
            if flight is None:
                task = loop.create_task(asking(question, end))
                flight = self._flights[key] = _AsyncFlight(task, end)
                task.add_done_callback(lambda done: self._land(key, done))
            flight.waiting += 1
            try:
                done, _ = await asyncio.wait((flight.task,), timeout=left / 1e9)
            finally:
                flight.waiting -= 1
                if not flight.waiting and not flight.task.done():
                    self._land(key, flight.task)
                    flight.task.cancel()
            if not done:
                break
            if flight.task.cancelled():
                return Answer(Status.ERROR, detail="the resolver was cancelled")
            # A flight that began with less time than we have may have ended for lack of it.
            if flight.end >= end or monotonic_ns() < flight.end:
                return flight.task.result()
        return None

    def _land(self, key: tuple[int, Question], task: asyncio.Task[Answer]) -> None:
        flight = self._flights.get(key)
        if flight is not None and flight.task is task:
            del self._flights[key]

    async def _answer(self, question: Question, end: int) -> Answer:
        if self._tier is not None:
            found = await self._tier.find_async((question,), (end - monotonic_ns()) / 1e9)
            if found:
                return found[question]
        return await self._resolve(question, end)

    async def _resolve(self, question: Question, end: int) -> Answer:
        import asyncio

        left = max(end - monotonic_ns(), 0) / 1e9
        wait = self._stale.wait(question, left)
        left = left if wait is None else wait
        self._asked += 1
        resolver = self._the_resolver()
        try:
            async with asyncio.timeout(wait):
                if hasattr(resolver, "resolve_async"):
                    answer: Answer = await resolver.resolve_async(question, left)
                else:
                    answer = await asyncio.to_thread(resolver.resolve, question, left)
        except (KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError):
            raise
        except BaseException as error:  # noqa: BLE001 - a resolver may raise anything
            answer = self._raised(error)
        answer = self._count(answer)
        if self._tier is not None and monotonic_ns() < end:
            self._tier.keep(((question, answer),))
        return self._stale.instead(question, answer)


class _AsyncFlight:
    """A question that a task is asking for one check or several, until end (in nanoseconds)."""

    __slots__ = ("end", "task", "waiting")

    def __init__(self, task: asyncio.Task[Answer], end: int) -> None:
        self.task = task
        self.end = end
        self.waiting = 0
