"""AskingEngine: how an Engine gets answers: from its cache, then from its resolver, in threads.

What may live here: loops that wait for answers. Which question is open is said by the core; what
the caller sees is in engine.py.
"""

from __future__ import annotations

import threading
from time import monotonic_ns
from typing import TYPE_CHECKING, cast

from senderid_fast._core.answerdata import failures
from senderid_fast.askers import Askers
from senderid_fast.closure import Closure
from senderid_fast.engine_base import EngineBase, cut
from senderid_fast.flights import Flights
from senderid_fast.questions import Answer, Question
from senderid_fast.results import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from senderid_fast._core.checks import Check
    from senderid_fast._core.verdict import Verdict
    from senderid_fast.batch import BatchRun
    from senderid_fast.engine_base import Text

    Ahead = dict[Question, tuple[Answer, int] | None]

__all__ = ["AskingEngine"]

ASKED_TOGETHER = 8_192  # questions in one call of a BulkResolver


class AskingEngine(EngineBase):
    """The part of Engine that waits."""

    def _forget_flights(self) -> None:
        self._flights = Flights()
        self._ahead = threading.Semaphore(self._settings.concurrency)  # threads, of all checks

    def _finish(self, check: Check, began: int | None = None) -> Verdict:
        """The driver: ask what the check asks until it has its verdict or its time is over.

        began  when the check began; None: now, as its turn comes after others, which may have got
               what it wants
        """
        if began is None:
            began = monotonic_ns()
            check.begin_again(began)
        end = began + self._nanoseconds
        ahead: Ahead = {}
        self._supply(check)
        while check.question is not None:
            answer = self._ask_ahead(check, end, ahead)
            if answer is None or monotonic_ns() >= end:
                return check.expire()
            known = ahead.get(check.question)
            self._take(check, answer, None if known is None else known[1])
            self._supply(check)
        return cast("Verdict", check.verdict)

    def _ask_ahead(self, check: Check, end: int, ahead: Ahead) -> Answer | None:
        """The answer that the check waits for. What it may ask next is asked by threads at the same
        time, up to settings.prefetch questions, and stands in ahead with the time when it came,
        None until it is answered."""
        wanted = cast("Question", check.question)
        most = self._settings.prefetch
        # What a near cache has, the check has taken.
        near = self._tier is not None and self._tier.is_near

        def asking(question: Question, end: int) -> Answer:
            # Whoever was too late for the flight finds its answer here.
            known = ahead.get(question)
            if known is None:
                answer = (
                    self._resolve(question, end)
                    if near and question == wanted
                    else self._answer(question, end)
                )
                known = ahead[question] = answer, monotonic_ns()
            return known[0]

        for each in check.ahead(most + 1) if most else ():
            if each != wanted and each not in ahead and self._ahead.acquire(blocking=False):
                ahead[each] = None
                try:
                    threading.Thread(
                        target=self._fetch_ahead,
                        args=(each, end, asking, self._ahead),
                        name="senderid-fast prefetch",
                        daemon=True,
                    ).start()
                except RuntimeError:  # no more threads: it is asked when its turn comes
                    self._ahead.release()
        return self._flights.ask(wanted, end, asking)

    def _fetch_ahead(
        self,
        question: Question,
        end: int,
        asking: Callable[[Question, int], Answer],
        slots: threading.Semaphore,
    ) -> None:
        try:
            self._flights.ask(question, end, asking)
        finally:
            slots.release()

    def _settle(self, run: BatchRun) -> BatchRun:
        """The driver of a batch: as _finish, for all questions that are open; the cache is asked
        for them together."""
        questions = self._past_cache(run)
        if not run.waiting:
            return run
        if hasattr(self._the_resolver(), "resolve_many"):
            while run.waiting:
                # In parts, each with all the time there is: what is asked late must not be late.
                for some in cut(questions, ASKED_TOGETHER):
                    began = monotonic_ns()
                    answers = self._ask_many(some)
                    took = monotonic_ns() - began
                    run.answer_all(some, answers, self._settings, self._expiry, took)
                questions = self._past_cache(run)
            return run
        with self._askers() as askers:
            askers.add(questions)
            while run.waiting:
                for question, reply, took in askers.answered():
                    run.answer(question, reply, self._expiry(reply), took)
                askers.add(self._past_cache(run))
        return run

    def _past_cache(self, run: BatchRun) -> tuple[Question, ...]:
        """Run the batch. The questions that are left when the cache has answered what it can, round
        by round."""
        if self._tier is None or self._tier.is_near:
            return run.run(self._tier)
        questions = run.run()
        left: list[Question] = []
        while questions:
            began = monotonic_ns()
            found = self._tier.find(questions, self._nanoseconds / 1e9)
            took = monotonic_ns() - began
            for question, answer in found.items():
                run.answer(question, answer, self._expiry(answer), took)
            left += [question for question in questions if question not in found]
            questions = run.run() if found else ()
        return tuple(left)

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
        for questions in self._rounds(left, domains, scope, ip4, ip6, explanations):
            for question, answer in self._ask_all(questions):
                self._keep(question, answer)
        return Closure.union(left)

    def _ask_all(self, questions: tuple[Question, ...]) -> Iterator[tuple[Question, Answer | None]]:
        if self._tier is not None:
            found = self._tier.find(questions, self._nanoseconds / 1e9)
            yield from found.items()
            questions = tuple(question for question in questions if question not in found)
        if hasattr(self._the_resolver(), "resolve_many"):
            for some in cut(questions, ASKED_TOGETHER):
                yield from zip(some, self._ask_many(some), strict=True)
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

        return Askers(self._ask_resolver, self._nanoseconds, self._settings.concurrency)

    def _ask_many(self, questions: Sequence[Question]) -> list[Answer]:
        """The answers of a BulkResolver, in one call."""
        if not questions:
            return []
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
        self._failed += failures(answers)
        if self._tier is not None:
            self._tier.keep(zip(questions, answers, strict=True))
        if not self._stale.is_on:
            return answers
        return list(map(self._stale.instead, questions, answers))

    def _ask_resolver(self, question: Question, end: int) -> Answer | None:
        """The answer to what the cache has been asked for before."""
        return self._flights.ask(question, end, self._resolve)

    def _answer(self, question: Question, end: int) -> Answer:
        if self._tier is not None:
            found = self._tier.find((question,), (end - monotonic_ns()) / 1e9)
            if found:
                return found[question]
        return self._resolve(question, end)

    def _resolve(self, question: Question, end: int) -> Answer:
        self._asked += 1
        try:
            left = max(end - monotonic_ns(), 0) / 1e9
            wait = self._stale.wait(question, left)
            answer: Answer = self._the_resolver().resolve(question, left if wait is None else wait)
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - a resolver may raise anything
            answer = self._raised(error)
        answer = self._count(answer)
        if self._tier is not None and monotonic_ns() < end:
            self._tier.keep(((question, answer),))
        return self._stale.instead(question, answer)
