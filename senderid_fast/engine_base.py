"""What both engines have: settings, the store, the evaluator, and their place in a process.

What may live here: what does not wait. State belongs to a process: after a fork the child keeps the
answers and forgets what its parent had under way.
"""

from __future__ import annotations

import os
import weakref
from abc import ABC, abstractmethod
from itertools import islice
from time import monotonic_ns, time_ns
from typing import TYPE_CHECKING, Any, Self, cast

from senderid_fast._core.answerdata import expiry, failures
from senderid_fast._core.answers import AnswerStore
from senderid_fast._core.checks import Check, Evaluator
from senderid_fast._core.closures import closure as core_closure
from senderid_fast._core.pra import header_fields
from senderid_fast.cache.base import AnswerLeft
from senderid_fast.closure import Closure, OpenTerm
from senderid_fast.errors import InputError
from senderid_fast.identities import a_labels
from senderid_fast.questions import Answer, Question, StaleAnswer, Status
from senderid_fast.results import Scope
from senderid_fast.stale import Stale

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from ipaddress import IPv4Address, IPv6Address

    from senderid_fast.answersets.answerset import AnswerSet
    from senderid_fast.batch import BatchJob
    from senderid_fast.cache.base import Cache
    from senderid_fast.cache.tier import CacheTier
    from senderid_fast.messages import Client, Relays
    from senderid_fast.resolver.base import AsyncResolver, Resolver
    from senderid_fast.settings import Limits, Settings

    Address = str | bytes | IPv4Address | IPv6Address
    Text = str | bytes
    Octets = bytes | bytearray | memoryview

__all__ = ["EngineBase", "address_text", "client_behind", "cut", "scope_number"]

_SCOPES = {scope: number for number, scope in enumerate(Scope)}

# Evaluations after which a policy becomes a table; a power of two. A table costs about as much as
# twenty to fifty evaluations.
HEAT_FOR_TABLE = 32
FETCHED_TOGETHER = 4_096  # domains whose questions fetch unites
ROUNDS_MORE = 4  # beside one for each look-up: the domain itself, hosts of mx, and what is left

# Engines alive, so that the child of a fork can put each in order. One hook for all: a hook of
# register_at_fork cannot be taken back.
_alive: weakref.WeakSet[EngineBase] = weakref.WeakSet()
_hooked = False


def _after_fork() -> None:
    for engine in list(_alive):
        engine._after_fork()


