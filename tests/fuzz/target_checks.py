"""Target: whole checks over a scripted DNS (script.py).

The same call runs with a new engine, with another new engine, again with the first (part of whose
answers are kept by then, in the smallest store there is), and traced. All must say the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import senderid_fast as sf
from fuzz.properties import check_questions, check_trace, check_verdict
from fuzz.script import Script, read_script

__all__ = ["checks"]

SCOPES = tuple(sf.Scope)
Call = Callable[..., Any]


def checks(data: bytes) -> None:
    """Every way to the verdict leads to the same verdict."""
    script = read_script(data)
    first = _engine(script)
    verdict = _call(script, first.check_mail_from, first.check_helo, first.check_host)
    asked = script.asked[:]
    check_verdict(verdict, script.limits)
    check_questions(asked, script.limits)

    script.asked.clear()
    second = _engine(script)
    other = _call(script, second.check_mail_from, second.check_helo, second.check_host)
    assert script.asked == asked
    _assert_same(script, verdict, other)

    script.asked.clear()
    trace = _call(script, first.trace_mail_from, first.trace_helo, first.trace_host)
    _assert_same(script, verdict, trace.verdict)
    assert set(script.asked) <= set(asked), "asked for more than with an empty store"
    check_trace(trace, trace.verdict)
    assert {str(question) for question in asked} >= set(trace.questions)

    kept = _call(script, first.check_mail_from, first.check_helo, first.check_host)
    _assert_same(script, verdict, kept)
    if script.method & 64:
        _fill(script, first)
        again = _call(script, first.check_mail_from, first.check_helo, first.check_host)
        _assert_same(script, verdict, again)
    counts = first.statistics()
    assert counts["octets"] <= counts["limit"] <= 1 << 16
    first.close()
    assert first.statistics()["octets"] == 0


def _fill(script: Script, engine: sf.Engine) -> None:
    """The same for other clients and mailboxes, until the store has to let answers go."""
    for number in range(12):
        ip = bytes([192, 0, 2, number]) if number % 3 else bytes(15) + bytes([number])
        engine.check_host(ip, script.domain, b"%d." % number + script.mailbox, script.helo)


def _engine(script: Script) -> sf.Engine:
    return sf.Engine(
        script,
        limits=script.limits,
        store_octets=1 << 16,
        plain_for_pra=bool(script.method & 8),
        failure_ttl=5 if script.method & 16 else 0,
    )


def _call(script: Script, mail_from: Call, helo: Call, host: Call) -> Any:
    way = script.method % 8
    if way < 3:
        return host(script.ip, script.domain, script.mailbox, script.helo, SCOPES[way])
    if way == 3:
        return helo(script.ip, script.helo)
    if way == 4:
        # As text: what is no UTF-8 comes as surrogates, as from a mail filter's protocol.
        helo_text = script.helo.decode("utf-8", "surrogateescape")
        return mail_from(script.ip, script.mailbox.decode("utf-8", "surrogateescape"), helo_text)
    return mail_from(script.ip, script.mailbox, script.helo)


def _assert_same(script: Script, left: sf.Verdict, right: sf.Verdict) -> None:
    if script.has_time:
        left_fields, right_fields = left.as_dict(), right.as_dict()
        del left_fields["explanation"], right_fields["explanation"]
        assert left_fields == right_fields
    else:
        assert left == right, f"{left!r} and {right!r}"
