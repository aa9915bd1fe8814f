"""Engine and AsyncEngine: the drivers. They hand a check to the core, and get it what it asks for.

What may live here: loops that wait. No rule of SPF is here: the core either gives a verdict or says
which question is open (evaluate, or ask). Nothing starts when this is imported: no thread, no
socket; the system's resolver is made when the first question needs it.

State belongs to a process. After a fork the child keeps the answers and forgets what its parent had
under way. An engine pickles as its settings, and settings find their engine again (engine_for).
"""

from __future__ import annotations

import os
import threading
import weakref
from dataclasses import dataclass, field, fields
from time import monotonic_ns, time_ns
from typing import TYPE_CHECKING, Any, Self, cast

from senderid_fast._core.answers import AnswerStore
from senderid_fast._core.checks import Check, Evaluator
from senderid_fast._core.verdict import Verdict
from senderid_fast.errors import InputError
from senderid_fast.identities import a_labels
from senderid_fast.questions import Answer, Question, Status
from senderid_fast.results import Scope
from senderid_fast.settings import Limits, Settings
from senderid_fast.tracing import Trace, tree

if TYPE_CHECKING:
    import asyncio
    from ipaddress import IPv4Address, IPv6Address

    from senderid_fast.resolver.base import AsyncResolver, Resolver

    Address = str | bytes | IPv4Address | IPv6Address
    Text = str | bytes

__all__ = ["AsyncEngine", "Engine", "engine_for"]

_SCOPES = {scope: number for number, scope in enumerate(Scope)}

# Engines alive, so that the child of a fork can put each in order. One hook for all: a hook of
# register_at_fork cannot be taken back.
_alive: weakref.WeakSet[_Base] = weakref.WeakSet()
_hooked = False


def _after_fork() -> None:
    for engine in list(_alive):
        engine._after_fork()


def _scope_number(scope: str) -> int:
    try:
        return _SCOPES[cast(Scope, scope)]
    except (KeyError, TypeError):
        raise InputError("scope", f"must be one of {', '.join(Scope)}, is {scope!r}") from None


class _Base:
    """What both engines have: settings, the store, the evaluator."""

    def __init__(
        self,
        resolver: Resolver | AsyncResolver | None = None,
        *,
        limits: Limits | None = None,
        min_ttl: float = 0,
        max_ttl: float = 86_400,
        failure_ttl: float = 5,
        store_octets: int = 64 << 20,
        receiver: str = "unknown",
        plain_for_pra: bool = True,
    ) -> None:
        self._set_up(
            Settings(
                resolver=resolver,
                limits=Limits() if limits is None else limits,
                min_ttl=min_ttl,
                max_ttl=max_ttl,
                failure_ttl=failure_ttl,
                store_octets=store_octets,
                receiver=receiver,
                plain_for_pra=plain_for_pra,
            )
        )

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """A new engine with these settings. See engine_for for the one that a process shares."""
        engine = cls.__new__(cls)
        engine._set_up(settings)
        return engine

    def _set_up(self, settings: Settings) -> None:
        global _hooked  # noqa: PLW0603 - one hook for each process
        self._settings = settings
        self._store = AnswerStore(settings.store_octets)
        limits = settings.limits
        self._evaluator = Evaluator(
            self._store,
            tuple(getattr(limits, each.name) for each in fields(limits)),
            settings.receiver.encode("ascii"),
            settings.plain_for_pra,
            time_ns() - monotonic_ns(),
            a_labels,
        )
        self._nanoseconds = int(limits.seconds * 1e9)
        self._resolver = settings.resolver
        self._asked = 0
        self._failed = 0
        self._forget_flights()
        if not _hooked and hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_after_fork)
            _hooked = True
        _alive.add(self)

    def _forget_flights(self) -> None:
        raise NotImplementedError

    def _after_fork(self) -> None:
        self._store.after_fork()
        self._forget_flights()

    def __reduce__(self) -> tuple[Any, ...]:
        return engine_for, (self._settings, type(self))

    @property
    def settings(self) -> Settings:
        """What this engine was made with."""
        return self._settings

    def statistics(self) -> dict[str, int]:
        """Counts since the engine was made: the store's, questions asked, and those that failed."""
        return {**self._store.statistics(), "asked": self._asked, "failed": self._failed}

    def clear(self) -> None:
        """Forget every answer. Checks under way keep those they fetched."""
        self._store.clear()

    def _the_resolver(self) -> Any:
        if self._resolver is None:
            from senderid_fast.resolver.system import SystemResolver

            self._resolver = SystemResolver()
        return self._resolver

    def _take(self, check: Check, answer: Answer) -> None:
        """Give the check its answer, which others may use for its time to live."""
        settings = self._settings
        now = monotonic_ns()
        try:
            if Status(answer.status).is_error:
                self._failed += 1
                ttl = settings.failure_ttl
            else:
                ttl = min(max(float(answer.ttl), settings.min_ttl), settings.max_ttl)
        except (AttributeError, TypeError, ValueError):
            self._failed += 1
            ttl = 0  # no answer at all: the core says so
        check.answer(answer, now + int(ttl * 1e9), now)

    @staticmethod
    def _raised(error: BaseException) -> Answer:
        """Whatever a resolver raises is an answer (RFC 7208 4.4: temperror), with its words."""
        return Answer(Status.ERROR, detail=f"the resolver raised {type(error).__name__}: {error}"[:500])


