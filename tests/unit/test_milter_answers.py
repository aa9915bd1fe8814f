"""What an MTA is told at the end of a message, and of a recipient."""

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
    reply_text,
)

from senderid_fast.receiver.actions import Action

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
    verdicts = done.outcome.verdicts
    assert verdicts is not None
    assert verdicts.helo is not None
    assert verdicts.mail_from is not None
    assert (verdicts.helo.result, verdicts.mail_from.result, verdicts.pra) == ("pass", "fail", None)


def test_a_message_that_is_given_up_is_not_told_of() -> None:
    application = Application()
    play(application, BEGIN, mta.mail() + mta.rcpt() + mta.ABORT)
    play(application, BEGIN, mta.mail() + mta.rcpt())
    assert application.messages == application.faults == []
