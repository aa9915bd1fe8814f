"""AsyncEngine: the driver for asyncio. It hands a check to the core, and gets it what it asks for.

What may live here: the loop that awaits. Its names and their meaning are those of Engine.
"""

from __future__ import annotations

from collections import deque
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Self, cast

from senderid_fast._core.checks import Check
from senderid_fast._core.verdict import Verdict
from senderid_fast.engine_base import (
    FETCHED_TOGETHER,
    ROUNDS_MORE,
    Closure,
    EngineBase,
    address_text,
    client_behind,
    cut,
    scope_number,
)
from senderid_fast.messages import MessageVerdict, Relays
from senderid_fast.questions import Answer, Question, Status
from senderid_fast.results import Scope

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Iterable, Iterator

    from senderid_fast.batch import Answers, BatchJob, BatchRun
    from senderid_fast.engine_base import Address, Octets, Text
    from senderid_fast.tracing import Trace

__all__ = ["AsyncEngine"]


class AsyncEngine(EngineBase):
    """Engine for asyncio: the same names, awaited. One may be shared by any number of tasks.

        async with AsyncEngine() as engine:
            verdict = await engine.check_mail_from("192.0.2.1", "user@example.com")

    resolver  an object with resolve_async(question, timeout); one that has only resolve is called
              in a thread

    Cancelling a check leaves nothing behind: a question that nobody else waits for is cancelled.
    """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Forget all answers and cancel what is still asked. The engine may be used again."""
        import asyncio

        loop = id(asyncio.get_running_loop())
        tasks = [flight.task for (of, _), flight in self._flights.items() if of == loop]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self.clear()

    async def check_host(
        self,
        ip: Address,
        domain: Text,
        sender: Text | None = None,
        helo: Text | None = None,
        scope: Scope = Scope.SPF,
    ) -> Verdict:
        """As Engine.check_host."""
        now = monotonic_ns()
        found = self._evaluator.check_host(ip, domain, sender, helo, scope_number(scope), now)
        return found if type(found) is Verdict else await self._finish(found, now)

    async def check_helo(self, ip: Address, helo: Text | None) -> Verdict:
        """As Engine.check_helo."""
        now = monotonic_ns()
        found = self._evaluator.check_helo(ip, helo, now)
        return found if type(found) is Verdict else await self._finish(found, now)

    async def check_mail_from(
        self, ip: Address, mail_from: Text, helo: Text | None = None
    ) -> Verdict:
        """As Engine.check_mail_from."""
        now = monotonic_ns()
        found = self._evaluator.check_mail_from(ip, mail_from, helo, now)
        return found if type(found) is Verdict else await self._finish(found, now)

    async def check_pra(
        self,
        ip: Address,
        headers: Octets,
        helo: Text | None = None,
        submitter: Text | None = None,
    ) -> Verdict:
        """As Engine.check_pra."""
        now = monotonic_ns()
        found = self._evaluator.check_pra(ip, headers, helo, submitter, now)
        return found if type(found) is Verdict else await self._finish(found, now)

    async def check_message(
        self,
        ip: Address | None,
        helo: Text | None,
        mail_from: Text | None,
        headers: Octets,
        submitter: Text | None = None,
        relays: Relays | None = None,
    ) -> MessageVerdict:
        """As Engine.check_message; what the identities ask is asked at the same time."""
        import asyncio

        client = None
        if relays is not None:
            client, ip, helo = client_behind(relays, ip, helo, headers)
        if ip is None:
            return MessageVerdict(None, None, None, None, client)
        now = monotonic_ns()
        begun = self._evaluator.check_message(ip, helo, mail_from, headers, submitter, now)

        async def settled(one: Verdict | Check | None) -> Verdict | None:
            return await self._finish(one, now) if isinstance(one, Check) else one

        of_helo, of_mail_from, of_pra = begun
        by_helo, by_mail_from, by_pra = await asyncio.gather(
            settled(of_helo), settled(of_mail_from), settled(of_pra)
        )
        return MessageVerdict(address_text(ip), by_helo, by_mail_from, by_pra, client)

    async def check_batch(
        self,
        data: Any,
        *,
        ip: str = "ip",
        helo: str = "helo",
        mail_from: str = "mail_from",
        headers: str | None = None,
        helo_result: bool = False,
        counts: bool = False,
        explanations: bool = False,
        prefix: str = "",
        answers: Answers | None = None,
        missing: str = "ask",
        threads: int | None = None,
        batch_rows: int = 65_536,
    ) -> Any:
        """As Engine.check_batch. A stream gives an async iterator of record batches (of
        BatchOutcomes with missing="emit"); evaluation is in threads, the loop goes on meanwhile.
        """
        import asyncio

        options = {
            "ip": ip,
            "helo": helo,
            "mail_from": mail_from,
            "headers": headers,
            "helo_result": helo_result,
            "counts": counts,
            "explanations": explanations,
            "prefix": prefix,
            "answers": answers,
            "missing": missing,
            "threads": threads,
            "batch_rows": batch_rows,
        }
        job = await asyncio.to_thread(self._batch_job, data, options)
        if job.is_stream:
            return self._stream(job, missing)
        if missing == "emit":
            return await asyncio.to_thread(job.outcome)
        return job.together([await self._settle(run) for run in job.runs()])

    async def trace_pra(
        self,
        ip: Address,
        headers: Octets,
        helo: Text | None = None,
        submitter: Text | None = None,
    ) -> Trace:
        """As Engine.trace_pra."""
        now = monotonic_ns()
        return await self._trace(
            self._evaluator.check_pra(ip, headers, helo, submitter, now, True), now
        )

    async def trace_host(
        self,
        ip: Address,
        domain: Text,
        sender: Text | None = None,
        helo: Text | None = None,
        scope: Scope = Scope.SPF,
    ) -> Trace:
        """As Engine.trace_host."""
        now = monotonic_ns()
        number = scope_number(scope)
        return await self._trace(
            self._evaluator.check_host(ip, domain, sender, helo, number, now, True), now
        )

    async def trace_helo(self, ip: Address, helo: Text | None) -> Trace:
        """As Engine.trace_helo."""
        now = monotonic_ns()
        return await self._trace(self._evaluator.check_helo(ip, helo, now, True), now)

    async def trace_mail_from(
        self, ip: Address, mail_from: Text, helo: Text | None = None
    ) -> Trace:
        """As Engine.trace_mail_from."""
        now = monotonic_ns()
        return await self._trace(
            self._evaluator.check_mail_from(ip, mail_from, helo, now, True), now
        )

    async def _trace(self, check: Check | Verdict, began: int) -> Trace:
        from senderid_fast.tracing import Trace, tree

        assert isinstance(check, Check)
        verdict = await self._finish(check, began)
        return Trace(verdict, tree(check.steps()))

    def _forget_flights(self) -> None:
        self._flights: dict[tuple[int, Question], _AsyncFlight] = {}

    async def _finish(self, check: Check, began: int) -> Verdict:
        """The driver: as Engine._finish, awaiting."""
        end = began + self._nanoseconds
        while check.question is not None:
            answer = await self._ask(check.question, end)
            if answer is None or monotonic_ns() >= end:
                return check.expire()
            self._take(check, answer)
        return cast(Verdict, check.verdict)

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

        questions = deque(await asyncio.to_thread(run.run))
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
                    questions.extend(await asyncio.to_thread(run.run))
        finally:
            for task in pending:
                task.cancel()
        return run

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
        for some in cut(domains, FETCHED_TOGETHER):
            asked: set[Question] = set()
            for _ in range(self._settings.limits.lookups + ROUNDS_MORE):
                closure = self.closure(some, scope, ip4=ip4, ip6=ip6, explanations=explanations)
                questions = [each for each in closure.questions if each not in asked]
                if not questions:
                    break
                asked.update(questions)
                size = self._settings.concurrency
                for first in range(0, len(questions), size):
                    asking = map(self._ask_timed, questions[first : first + size])
                    for question, answer, _ in await asyncio.gather(*asking):
                        self._keep(question, answer)
            left.append(closure)
        return Closure.union(left)

    async def _ask_timed(self, question: Question) -> tuple[Question, Answer | None, int]:
        began = monotonic_ns()
        answer = await self._ask(question, began + self._nanoseconds)
        return question, answer, monotonic_ns() - began

    async def _ask(self, question: Question, end: int) -> Answer | None:
        """The answer, asked once for all tasks that want it; None if the time is over."""
        import asyncio

        loop = asyncio.get_running_loop()
        key = id(loop), question
        while (left := end - monotonic_ns()) > 0:
            flight = self._flights.get(key)
            if flight is None:
                task = loop.create_task(self._fly(question, left))
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

    async def _fly(self, question: Question, left: int) -> Answer:
        import asyncio

        self._asked += 1
        resolver = self._the_resolver()
        try:
            if hasattr(resolver, "resolve_async"):
                answer: Answer = await resolver.resolve_async(question, left / 1e9)
            else:
                answer = await asyncio.to_thread(resolver.resolve, question, left / 1e9)
        except (KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError):
            raise
        except BaseException as error:  # noqa: BLE001 - a resolver may raise anything
            answer = self._raised(error)
        return self._count(answer)


class _AsyncFlight:
    """A question that a task is asking for one check or several, until end (in nanoseconds)."""

    __slots__ = ("end", "task", "waiting")

    def __init__(self, task: asyncio.Task[Answer], end: int) -> None:
        self.task = task
        self.end = end
        self.waiting = 0