@dataclass(slots=True)
class _Flight:
    """A question that a thread is asking; others wait for it."""

    done: threading.Event = field(default_factory=threading.Event)
    answer: Answer | None = None


class Engine(_Base):
    """Evaluates SPF policies. One engine may be shared by any number of threads.

        engine = Engine()                       # the system's resolver
        verdict = engine.check_mail_from("192.0.2.1", "user@example.com", "mail.example.com")

    resolver  an object with resolve(question, timeout), such as SystemResolver or ZoneResolver
    The other options are those of Settings. Addresses are text, 4 or 16 octets, or of ipaddress;
    domains and mailboxes are text or octets.

    Checks raise InputError for an argument of the wrong type and for an ip that is no address;
    whatever a stranger can choose becomes a verdict. Time is bounded by limits.seconds as far as
    the resolver keeps the timeout that it is given.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget all answers. The engine may be used again."""
        self.clear()

    def check_host(
        self,
        ip: Address,
        domain: Text,
        sender: Text | None = None,
        helo: Text | None = None,
        scope: Scope = Scope.SPF,
    ) -> Verdict:
        """check_host() (RFC 7208 4.1, RFC 4406 4.1).

        sender  a mailbox; without a local part (or None) it is postmaster at the domain (4.3)
        helo    for %{h}
        """
        now = monotonic_ns()
        found = self._evaluator.check_host(ip, domain, sender, helo, _scope_number(scope), now)
        return found if found.__class__ is Verdict else self._finish(found, now)

    def check_helo(self, ip: Address, helo: Text | None) -> Verdict:
        """Check the HELO identity (RFC 7208 2.3): the domain is helo, the sender postmaster at it."""
        now = monotonic_ns()
        found = self._evaluator.check_helo(ip, helo, now)
        return found if found.__class__ is Verdict else self._finish(found, now)

    def check_mail_from(self, ip: Address, mail_from: Text, helo: Text | None = None) -> Verdict:
        """Check the MAIL FROM identity (RFC 7208 2.4).

        mail_from  the reverse-path, with or without "<" and ">"; "" or "<>" is the null
                   reverse-path: then the identity is postmaster at helo
        """
        now = monotonic_ns()
        found = self._evaluator.check_mail_from(ip, mail_from, helo, now)
        return found if found.__class__ is Verdict else self._finish(found, now)

    def trace_host(
        self,
        ip: Address,
        domain: Text,
        sender: Text | None = None,
        helo: Text | None = None,
        scope: Scope = Scope.SPF,
    ) -> Trace:
        """check_host() with the steps that led to its verdict."""
        now = monotonic_ns()
        number = _scope_number(scope)
        return self._trace(
            self._evaluator.check_host(ip, domain, sender, helo, number, now, True), now
        )

    def trace_helo(self, ip: Address, helo: Text | None) -> Trace:
        """check_helo() with the steps that led to its verdict."""
        now = monotonic_ns()
        return self._trace(self._evaluator.check_helo(ip, helo, now, True), now)

    def trace_mail_from(self, ip: Address, mail_from: Text, helo: Text | None = None) -> Trace:
        """check_mail_from() with the steps that led to its verdict."""
        now = monotonic_ns()
        return self._trace(self._evaluator.check_mail_from(ip, mail_from, helo, now, True), now)

    def _trace(self, check: Check | Verdict, began: int) -> Trace:
        assert isinstance(check, Check)
        verdict = self._finish(check, began)
        return Trace(verdict, tree(check.steps()))

    def _forget_flights(self) -> None:
        self._flights: dict[Question, _Flight] = {}
        self._lock = threading.Lock()

    def _finish(self, check: Check, began: int) -> Verdict:
        """The driver: ask what the check asks until it has its verdict or its time is over."""
        end = began + self._nanoseconds
        while check.question is not None:
            answer = self._ask(check.question, end)
            if answer is None or monotonic_ns() >= end:
                return check.expire()
            self._take(check, answer)
        return cast(Verdict, check.verdict)

    def _ask(self, question: Question, end: int) -> Answer | None:
        """The answer, asked once for all threads that want it; None if the time is over."""
        while (left := end - monotonic_ns()) > 0:
            with self._lock:
                flight = self._flights.get(question)
                if flight is None:
                    mine = self._flights[question] = _Flight()
            if flight is None:
                return self._fly(mine, question, left, end)
            # A flight may end without an answer: its thread was interrupted, or had less time left
            # than we have. Then the question is ours.
            if flight.done.wait(left / 1e9) and flight.answer is not None:
                return flight.answer
        return None

    def _fly(self, flight: _Flight, question: Question, left: int, end: int) -> Answer:
        try:
            self._asked += 1
            try:
                answer: Answer = self._the_resolver().resolve(question, left / 1e9)
            except (KeyboardInterrupt, SystemExit, GeneratorExit):
                raise
            except BaseException as error:  # noqa: BLE001 - a resolver may raise anything
                answer = self._raised(error)
            if monotonic_ns() < end:
                flight.answer = answer
            return answer
        finally:
            with self._lock:
                self._flights.pop(question, None)
            flight.done.set()


