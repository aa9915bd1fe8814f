"""There is one answer, in time, whatever happens; and nothing is left behind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from support.receptions import (
    HEADERS,
    ZONE,
    Resolver,
    arrive,
    envelope,
    fields_of,
    receive,
    stamps,
)

import senderid_fast as sf
from senderid_fast.receiver import (
    Action,
    Decision,
    ExchangeSenderId,
    ReceiverPolicy,
    TrustedRelays,
)
from senderid_fast.reception import Envelope, Outcome, Receiver, Reception
from senderid_fast.reception import reception as module

HERE = "mx.here.example"
DEFERRING = Receiver(HERE, on_trouble=Action.DEFER)
NEVER = {"good.example": lambda: asyncio.sleep(3600)}
PATHS = (Action.ACCEPT, Action.DEFER)


class Faulty(sf.AsyncEngine):
    """An engine with a defect in one of its checks."""

    fault: BaseException = ValueError("a defect\r\nwith lines")

    async def check_mail_from(self, *_: Any) -> sf.Verdict:
        await asyncio.sleep(0)
        raise self.fault


def with_fault(fault: BaseException) -> Faulty:
    engine = Faulty(sf.ZoneResolver(ZONE))
    engine.fault = fault
    return engine


def results(outcome: Outcome) -> list[str | None]:
    assert outcome.verdicts is not None
    return [None if one is None else str(one.result) for one in outcome.verdicts[1:4]]


# ---- time ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("on_trouble", PATHS)
def test_what_is_not_there_in_time_is_temperror(on_trouble: Action) -> None:
    receiver = Receiver(HERE, seconds=0.05, on_trouble=on_trouble)
    resolver = Resolver(NEVER)
    outcome = receive(receiver, envelope(), engine=sf.AsyncEngine(resolver))
    assert results(outcome) == ["pass", "temperror", "temperror"]
    assert outcome.verdicts is not None
    late = outcome.verdicts.mail_from
    assert late is not None
    assert (late.reason, late.detail) == (sf.Reason.TIME_LIMIT, "no result within 0.05 s")
    assert (late.domain, late.sender) == ("good.example", "ada@good.example")
    assert outcome.trouble == "mailfrom: no result within 0.05 s; pra: no result within 0.05 s"
    assert outcome.decision.action is (Action.MARK if on_trouble is Action.ACCEPT else Action.DEFER)
    spf, authentication = stamps(outcome)
    assert 'problem="no result within 0.05 s"' in spf
    assert authentication.endswith(
        "spf=temperror smtp.mailfrom=good.example; sender-id=temperror header.from=good.example"
    )
    assert outcome.seconds >= 0.05
    assert resolver.ended == 1  # one question, which two checks waited for


def test_a_deferral_says_so() -> None:
    receiver = Receiver(HERE, seconds=0.01, on_trouble=Action.DEFER)
    outcome = receive(receiver, envelope(), engine=sf.AsyncEngine(Resolver(NEVER)))
    assert str(outcome.decision.reply) == (
        "451 4.3.0 The sender could not be checked, try again later"
    )
    # On a machine that is held up the check of HELO, whose answer is there, may be late as well.
    assert outcome.decision.reason.startswith("on_trouble = defer: ")
    assert "mailfrom: no result within" in outcome.decision.reason


def test_a_deferral_is_none_in_test_only_mode() -> None:
    policy = ReceiverPolicy(test_only=True)
    receiver = Receiver(HERE, seconds=0.01, on_trouble=Action.DEFER, policy=policy)
    decision = receive(receiver, envelope(), engine=sf.AsyncEngine(Resolver(NEVER))).decision
    assert isinstance(decision, Decision)
    assert (decision.action, decision.would_be) == (Action.ACCEPT, Action.DEFER)
    assert decision.reply is None


def test_prf_policy_time_limits_one_budget_for_all_that_is_done_for_a_message() -> None:
    """HELO and MAIL FROM both slow, asked for per recipient: no wait begins anew."""
    tables = {"mailfrom": {"fail": "reject"}}
    receiver = Receiver(HERE, seconds=0.1, policy=ReceiverPolicy.from_mapping(tables))
    slow = {name: lambda: asyncio.sleep(3600) for name in ("good.example", "mta.good.example")}

    async def run() -> None:
        loop = asyncio.get_running_loop()
        reception = Reception(receiver, sf.AsyncEngine(Resolver(slow)), envelope())
        began = loop.time()
        for _ in range(5):
            await reception.at_recipient(b"<bo@here.example>")
        outcome = await reception.at_end_of_header(fields_of(HEADERS), HEADERS)
        took = loop.time() - began
        assert results(outcome) == ["temperror"] * 3
        assert 0.1 <= outcome.seconds <= took
        assert took < 0.1 * 5  # and not once for each of the six

    asyncio.run(run())


def test_time_that_nobody_waits_does_not_count() -> None:
    async def run() -> None:
        resolver = Resolver({"good.example": lambda: asyncio.sleep(0.15)})
        receiver = Receiver(HERE, seconds=0.1)
        reception = Reception(receiver, sf.AsyncEngine(resolver), envelope())
        reception.begin()
        await asyncio.sleep(0.2)  # the client takes its time
        outcome = await reception.at_end_of_header(fields_of(HEADERS), HEADERS)
        assert results(outcome) == ["pass"] * 3
        assert outcome.seconds < 0.1

    asyncio.run(run())


def test_svc_double_answer_a_late_result_is_dropped() -> None:
    """The check goes on in a thread that nobody can stop; what it finds changes nothing."""
    import threading

    go_on = threading.Event()

    class Blocking:
        def resolve(self, question: sf.Question, timeout: float) -> sf.Answer:
            go_on.wait(10)
            return sf.ZoneResolver(ZONE).resolve(question, timeout)

    async def run() -> None:
        engine = sf.AsyncEngine(Blocking())
        reception = Reception(Receiver(HERE, seconds=0.05), engine, envelope())
        outcome = await reception.at_end_of_header(fields_of(HEADERS), HEADERS)
        before = repr(outcome)
        go_on.set()
        await asyncio.sleep(0.05)
        assert results(outcome) == ["temperror"] * 3
        assert repr(outcome) == before

    asyncio.run(run())


def test_what_is_late_behind_a_relay_is_of_its_client() -> None:
    headers = (
        b"Received: from mta.good.example (x [192.0.2.1]) by in.here.example with ESMTP; now\r\n"
        + HEADERS
    )
    receiver = Receiver(HERE, seconds=0.02, relays=TrustedRelays("203.0.113.1"))
    late = {"mta.good.example": lambda: asyncio.sleep(3600)}
    given = envelope(ip="203.0.113.1", helo=b"in.here.example")
    outcome = receive(receiver, given, headers, sf.AsyncEngine(Resolver(late)))
    assert results(outcome) == ["temperror", "pass", "pass"]
    assert outcome.verdicts is not None
    assert outcome.verdicts.helo is not None
    assert outcome.verdicts.helo.domain == "mta.good.example"


def test_a_temperror_of_dns_is_no_trouble() -> None:
    outcome = receive(DEFERRING, envelope(b"<x@slow.example>"))
    assert results(outcome) == ["pass", "temperror", "pass"]
    assert outcome.trouble is None
    assert outcome.decision.reason == "mailfrom.temperror = mark"


# ---- errors that should not be ------------------------------------------------------------------


@pytest.mark.parametrize("on_trouble", PATHS)
@pytest.mark.parametrize(
    "fault", [ValueError("x"), MemoryError(), RecursionError(), KeyError(b"\xff")]
)
def test_svc_bad_record_no_crash_a_defect_in_a_check(
    fault: Exception, on_trouble: Action, caplog: pytest.LogCaptureFixture
) -> None:
    tables = {"mailfrom": {"temperror": "defer"}}
    policy = ReceiverPolicy.from_mapping(tables)
    receiver = Receiver(HERE, on_trouble=on_trouble, policy=policy)
    outcome = receive(receiver, envelope(queue_id="4Bq\n7"), engine=with_fault(fault))
    assert results(outcome) == ["pass", "temperror", "pass"]
    # A defect of ours tells nothing of a domain: mailfrom.temperror is not asked.
    assert outcome.decision.action is on_trouble
    assert outcome.trouble is not None
    assert outcome.trouble.startswith(f"mailfrom: {type(fault).__name__}: ")
    assert outcome.verdicts is not None
    failed = outcome.verdicts.mail_from
    assert failed is not None
    assert failed.reason is sf.Reason.CHECK_FAILED
    assert "spf=temperror smtp.mailfrom=good.example" in stamps(outcome)[1]
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert record.getMessage().isprintable()
    # The trace in the log can be found by the id in the message's trouble.
    assert outcome.trouble[-10:] == record.getMessage()[-10:]


def test_a_defect_is_logged_once_for_a_message(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Faulty):
        async def check_helo(self, *_: Any) -> sf.Verdict:
            raise self.fault

        async def check_pra(self, *_: Any) -> sf.Verdict:
            raise self.fault

    outcome = receive(DEFERRING, envelope(), engine=Broken(sf.ZoneResolver(ZONE)))
    assert results(outcome) == ["temperror"] * 3
    assert outcome.decision.action is Action.DEFER
    assert len(caplog.records) == 1
    assert outcome.trouble is not None
    assert outcome.trouble.isprintable()
    assert outcome.trouble.count("a defect\\x0d\\x0awith lines") == 3


def test_what_is_known_is_judged_though_another_check_failed() -> None:
    policy = ReceiverPolicy.from_mapping({"pra": {"fail": "reject"}})
    spoofed = HEADERS.replace(b"good.example", b"bad.example")
    receiver = Receiver(HERE, policy=policy, on_trouble=Action.DEFER)
    outcome = receive(receiver, envelope(), spoofed, engine=with_fault(ValueError()))
    assert outcome.decision.action is Action.REJECT


def test_exchange_is_not_asked_about_a_defect() -> None:
    class Broken(sf.AsyncEngine):
        async def check_pra(self, *_: Any) -> sf.Verdict:
            raise ValueError

    settings = {"TempErrorAction": "Delete"}
    receiver = Receiver(HERE, exchange=ExchangeSenderId.from_mapping(settings))
    outcome = receive(receiver, envelope(), engine=Broken(sf.ZoneResolver(ZONE)))
    assert outcome.decision.action is Action.ACCEPT
    assert "X-MS-Exchange-Organization-SenderIdResult: TempError" in stamps(outcome)


def test_an_error_whose_text_raises() -> None:
    class Nasty(Exception):
        def __str__(self) -> str:
            raise ValueError

    outcome = receive(DEFERRING, envelope(), engine=with_fault(Nasty()))
    assert outcome.trouble is not None
    assert outcome.trouble.startswith("mailfrom: Nasty [")


@pytest.mark.parametrize("place", ["judge", "fields_of", "removable"])
def test_a_defect_in_what_follows(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(module, place, broken)
    headers = (
        b"Received-SPF: pass\r\nauthentication-results : x; spf=pass\r\nX-SID-PRA: x\r\n" + HEADERS
    )
    outcome = receive(DEFERRING, envelope(), headers)
    assert outcome.decision.action is Action.DEFER
    assert outcome.trouble is not None
    assert outcome.trouble.startswith("the message: ZeroDivisionError")
    if place == "judge":
        assert stamps(outcome)[1].endswith("spf=temperror smtp.mailfrom=good.example")
    else:  # whose they are cannot be told any more
        assert (outcome.add, outcome.remove) == ((), (0, 1, 2))


def test_a_defect_before_the_first_check(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Receiver, "skipped", broken)

    async def run() -> None:
        tables = {"mailfrom": {"fail": "reject"}}
        policy = ReceiverPolicy.from_mapping(tables)
        receiver = Receiver(HERE, on_trouble=Action.DEFER, policy=policy)
        engine = sf.AsyncEngine(sf.ZoneResolver(ZONE))
        reception = Reception(receiver, engine, envelope())
        reception.begin()
        assert (await reception.at_recipient(b"<bo@here.example>")).action is Action.DEFER
        outcome = await reception.at_end_of_header(fields_of(HEADERS), HEADERS)
        assert outcome.decision.action is Action.DEFER
        assert results(outcome) == ["temperror", "temperror", None]

    asyncio.run(run())


@pytest.mark.parametrize(
    "given",
    [
        envelope(b"\x00" * 2000, helo=b"\xff" * 2000),
        envelope(b"<a\r\nb@good.example>", helo=b"x\r\nBcc: y"),
        envelope(b"<us\xe9r@good.example>", helo=None, recipients=(b"\x00", b"<>", b"\xff@\xff")),
        envelope(b"@", helo=b"", submitter=b"\xff\x00"),
        envelope(b'"a@b"@good.example', helo=b"[192.0.2.1]"),
        envelope("<ö@bücher.example>".encode(), helo=b"-", eai=True),
    ],
    ids=range(6),
)
def test_svc_non_utf8_sender_any_octets(given: Envelope) -> None:
    headers = b"From: <us\xe9r@good.example>\r\nReceived: \x00\xff\r\n\x80: \x00\r\n\r\n"
    outcome = receive(Receiver(HERE), given, headers)
    assert outcome.trouble is None
    assert outcome.verdicts is not None
    for field in outcome.add:
        assert field.text("\n").count("\n") == field.folded("\n").count("\n") + 1
        assert given.eai or field.body.isascii()
        assert field.body.isprintable()


# ---- ends of another kind -----------------------------------------------------------------------


def test_cancel_leaves_nothing_behind() -> None:
    async def run() -> None:
        resolver = Resolver(NEVER)
        reception = Reception(Receiver(HERE), sf.AsyncEngine(resolver), envelope())
        reception.begin()
        await asyncio.sleep(0.01)
        assert len(asyncio.all_tasks()) > 1
        reception.cancel()
        reception.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert resolver.ended == 1

    asyncio.run(run())


def test_cancel_at_once_leaves_nothing_behind() -> None:
    """Before the task of a check had its first turn."""

    async def run() -> None:
        resolver = Resolver(NEVER)
        reception = Reception(Receiver(HERE), sf.AsyncEngine(resolver), envelope())
        reception.begin()
        reception.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


@pytest.mark.parametrize("where", ["recipient", "header"])
def test_the_session_can_be_cancelled(where: str) -> None:
    async def run() -> None:
        resolver = Resolver(NEVER)
        tables = {"mailfrom": {"fail": "reject"}}
        receiver = Receiver(HERE, policy=ReceiverPolicy.from_mapping(tables))
        reception = Reception(receiver, sf.AsyncEngine(resolver), envelope())
        waiting: Any = (
            reception.at_recipient(b"<bo@here.example>")
            if where == "recipient"
            else reception.at_end_of_header(fields_of(HEADERS), HEADERS)
        )
        session = asyncio.create_task(waiting)
        await asyncio.sleep(0.01)
        session.cancel()
        with pytest.raises(asyncio.CancelledError):
            await session
        reception.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert resolver.ended == 1

    asyncio.run(run())


def test_a_message_that_goes_away_does_not_take_the_answer_from_others() -> None:
    async def run() -> None:
        resolver = Resolver({"good.example": lambda: asyncio.sleep(0.05)})
        engine = sf.AsyncEngine(resolver)
        first, second = (Reception(Receiver(HERE), engine, envelope()) for _ in range(2))
        first.begin()
        second.begin()
        await asyncio.sleep(0.01)
        first.cancel()
        outcome = await second.at_end_of_header(fields_of(HEADERS), HEADERS)
        assert results(outcome) == ["pass"] * 3
        assert resolver.asked.count("good.example") == 1

    asyncio.run(run())


def test_an_engine_that_is_closed_under_way() -> None:
    async def run() -> None:
        engine = sf.AsyncEngine(Resolver(NEVER))
        waiting = asyncio.create_task(arrive(DEFERRING, envelope(), engine=engine))
        await asyncio.sleep(0.01)
        await engine.close()
        outcome = await waiting
        assert results(outcome) == ["pass", "temperror", "temperror"]

    asyncio.run(run())


@pytest.mark.parametrize("act", [lambda: 1 / 0, lambda: asyncio.sleep(0)], ids=["raises", "waits"])
def test_a_resolver_that_raises_is_an_error_of_dns(act: Callable[[], Any]) -> None:
    outcome = receive(DEFERRING, envelope(), engine=sf.AsyncEngine(Resolver({"good.example": act})))
    assert outcome.trouble is None
    assert outcome.decision.action in (Action.MARK, Action.ACCEPT)
