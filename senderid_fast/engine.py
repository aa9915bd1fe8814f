"""Engine: the driver that blocks. It hands a check to the core, and gets it what it asks for.

What may live here: loops that wait. No rule of SPF is here: the core either gives a verdict or says
which question is open (evaluate, or ask). Nothing starts when this is imported: no thread, no
socket; the system's resolver is made when the first question needs it.
"""

from __future__ import annotations

import threading
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
from senderid_fast.errors import InputError
from senderid_fast.messages import MessageVerdict, Relays
from senderid_fast.questions import Answer, Question
from senderid_fast.results import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from senderid_fast.askers import Askers
    from senderid_fast.batch import Answers, BatchRun
    from senderid_fast.engine_base import Address, Octets, Text
    from senderid_fast.settings import Settings
    from senderid_fast.tracing import Trace

__all__ = ["Engine", "engine_for"]


class _Flight:
    """A question that a thread is asking; others wait for it."""

    __slots__ = ("answer", "done")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.answer: Answer | None = None


class Engine(EngineBase):
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

    def _set_up(self, settings: Settings) -> None:
        if settings.resolver is not None and not hasattr(settings.resolver, "resolve"):
            raise InputError("resolver", "has only resolve_async, which an AsyncEngine can use")
        super()._set_up(settings)

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
        found = self._evaluator.check_host(ip, domain, sender, helo, scope_number(scope), now)
        return found if type(found) is Verdict else self._finish(found, now)

    def check_helo(self, ip: Address, helo: Text | None) -> Verdict:
        """Check the HELO identity (RFC 7208 2.3): the sender is postmaster at helo."""
        now = monotonic_ns()
        found = self._evaluator.check_helo(ip, helo, now)
        return found if type(found) is Verdict else self._finish(found, now)

    def check_mail_from(self, ip: Address, mail_from: Text, helo: Text | None = None) -> Verdict:
        """Check the MAIL FROM identity (RFC 7208 2.4).

        mail_from  the reverse-path, with or without "<" and ">"; "" or "<>" is the null
                   reverse-path: then the identity is postmaster at helo
        """
        now = monotonic_ns()
        found = self._evaluator.check_mail_from(ip, mail_from, helo, now)
        return found if type(found) is Verdict else self._finish(found, now)

    def check_pra(
        self,
        ip: Address,
        headers: Octets,
        helo: Text | None = None,
        submitter: Text | None = None,
    ) -> Verdict:
        """Check the Purported Responsible Address (RFC 4407 2) under scope pra (RFC 4406 4).

        headers    octets of the header section
        submitter  SUBMITTER= of MAIL, decoded; if it is not the PRA, the result is fail with the
                   reason submitter-mismatch (RFC 4405 4.2)
        A message without a PRA gives none with the reason no-pra and verdict.pra_failure.
        """
        now = monotonic_ns()
        found = self._evaluator.check_pra(ip, headers, helo, submitter, now)
        return found if type(found) is Verdict else self._finish(found, now)

    def check_message(
        self,
        ip: Address | None,
        helo: Text | None,
        mail_from: Text | None,
        headers: Octets,
        submitter: Text | None = None,
        relays: Relays | None = None,
    ) -> MessageVerdict:
        """Check all identities of one message: HELO, MAIL FROM and PRA.

        mail_from  None: not known, so not checked ("" is the null reverse-path)
        relays     if given, the client is looked for in the Received fields, as by
                   receiver.TrustedRelays; if there is none, no identity is checked
        """
        client = None
        if relays is not None:
            client, ip, helo = client_behind(relays, ip, helo, headers)
        if ip is None:
            return MessageVerdict(None, None, None, None, client)
        now = monotonic_ns()
        by_helo, by_mail_from, by_pra = self._evaluator.check_message(
            ip, helo, mail_from, headers, submitter, now
        )
        return MessageVerdict(
            ip if type(ip) is str else address_text(ip),
            by_helo if type(by_helo) is Verdict else self._finish(by_helo),
            by_mail_from
            if by_mail_from is None or type(by_mail_from) is Verdict
            else self._finish(by_mail_from),
            by_pra if type(by_pra) is Verdict else self._finish(by_pra),
            client,
        )

    def check_batch(
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
        """Check the rows of columns: MAIL FROM, and HELO and PRA if they are wanted.

        data       a Table of pyarrow gives a Table, a RecordBatch a RecordBatch, a
                   RecordBatchReader a RecordBatchReader that checks as it is read. What has
                   __arrow_c_stream__ (polars, pandas, duckdb) gives a RecordBatchReader, what has
                   only __arrow_c_array__ a RecordBatch.
        ip         its column of addresses: text, or 4 or 16 octets (or a uint32, for IPv4). A row
                   without an address has the result none and the reason invalid-ip.
        helo       its column of HELO names, which may be missing
        mail_from  its column of reverse-paths; null, "" and "<>" are the null reverse-path
        headers    its column of header sections: then the PRA is checked, too. None: "headers", if
                   there is such a column.
        helo_result, counts, explanations   whether helo_result, helo_reason and helo_mechanism;
                   spf_lookups and spf_void_lookups; spf_explanation are wanted
        prefix     of the names of the columns that are added
        answers    an AnswerSet: stands in for the answers that the engine keeps, whatever the time
        missing    "ask": answers that are not known are asked for. "emit": nothing is asked; a
                   BatchOutcome has the rows that lack answers and their questions (for a stream,
                   an iterator of BatchOutcomes).
        threads    that evaluate; None: one for each processor. The results are the same.
        batch_rows at most so many rows of a Table or a stream are under way at once

        The columns that came in come out unchanged, then spf_result, spf_scope ("mfrom", or "helo"
        for a null reverse-path), spf_reason, spf_domain and spf_mechanism, and those that are
        wanted; docs/batch.md has them all. Raises InputError for a column that is missing, of a
        type that cannot be checked, or there already. limits.seconds holds for each row: the time
        that its own questions took.
        """
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
        job = self._batch_job(data, options)
        return job.outcome() if missing == "emit" else job.together(map(self._settle, job.runs()))

    def trace_pra(
        self,
        ip: Address,
        headers: Octets,
        helo: Text | None = None,
        submitter: Text | None = None,
    ) -> Trace:
        """check_pra() with the steps that led to its verdict."""
        now = monotonic_ns()
        return self._trace(self._evaluator.check_pra(ip, headers, helo, submitter, now, True), now)

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
        number = scope_number(scope)
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
        from senderid_fast.tracing import Trace, tree

        assert isinstance(check, Check)
        verdict = self._finish(check, began)
        return Trace(verdict, tree(check.steps()))

    def _forget_flights(self) -> None:
        self._flights: dict[Question, _Flight] = {}
        self._lock = threading.Lock()

    def _finish(self, check: Check, began: int | None = None) -> Verdict:
        """The driver: ask what the check asks until it has its verdict or its time is over.

        began  when the check began; None: now, as its turn comes after others, which may have got
               what it wants
        """
        if began is None:
            began = monotonic_ns()
            check.begin_again(began)
        end = began + self._nanoseconds
        while check.question is not None:
            answer = self._ask(check.question, end)
            if answer is None or monotonic_ns() >= end:
                return check.expire()
            self._take(check, answer)
        return cast(Verdict, check.verdict)

    def _settle(self, run: BatchRun) -> BatchRun:
        """The driver of a batch: as _finish, for all questions that are open."""
        questions = run.run()
        if not run.waiting:
            return run
        if hasattr(self._the_resolver(), "resolve_many"):
            while run.waiting:
                began = monotonic_ns()
                answers = self._ask_many(questions)
                took = monotonic_ns() - began
                for question, answer in zip(questions, answers, strict=True):
                    run.answer(question, answer, self._expiry(answer), took)
                questions = run.run()
            return run
        with self._askers() as askers:
            askers.add(questions)
            while run.waiting:
                for question, reply, took in askers.answered():
                    run.answer(question, reply, self._expiry(reply), took)
                askers.add(run.run())
        return run

    def fetch(
        self,
        domains: Iterable[Text],
        scope: Scope = Scope.SPF,
        *,
        ip4: bool = True,
        ip6: bool = True,
        explanations: bool = True,
    ) -> Closure:
        """Ask all that checks of these domains can ask, before there is any message.

        domains  any number: some thousands are looked at at a time, round by round
        The closure that is left: terms that need a message, and questions whose answers could not
        be kept (without a time to live, or for want of room).
        """
        left: list[Closure] = []
        for some in cut(domains, FETCHED_TOGETHER):
            asked: set[Question] = set()
            for _ in range(self._settings.limits.lookups + ROUNDS_MORE):
                closure = self.closure(some, scope, ip4=ip4, ip6=ip6, explanations=explanations)
                questions = tuple(each for each in closure.questions if each not in asked)
                if not questions:
                    break
                asked.update(questions)
                for question, answer in self._ask_all(questions):
                    self._keep(question, answer)
            left.append(closure)
        return Closure.union(left)

    def _ask_all(self, questions: tuple[Question, ...]) -> Iterator[tuple[Question, Answer | None]]:
        if hasattr(self._the_resolver(), "resolve_many"):
            yield from zip(questions, self._ask_many(questions), strict=True)
            return
        left = len(questions)
        with self._askers() as askers:
            askers.add(questions)
            while left:
                for question, answer, _ in askers.answered():
                    left -= 1
                    yield question, answer

    def _askers(self) -> Askers:
        from senderid_fast.askers import Askers  # threads: only for those who ask much

        return Askers(self._ask, self._nanoseconds, self._settings.concurrency)

    def _ask_many(self, questions: tuple[Question, ...]) -> list[Answer]:
        """The answers of a BulkResolver, in one call."""
        self._asked += len(questions)
        seconds = self._settings.limits.seconds
        try:
            answers = list(self._the_resolver().resolve_many(questions, seconds))
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - a resolver may raise anything
            answers = [self._raised(error)] * len(questions)
        if len(answers) != len(questions):
            wrong = ValueError(f"{len(answers)} answers to {len(questions)} questions")
            answers = [self._raised(wrong)] * len(questions)
        return [self._count(answer) for answer in answers]

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
            answer = self._count(answer)
            if monotonic_ns() < end:
                flight.answer = answer
            return answer
        finally:
            with self._lock:
                self._flights.pop(question, None)
            flight.done.set()


# The engines that settings were last asked for in this process, the oldest first. Without a lock: a
# thread may hold it when another forks. Each of these operations is whole by itself.
_shared: dict[tuple[Settings, type[EngineBase]], EngineBase] = {}
_SHARED_MOST = 16


def engine_for(settings: Settings, kind: type[EngineBase] = Engine) -> Any:
    """This process's engine for the settings: the same one each time, so that a worker that gets
    an engine or its settings by pickle finds its answers again. The last 16 that were made are
    kept."""
    key = settings, kind
    engine = _shared.get(key)
    if engine is None:
        engine = _shared.setdefault(key, kind.from_settings(settings))
        while len(_shared) > _SHARED_MOST:
            _shared.pop(next(iter(list(_shared))), None)
    return engine
