"""Logs of Exim and of Exchange: what each shape of line gives."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.rowlogs import counts_of, log_of, rows_of

from senderid_fast.errors import RowsError
from senderid_fast.rows.logs.exchange import open_exchange
from senderid_fast.rows.logs.exim import open_exim

TIME = "2026-01-05 08:00:00"
OLD, NEW = "1vcgA1-0004Rk-2B", "1vcgA1-000000004Rk-2Bqo"


# ---- Exim ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "row"),
    [
        (
            "<= a@b.test H=h.test (mail.b.test) [192.0.2.1] P=esmtp S=811 id=x@b.test",
            ("192.0.2.1", "mail.b.test", "a@b.test"),
        ),
        ("<= a@b.test H=h.test [192.0.2.1]:51792 P=esmtp", ("192.0.2.1", "h.test", "a@b.test")),
        ("<= a@b.test H=(h.test) [2001:DB8::1] P=esmtp", ("2001:db8::1", "h.test", "a@b.test")),
        (
            "<= <> R=1vcgA1-0004Rk-2C H=([192.0.2.9]) [192.0.2.1] I=[192.0.2.200]:25 P=esmtps",
            ("192.0.2.1", "[192.0.2.9]", ""),
        ),
        ("<= a@b.test H=[192.0.2.1] P=smtp", ("192.0.2.1", None, "a@b.test")),
        ("<= a@b.test DS H=h.test [192.0.2.1] U=u P=smtp", ("192.0.2.1", "h.test", "a@b.test")),
        ("(= a@b.test H=h.test [192.0.2.1] P=smtp", ("192.0.2.1", "h.test", "a@b.test")),
        (
            '<= "a H=(x) [192.0.2.9] b"@b.test H=h.test [192.0.2.1] P=smtp',
            ("192.0.2.1", "h.test", '"a H=(x) [192.0.2.9] b"@b.test'),
        ),
        (
            r'<= "a\" H=(x) [192.0.2.9]"@b.test H=h.test [192.0.2.1] P=smtp',
            ("192.0.2.1", "h.test", r'"a\" H=(x) [192.0.2.9]"@b.test'),
        ),
        (
            '<= a@b.test H=h.test [192.0.2.1] P=smtp T="x H=(y) [192.0.2.9] rejected "',
            ("192.0.2.1", "h.test", "a@b.test"),
        ),
        (
            "F=<a@b.test> H=(h.test) [192.0.2.1]:4 P=esmtp temporarily rejected by local_scan(): x",
            ("192.0.2.1", "h.test", "a@b.test"),
        ),
        (
            "H=h.test [192.0.2.1] X=TLS1.3:x:256 CV=no F=<> rejected after DATA: <= y [192.0.2.9]",
            ("192.0.2.1", "h.test", ""),
        ),
    ],
)
@pytest.mark.parametrize("queue_id", [OLD, NEW])
@pytest.mark.parametrize(
    ("head", "time"),
    [
        (f"{TIME} ", TIME),
        (f"{TIME}.712 +0100 [1487] ", f"{TIME}.712 +0100"),
        (f"{TIME} mx exim[99]: ", TIME),
        (f"Jan  5 08:00:00 mx exim[99]: {TIME} ", TIME),
        ("Jan  5 08:00:00 mx exim4[99]: ", "Jan  5 08:00:00"),
        (f"mx.example.com exim[99]: {TIME} ", TIME),
    ],
)
def test_exim(
    tmp_path: Path, head: str, time: str, queue_id: str, message: str, row: tuple[str, str, str]
) -> None:
    read = log_of(tmp_path, open_exim, f"{head}{queue_id} {message}")
    assert rows_of(read) == [(queue_id, *row)]
    assert read.column("time") == [time]
    assert not read.faults


@pytest.mark.parametrize(
    ("message", "row"),
    [
        (
            "H=(h.test) [192.0.2.1]:3755 I=[192.0.2.2]:25 F=<a@b.test> rejected RCPT <c@d>: x",
            ("192.0.2.1", "h.test", "a@b.test"),
        ),
        ("H=h.test [192.0.2.1] rejected MAIL <a@b.test>: x", ("192.0.2.1", "h.test", "a@b.test")),
        ("H=h.test [192.0.2.1] rejected MAIL <>: x", ("192.0.2.1", "h.test", "")),
        ("H=(h.test) [192.0.2.1] rejected EHLO or HELO h.test: x", ("192.0.2.1", "h.test", None)),
        (
            'H=h.test [192.0.2.1] F=<"a rejected b"@b.test> rejected RCPT <c@d.test>: x',
            ("192.0.2.1", "h.test", '"a rejected b"@b.test'),
        ),
        (
            'H=h.test [192.0.2.1] DN="CN=x F=<y>" F=<a@b.test> A=x:u rejected x: F=<z> rejected',
            ("192.0.2.1", "h.test", "a@b.test"),
        ),
    ],
)
def test_exim_refuses(tmp_path: Path, message: str, row: tuple[str, str, str]) -> None:
    assert rows_of(log_of(tmp_path, open_exim, f"{TIME} {message}")) == [(None, *row)]


@pytest.mark.parametrize(
    ("message", "counts"),
    [
        (f"{OLD} <= root@b.test U=root P=local S=412", {"no_client": 1}),
        ('H=h.test [192.0.2.1] rejected connection in "connect" ACL: x', {"no_identity": 1}),
        ("H=[192.0.2.1] rejected RCPT <c@d.test>", {"no_identity": 1}),
        (f"{OLD} => c@d.test R=local T=local", {}),
        ("H=h.test [192.0.2.1] sender verify fail for <a@b.test>: x", {}),
        ('SMTP protocol synchronization error: rejected "RSET" H=h.test [192.0.2.1] x', {}),
    ],
)
def test_exim_lines_that_give_no_row(tmp_path: Path, message: str, counts: dict[str, int]) -> None:
    assert log_of(tmp_path, open_exim, f"{TIME} {message}").rows == []
    assert counts_of(tmp_path / "log", open_exim) == counts


@pytest.mark.parametrize(
    ("host", "before", "shown"),
    [
        ("h.test [192.0.2.x]", "h.test [", "192.0.2.x"),
        ("h.test (helo) 192.0.2.1", "", "h.test (helo) 192.0.2.1"),
        # HELO with parentheses, which Exim takes only from helo_accept_junk_hosts.
        ("(x) [192.0.2.9] (y) [192.0.2.1]", "", "(x) [192.0.2.9] (y) [192.0.2.1]"),
    ],
)
def test_exim_hosts_that_cannot_be_read_are_rows_at_fault(
    tmp_path: Path, host: str, before: str, shown: str
) -> None:
    start = f"{TIME} {OLD} <= a@b.test H="
    read = log_of(tmp_path, open_exim, start + host)
    assert [row[1] for row in rows_of(read)] == [None]
    column = len(start) + len(before) + 1
    assert read.faults == {0: f"line 1, column {column}: '{shown}' is no IP address"}


# ---- Exchange: message tracking -----------------------------------------------------------------

TRACKED = "date-time,client-ip,client-hostname,source,event-id,sender-address,return-path"


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ("T,192.0.2.1,h.test,SMTP,RECEIVE,x@y.test,a@b.test", ("192.0.2.1", "h.test", "a@b.test")),
        ("T,192.0.2.1,h.test,SMTP,RECEIVE,x@y.test,<>", ("192.0.2.1", "h.test", "")),
        ("T,2001:DB8::1,,SMTP,RECEIVE,x@y.test,", ("2001:db8::1", None, None)),
        (
            'T,192.0.2.1,"h, ""x""",SMTP,RECEIVE,,"""a,b""@b.test"',
            ("192.0.2.1", 'h, "x"', '"a,b"@b.test'),
        ),
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_exchange_tracking(tmp_path: Path, mark: str, line: str, row: tuple[str, str, str]) -> None:
    read = log_of(tmp_path, open_exchange, f"{mark}#Fields: {TRACKED}", line)
    assert rows_of(read) == [(None, *row)]
    assert read.column("line") == [2]


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("T,192.0.2.1,h.test,STOREDRIVER,RECEIVE,x@y.test,a@b.test", {}),
        ("T,192.0.2.1,h.test,SMTP,SEND,x@y.test,RECEIVE", {}),
        ("T,192.0.2.1,h.test,SMTP,HARECEIVE,x@y.test,a@b.test", {}),
        ("T,,h.test,SMTP,RECEIVE,x@y.test,a@b.test", {"no_client": 1}),
        ("T,192.0.2.1,h.test,SMTP,RECEIVE,", {"unreadable_lines": 1}),
        ('T,192.0.2.1,"h.test,SMTP,RECEIVE,x,y', {"unreadable_lines": 1}),
    ],
)
def test_exchange_lines_that_give_no_row(tmp_path: Path, line: str, counts: dict[str, int]) -> None:
    assert log_of(tmp_path, open_exchange, f"#Fields: {TRACKED}", line).rows == []
    assert counts_of(tmp_path / "log", open_exchange) == counts


def test_exchange_original_client(tmp_path: Path) -> None:
    fields = f"#Fields: {TRACKED},original-client-ip"
    line = "T,192.0.2.1,h.test,SMTP,RECEIVE,x@y.test,a@b.test"
    read = log_of(tmp_path, open_exchange, fields, f"{line},192.0.2.9", f"{line},", f"{line},x")
    assert read.column("ip") == ["192.0.2.9", "192.0.2.1", None]
    assert read.faults == {2: "line 4, column original-client-ip: 'x' is no IP address"}


def test_exchange_without_return_path_does_not_take_the_header(tmp_path: Path) -> None:
    fields = TRACKED.removesuffix(",return-path")
    line = "T,192.0.2.1,h.test,SMTP,RECEIVE,x@y.test"
    read = log_of(tmp_path, open_exchange, f"#Fields: {fields}", line)
    assert rows_of(read) == [(None, "192.0.2.1", "h.test", None)]


# ---- Exchange: SMTP receive ---------------------------------------------------------------------

RECEIVE = "#Fields: date-time,session-id,remote-endpoint,event,data,context"


def session(number: int, *data: str, endpoint: str = "192.0.2.1:61061") -> list[str]:
    return [f"T,S{number},{endpoint},<,{each}," for each in data]


@pytest.mark.parametrize(
    ("data", "row"),
    [
        (["EHLO h.test", "MAIL FROM:<a@b.test> SIZE=1"], ("h.test", "a@b.test")),
        (["helo h.test ", "mail from: <>"], ("h.test", "")),
        (["EHLO [192.0.2.9]", "MAIL FROM:a@b.test"], ("[192.0.2.9]", "a@b.test")),
        (
            ["EHLO x.test", "STARTTLS", "EHLO h.test", "MAIL FROM:<a@b.test>"],
            ("h.test", "a@b.test"),
        ),
        (["MAIL FROM:<a@b.test>"], (None, "a@b.test")),
        (
            ["EHLO h.test", '"MAIL FROM:<""a> b""@b.test> BODY=8BITMIME"'],
            ("h.test", '"a> b"@b.test'),
        ),
    ],
)
def test_exchange_sessions(tmp_path: Path, data: list[str], row: tuple[str, str]) -> None:
    read = log_of(tmp_path, open_exchange, RECEIVE, *session(1, *data))
    assert rows_of(read) == [("S1", "192.0.2.1", *row)]


def test_exchange_sessions_at_the_same_time(tmp_path: Path) -> None:
    read = log_of(
        tmp_path,
        open_exchange,
        RECEIVE,
        *session(1, "EHLO one.test"),
        *session(2, "EHLO two.test", endpoint="[2001:db8::2]:9"),
        *session(1, "MAIL FROM:<a@b.test>", "MAIL FROM:<c@d.test>"),
        *session(2, "MAIL FROM:<e@f.test>", endpoint="[2001:db8::2]:9"),
        "T,S1,192.0.2.1:61061,-,,Local",
        *session(1, "MAIL FROM:<a@b.test>"),
        "T,S1,192.0.2.1:61061,>,MAIL FROM:<x@y.test>,",
    )
    assert rows_of(read) == [
        ("S1", "192.0.2.1", "one.test", "a@b.test"),
        ("S1", "192.0.2.1", "one.test", "c@d.test"),
        ("S2", "2001:db8::2", "two.test", "e@f.test"),
        ("S1", "192.0.2.1", None, "a@b.test"),
    ]


def test_exchange_endpoints_that_are_none_are_rows_at_fault(tmp_path: Path) -> None:
    lines = session(1, "MAIL FROM:<a@b.test>", endpoint="here")
    read = log_of(tmp_path, open_exchange, RECEIVE, *lines)
    assert read.faults == {0: "line 2, column remote-endpoint: 'here' is no IP address"}


def test_exchange_logs_put_together(tmp_path: Path) -> None:
    read = log_of(
        tmp_path,
        open_exchange,
        f"#Fields: {TRACKED}",
        "T,192.0.2.1,h.test,SMTP,RECEIVE,,a@b.test",
        "#Fields: date-time,other",
        "T,192.0.2.2,h.test,SMTP,RECEIVE,,a@b.test",
        RECEIVE,
        *session(1, "MAIL FROM:<c@d.test>"),
        "#Fields: return-path,event-id,source,client-ip,date-time,session-id",
        "e@f.test,RECEIVE,SMTP,192.0.2.3,T,1",
        "e@f.test,RECEIVE,SMTP,192.0.2.4,T,",
    )
    assert read.column("ip") == ["192.0.2.1", "192.0.2.1", "192.0.2.3", "192.0.2.4"]


def test_exchange_logs_of_what_was_sent(tmp_path: Path) -> None:
    with pytest.raises(RowsError, match="line 2: none of the lines so far"):
        log_of(tmp_path, open_exchange, "#Log-type: SMTP Send Protocol Log", "#Fields: date-time,x")
