"""What is chosen of what an MTA offers."""

from __future__ import annotations

import pytest
from support import milter as mta
from support.milter import (
    REJECTS,
    Application,
    chosen,
    play,
    receiver_with,
    replies,
)

from senderid_fast.milter.codec import CONTINUE, Changes, Command, Offer, Protocol
from senderid_fast.milter.negotiation import Negotiator


def test_only_the_end_of_a_message_costs_a_round_trip() -> None:
    (said,) = play(Application(), mta.offer())
    version, changes, protocol = chosen(said[: 4 + 13 + 200])
    assert version == 6
    assert changes == Changes.ADD_HEADERS | Changes.CHANGE_HEADERS | Changes.SET_MACROS
    P = Protocol
    assert protocol == (
        P.NO_BODY | P.NO_UNKNOWN | P.NO_DATA | P.NO_EOH
        | P.QUIET_CONNECT | P.QUIET_HELO | P.QUIET_MAIL | P.QUIET_RCPT | P.QUIET_HEADER
    )  # fmt: skip


def test_macros_are_asked_for_by_stage() -> None:
    (said,) = play(Application(), mta.offer())
    ((_, data),) = replies(said)
    assert data[12:] == b"\0\0\0\x02{auth_type} {auth_authen} i\0" + b"\0\0\0\x05i\0"
    (said,) = play(Application(), mta.offer(changes=0xFF))
    ((_, data),) = replies(said)
    assert len(data) == 12


def test_an_mta_waits_at_rcpt_where_the_policy_may_refuse_there() -> None:
    (said,) = play(Application(receiver_with(REJECTS)), mta.offer())
    assert Protocol.QUIET_RCPT not in chosen(said)[2]


@pytest.mark.parametrize("version", [2, 3, 4, 5, 6, 7, 1000])
def test_the_lower_version_counts(version: int) -> None:
    (said,) = play(Application(), mta.offer(version, 0x3F, 0x7F))
    assert chosen(said)[0] == min(version, 6)


@pytest.mark.parametrize("offered", [0, 0x7F, 0x1FFFFF, 0xFFFFFFFF, 0x155555])
def test_nothing_is_chosen_that_is_not_offered(offered: int) -> None:
    (said,) = play(Application(), mta.offer(6, offered & 0x1FF, offered))
    _, changes, protocol = chosen(said)
    assert changes & ~offered == 0
    assert protocol & ~offered == 0


def test_changes_are_asked_for_only_if_they_are_needed() -> None:
    (said,) = play(Application(receiver_with(fields=(), remove_forged=False)), mta.offer())
    assert chosen(said)[1] == Changes.SET_MACROS
    application = Application(receiver_with({"mailfrom": {"fail": "discard"}}))
    (said,) = play(application, mta.offer(), quarantine=True)
    assert Changes.DELETE_RECIPIENTS | Changes.QUARANTINE in chosen(said)[1]


def test_changes_that_are_not_offered_are_told_of() -> None:
    application = Application()
    play(application, mta.offer(6, 0x10))
    assert application.faults == ["OPTNEG: the MTA does not let a milter do this: ADD_HEADERS"]


def test_the_choice_follows_the_receiver_and_is_not_kept_without_end() -> None:
    negotiator = Negotiator(quarantine=False)
    lax, strict = receiver_with(), receiver_with(REJECTS)
    offer = Offer(6, 0x1FF, 0x1FFFFF)
    for receiver, quiet in ((lax, b""), (strict, CONTINUE), (lax, b"")):
        assert negotiator.agree(offer, receiver).replies[Command.RCPT] == quiet
    assert negotiator.agree(offer, lax) is negotiator.agree(Offer(*offer), lax)
    for bits in range(1000):
        negotiator.agree(Offer(6, bits, 0), lax)
    assert len(negotiator._agreed) <= 64


def test_leading_spaces_are_left_to_the_mta() -> None:
    (said,) = play(Application(), mta.offer())
    assert Protocol.LEADING_SPACE not in chosen(said)[2]


@pytest.mark.parametrize("octets", [mta.connect(), mta.helo(), mta.mail(), mta.END, mta.QUIT_NC])
def test_negotiation_comes_first(octets: bytes) -> None:
    application = Application()
    assert play(application, octets) == [b""]
    (fault,) = application.faults
    assert fault.endswith("negotiation comes first, and once")


def test_negotiation_comes_once() -> None:
    application = Application()
    play(application, mta.offer() + mta.offer())
    assert application.faults == ["OPTNEG: negotiation comes first, and once"]
