"""What is said to an MTA, when, and what becomes of it; without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from struct import unpack
from typing import Any

import pytest
from support import milter as mta
from support.milter import Application, codes, play, receiver_with, replies

from senderid_fast import AsyncEngine, ZoneResolver
from senderid_fast.milter import message as message_module
from senderid_fast.milter.codec import CONTINUE, Changes, Command, Offer, Protocol
from senderid_fast.milter.negotiation import Negotiator
from senderid_fast.receiver.actions import Action
from senderid_fast.receiver.submitter import SubmitterPolicy
from senderid_fast.results import Result

BEGIN = mta.offer() + mta.connect() + mta.helo()
REJECTS = {"mailfrom": {"fail": "reject", "temperror": "defer"}, "pra": {"fail": "reject"}}
FAIL = b"<user@fail.example>"


def chosen(said: bytes) -> tuple[int, Changes, Protocol]:
    ((code, data),) = replies(said)
    assert code == "O"
    version, changes, protocol = unpack(">III", data[:12])
    return version, Changes(changes), Protocol(protocol)


def inserted(said: bytes) -> list[tuple[bytes, bytes]]:
    """Names and values of the fields that are put in, the topmost first."""
    found = [mta.indexed(data) for code, data in replies(said) if code == "i"]
    assert all(index == 0 for index, _, _ in found)
    return [(name, value) for _, name, value in reversed(found)]


def changed(said: bytes) -> list[tuple[int, bytes, bytes]]:
    return [mta.indexed(data) for code, data in replies(said) if code == "m"]


def reply_text(said: bytes) -> str:
    ((code, data),) = replies(said)
    assert code == "y"
    assert data[-1:] == b"\0"
    return data[:-1].decode("ascii")


# Negotiation --------------------------------------------------------------------------------------


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


# Scripted MTAs ------------------------------------------------------------------------------------


def test_postfix() -> None:
    """What Postfix 3.7 sends to a milter that wants no more than is needed."""
    application = Application()
    forged = (b"Authentication-Results", b"mx.example.org; spf=pass")
    said = play(
        application,
        mta.offer(),
        mta.macros("C", j=b"mx.example.org", daemon_name=b"mx.example.org", v=b"Postfix 3.7.11")
        + mta.connect(b"192.0.2.1", b"mail.pass.example")
        + mta.macros("H")
        + mta.helo()
        + mta.macros("M")
        + mta.mail(b"<user@pass.example>", b"size=288")
        + mta.macros("R", rcpt_addr=b"bob@example.org", rcpt_host=b"example.org")
        + mta.rcpt(),
        mta.macros("R", i=b"899749B41D4", rcpt_addr=b"eve@example.org") + mta.rcpt(b"<eve@b.org>"),
        mta.macros("T", i=b"899749B41D4"),
        b"".join(
            mta.macros("L", i=b"899749B41D4") + mta.header(*each) for each in (forged, *mta.HEADERS)
        )
        + mta.macros("E", i=b"899749B41D4")
        + mta.END,
        mta.ABORT + mta.QUIT,
    )
    assert [codes(each) for each in said] == ["O", "", "", "", "miic", ""]
    assert changed(said[4]) == [(1, b"Authentication-Results", b"")]
    assert [name for name, _ in inserted(said[4])] == [b"Received-SPF", b"Authentication-Results"]
    assert application.faults == []
    (done,) = application.messages
    envelope = done.envelope
    assert (done.service, done.action) == ("milter", "accept")
    assert (envelope.ip, envelope.helo) == ("192.0.2.1", b"mail.pass.example")
    assert envelope.recipients == (b"<bob@example.org>", b"<eve@b.org>")
    assert (envelope.queue_id, envelope.connection) == ("899749B41D4", "mail.pass.example")


def test_sendmail() -> None:
    """What Sendmail 8.17 sends: the queue id at MAIL, addresses of version 6 with a prefix."""
    application = Application()
    said = play(
        application,
        mta.offer(6, 0x1FF, 0x301FFFFF),
        mta.macros("C", j=b"mx.example.org", _=b"mail.pass.example [IPv6:2001:db8::1]")
        + mta.connect(b"IPv6:2001:db8::1", b"mail.pass.example", b"6"),
        mta.macros("H", tls_version=b"TLSv1.3") + mta.helo(),
        mta.macros("M", i=b"0APKHvX1026393", mail_mailer=b"local")
        + mta.mail(b"<user@pass.example>", b"SIZE=288"),
        mta.macros("R", rcpt_mailer=b"local") + mta.rcpt(),
        b"".join(mta.header(*each) for each in mta.HEADERS),
        mta.macros("E") + mta.END,
        mta.QUIT_NC + mta.connect(b"192.0.2.2") + mta.helo(b"x") + mta.message(),
        mta.QUIT,
    )
    assert [codes(each) for each in said] == ["O", "", "", "", "", "", "iic", "iic", ""]
    first, second = application.messages
    assert first.envelope.ip == "2001:db8::1"
    assert first.envelope.queue_id == "0APKHvX1026393"
    assert first.outcome.verdicts is not None
    assert first.outcome.verdicts.mail_from is not None
    assert first.outcome.verdicts.mail_from.result is Result.PASS
    assert (second.envelope.ip, second.envelope.helo) == ("192.0.2.2", b"x")
    assert application.faults == []


def test_an_old_mta_gets_a_reply_to_each_command() -> None:
    """Version 2: no macros are set, nothing is quiet but what that version knows."""
    application = Application()
    said = play(
        application,
        mta.offer(2, 0x3F, 0x3F),
        mta.connect(),
        mta.helo(),
        mta.mail(),
        mta.rcpt(),
        mta.header(b"From", b"user@pass.example"),
        mta.EOH,
        mta.END,
        mta.QUIT,
    )
    assert [codes(each) for each in said] == ["O", *"ccccc", "c", "iic", ""]
    assert application.last.action == "accept"


def test_an_mta_that_sends_bodies_is_told_to_skip_them() -> None:
    said = play(
        Application(),
        mta.offer(6, 0x1FF, 0x1FFFFF & ~0x10),
        mta.connect() + mta.mail() + mta.rcpt() + mta.packet("B", b"text"),
        mta.END,
    )
    assert [codes(each) for each in said] == ["O", "s", "iic"]


def test_every_command_is_answered_where_nothing_can_be_left_out() -> None:
    said = play(
        Application(),
        mta.offer(6, 0x1FF, 0),
        mta.connect() + mta.helo() + mta.packet("U", b"XYZ\0") + mta.mail() + mta.rcpt(),
        mta.DATA + mta.header(b"From", b"user@pass.example") + mta.EOH + mta.packet("B", b"text"),
        mta.END,
    )
    assert [codes(each) for each in said] == ["O", "ccccc", "cccc", "iic"]


# What is answered at the end ----------------------------------------------------------------------


def test_fields_go_to_the_top_folded_with_line_feeds() -> None:
    (_, said) = play(Application(), BEGIN, mta.message())
    (received, results) = inserted(said)
    assert received[1].startswith(b"pass (mx.example.org: domain of user@pass.example")
    assert b"\n " in received[1]
    assert b"\r" not in received[1]
    assert not received[1].startswith(b" ")
    assert results[1].startswith(b"mx.example.org; spf=pass smtp.mailfrom=pass.example")


def test_forged_fields_go_from_the_lowest_up_and_others_stay() -> None:
    forged = b"mx.example.org; spf=pass"
    headers = [
        (b"AUTHENTICATION-Results", forged),
        (b"Received-SPF", b"pass (mx.example.org: yes) receiver=mx.example.org"),
        (b"Authentication-Results", b"other.example; spf=fail"),
        (b"From", b"user@pass.example"),
        (b"Authentication-Results", forged),
        (b"X-SID-Result", b"PASS"),
    ]
    application = Application()
    (_, said) = play(application, BEGIN, mta.message(headers=headers))
    assert changed(said) == [
        (1, b"X-SID-Result", b""),
        (3, b"Authentication-Results", b""),
        (1, b"Received-SPF", b""),
        (1, b"AUTHENTICATION-Results", b""),
    ]
    assert application.last.outcome.remove == (0, 1, 4, 5)
    # Taken away before others are put in, as the numbers are those of the message as it came.
    assert codes(said) == "mmmmiic"


def test_nothing_is_changed_that_the_mta_does_not_let_us() -> None:
    forged = [(b"Authentication-Results", b"mx.example.org; spf=pass"), *mta.HEADERS]
    (_, said) = play(Application(), mta.offer(6, 0) + mta.connect(), mta.message(headers=forged))
    assert codes(said) == "c"


def test_a_message_is_refused_at_its_end() -> None:
    application = Application(receiver_with({"pra": {"fail": "reject"}}))
    headers = [(b"From", b"user@fail.example")]
    (_, said) = play(application, BEGIN, mta.message(headers=headers))
    lines = reply_text(said).split("\r\n")
    assert lines[0].startswith("550 5.7.1 Sender ID (PRA) Not Permitted - ")
    assert application.last.action == "reject"


def test_case_svc_reply_code_class() -> None:
    """The class of the enhanced code is that of the reply code, or MTAs use texts of their own."""
    policy = {"mailfrom": {"fail": "reject", "temperror": "defer", "permerror": "reject"}}
    for domain, begin in (("fail", "550"), ("temperror", "451"), ("permerror", "550")):
        path = f"<user@{domain}.example>".encode()
        (_, said) = play(Application(receiver_with(policy)), BEGIN, mta.mail(path) + mta.rcpt())
        for line in reply_text(said).split("\r\n"):
            code, enhanced = line[:3], line[4:].split(" ")[0]
            assert code == begin
            assert enhanced.split(".")[0] == begin[0]
            assert (
                enhanced in {"fail": "5.7.23", "temperror": "4.7.24", "permerror": "5.7.24"}[domain]
            )


def test_a_reply_of_several_lines() -> None:
    (_, said) = play(Application(receiver_with(REJECTS)), BEGIN, mta.mail(FAIL) + mta.rcpt())
    first, last = reply_text(said).split("\r\n")
    assert first.startswith("550-5.7.23 SPF MAIL FROM check failed")
    assert last.startswith("550 5.7.23 ")


def test_discard_and_quarantine() -> None:
    policy = {"mailfrom": {"fail": "discard"}}
    for quarantine, expected in ((False, "d"), (True, "qiic")):
        application = Application(receiver_with(policy))
        said = play(application, BEGIN, mta.message(FAIL), mta.message(), quarantine=quarantine)
        # To discard is no answer to RCPT, where it would be for all recipients.
        assert codes(said[1]) == "c" + expected
        assert application.messages[0].action == ("quarantine" if quarantine else "discard")
        assert codes(said[2]) == "ciic"
    # An MTA without a quarantine
    said = play(
        Application(receiver_with(policy)),
        mta.offer(6, 0x1F) + mta.connect(),
        mta.message(FAIL),
        quarantine=True,
    )
    assert codes(said[1]) == "cd"


def test_recipients_that_are_not_to_get_it_are_taken_away() -> None:
    policy = {
        "override": [
            {"name": "strict", "recipient": ["eve@example.org"], "mailfrom": {"fail": "discard"}}
        ]
    }
    application = Application(receiver_with(policy))
    recipients = (b"<bob@example.org>", b"<eve@example.org>")
    (_, said) = play(application, BEGIN, mta.message(FAIL, recipients))
    assert codes(said) == "cc-iic"
    assert [data for code, data in replies(said) if code == "-"] == [b"<eve@example.org>\0"]
    assert application.last.outcome.dropped == (b"<eve@example.org>",)


# Recipients ---------------------------------------------------------------------------------------


def test_some_recipients_are_refused_and_the_rest_get_it() -> None:
    policy = {
        "mailfrom": {"fail": "reject"},
        "override": [
            {"name": "lax", "recipient": ["bob@example.org"], "mailfrom": {"fail": "mark"}}
        ],
    }
    application = Application(receiver_with(policy))
    said = play(
        application,
        BEGIN,
        mta.mail(FAIL) + mta.rcpt(b"<eve@example.org>"),
        mta.rcpt(b"<bob@example.org>"),
        mta.header(b"From", b"user@pass.example") + mta.END,
    )
    assert [codes(each) for each in said] == ["O", "y", "c", "iic"]
    (done,) = application.messages
    assert done.envelope.recipients == (b"<bob@example.org>",)
    assert done.action == "mark"


@pytest.mark.parametrize("end", [mta.ABORT, mta.QUIT, mta.QUIT_NC, b"", mta.mail()])
def test_a_message_all_of_whose_recipients_were_refused_is_told_of_once(end: bytes) -> None:
    application = Application(receiver_with(REJECTS))
    play(application, BEGIN, mta.mail(FAIL) + mta.rcpt() + mta.rcpt(b"<eve@b.org>"), end)
    (done,) = application.messages
    assert (done.action, done.outcome.decision.action) == ("reject", Action.REJECT)
    assert done.envelope.recipients == ()


def test_a_message_that_is_given_up_is_not_told_of() -> None:
    application = Application()
    play(application, BEGIN, mta.mail() + mta.rcpt() + mta.ABORT)
    play(application, BEGIN, mta.mail() + mta.rcpt())
    assert application.messages == application.faults == []


# The envelope -------------------------------------------------------------------------------------


@pytest.mark.parametrize("macro", ["auth_authen", "auth_type"])
def test_case_svc_skip_authenticated(macro: str) -> None:
    """An authenticated client is not checked, which is said; unless the policy wants it."""
    headers = mta.macros("M", **{macro: b"PLAIN"})
    application = Application(receiver_with(REJECTS))
    (_, said) = play(application, BEGIN, headers + mta.message(FAIL))
    assert codes(said) == "cic"
    assert application.last.outcome.skipped == "authenticated"
    assert b"not checked: authenticated" in inserted(said)[0][1]
    application = Application(receiver_with({**REJECTS, "check_authenticated": True}))
    (_, said) = play(application, BEGIN, headers + mta.mail(FAIL) + mta.rcpt())
    assert codes(said) == "y"


def test_who_has_authenticated_is_known_for_one_message_alone() -> None:
    application = Application()
    authenticated = mta.macros("M", auth_authen=b"user")
    play(
        application,
        BEGIN,
        authenticated + mta.message(),
        mta.message(),
        mta.ABORT + authenticated + mta.ABORT + mta.message(),
        mta.macros("M", auth_authen=b"") + mta.message(),
    )
    known = [done.envelope.authenticated for done in application.messages]
    assert known == [True, False, False, False]


def test_parameters_of_mail() -> None:
    application = Application(receiver_with(submitter=SubmitterPolicy()))
    begin = BEGIN + mta.mail(
        b"<user@pass.example>", b"SIZE=1", b"smtputf8", b"Submitter=a@pass.example", b"submitter=b"
    )
    play(application, begin, mta.rcpt() + mta.header(b"Sender", b"a@pass.example") + mta.END)
    envelope = application.last.envelope
    assert envelope.eai
    assert envelope.submitter == b"a@pass.example"


def test_a_submitter_that_is_not_the_pra_is_refused() -> None:
    application = Application(receiver_with(submitter=SubmitterPolicy()))
    headers = [(b"From", b"user@pass.example")]
    recipients = (b"<bob@example.org>",)
    octets = mta.message(
        b"<user@pass.example>", recipients, headers, b"SUBMITTER=other@pass.example"
    )
    said = play(application, BEGIN, octets)
    first, last = replies(said[1])
    assert first == ("c", b"")
    assert last == ("y", b"550 5.7.1 Submitter does not match header.\0")


def test_case_svc_non_utf8_sender() -> None:
    """Octets that are no UTF-8 are answered like others."""
    application = Application(receiver_with({"helo": {"fail": "reject"}}))
    said = play(
        application,
        mta.offer() + mta.connect(name=b"\xff\xfe") + mta.helo(b"h\xe9lo"),
        mta.macros("M", i=b"\xe9")
        + mta.message(
            b"<us\xe9r@pass.example>", [b"<b\xf8b@example.org>"], [(b"From", b"\xe9 <a@b.c>")]
        ),
    )
    assert codes(said[1]) == "ciic"
    (done,) = application.messages
    assert done.envelope.mail_from == b"<us\xe9r@pass.example>"
    assert done.envelope.recipients == (b"<b\xf8b@example.org>",)
    assert done.envelope.connection == "\\xff\\xfe"
    assert application.faults == []
    for _, value in inserted(said[1]):
        value.decode("ascii")


@pytest.mark.parametrize(
    ("client", "ip"),
    [
        (mta.connect(b"192.0.2.1"), "192.0.2.1"),
        (mta.connect(b"2001:db8::1", family=b"6"), "2001:db8::1"),
        (mta.connect(b"IPv6:2001:db8::1", family=b"6"), "2001:db8::1"),
        (mta.connect(b"ipv6:fe80::1%eth0", family=b"6"), "fe80::1"),
        (mta.connect(family=b"U"), None),
        (mta.connect(b"/run/smtp.sock", family=b"L"), None),
        (mta.connect(b"nonsense"), None),
    ],
)
def test_addresses(client: bytes, ip: str | None) -> None:
    application = Application()
    (_, said) = play(application, mta.offer() + client + mta.helo(), mta.message())
    assert codes(said)[-1] == "c"
    assert application.last.envelope.ip == ip
    if ip is None:
        assert application.last.outcome.skipped == "no client address"
    assert len(application.faults) == (b"nonsense" in client)


def test_several_messages_on_a_connection() -> None:
    application = Application()
    said = play(application, BEGIN, *[mta.message(), mta.ABORT + mta.message(FAIL)] * 3)
    assert [codes(each) for each in said] == ["O", *["iic"] * 6]
    assert [done.action for done in application.messages] == ["accept", "mark"] * 3


def test_commands_that_come_at_once_are_answered_in_their_order() -> None:
    application = Application(receiver_with(REJECTS))
    octets = BEGIN + mta.message() + mta.message(FAIL) + mta.message() + mta.QUIT
    (said,) = play(application, octets)
    assert codes(said) == "O" + "ciic" + "yy" + "ciic"


# Header sections ----------------------------------------------------------------------------------


class Fields:
    """A Reception that keeps what it is given."""

    def __init__(self, *_: object) -> None:
        self.envelope: Any = None

    def begin(self) -> None: ...
    def cancel(self) -> None: ...

    seen: list[tuple[list[tuple[str, bytes]], bytes]] = []  # noqa: RUF012 - of one test

    async def at_end_of_header(self, fields: Sequence[tuple[str, bytes]], headers: bytes) -> object:
        self.seen.append(([*fields], headers))
        raise RuntimeError("that is all")


def told(*headers: tuple[bytes, bytes], **settings: int) -> tuple[list[tuple[str, bytes]], bytes]:
    Fields.seen.clear()
    application = Application(**settings)  # type: ignore[arg-type]
    play(application, BEGIN, mta.message(headers=headers), make=Fields)
    return Fields.seen[0]


def test_fields_and_octets_are_the_same() -> None:
    fields, octets = told((b"From", b"a\n\tb"), (b"X", b""), (b"Subject", b" two"))
    assert fields == [("From", b"a\n\tb"), ("X", b""), ("Subject", b" two")]
    assert octets == b"From: a\n\tb\nX: \nSubject:  two\n"


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r", b"\n\n", b"\r\n\r\n"])
def test_a_value_cannot_hold_another_field(line_end: bytes) -> None:
    _, octets = told((b"X", b"a" + line_end + b"From: evil@example.com"), (b"From", b"a@b.c"))
    assert octets == b"X: a\n From: evil@example.com\nFrom: a@b.c\n"


@pytest.mark.parametrize("name", [b"", b"a b", b"a:b", b"\xe9", b"a\n", b"\x7f"])
def test_a_name_that_is_none_does_not_end_the_header_section(name: bytes) -> None:
    fields, octets = told((name, b"x"), (b"From", b"a@b.c"))
    assert [each for each, _ in fields] == [name.decode("latin-1"), "From"]
    assert octets == b"From: a@b.c\n"


def test_the_header_section_is_cut() -> None:
    headers = [(b"X", b"y" * 100)] * 20 + [(b"From", b"a@b.c")]
    fields, octets = told(*headers, max_header_octets=1000)
    assert len(octets) <= 1000
    assert len(fields) == 9


def test_fields_and_recipients_without_number_are_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(message_module, "_FIELDS_MOST", 3)
    monkeypatch.setattr(message_module, "_RECIPIENTS_MOST", 3)
    fields, octets = told(*[(b"X", b"")] * 10)
    assert len(fields) == 3
    assert octets == b"X: \n" * 3
    application = Application()
    (_, said, after) = play(application, BEGIN, mta.mail() + mta.rcpt() * 3, mta.rcpt())
    assert said == after == b""
    assert application.faults == ["RCPT: more than 3 recipients (client mail.pass.example)"]


def test_forged_fields_are_found_beyond_the_cut() -> None:
    forged = (b"Authentication-Results", b"mx.example.org; spf=pass")
    headers = [forged, *[(b"X", b"y" * 100)] * 20, forged, (b"Y", b""), forged]
    application = Application(max_header_octets=1000)
    (_, said) = play(application, BEGIN, mta.message(headers=headers))
    name = b"Authentication-Results"
    assert changed(said) == [(3, name, b""), (2, name, b""), (1, name, b"")]


def test_a_flood_of_fields_that_could_be_forged_is_refused() -> None:
    forged = [(b"Authentication-Results", b"mx.example.org; spf=pass")] * 100
    application = Application(max_header_octets=1000)
    (_, said) = play(application, BEGIN, mta.message(headers=forged))
    assert reply_text(said) == "552 5.3.4 The header section of the message is too long"
    (_, said) = play(application, BEGIN, mta.message(headers=forged) + mta.ABORT + mta.message())
    assert codes(said) == "yiic"


# Trouble ------------------------------------------------------------------------------------------


class Broken(Fields):
    """A Reception with a defect in one of its methods."""

    where = ""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self._break("made")

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
