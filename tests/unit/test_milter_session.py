"""What is said to an MTA, when, and what a message is known by; without a socket."""

from __future__ import annotations

import pytest
from support import milter as mta
from support.milter import (
    BEGIN,
    FAIL,
    REJECTS,
    Application,
    changed,
    codes,
    inserted,
    play,
    receiver_with,
    replies,
)

from senderid_fast.receiver.submitter import SubmitterPolicy
from senderid_fast.results import Result

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
