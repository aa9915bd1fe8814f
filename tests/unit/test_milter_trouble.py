"""Defects of ours and garbage of others: one message, or one connection, and no more."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support import milter as mta
from support.milter import (
    BEGIN,
    FAIL,
    REJECTS,
    Application,
    codes,
    inserted,
    play,
    receiver_with,
    replies,
)

from senderid_fast import AsyncEngine, ZoneResolver
from senderid_fast.milter.codec import Command
from senderid_fast.receiver.actions import Action

# Trouble ------------------------------------------------------------------------------------------


class Broken:
    """A Reception with a defect in one of its methods."""

    where = ""

    def __init__(self, *_: object) -> None:
        self.envelope: Any = None
        self._break("made")

    def cancel(self) -> None: ...

    def _break(self, where: str) -> None:
        if self.where == where:
            raise RuntimeError(f"broken at {where}")

    def begin(self) -> None:
        self._break("begin")

    async def at_recipient(self, _recipient: bytes) -> object:
        self._break("at_recipient")
        return object()  # no Decision

    async def at_end_of_header(self, *_: object) -> object:
        self._break("at_end_of_header")
        return object()  # no Outcome


@pytest.mark.parametrize("on_trouble", [Action.ACCEPT, Action.DEFER])
@pytest.mark.parametrize("where", ["made", "begin", "at_recipient", "at_end_of_header", ""])
def test_a_defect_gives_the_answer_for_trouble(
    where: str, on_trouble: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Broken, "where", where)
    application = Application(receiver_with(REJECTS, on_trouble=on_trouble))
    forged = (b"Authentication-Results", b"mx.example.org; spf=pass")
    octets = mta.message(headers=[forged, *mta.HEADERS])
    said = play(application, BEGIN, octets, octets, make=Broken)
    for each in said[1:]:
        first, *rest = replies(each)
        assert first == ("c", b"")  # RCPT
        if on_trouble is Action.ACCEPT:
            assert [code for code, _ in rest] == ["m", "c"]
        else:
            ((code, data),) = rest
            assert code == "y"
            assert data.startswith(b"451 4.3.0 ")
    first_done, second_done = application.messages
    assert first_done.outcome.trouble is not None
    assert second_done.action == on_trouble
    assert any("could not be checked" in fault for fault in application.faults)


def test_a_defect_of_the_log_takes_no_answer_away() -> None:
    class Faulty(Application):
        def done(self, *_: object) -> None:
            raise OSError("disk full")

    application = Faulty()
    (_, said) = play(application, BEGIN, mta.message())
    assert codes(said) == "iic"
    assert application.faults == [
        "a message could not be logged: OSError: disk full (client mail.pass.example)"
    ]


def test_case_svc_double_answer() -> None:
    """A check that is given up and ends later gives no second answer."""
    application = Application()

    async def run() -> None:
        session = mta.new_session(application)
        session.receive(BEGIN + mta.message())
        pending = session.pending
        assert pending is not None
        session.output.clear()
        session.fail(TimeoutError("too long"))
        assert codes(b"".join(session.output)) == "c"
        assert len(application.messages) == 1
        pending.close()
        # The connection goes away while another one is checked.
        session.output.clear()
        session.receive(mta.message())
        late = session.pending
        assert late is not None
        session.receive(mta.ABORT + mta.QUIT)
        session.lost()
        await mta.settle(session, late)
        assert session.output == []
        assert len(application.faults) == 1  # what was held was whole
        assert len(application.messages) == 1

    asyncio.run(run())


# Garbage ------------------------------------------------------------------------------------------

GARBAGE = [
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"GET / HTTP/1.1\r\n\r\n",
    mta.packet("Z"),
    mta.packet("\0"),
    mta.packet("H", b"no end"),
    mta.packet("C", b"name\0"),
    mta.packet("L", b"one\0"),
    mta.packet("D", b"Mone\0"),
    mta.rcpt(),
    mta.header(b"From", b"a@b.c"),
    mta.END,
]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_case_svc_partial_and_garbage_requests(garbage: bytes) -> None:
    """Garbage ends the connection, with one fault; what is held of it is dropped."""
    application = Application()

    async def run() -> None:
        session = mta.new_session(application)
        assert codes(await mta.exchange(session, BEGIN)) == "O"
        assert await mta.exchange(session, garbage + mta.message()) == b""
        assert session.ended
        assert session.held == 0
        assert await mta.exchange(session, mta.message()) == b""

    asyncio.run(run())
    assert len(application.faults) == 1
    assert application.messages == []


def test_the_end_within_a_packet_is_a_fault() -> None:
    application = Application()
    play(application, BEGIN + mta.mail(), mta.rcpt()[:-3])
    assert application.faults == ["the connection ended within a packet (client mail.pass.example)"]


def test_every_command_has_a_place() -> None:
    """None of version 6 is unknown to a session."""
    for command in Command:
        application = Application()
        play(application, BEGIN + mta.packet(chr(command)))
        assert not any("no command has the code" in fault for fault in application.faults)


def test_a_reload_counts_from_the_next_message() -> None:
    application = Application(receiver_with(REJECTS))
    old, new = application.receiver, receiver_with()

    async def run() -> None:
        session = mta.new_session(application)
        await mta.exchange(session, BEGIN + mta.mail(FAIL))
        application.receiver = new
        assert codes(await mta.exchange(session, mta.rcpt())) == "c"
        assert codes(await mta.exchange(session, mta.message(FAIL))) == "ciic"
        application.receiver = old
        assert codes(await mta.exchange(session, mta.mail(FAIL) + mta.rcpt())) == "y"

    asyncio.run(run())


def test_the_engine_of_the_application_is_asked() -> None:
    application = Application(engine=AsyncEngine(ZoneResolver({})))
    (_, said) = play(application, BEGIN, mta.message())
    assert inserted(said)[0][1].startswith(b"none ")
