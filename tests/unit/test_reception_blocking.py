"""Reception for code without asyncio: the same decisions, the same end whatever happens."""

from __future__ import annotations

from threading import Event, Timer

import pytest
from support.receptions import HEADERS, ZONE, envelope, fields_of, receive

import senderid_fast as sf
from senderid_fast.receiver import Action, ReceiverPolicy
from senderid_fast.reception import BlockingReception, Receiver

HERE = "mx.here.example"
POLICY = ReceiverPolicy.from_mapping({"mailfrom": {"fail": "reject"}})
FIELDS = fields_of(HEADERS)


@pytest.mark.parametrize(
    ("path", "action"),
    [
        (b"<ada@good.example>", Action.ACCEPT),
        (b"<x@bad.example>", Action.REJECT),
        (b"", Action.ACCEPT),
        (b"<x@slow.example>", Action.MARK),
    ],
)
def test_it_is_the_same(path: bytes, action: Action) -> None:
    receiver = Receiver(HERE, policy=POLICY)
    blocking = BlockingReception(receiver, sf.Engine(sf.ZoneResolver(ZONE)), envelope(path))
    assert blocking.at_recipient(b"<bo@here.example>").action is action
    outcome = blocking.at_end_of_header(FIELDS, HEADERS)
    wanted = receive(receiver, envelope(path))
    assert outcome.decision.action is action
    assert outcome._replace(seconds=0) == wanted._replace(seconds=0)


def test_recipients_may_be_told_later() -> None:
    tables = {"override": [{"recipient": "drop@h.example", "mailfrom": {"fail": "discard"}}]}
    receiver = Receiver(HERE, policy=ReceiverPolicy.from_mapping(tables))
    given = envelope(b"<x@bad.example>")
    blocking = BlockingReception(receiver, sf.Engine(sf.ZoneResolver(ZONE)), given)
    blocking.envelope = blocking.envelope._replace(recipients=(b"drop@h.example", b"bo@h.example"))
    assert blocking.at_end_of_header(FIELDS, HEADERS).dropped == (b"drop@h.example",)


def test_no_check_is_begun_when_the_time_is_over() -> None:
    asked = []

    class Slow:
        def resolve(self, question: sf.Question, timeout: float) -> sf.Answer:
            asked.append(question.name)
            wait = Event()
            Timer(0.05, wait.set).start()
            wait.wait(5)
            return sf.ZoneResolver(ZONE).resolve(question, timeout)

    receiver = Receiver(HERE, seconds=0.02)
    blocking = BlockingReception(receiver, sf.Engine(Slow()), envelope())
    outcome = blocking.at_end_of_header(FIELDS, HEADERS)
    assert asked == ["mta.good.example"]
    assert outcome.verdicts is not None
    assert [str(one.result) for one in outcome.verdicts[1:4] if one] == [
        "pass",
        "temperror",
        "temperror",
    ]
    assert outcome.trouble == "mailfrom: no result within 0.02 s; pra: no result within 0.02 s"
    assert outcome.seconds >= 0.05


def test_a_defect_does_not_reach_the_session(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(sf.Engine):
        def check_mail_from(self, *_: object) -> sf.Verdict:
            raise MemoryError

    receiver = Receiver(HERE, on_trouble=Action.DEFER)
    blocking = BlockingReception(receiver, Broken(sf.ZoneResolver(ZONE)), envelope())
    outcome = blocking.at_end_of_header(FIELDS, HEADERS)
    assert outcome.decision.action is Action.DEFER
    assert len(caplog.records) == 1


def test_an_interrupt_does() -> None:
    class Interrupted(sf.Engine):
        def check_mail_from(self, *_: object) -> sf.Verdict:
            raise KeyboardInterrupt

    engine = Interrupted(sf.ZoneResolver(ZONE))
    blocking = BlockingReception(Receiver(HERE), engine, envelope())
    with pytest.raises(KeyboardInterrupt):
        blocking.at_end_of_header(FIELDS, HEADERS)
