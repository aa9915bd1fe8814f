"""What holds for every verdict and trace, whatever was asked and answered."""

from __future__ import annotations

import json
import pickle

import senderid_fast as sf
from senderid_fast._core.names import normalise

__all__ = ["check_questions", "check_trace", "check_verdict"]

RESULTS = {"none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"}


def check_verdict(verdict: sf.Verdict, limits: sf.Limits) -> None:
    """Every field can be read and is within its bounds."""
    fields = verdict.as_dict()
    assert fields["result"] in RESULTS
    assert sf.Result(fields["result"]) is verdict.result
    assert 0 <= verdict.lookups <= limits.lookups + 1
    assert 0 <= verdict.void_lookups <= limits.void_lookups + 1
    assert (verdict.lookups > limits.lookups) == (verdict.reason is sf.Reason.LOOKUP_LIMIT)
    if verdict.void_lookups > limits.void_lookups:
        assert verdict.reason is sf.Reason.VOID_LOOKUP_LIMIT
    for name in ("domain", "sender", "detail"):
        assert isinstance(fields[name], str)
    assert verdict.detail.strip()
    assert verdict.mechanism is None or " " not in verdict.mechanism
    if verdict.reason is sf.Reason.MATCHED:
        assert verdict.mechanism
    if verdict.explanation is not None:
        assert verdict.result is sf.Result.FAIL
        assert len(verdict.explanation) <= 4096
        assert all(" " <= letter <= "~" for letter in verdict.explanation)
    again = pickle.loads(pickle.dumps(verdict))
    assert again == verdict
    assert hash(again) == hash(verdict)
    assert again.as_dict() == fields
    assert repr(again) == repr(verdict)
    json.dumps(fields)


def check_trace(trace: sf.Trace, verdict: sf.Verdict) -> None:
    """A trace agrees with its verdict and can be read to its leaves."""
    if trace.steps:
        assert trace.steps[0].kind == "host"
        assert trace.steps[0].outcome == verdict.result
        assert trace.steps[0].detail == verdict.reason
    else:
        assert verdict.reason in ("no-identity", "invalid-domain", "time-limit")
    for _, step in trace.walk():
        assert step.lookups <= verdict.lookups
        assert step.void_lookups <= verdict.void_lookups
        assert step.outcome != "open", "the last run had every answer"
    json.dumps(trace.as_dict())
    assert pickle.loads(pickle.dumps(trace)) == trace


def check_questions(asked: list[sf.Question], limits: sf.Limits) -> None:
    """A check asks each question once, for names only, and no more than its limits let."""
    assert len(set(asked)) == len(asked)
    # The record itself; for each term its question and those for its hosts; the text of exp=; and
    # for %{p} the pointers, which are the same in each term.
    hosts = max(limits.mx_names, limits.ptr_names)
    assert len(asked) <= 1 + limits.lookups * (1 + hosts) + 1 + (1 + limits.ptr_names)
    for question in asked:
        name = question.name.encode("latin-1")
        assert normalise(name) == name
        assert isinstance(question.rrtype, sf.RRType)