def cut(things: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """The things, in lists of size or less."""
    left = iter(things)
    while some := list(islice(left, size)):
        yield some


def scope_number(scope: str) -> int:
    try:
        return _SCOPES[cast(Scope, scope)]
    except (KeyError, TypeError):
        raise InputError("scope", f"must be one of {', '.join(Scope)}, is {scope!r}") from None


def address_text(ip: Address) -> str:
    """The address as text; what is none is left to the check to refuse."""
    if isinstance(ip, str):
        return ip
    if isinstance(ip, bytes) and len(ip) in (4, 16):
        from ipaddress import ip_address

        return str(ip_address(ip))
    return str(ip)


def client_behind(
    relays: Relays, ip: Address | None, helo: Text | None, headers: Octets
) -> tuple[Client, Address | None, Text | None]:
    """Who is to be checked when the connection may come from one's own relay: how that was found,
    the address (None: there is none to be believed) and the HELO name that belongs to it."""
    fields = [(name, body) for name, body, _, _ in header_fields(headers)]
    connected = None if ip is None else address_text(ip)
    client = relays.client_of(connected, fields)
    if client.ip is None or client.ip != connected:
        helo = client.helo
    return client, client.ip, helo


class EngineBase(ABC):
    """What both engines have: settings, the store, the evaluator."""

    def __init__(
        self,
        resolver: Resolver | AsyncResolver | None = None,
        *,
        limits: Limits | None = None,
        min_ttl: float = 0,
        max_ttl: float = 86_400,
        failure_ttl: float = 5,
        stale_seconds: float = 0,
        store_octets: int = 64 << 20,
        receiver: str = "unknown",
        plain_for_pra: bool = True,
        policy_tables: bool = True,
        concurrency: int = 64,
        prefetch: int = 0,
        cache: Cache | None = None,
    ) -> None:
        from senderid_fast.settings import Limits, Settings

        self._set_up(
            Settings(
                resolver=resolver,
                limits=Limits() if limits is None else limits,
                min_ttl=min_ttl,
                max_ttl=max_ttl,
                failure_ttl=failure_ttl,
                stale_seconds=stale_seconds,
                store_octets=store_octets,
                receiver=receiver,
                plain_for_pra=plain_for_pra,
                policy_tables=policy_tables,
                concurrency=concurrency,
                prefetch=prefetch,
                cache=cache,
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
        self._store = AnswerStore(
            settings.store_octets,
            HEAT_FOR_TABLE if settings.policy_tables else 0,
            stale=int(settings.stale_seconds * 1e9),
        )
        self._stale = Stale(self._store, settings.stale_seconds)
        limits = settings.limits
        self._evaluator = Evaluator(
            self._store,
            (
                limits.lookups,
                limits.void_lookups,
                limits.mx_names,
                limits.ptr_names,
                limits.seconds,
            ),
            settings.receiver.encode("ascii"),
            settings.plain_for_pra,
            time_ns() - monotonic_ns(),
            a_labels,
        )
        self._nanoseconds = int(limits.seconds * 1e9)
        self._failure_ttl = int(settings.failure_ttl * 1e9)
        self._resolver = settings.resolver
        self._tier: CacheTier | None = None
        if settings.cache is not None:
            from senderid_fast.cache.tier import CacheTier

            cache = cast("Cache", settings.cache)
            self._tier = CacheTier(cache, settings.max_ttl, settings.failure_ttl, self._stale)
        self._asked = 0
        self._failed = 0
        self._forget_flights()
        if not _hooked and hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_after_fork)
            _hooked = True
        _alive.add(self)

    @abstractmethod
    def _forget_flights(self) -> None:
        """Begin without any question under way."""

    def _after_fork(self) -> None:
        self._store.after_fork()
        if self._tier is not None:
            self._tier.after_fork()
        self._forget_flights()

    def __reduce__(self) -> tuple[Any, ...]:
        from senderid_fast.engine import engine_for

        return engine_for, (self._settings, type(self))

    @property
    def settings(self) -> Settings:
        """What this engine was made with."""
        return self._settings

    def closure(
        self,
        domains: Iterable[Text],
        scope: Scope = Scope.SPF,
        *,
        ip4: bool = True,
        ip6: bool = True,
        explanations: bool = True,
    ) -> Closure:
        """What the policies of domains can ask, and has no answer in this engine yet.

        Nothing is asked. Answer the questions and call again, until there are none (fetch does):
        then a check of any client and sender needs no other answer, but for the terms that need a
        message.
        Terms that no check can reach (RFC 7208 4.6.4, 5.1) ask nothing.
        """
        now, number = monotonic_ns(), scope_number(scope)
        limits = self._evaluator.limits
        plain = self._settings.plain_for_pra

        def of(domain: Text) -> Closure:
            octets = domain if isinstance(domain, bytes) else domain.encode("utf-8", "replace")
            if not octets.isascii():
                octets = a_labels(octets)
            questions, terms, complete = core_closure(
                self._store, limits, plain, octets, number, ip4, ip6, explanations, now
            )
            return Closure(questions, tuple(OpenTerm(*term) for term in terms), complete)

        return Closure.union(map(of, domains))

    def _rounds(
        self,
        left: list[Closure],
        domains: Iterable[Text],
        scope: Scope,
        ip4: bool,
        ip6: bool,
        explanations: bool,
    ) -> Iterator[tuple[Question, ...]]:
        """The questions of fetch, round by round; the driver has each round answered and kept. What
        is open at the end goes to left."""
        for some in cut(domains, FETCHED_TOGETHER):
            asked: set[Question] = set()
            for _ in range(self._settings.limits.lookups + ROUNDS_MORE):
                closure = self.closure(some, scope, ip4=ip4, ip6=ip6, explanations=explanations)
                questions = tuple(each for each in closure.questions if each not in asked)
                if not questions:
                    break
                asked.update(questions)
                yield questions
            left.append(closure)

    def statistics(self) -> dict[str, int]:
        """Counts since the engine was made: the store's, questions that the resolver was asked,
        those that failed, and errors that stale answers stood in for; with a cache, its cache_hits,
        cache_misses, cache_dropped and cache_failures."""
        counts = {**self._store.statistics(), "asked": self._asked, "failed": self._failed}
        counts["stale"] = self._stale.served
        return counts if self._tier is None else counts | self._tier.statistics()

    def clear(self) -> None:
        """Forget every answer. Checks under way keep those they fetched."""
        self._store.clear()

    def answers(self) -> AnswerSet:
        """The answers that are kept now, as data; each with its time to live and when it came.

        They are told as far as they matter to a check: TXT records that no check looks at are
        empty, and addresses are in order. Raises
        MissingExtraError if pyarrow is not installed.
        """
        from senderid_fast.answersets.stores import answers_in

        now = monotonic_ns()
        return answers_in(self._store.export(now), time_ns() - now)

    def load(self, answers: object, *, keep_expired: bool = False) -> int:
        """Keep these answers, and return how many were taken: those that are not over.

        answers       an AnswerSet, or a table, batch or stream of Arrow with the columns of
                      answersets.answers_schema()
        keep_expired  take those that are over, too, as if they had come now

        The engine's bounds on times to live hold (Settings). Raises InputError, which names row and
        column; MissingExtraError if pyarrow is not installed.
        """
        from senderid_fast.answersets.answerset import AnswerSet
        from senderid_fast.answersets.stores import put_answers

        if not isinstance(answers, AnswerSet):
            answers = AnswerSet.from_arrow(answers)
        now = monotonic_ns()
        epoch = time_ns() - now
        return put_answers(self._store, self._settings, answers, now, epoch, keep_expired)

    def _the_resolver(self) -> Any:
        if self._resolver is None:
            from senderid_fast.resolver.system import SystemResolver

            self._resolver = SystemResolver()
        return self._resolver

    def _take(self, check: Check, answer: Answer, came: int | None = None) -> None:
        """Give the check its answer, which others may use for its time to live.

        came  when it did, if it was asked ahead
        """
        now, expires, failure_expires = self._expiry(answer, came)
        check.answer(answer, expires, failure_expires, now)

    def _supply(self, check: Check) -> None:
        """Have the check take what a near cache has, as long as that has its next answer."""
        if self._tier is not None and self._tier.is_near and check.verdict is None:
            now = monotonic_ns()
            self._evaluator.epoch = time_ns() - now
            self._tier.supply_check(check, now)

    def _keep(self, question: Question, answer: Answer | None) -> None:
        """Keep an answer that no check waits for."""
        now, expires, failure_expires = self._expiry(answer)
        if answer is not None:
            self._store.put(question, answer, expires, now, failure_expires)

    def _expiry(self, answer: Answer | None, came: int | None = None) -> tuple[int, int, int]:
        """Now, until when others may use an answer, and until when if it is an error."""
        settings = self._settings
        now = monotonic_ns()
        came = now if came is None else came
        self._evaluator.epoch = time_ns() - now  # the clock may have been set
        if type(answer) is StaleAnswer:
            # RFC 8767 5, the failure recheck timer: until then DNS is not asked again.
            return now, came + self._failure_ttl, came + self._failure_ttl
        if type(answer) is AnswerLeft:
            expires = came + answer.ttl * 1_000_000_000
            return now, expires, min(expires, came + self._failure_ttl)
        try:
            ttl = cast(Answer, answer).ttl
            expires = expiry(ttl, settings.min_ttl, settings.max_ttl, came)
        except Exception:  # noqa: BLE001 - a field of a stranger's object may raise anything
            expires = now  # no time to live: good for this check alone
        return now, expires, came + self._failure_ttl

    def _batch_job(self, data: Any, options: dict[str, Any]) -> BatchJob:
        from senderid_fast.batch import BatchJob, BatchOptions

        seconds = self._settings.limits.seconds
        return BatchJob(self._evaluator, data, BatchOptions(**options), seconds)

    def _count(self, answer: Answer | None) -> Answer:
        """Count a resolver's answer; what is none becomes one."""
        answers = [answer]
        self._failed += failures(answers)
        return cast(Answer, answers[0])

    @staticmethod
    def _raised(error: BaseException) -> Answer:
        """Whatever a resolver raises is an answer (RFC 7208 4.4: temperror), with its words."""
        try:
            words = f"{type(error).__name__}: {error}"
        except Exception:  # noqa: BLE001 - its text may raise, too
            words = type(error).__name__
        return Answer(Status.ERROR, detail=f"the resolver raised {words}"[:500])
