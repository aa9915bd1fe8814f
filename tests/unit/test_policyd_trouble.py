"""The policy service where something is broken, slow or changed meanwhile (svc-*, prf-*)."""

from __future__ import annotations

import asyncio
import logging
import re
import time

import pytest
from support.policyd import INSTANCE, REJECT, Recorded, Service, ask, recorded, result_of

from senderid_fast.receiver import Action
from senderid_fast.results import Result


def break_engine(application: Recorded) -> None:
    def check(*_: object) -> object:
        raise RuntimeError("a defect\nwith a line")

    application.engine.check_mail_from = check  # type: ignore[method-assign, assignment]


def test_svc_bad_record_no_crash(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> list[str]:
        async with Service(application) as service:
            talk = await service.connect()
            working = application.engine.check_mail_from
            break_engine(application)
            found = [await talk.ask(), await talk.ask(recipient="eve@example.net")]
            application.engine.check_mail_from = working  # type: ignore[method-assign]
            return [*found, await talk.ask(instance=INSTANCE % 7)]

    application = recorded()
    with caplog.at_level(logging.ERROR):
        found = asyncio.run(run())
    assert found[1] == "DUNNO"
    assert found[2].startswith("PREPEND Received-SPF: fail")
    assert len(caplog.records) == 1
    assert re.search(r"\[[0-9a-f]{8}\]", caplog.records[0].getMessage())
    assert application.lines[0].outcome.trouble is not None


def test_a_defect_defers_where_that_is_set() -> None:
    application = recorded(on_trouble=Action.DEFER)
    break_engine(application)
    found = ask(application, {}, {"recipient": "eve@example.net"})
    assert [answer[:10] for answer in found] == ["451 4.3.0 "] * 2


@pytest.mark.parametrize("trouble", [Action.ACCEPT, Action.DEFER])
def test_an_application_that_fails_still_gets_an_answer_out(
    trouble: Action, caplog: pytest.LogCaptureFixture
) -> None:
    application = recorded(on_trouble=trouble)

    def done(*_: object) -> None:
        raise OSError("the disk is full")

    application.done = done  # type: ignore[method-assign, assignment]
    assert result_of(ask(application, {})[0]) == "fail"
    assert "could not be counted" in caplog.text
    application = recorded(on_trouble=trouble)
    object.__setattr__(application, "engine", None)
    (answer,) = ask(application, {})
    assert answer[:4] == ("451 " if trouble is Action.DEFER else "PREP")


def test_prf_policy_time_limits() -> None:
    """HELO and MAIL FROM are both slow: one budget for all, and one answer."""
    application = recorded(seconds=0.2)

    async def run() -> tuple[str, str, float]:
        application.resolver.open.clear()
        async with Service(application) as service:
            talk = await service.connect()
            began = time.monotonic()
            answer = await talk.ask()
            took = time.monotonic() - began
            application.resolver.open.set()  # svc-double-answer: what is late is for nobody
            await asyncio.sleep(0.05)
            return answer, await talk.ask(recipient="eve@example.net"), took

    answer, second, took = asyncio.run(run())
    assert result_of(answer) == "temperror"
    assert second == "DUNNO"
    assert took < 10
    assert len(application.lines) == 1
    verdicts = application.lines[0].outcome.verdicts
    assert verdicts is not None
    assert verdicts.mail_from is not None
    assert verdicts.mail_from.result is Result.TEMPERROR


def test_the_budget_is_below_the_time_that_postfix_waits() -> None:
    from senderid_fast.policyd.rules import Rules

    rules = Rules.of(recorded(seconds=3_600.0).receiver)
    assert rules.message is not None
    assert rules.message.seconds == 90


def test_a_reload_takes_effect_with_the_next_message() -> None:
    async def run() -> list[str]:
        async with Service(recorded()) as service:
            talk = await service.connect()
            found = [await talk.ask()]
            service.applications.append(recorded(policy=REJECT))
            return [*found, await talk.ask(), await talk.ask(instance=INSTANCE % 8)]

    found = asyncio.run(run())
    assert [answer[:4] for answer in found] == ["PREP", "DUNN", "550 "]
