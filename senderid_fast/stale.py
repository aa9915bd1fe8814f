"""Stale: answers whose time to live is over, in place of errors of DNS (RFC 8767).

What may live here: when such an answer is used. Where it is kept is the store's matter
(src/answers.pyx), what it does to a verdict the core's.
"""

from __future__ import annotations

from time import monotonic_ns

from senderid_fast._core.answers import AnswerStore
from senderid_fast.questions import Answer, Question, Status

__all__ = ["Stale"]

# RFC 8767 5: the client response timer, after which nobody is kept waiting who could have a stale
# answer; 1.8 seconds are recommended.
WAIT_SECONDS = 1.8


class Stale:
    """One engine's use of answers that are over.

    seconds  after the end of its time to live in which an answer may be used; 0: not at all
    """

    def __init__(self, store: AnswerStore, seconds: float) -> None:
        self._store = store
        self._seconds = seconds
        self.served = 0

    @property
    def is_on(self) -> bool:
        """Whether any such answer is used."""
        return self._seconds > 0

    def instead(self, question: Question, answer: Answer) -> Answer:
        """What a check gets: the answer, or in place of an error one that is over."""
        if not self._seconds:
            return answer
        # RFC 8767 4: RCODE 0 and 3 refresh what is known; all else does not.
        try:
            if not Status(answer.status).is_error:
                return answer
        except Exception:  # noqa: BLE001 - a field of a stranger's object may raise anything
            pass
        found = self._store.find_stale(question, monotonic_ns())
        if found is None:
            return answer
        self.served += 1
        return found

    def wait(self, question: Question, seconds: float) -> float | None:
        """How long DNS is waited for if there is an answer that is over; None: there is none.

        seconds  that the check has left: some of it stays for its other questions
        """
        if not self._seconds or self._store.find_stale(question, monotonic_ns()) is None:
            return None
        return self.most(seconds)

    @staticmethod
    def most(seconds: float) -> float:
        """As wait(), for a question with such an answer."""
        return min(WAIT_SECONDS, seconds / 2)

    def remember(self, question: Question, answer: Answer, seconds: float) -> None:
        """Keep an answer that came from a cache ``seconds`` after its time to live ended."""
        if 0 <= seconds <= self._seconds:
            self._store.put_over(question, answer, monotonic_ns() - int(seconds * 1e9))
