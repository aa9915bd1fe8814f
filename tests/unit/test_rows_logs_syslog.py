"""Logs of Postfix and Sendmail: what each shape of line gives."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.rowlogs import Row, counts_of, log_of, rows_of

from senderid_fast.rows.logs.postfix import open_postfix
from senderid_fast.rows.logs.sendmail import open_sendmail

HEAD = "Jan  5 08:00:00 mx postfix/"
SENT = "size=1840, nrcpt=1 (queue active)"
TO = "to=<bob@example.org> proto=ESMTP"


# ---- Postfix ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("client", "sender", "row"),
    [
        ("mail.example.com[192.0.2.1]", "a@example.com", ("192.0.2.1", "a@example.com")),
        ("unknown[2001:DB8:0::1]", "", ("2001:db8::1", "")),
        ("unknown[::ffff:192.0.2.1]", "a@example.com", ("192.0.2.1", "a@example.com")),
        ("unknown[192.0.2.1]:40112", "a@example.com", ("192.0.2.1", "a@example.com")),
        (
            "unknown[192.0.2.1], sasl_method=PLAIN, sasl_username=client=x[192.0.2.9]",
            "a@example.com",
            ("192.0.2.1", "a@example.com"),
        ),
        (
            "localhost[127.0.0.1], orig_queue_id=4ZZZZ, orig_client=mail.example.com[192.0.2.1]",
            "a@example.com",
            ("192.0.2.1", "a@example.com"),
        ),
        (
            "unknown[192.0.2.1], sasl_sender=x, orig_client=y[192.0.2.9] z",
            "a@example.com",
            ("192.0.2.1", "a@example.com"),
        ),
        ("a[192.0.2.1]", '"a>, size=b"@example.com', ("192.0.2.1", '"a>, size=b"@example.com')),
        ("a[192.0.2.1]", "\udcff@example.com", ("192.0.2.1", "\ufffd@example.com")),
    ],
)
def test_postfix_joins_client_and_sender(
    tmp_path: Path, client: str, sender: str, row: tuple[str, str]
) -> None:
    read = log_of(
        tmp_path,
        open_postfix,
        f"{HEAD}smtpd[1]: 4Z1aB23: client={client}",
        f"{HEAD}qmgr[2]: 4Z1aB23: from=<{sender}>, {SENT}",
    )
    assert rows_of(read) == [("4Z1aB23", row[0], None, row[1])]
    assert read.column("line") == [2]
    assert read.column("time") == ["Jan  5 08:00:00"]
    assert not read.faults


@pytest.mark.parametrize(
    "time",
    [
        "Jan  5 08:00:00",
        "Jan 5 08:00:00",
        "Jan 15 08:00:00.123456",
        "2026-01-05T08:00:00.123456+09:00",
        "2026-01-05T08:00:00Z",
        "2026-01-05T08:00:00+0900",
        "2026-01-05 08:00:00",
    ],
)
@pytest.mark.parametrize(
    ("smtpd", "qmgr"),
    [
        ("postfix/smtpd", "postfix/qmgr"),
        ("postfix-in/smtpd", "postfix-in/qmgr"),
        ("postfix/submission/smtpd", "postfix/qmgr"),
        ("postfix-x/submission/smtpd", "postfix/nqmgr"),
        ("postfix/qmqpd", "postfix/qmgr"),
    ],
)
@pytest.mark.parametrize("priority", ["", "<22>"])
def test_postfix_heads(tmp_path: Path, time: str, smtpd: str, qmgr: str, priority: str) -> None:
    read = log_of(
        tmp_path,
        open_postfix,
        f"{priority}{time} mx {smtpd}[1]: 4Z1aB23cDez9: client=a[192.0.2.1]",
        f"{priority}{time} mx {qmgr}[2]: [ID 197553 mail.info] 4Z1aB23cDez9: from=<>, {SENT}",
    )
    assert rows_of(read) == [("4Z1aB23cDez9", "192.0.2.1", None, "")]
    assert read.column("time") == [time]


@pytest.mark.parametrize(
    ("message", "row"),
    [
        (
            f"smtpd[1]: NOQUEUE: reject: RCPT from a[192.0.2.1]: 550 x; from=<a@b.test> {TO} "
            "helo=<mail.example.com>",
            (None, "192.0.2.1", "mail.example.com", "a@b.test"),
        ),
        (
            f"smtpd[1]: 4Z1aB: milter-reject: DATA from h[2001:db8::1]:25: 550 x; from=<> {TO} "
            "helo=<[IPv6:2001:db8::1]>",
            ("4Z1aB", "2001:db8::1", "[IPv6:2001:db8::1]", ""),
        ),
        (
            "smtpd[1]: NOQUEUE: reject: EHLO from a[192.0.2.1]: 504 x; proto=SMTP helo=<User>",
            (None, "192.0.2.1", "User", None),
        ),
        (
            "smtpd[1]: NOQUEUE: reject: MAIL from a[192.0.2.1]: 450 x; from=<a@b.test> proto=SMTP",
            (None, "192.0.2.1", None, "a@b.test"),
        ),
        (
            "postscreen[1]: NOQUEUE: reject: RCPT from [192.0.2.1]:60591: 550 x; "
            "from=<a@b.test>, to=<c@d.example>, proto=ESMTP, helo=<h.example>",
            (None, "192.0.2.1", "h.example", "a@b.test"),
        ),
        (
            f"smtpd[1]: NOQUEUE: discard: RCPT from a[192.0.2.1]: x; from=<a@b.test> {TO} helo=<h>",
            (None, "192.0.2.1", "h", "a@b.test"),
        ),
        (
            f"smtpd[1]: NOQUEUE: reject: RCPT from a[192.0.2.1]: 554 x; http://b.example/?q=1; "
            f"from=<a@b.test> {TO} helo=<h> sasl_username=<u>",
            (None, "192.0.2.1", "h", "a@b.test"),
        ),
        # What the client says is no address.
        (
            f"smtpd[1]: NOQUEUE: reject: RCPT from a[192.0.2.1]: <x from b[192.0.2.9]: ; from=<> "
            f"{TO} helo=<y>: ; from=<a@b.test> {TO} helo=<: client=b[192.0.2.9]>",
            (None, "192.0.2.1", ": client=b[192.0.2.9]", "a@b.test"),
        ),
        (
            f"smtpd[1]: NOQUEUE: reject: RCPT from a[192.0.2.1]: <: from=<y>; from=<a@b.test> {TO} "
            "helo=<x>",
            (None, "192.0.2.1", "x", "a@b.test"),
        ),
    ],
)
def test_postfix_refuses(tmp_path: Path, message: str, row: Row) -> None:
    read = log_of(tmp_path, open_postfix, HEAD + message)
    assert rows_of(read) == [row]
    assert not read.faults


@pytest.mark.parametrize(
    "message",
    [
        "smtpd[1]: NOQUEUE: reject: CONNECT from a[192.0.2.1]: 450 x; proto=SMTP",
        "postscreen[1]: NOQUEUE: reject: CONNECT from [192.0.2.1]:1337: too many connections",
        "qmgr[1]: 4Z1aB: from=<root@example.org>, size=1, nrcpt=1 (queue active)",
        "cleanup[1]: 4Z1aB: reject: header Subject: x from a[192.0.2.9]; from=<> "
        + TO
        + " helo=<h>",
        f"smtpd[1]: NOQUEUE: reject_warning: RCPT from a[192.0.2.1]: x; from=<> {TO} helo=<h>",
        f"smtpd[1]: 4Z1aB: hold: RCPT from a[192.0.2.1]: x; from=<> {TO} helo=<h>",
        "smtpd[1]: NOQUEUE: client=a[192.0.2.1]",
        "smtpd[1]: warning: 4Z1aB: client=a[192.0.2.1]",
        "cleanup[1]: 4Z1aB: client=a[192.0.2.1]",
        "smtpd[1]: 4Z1aB: client=a[192.0.2.1",
    ],
)
def test_postfix_lines_that_give_no_row(tmp_path: Path, message: str) -> None:
    assert log_of(tmp_path, open_postfix, HEAD + message).rows == []


def test_postfix_takes_helo_from_what_is_said_of_the_message(tmp_path: Path) -> None:
    read = log_of(
        tmp_path,
        open_postfix,
        f"{HEAD}smtpd[1]: 4Z1aB: client=a[192.0.2.1]",
        f"{HEAD}cleanup[1]: 4Z1aB: warning: header Subject: x from b[192.0.2.9]; from=<f> {TO} "
        f"helo=<forged> from a[192.0.2.1]; from=<a@b.test> {TO} helo=<mail.example.com>",
        f"{HEAD}qmgr[2]: 4Z1aB: from=<a@b.test>, {SENT}",
        f"{HEAD}qmgr[2]: 4Z1aB: from=<a@b.test>, {SENT}",
    )
    assert rows_of(read) == [("4Z1aB", "192.0.2.1", "mail.example.com", "a@b.test")]


def test_postfix_messages_refused_at_their_end(tmp_path: Path) -> None:
    read = log_of(
        tmp_path,
        open_postfix,
        f"{HEAD}smtpd[1]: 4Z1aB: client=a[192.0.2.1]",
        f"{HEAD}cleanup[1]: 4Z1aB: reject: header Subject: from b[192.0.2.9]; from=<f> {TO} from "
        f"a[192.0.2.1]; from=<a@b.test> {TO} helo=<h>: 5.7.1 no",
        f"{HEAD}smtpd[1]: 4Z1aC: client=a[192.0.2.2]",
        f"{HEAD}cleanup[1]: 4Z1aC: milter-reject: END-OF-MESSAGE from a[192.0.2.2]: 5.7.1 no; "
        f"from=<a@b.test> {TO} helo=<h>",
        # Refused for one recipient, and sent to the other.
        f"{HEAD}smtpd[1]: 4Z1aD: client=a[192.0.2.3]",
        f"{HEAD}smtpd[1]: 4Z1aD: reject: RCPT from a[192.0.2.3]: ; from=<a@b.test> {TO} helo=<h>",
        f"{HEAD}qmgr[2]: 4Z1aD: from=<a@b.test>, {SENT}",
        f"{HEAD}qmgr[2]: 4Z1aB: from=<a@b.test>, {SENT}",
        f"{HEAD}qmgr[2]: 4Z1aC: from=<a@b.test>, {SENT}",
    )
    assert rows_of(read) == [
        ("4Z1aB", "192.0.2.1", "h", "a@b.test"),
        ("4Z1aC", "192.0.2.2", "h", "a@b.test"),
        ("4Z1aD", "192.0.2.3", "h", "a@b.test"),
        ("4Z1aD", "192.0.2.3", "h", "a@b.test"),
    ]


def test_postfix_keeps_hosts_apart(tmp_path: Path) -> None:
    read = log_of(
        tmp_path,
        open_postfix,
        "Jan  5 08:00:00 mx1 postfix/smtpd[1]: 4Z1aB: client=a[192.0.2.1]",
        "Jan  5 08:00:00 mx2 postfix/smtpd[1]: 4Z1aB: client=a[192.0.2.2]",
        f"Jan  5 08:00:00 mx1 postfix/qmgr[1]: 4Z1aB: from=<a@b.test>, {SENT}",
        f"Jan  5 08:00:00 mx2 postfix/qmgr[1]: 4Z1aB: from=<c@d.example>, {SENT}",
    )
    assert rows_of(read) == [
        ("4Z1aB", "192.0.2.1", None, "a@b.test"),
        ("4Z1aB", "192.0.2.2", None, "c@d.example"),
    ]


def test_postfix_addresses_that_are_none_are_rows_at_fault(tmp_path: Path) -> None:
    client = f"{HEAD}smtpd[1]: 4Z1aB: client=unknown["
    refused = f"{HEAD}smtpd[1]: NOQUEUE: reject: RCPT from a["
    read = log_of(
        tmp_path,
        open_postfix,
        f"{client}unknown]",
        f"{HEAD}qmgr[2]: 4Z1aB: from=<a@b.test>, {SENT}",
        f"{refused}192.0.2.256]: 550; from=<> {TO} helo=<h>",
    )
    assert rows_of(read) == [("4Z1aB", None, None, "a@b.test"), (None, None, "h", "")]
    assert read.faults == {
        0: f"line 1, column {len(client) + 1}: 'unknown' is no IP address",
        1: f"line 3, column {len(refused) + 1}: '192.0.2.256' is no IP address",
    }


def test_postfix_counts(tmp_path: Path) -> None:
    log_of(
        tmp_path,
        open_postfix,
        f"{HEAD}qmgr[2]: 4Z1aB: from=<root>, {SENT}",
        f"{HEAD}smtpd[1]: NOQUEUE: reject: CONNECT from a[192.0.2.1]: 450 x; proto=SMTP",
        f"{HEAD}smtpd[1]: 4Z1aB: client=a[192.0.2.1]" + "x" * 70_000,
    )
    counts = counts_of(tmp_path / "log", open_postfix)
    assert counts == {"no_client": 1, "no_identity": 1, "cut": 1}


# ---- Sendmail -----------------------------------------------------------------------------------

MTA = "Jan  5 08:00:00 mx sm-mta[1]: "
SIZE = "size=1, class=0, nrcpts=1, msgid=<x@example.com>, proto=ESMTP, daemon=MTA"


@pytest.mark.parametrize(
    ("message", "row"),
    [
        (
            f"60580106002101: from=<a@b.test>, {SIZE}, relay=mail.example.com [192.0.2.1]",
            ("60580106002101", "192.0.2.1", None, "a@b.test"),
        ),
        (
            f"60580106002101: from=<>, {SIZE}, relay=mail.example.com [192.0.2.1] (may be forged)",
            ("60580106002101", "192.0.2.1", None, ""),
        ),
        (
            f"60580106002101: from=a@b.test, {SIZE}, relay=[IPv6:2001:db8::1]",
            ("60580106002101", "2001:db8::1", None, "a@b.test"),
        ),
        (
            f"60580106002101: from=<a@b.test>, {SIZE}, relay=IDENT:u@h [IPv6:2001:DB8::1]",
            ("60580106002101", "2001:db8::1", None, "a@b.test"),
        ),
        (
            "60580106002101: from=<a@b.test>, size=1, class=0, nrcpts=1, "
            "msgid=<x, relay=y [192.0.2.9]>, proto=SMTP, relay=[192.0.2.1]",
            ("60580106002101", "192.0.2.1", None, "a@b.test"),
        ),
        (
            f'60580106002101: from=<"a, size=1 b"@b.example>, {SIZE}, relay=[192.0.2.1]',
            ("60580106002101", "192.0.2.1", None, '"a, size=1 b"@b.example'),
        ),
        (
            "60580106002101: ruleset=check_mail, arg1=<a@b.test>, relay=h [192.0.2.1] "
            "(may be forged), reject=553 5.1.8 <a@b.test>... relay=x [192.0.2.9], reject=5",
            ("60580106002101", "192.0.2.1", None, "a@b.test"),
        ),
        (
            'ruleset=check_mail, arg1=<"x, relay=[192.0.2.9], reject=5"@b.example>, '
            "relay=[192.0.2.1], reject=553 5.1.8 no",
            (None, "192.0.2.1", None, '"x, relay=[192.0.2.9], reject=5"@b.example'),
        ),
    ],
)
@pytest.mark.parametrize(
    "head", [MTA, "2026-01-05T08:00:00Z mx sendmail[1]: [ID 801593 mail.info] "]
)
def test_sendmail(tmp_path: Path, head: str, message: str, row: Row) -> None:
    read = log_of(tmp_path, open_sendmail, head + message)
    assert rows_of(read) == [row]
    assert not read.faults
    assert read.column("line") == [1]


@pytest.mark.parametrize(
    ("message", "counts"),
    [
        (f"60580106002101: from=root, {SIZE}, relay=root@localhost", {"no_client": 1}),
        (f"60580106002101: from=root, {SIZE}", {"no_client": 1}),
        (
            "60580106002101: ruleset=check_rcpt, arg1=<a@b.test>, relay=[192.0.2.1], reject=550",
            {"no_identity": 1},
        ),
        (
            "ruleset=check_relay, arg1=[192.0.2.1], arg2=192.0.2.1, relay=[192.0.2.1], reject=4",
            {"no_identity": 1},
        ),
        ("60580106002101: Milter: from=<a@b.test>, reject=550 x", {}),
        ("60580106002101: [192.0.2.1]: possible SMTP attack: command=AUTH, count=5", {}),
    ],
)
def test_sendmail_lines_that_give_no_row(
    tmp_path: Path, message: str, counts: dict[str, int]
) -> None:
    assert log_of(tmp_path, open_sendmail, MTA + message).rows == []
    assert counts_of(tmp_path / "log", open_sendmail) == counts


def test_sendmail_addresses_that_are_none_are_rows_at_fault(tmp_path: Path) -> None:
    start = f"{MTA}60580106002101: from=<a@b.test>, {SIZE}, relay="
    for relay, column, shown in (
        ("h [192.0.2]", 4, "192.0.2"),
        # An identity (RFC 1413) is what the client's host says.
        ("a, relay=[192.0.2.9]@h [192.0.2.1]", 10, "[192.0.2.9]@h [192.0.2.1]"),
    ):
        read = log_of(tmp_path, open_sendmail, start + relay)
        assert rows_of(read) == [("60580106002101", None, None, "a@b.test")]
        where = f"line 1, column {len(start) + column}"
        assert read.faults == {0: f"{where}: '{shown}' is no IP address"}
