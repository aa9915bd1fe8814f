"""Trace: a verdict with the steps that led to it, as a tree.

What may live here: turning the recorder's flat events into steps. It decides nothing; the events
come from the evaluator that gave the verdict, over the same answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from senderid_fast._core.verdict import Verdict
from senderid_fast.questions import Question

__all__ = ["Step", "Trace"]

_TERM_OUTCOMES = {-1: "open", 0: "no match", 1: "match", 2: "error"}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an evaluation.

    kind     "host"         check_host() for a domain (text); its steps are in it
             "record"       the record that applies (text)
             "term"         a term (text); what it asked and which hosts it led to are in it
             "target"       the name (text) that a macro-string gave; "" if it gave none
             "question"     a question (text, such as "example.com TXT"); records are the answer
             "explanation"  exp= (text)
             "cut"          there were more steps than a trace holds
    outcome  host: the result. term: "match", "no match", "error", or "followed" of a redirect.
             question: a Status. explanation: "used" or "not used"
    detail   host: the reason. question: what is to be said of an error, how many records there
             are if not all are shown, and that an answer is stale (RFC 8767)
    lookups, void_lookups   counted when the step began (RFC 7208 4.6.4)
    """

    kind: str
    text: str
    outcome: str = ""
    detail: str = ""
    records: tuple[str, ...] = ()
    lookups: int = 0
    void_lookups: int = 0
    steps: tuple[Step, ...] = ()

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Step]]:
        """This step and all below it, top down, each with its depth."""
        yield depth, self
        for step in self.steps:
            yield from step.walk(depth + 1)

    def as_dict(self) -> dict[str, Any]:
        """The step as plain values, fit for JSON; empty fields are left out."""
        values: dict[str, Any] = {"kind": self.kind, "text": self.text}
        for name in ("outcome", "detail"):
            if getattr(self, name):
                values[name] = getattr(self, name)
        if self.records:
            values["records"] = list(self.records)
        values["lookups"] = self.lookups
        values["void_lookups"] = self.void_lookups
        if self.steps:
            values["steps"] = [step.as_dict() for step in self.steps]
        return values


@dataclass(frozen=True, slots=True)
class Trace:
    """A verdict and how it came about.

    verdict  the same as without a trace
    steps    the top of the tree: one host, or nothing if no question was needed
    """

    verdict: Verdict
    steps: tuple[Step, ...]

    def walk(self) -> Iterator[tuple[int, Step]]:
        """All steps, top down, each with its depth."""
        for step in self.steps:
            yield from step.walk()

    @property
    def questions(self) -> tuple[str, ...]:
        """Every question of the evaluation in its order, such as "example.com TXT"."""
        return tuple(step.text for _, step in self.walk() if step.kind == "question")

    def as_dict(self) -> dict[str, Any]:
        """Verdict and steps as plain values, fit for JSON."""
        return {
            "verdict": self.verdict.as_dict(),
            "steps": [step.as_dict() for step in self.steps],
        }


@dataclass(slots=True)
class _Node:
    values: dict[str, Any]
    steps: list[_Node] = field(default_factory=list)

    def freeze(self) -> Step:
        return Step(**self.values, steps=tuple(node.freeze() for node in self.steps))


def tree(events: Iterable[dict[str, Any]]) -> tuple[Step, ...]:
    """The steps of recorder events (src/recorder.pyx), as a tree."""
    root = _Node({"kind": "", "text": ""})
    stack = [root]  # open steps: hosts and terms

    def add(kind: str, text: str, event: dict[str, Any], **values: Any) -> _Node:
        node = _Node(
            {
                "kind": kind,
                "text": text,
                "lookups": event["lookups"],
                "void_lookups": event["void_lookups"],
                **values,
            }
        )
        stack[-1].steps.append(node)
        return node

    def close(kind: str) -> _Node | None:
        """Leave the innermost open step of a kind, and all that is open within it."""
        for at in range(len(stack) - 1, 0, -1):
            if stack[at].values["kind"] == kind:
                node = stack[at]
                del stack[at:]
                return node
        return None

    for event in events:
        match event["kind"]:
            case "host":
                stack.append(add("host", event["domain"], event))
            case "record":
                add("record", event["text"], event)
            case "term":
                stack.append(add("term", event["term"], event))
            case "run":
                for number, term in enumerate(event["terms"]):
                    matched = number == event["matched"]
                    add("term", term, event, outcome="match" if matched else "no match")
                    if matched:
                        break
            case "target":
                add("target", event["name"] or "", event)
            case "question":
                _add_question(add, event)
            case "match":
                node = close("term")
                if node is not None:
                    node.values["outcome"] = _TERM_OUTCOMES[event["matched"]]
            case "result":
                node = close("host")
                if node is not None:
                    node.values["outcome"] = str(event["result"])
                    node.values["detail"] = str(event["reason"])
                if stack[-1].values["text"].lower().startswith("redirect="):
                    stack.pop().values["outcome"] = "followed"
            case "explanation":
                stack.append(add("explanation", event["term"], event))
            case "text":
                node = close("explanation")
                if node is not None:
                    node.values["outcome"] = "used" if event["used"] else "not used"
            case _:
                add("cut", "there were more steps than a trace holds", event)
    return tuple(node.freeze() for node in root.steps)


def _add_question(add: Any, event: dict[str, Any]) -> None:
    question: Question = event["question"]
    if event["status"] is None:
        add("question", str(question), event, outcome="open")
        return
    records = tuple(event["records"])
    detail = event["detail"]
    if event["count"] > len(records):
        detail = f"{event['count']} records"
    if event["stale"]:
        detail = f"{detail}, stale" if detail else "stale"
    status = str(event["status"])
    add("question", str(question), event, outcome=status, detail=detail, records=records)
