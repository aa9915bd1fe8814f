"""AsyncEngine: the driver for asyncio. It hands a check to the core, and gets it what it asks for.

What may live here: what callers see of it; the loops that await are in async_asking.py. Its names
and their meaning are those of Engine.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Self, cast

from senderid_fast._core.checks import Check
from senderid_fast._core.verdict import Verdict
from senderid_fast.async_asking import AsyncAskingEngine
from senderid_fast.engine_base import (
    address_text,
    client_behind,
    scope_number,
)
from senderid_fast.messages import MessageVerdict, Relays
from senderid_fast.results import Scope

if TYPE_CHECKING:
    from senderid_fast.batch import Answers
    from senderid_fast.engine_base import Address, Octets, Text
    from senderid_fast.tracing import Trace

    Known = tuple[Verdict, Verdict | None, Verdict]

__all__ = ["AsyncEngine"]


class AsyncEngine(AsyncAskingEngine):
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
        """Forget all answers, cancel what is still asked, and close the cache if there is one. Both
        may be used again."""
        import asyncio

        loop = id(asyncio.get_running_loop())
        tasks = [flight.task for (of, _), flight in self._flights.items() if of == loop]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self.clear()
        if self._tier is not None:
            await self._tier.close_async()

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
        """As Engine.check_message; what the identities ask is asked at the same time.

        If every answer is known, it does not wait, and makes no task.
        """
        import asyncio

        client = None
        if relays is not None:
            client, ip, helo = client_behind(relays, ip, helo, headers)
        if ip is None:
            return MessageVerdict(None, None, None, None, client)
        now = monotonic_ns()
        begun = self._evaluator.check_message(ip, helo, mail_from, headers, submitter, now)

        if not any(isinstance(one, Check) for one in begun):
            return MessageVerdict(address_text(ip), *cast("Known", begun), client)

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
        stale: bool = False,
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
            "stale": stale,
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
        return job.together([(await self._settle(run)).result() for run in job.runs()])

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
