"""Closure: what policies can ask, before there is any message.

What may live here: plain values. How they are found out is in the core (src/closures.pyx).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from senderid_fast.questions import Question

__all__ = ["Closure", "OpenTerm"]


class OpenTerm(NamedTuple):
    """A term whose questions depend on the message: ptr, or one with a macro of the message."""

    host: str
    term: str


class Closure(NamedTuple):
    """What policies can ask.

    questions  that have no answer yet, each once
    terms      that need a message, so that what they ask is not among the questions
    complete   False: a policy leads to more than 4,096 questions, which are not all here
    """

    questions: tuple[Question, ...]
    terms: tuple[OpenTerm, ...]
    complete: bool

    @classmethod
    def union(cls, closures: Iterable[Closure]) -> Closure:
        """What several closures have together, each question and term once."""
        questions: dict[Question, None] = {}
        terms: dict[OpenTerm, None] = {}
        complete = True
        for closure in closures:
            questions.update(dict.fromkeys(closure.questions))
            terms.update(dict.fromkeys(closure.terms))
            complete = complete and closure.complete
        return cls(tuple(questions), tuple(terms), complete)
