"""The mail servers that other tests use, without a filter: what goes in comes out, once.

What may live here: tests of support/postfix.py, sendmail.py and smtp.py themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.mailservers import open_folder
from support.postfix import Postfix
from support.sendmail import Sendmail
from support.smtp import Client, smtp_source, swaks

SENDER, RECIPIENT = "user@example.com", "bob@example.org"
MESSAGE = (
    b"Subject: odd octets\n"
    b"From: user@example.com\n"
    b"Authentication-Results: mx.example.org;\n\tspf=pass\n"
    b"X-Octets: \xff\n"
    b"Message-Id: <1@example.com>\n"
    b"Date: Thu, 1 Jan 2026 00:00:00 +0000\n"
    b"\n"
    b".a line that begins with a dot\n"
)


@pytest.fixture(scope="module")
def shared_postfix() -> Iterator[Postfix]:
    with Postfix() as server:
        yield server


@pytest.fixture(scope="module")
def shared_sendmail() -> Iterator[Sendmail]:
    with Sendmail() as server:
        yield server


class Server:
    """One of the two, with the messages delivered since the test began."""

    def __init__(self, server: Postfix | Sendmail) -> None:
        self.port = server.port
        self._server = server
        self._before = len(server.delivered())

    def delivered(self, count: int) -> list[tuple[str, bytes]]:
        found = self._server.wait_delivered(self._before + count)[self._before :]
        return [(one.recipient, one.octets) for one in found]


@pytest.fixture(params=["postfix", "sendmail"])
def server(request: pytest.FixtureRequest) -> Server:
    return Server(request.getfixturevalue(f"shared_{request.param}"))


@pytest.fixture
def postfix(shared_postfix: Postfix) -> Server:
    return Server(shared_postfix)


def test_a_message_is_delivered_once_to_each_recipient_with_its_octets(server: Server) -> None:
    with Client(server.port) as client:
        sent = client.send(SENDER, [RECIPIENT, "al@two.example"], MESSAGE)
    assert [reply.code for reply in sent.recipients] == [250, 250]
    assert sent.data is not None
    assert sent.data.code == 250
    found = server.delivered(2)
    assert sorted(recipient for recipient, _ in found) == ["al@two.example", RECIPIENT]
    # Above it are Return-Path and Received. The order of Sendmail's fields is its own.
    ends = [octets[octets.index(b"Received: ") :].partition(b"\n\n") for _, octets in found]
    for header, _, body in ends:
        assert body == b".a line that begins with a dot\n"
        assert b"\nX-Octets: \xff" in header
        assert b"\nAuthentication-Results: mx.example.org;\n\tspf=pass" in header


def test_postfix_adds_nothing_below_its_own_fields(postfix: Server) -> None:
    with Client(postfix.port) as client:
        client.send(SENDER, [RECIPIENT], MESSAGE)
    ((_, octets),) = postfix.delivered(1)
    assert octets.endswith(b" (UTC)\n" + MESSAGE)


def test_xclient_makes_one_client_another(postfix: Server) -> None:
    with Client(postfix.port) as client:
        assert client.xclient(ADDR="192.0.2.1", NAME="one.example.com").code == 220
        client.send(SENDER, [RECIPIENT], MESSAGE)
        again = client.xclient("two.example.net", ADDR="IPV6:2001:db8::1", NAME="[UNAVAILABLE]")
        assert again.code == 220
        client.send(SENDER, [RECIPIENT], MESSAGE)
    first, second = (octets for _, octets in postfix.delivered(2))
    assert b"Received: from mail.example.com (one.example.com [192.0.2.1])" in first
    assert b"Received: from two.example.net (unknown [IPv6:2001:db8::1])" in second


def test_xclient_gives_an_authenticated_user(shared_postfix: Postfix) -> None:
    with Client(shared_postfix.port) as client:
        assert client.xclient(ADDR="192.0.2.2", LOGIN="alice").code == 220
        client.send(SENDER, [RECIPIENT], MESSAGE)
    assert "[192.0.2.2], sasl_method=XCLIENT, sasl_username=alice" in shared_postfix.log()


def test_sendmail_sees_the_address_that_a_client_comes_from(shared_sendmail: Sendmail) -> None:
    server = Server(shared_sendmail)
    with Client(server.port, source="127.0.0.7") as client:
        client.send(SENDER, [RECIPIENT], MESSAGE)
    ((_, octets),) = server.delivered(1)
    assert b"Received: from mail.example.com ([127.0.0.7])" in octets


def test_parameters_of_mail_reach_the_server(server: Server) -> None:
    with Client(server.port) as client:
        assert client.mail(SENDER, "BODY=8BITMIME").code == 250
        client.command("RSET")
        # Neither knows RFC 4405: it is refused, and no filter is ever told of it.
        assert client.mail(SENDER, "SUBMITTER=bob@example.com").code == 555


def test_postfix_takes_addresses_in_utf_8(postfix: Server) -> None:
    with Client(postfix.port) as client:
        sent = client.send("jörg@example.com", [RECIPIENT], MESSAGE, "SMTPUTF8")
    assert sent.last.code == 250
    ((_, octets),) = postfix.delivered(1)
    assert octets.startswith("Return-Path: <jörg@example.com>\n".encode())


def test_what_a_server_refuses_is_told_with_code_and_text() -> None:
    access = "check_sender_access inline:{{refused@example.com = REJECT not here}}"
    with Postfix(restrictions=[access]) as postfix, Client(postfix.port) as client:
        refused = client.send("refused@example.com", [RECIPIENT], MESSAGE)
        assert refused.data is None
        assert refused.last.code == 554
        assert refused.last.text.endswith("not here")
        assert client.send(SENDER, [RECIPIENT], MESSAGE).last.code == 250
        assert len(postfix.wait_delivered(1)) == 1


def test_settings_change_while_it_runs() -> None:
    with Postfix(settings={"smtpd_banner": "first"}) as postfix:
        postfix.configure(smtpd_recipient_restrictions="reject")
        with Client(postfix.port) as client:
            assert client.send(SENDER, [RECIPIENT], MESSAGE).last.code == 554


def test_a_milter_that_is_not_there_is_told_by_both() -> None:
    with open_folder() as folder:
        nowhere = folder / "nobody-listens"
        with Postfix(milters=[f"unix:{nowhere}"]) as postfix, Client(postfix.port) as client:
            assert client.mail(SENDER).code == 451
        with Sendmail(milters=[f"local:{nowhere}"]) as server, Client(server.port) as client:
            assert client.mail(SENDER).code == 451


def test_swaks_and_smtp_source_reach_the_server(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "message"
    file.write_bytes(MESSAGE)
    done = swaks(server.port, SENDER, RECIPIENT, "--data", f"@{file}", "--helo", "mail.example.com")
    assert done.status == 0, done.transcript
    load = smtp_source(server.port, SENDER, RECIPIENT, 20, sessions=4)
    assert (load.status, load.said) == (0, "")
    assert len(server.delivered(21)) == 21


def test_what_cannot_be_delivered_stays_in_the_queue() -> None:
    with (
        Postfix(settings={"defer_transports": "virtual"}) as postfix,
        Client(postfix.port) as client,
    ):
        client.send(SENDER, [RECIPIENT], MESSAGE)
        postfix.wait_idle()
        (queued,) = postfix.queue()
        assert (queued["sender"], queued["recipients"][0]["address"]) == (SENDER, RECIPIENT)
        postfix.configure(defer_transports="")
        postfix.flush()
        assert [one.recipient for one in postfix.wait_delivered(1)] == [RECIPIENT]


def test_nothing_is_left_when_it_ends() -> None:
    with Postfix() as postfix:
        folder, pid = postfix.folder, postfix.pid
        assert Path(f"/proc/{pid}").exists()
    assert not folder.exists()
    assert not Path(f"/proc/{pid}").exists()
    ours = [
        process
        for process in Path("/proc").glob("[0-9]*/cmdline")
        if str(folder).encode() in read(process)
    ]
    assert ours == []


def read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # it has ended meanwhile
        return b""
