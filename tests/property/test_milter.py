"""However octets are cut, an MTA is told the same; whatever they are, nothing breaks."""

from __future__ import annotations

import asyncio

from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import milter as mta
from support.milter import Application, Transcript, codes, cut, receiver_with, transcript

from senderid_fast import AsyncEngine
from senderid_fast.reception.receiver import Receiver

RECEIVERS = (
    receiver_with(),
    receiver_with({"mailfrom": {"fail": "reject"}, "pra": {"fail": "discard"}, "no_pra": "reject"}),
)

DOMAINS = st.sampled_from([*mta.ZONE, "nowhere.example"]).map(str.encode)
PATHS = DOMAINS.map(lambda domain: b"<user@" + domain + b">") | st.just(b"<>")
TEXTS = st.binary(max_size=20).map(lambda octets: octets.replace(b"\0", b""))
HEADERS = st.lists(
    st.tuples(
        st.sampled_from([b"From", b"Sender", b"Resent-From", b"Received", b"Subject"]),
        PATHS | TEXTS,
    )
    | st.tuples(
        st.sampled_from([b"Authentication-Results", b"AUTHENTICATION-RESULTS", b"Received-SPF"]),
        st.sampled_from([b"mx.example.org; spf=pass", b"other.example; none"]) | TEXTS,
    )
    | st.tuples(TEXTS, TEXTS),
    max_size=6,
)
OFFERS = st.builds(
    mta.offer,
    st.sampled_from([2, 3, 4, 6, 6, 6, 7]),
    st.sampled_from([0x1FF, 0x1FF, 0x3F, 0]) | st.integers(0, 0xFFFFFFFF),
    st.sampled_from([0x1FFFFF, 0x1FFFFF, 0x7F, 0]) | st.integers(0, 0xFFFFFFFF),
)
MESSAGES = st.builds(mta.message, PATHS, st.lists(PATHS, max_size=3), HEADERS)
COMMANDS = st.one_of(
    MESSAGES,
    MESSAGES,
    st.sampled_from([mta.ABORT, mta.QUIT_NC, mta.EOH, mta.DATA, mta.END]),
    st.builds(mta.macros, st.sampled_from("CHMRE"), i=TEXTS, auth_type=TEXTS),
    st.builds(mta.helo, DOMAINS | TEXTS),
    st.builds(mta.mail, PATHS | TEXTS, st.sampled_from([b"SMTPUTF8", b"SUBMITTER=a@b.c", b"x"])),
    st.builds(mta.connect, st.sampled_from([b"192.0.2.1", b"10.0.0.1", b"x"])),
    st.builds(mta.packet, st.sampled_from("ABCDEHKLMNOQRTUz"), st.binary(max_size=20)),
)
SESSIONS = st.builds(
    lambda offer, commands: b"".join([offer, mta.connect(), mta.helo(), *commands]),
    OFFERS,
    st.lists(COMMANDS, max_size=5),
)


def played(receiver: Receiver, parts: list[bytes]) -> Transcript:
    return asyncio.run(transcript(Application(receiver, AsyncEngine(mta.Ready())), parts))


@settings(max_examples=150, deadline=None)
@given(SESSIONS, st.sampled_from(RECEIVERS), st.lists(st.integers(0, 2000), max_size=30))
@example(mta.offer() + mta.connect() + mta.message() * 2, RECEIVERS[1], [*range(2000)])
def test_the_cuts_change_nothing(octets: bytes, receiver: Receiver, places: list[int]) -> None:
    whole = played(receiver, [octets])
    assert played(receiver, cut(octets, places)) == whole
    codes(whole.said)  # whole packets, all of them
    assert not any("could not be checked" in fault for fault in whole.faults)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(RECEIVERS), st.booleans())
def test_garbage_breaks_nothing(octets: bytes, receiver: Receiver, begun: bool) -> None:
    if begun:
        octets = mta.offer() + mta.connect() + octets
    found = played(receiver, [octets])
    codes(found.said)
    assert found.messages == []
    assert found.held <= len(octets)
    # Either it is not all there yet, or it was no milter protocol, or it was all of it.
    assert found.held or found.faults or found.ended or begun or not octets


@settings(max_examples=150, deadline=None)
@given(SESSIONS, st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=5)), max_size=4))
def test_changed_octets_break_nothing(octets: bytes, changes: list[tuple[int, bytes]]) -> None:
    for at, new in changes:
        octets = octets[:at] + new + octets[at + len(new) :]
    found = played(RECEIVERS[1], [octets])
    codes(found.said)
    assert played(RECEIVERS[1], cut(octets, range(0, len(octets), 7))) == found


@settings(max_examples=30, deadline=None)
@given(MESSAGES, st.sampled_from(RECEIVERS))
def test_every_message_gets_one_answer(octets: bytes, receiver: Receiver) -> None:
    """Of CONTINUE, REPLYCODE and DISCARD at the end of each, just one."""
    offer = mta.offer() + mta.connect() + mta.helo()
    found = played(receiver, [offer + octets * 3 + mta.ABORT])
    assert not found.ended
    assert found.faults == []
    one = played(receiver, [offer, octets]).said
    first = played(receiver, [offer]).said
    answer = one[len(first) :]
    assert found.said == first + answer * 3
    assert codes(answer)[-1] in "cyd"