class AsyncEngine(_Base):
    """Engine for asyncio: the same names, awaited. One may be shared by any number of tasks.

        async with AsyncEngine() as engine:
            verdict = await engine.check_mail_from("192.0.2.1", "user@example.com", "mx.example.com")

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
        tasks = [task for task, _ in self._flights.values()]
        for task in tasks:
            task.cancel()
        for task in tasks:
            try:
                await task
            except BaseException:  # noqa: BLE001, S110 - it was cancelled; its end is all that counts
                pass
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
        found = self._evaluator.check_host(ip, domain, sender, helo, _scope_number(scope), now)
        return found if isinstance(found, Verdict) else await self._finish(found, now)

    async def check_helo(self, ip: Address, helo: Text | None) -> Verdict:
        """As Engine.check_helo."""
        now = monotonic_ns()
        found = self._evaluator.check_helo(ip, helo, now)
        return found if isinstance(found, Verdict) else await self._finish(found, now)

    async def check_mail_from(
        self, ip: Address, mail_from: Text, helo: Text | None = None
    ) -> Verdict:
        """As Engine.check_mail_from."""
        now = monotonic_ns()
        found = self._evaluator.check_mail_from(ip, mail_from, helo, now)
        return found if isinstance(found, Verdict) else await self._finish(found, now)

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
        number = _scope_number(scope)
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
        assert isinstance(check, Check)
        verdict = await self._finish(check, began)
        return Trace(verdict, tree(check.steps()))

    def _forget_flights(self) -> None:
        # (loop, question) -> the task that asks, and how many checks wait for it
        self._flights: dict[tuple[int, Question], tuple[asyncio.Task[Answer], list[int]]] = {}

    async def _finish(self, check: Check, began: int) -> Verdict:
        """The driver: as Engine._finish, awaiting."""
        end = began + self._nanoseconds
        while check.question is not None:
            answer = await self._ask(check.question, end)
            if answer is None or monotonic_ns() >= end:
                return check.expire()
            self._take(check, answer)
        return cast(Verdict, check.verdict)

    async def _ask(self, question: Question, end: int) -> Answer | None:
        """The answer, asked once for all tasks that want it; None if the time is over."""
        import asyncio

        loop = asyncio.get_running_loop()
        key = id(loop), question
        flight = self._flights.get(key)
        if flight is None:
            task = loop.create_task(self._fly(question))
            flight = self._flights[key] = task, [0]
            task.add_done_callback(lambda done: self._flights.pop(key, None))
        task, waiting = flight
        waiting[0] += 1
        try:
            left = max((end - monotonic_ns()) / 1e9, 0)
            done, _ = await asyncio.wait((task,), timeout=left)
        finally:
            waiting[0] -= 1
            if not waiting[0] and not task.done():
                self._flights.pop(key, None)
                task.cancel()
        if not done:
            return None
        if task.cancelled():
            return Answer(Status.ERROR, detail="the resolver was cancelled")
        return task.result()

    async def _fly(self, question: Question) -> Answer:
        import asyncio

        self._asked += 1
        resolver = self._the_resolver()
        seconds = self._settings.limits.seconds
        try:
            if hasattr(resolver, "resolve_async"):
                answer: Answer = await resolver.resolve_async(question, seconds)
            else:
                answer = await asyncio.to_thread(resolver.resolve, question, seconds)
        except (KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError):
            raise
        except BaseException as error:  # noqa: BLE001 - a resolver may raise anything
            answer = self._raised(error)
        return answer


# The engines that settings were last asked for in this process, the newest at the end.
_shared: dict[tuple[Settings, type[_Base]], _Base] = {}
_shared_lock = threading.Lock()
_SHARED_MOST = 16


def engine_for(settings: Settings, kind: type[_Base] = Engine) -> Any:
    """This process's engine for the settings: the same one each time, so that a worker that gets
    an engine or its settings by pickle finds its answers again. The last 16 are kept."""
    key = settings, kind
    with _shared_lock:
        engine = _shared.pop(key, None)
        if engine is None:
            engine = kind.from_settings(settings)
        _shared[key] = engine
        while len(_shared) > _SHARED_MOST:
            del _shared[next(iter(_shared))]
    return engine
