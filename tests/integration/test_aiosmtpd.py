"""SenderIdHandler in a real server of aiosmtpd, on loopback, with smtplib at the other end."""

from __future__ import annotations

import asyncio
import base64
import smtplib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import senderid_fast as sf
from senderid_fast.errors import InputError
from senderid_fast.receiver import (
    Networks,
    ReceiverPolicy,
    SubmitterPolicy,
    TrustedRelays,
)
from senderid_fast.reception import Envelope, Outcome, Receiver

aiosmtpd = pytest.importorskip("aiosmtpd.smtp", reason="aiosmtpd is not installed")

from senderid_fast.aiosmtpd import SenderIdHandler, SubmitterSMTP  # noqa: E402

HERE = "mx.here.example"
ZONE = {
    "good.example": [{"TXT": "v=spf1 ip4:127.0.0.1 -all"}],
    "far.example": [{"TXT": "v=spf1 ip4:192.0.2.1 -all"}],
    "bad.example": [{"TXT": "v=spf1 -all exp=why.bad.example"}],
    "why.bad.example": [{"TXT": "ask postmaster"}],
    "xn--bcher-kva.example": [{"TXT": "v=spf1 ip4:127.0.0.1 -all"}],
}
MESSAGE = (
    b"Authentication-Results: mx.here.example; spf=pass smtp.mailfrom=bank.example\r\n"
    b"From: Ada <ada@good.example>\r\nTo: bo@here.example\r\nSubject: minutes\r\n\r\n"
    b"Authentication-Results: mx.here.example; this is the body\r\n..\r\n"
)


class Kept:
    """The handler within: keeps what it is given."""

    def __init__(self) -> None:
        self.messages: list[tuple[Any, list[str], Any]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.messages.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.content))
        return "250 kept"


class Everything(Kept):
    """One with hooks of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.hooks: list[str] = []

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        self.hooks.append("EHLO")
        session.host_name = hostname
        return [*responses[:-1], "250-X-OWN", responses[-1]]

    async def handle_MAIL(
        self, server: Any, session: Any, envelope: Any, address: str, mail_options: list[str]
    ) -> str:
        self.hooks.append("MAIL")
        if address.startswith("no-"):
            return "550 5.7.1 not you"
        envelope.mail_from = address
        return "250 go on"

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, rcpt_options: list[str]
    ) -> str:
        self.hooks.append("RCPT")
        if address.startswith("nobody"):
            return "550 5.1.1 nobody"
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_RSET(self, server: Any, session: Any, envelope: Any) -> str:
        self.hooks.append("RSET")
        return "250 forgotten"


class Served:
    """A server that runs: where it is, what was kept, what was told."""

    def __init__(self, kept: Kept) -> None:
        self.kept = kept
        self.outcomes: list[tuple[Envelope, Outcome]] = []
        self.port = 0
        self.loop: Any = None

    @contextmanager
    def client(self, helo: str = "good.example") -> Iterator[smtplib.SMTP]:
        with smtplib.SMTP("127.0.0.1", self.port, local_hostname=helo, timeout=10) as client:
            client.ehlo(helo)
            yield client

    def send(self, mail_from: str, *recipients: str, message: bytes = MESSAGE) -> Any:
        with self.client() as client:
            return client.sendmail(mail_from, recipients or ("bo@here.example",), message)

    @property
    def content(self) -> bytes:
        content = self.kept.messages[-1][2]
        return content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content


@contextmanager
def serving(
    receiver: Receiver,
    kept: Kept | None = None,
    make: Callable[..., Any] = aiosmtpd.SMTP,
    resolver: Any = None,
    **options: Any,
) -> Iterator[Served]:
    """A server in a thread of its own."""
    served = Served(kept or Kept())
    started = threading.Event()
    stop: Any = None

    async def run() -> None:
        nonlocal stop
        loop = served.loop = asyncio.get_running_loop()
        stop = loop.create_future()
        async with sf.AsyncEngine(resolver or sf.ZoneResolver(ZONE)) as engine:
            handler = SenderIdHandler(
                receiver,
                engine,
                served.kept,
                done=lambda envelope, outcome: served.outcomes.append((envelope, outcome)),
            )
            server = await loop.create_server(
                lambda: make(handler, hostname=HERE, loop=loop, **options), "127.0.0.1", 0
            )
            served.port = server.sockets[0].getsockname()[1]
            started.set()
            await stop
            server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        assert started.wait(10)
        yield served
    finally:
        served.loop.call_soon_threadsafe(stop.set_result, None)
        thread.join(10)
        assert not thread.is_alive()


def receiver(**settings: Any) -> Receiver:
    policy = ReceiverPolicy.from_mapping(settings.pop("policy", {}))
    return Receiver(HERE, policy=policy, **({"internal": Networks()} | settings))


REJECTING = {"mailfrom": {"fail": "reject"}, "pra": {"fail": "reject"}}


def test_a_message_comes_through_with_our_fields_and_without_forged_ones() -> None:
    with serving(receiver(policy=REJECTING)) as served:
        assert served.send("ada@good.example") == {}
    assert served.kept.messages[0][:2] == ("ada@good.example", ["bo@here.example"])
    header, _, body = served.content.partition(b"\r\n\r\n")
    lines = header.replace(b"\r\n ", b" ").split(b"\r\n")
    assert lines == [
        b"Received-SPF: pass (mx.here.example: domain of ada@good.example designates 127.0.0.1 as "
        b"permitted sender) receiver=mx.here.example; client-ip=127.0.0.1; "
        b'envelope-from="ada@good.example"; helo=good.example; identity=mailfrom; '
        b'mechanism="ip4:127.0.0.1"',
        b"Authentication-Results: mx.here.example; spf=pass smtp.mailfrom=good.example; "
        b"sender-id=pass header.from=good.example",
        b"From: Ada <ada@good.example>",
        b"To: bo@here.example",
        b"Subject: minutes",
    ]
    assert body == b"Authentication-Results: mx.here.example; this is the body\r\n..\r\n"
    (envelope, outcome) = served.outcomes[0]
    assert (envelope.helo, envelope.recipients) == (b"good.example", (b"bo@here.example",))
    assert outcome.decision.reason == "mailfrom.pass = accept"


def test_a_recipient_is_refused_before_the_message_is_sent() -> None:
    with serving(receiver(policy=REJECTING)) as served, served.client() as client:
        assert client.mail("x@bad.example")[0] == 250
        code, text = client.rcpt("bo@here.example")
        assert code == 550
        assert text.splitlines() == [
            b"5.7.23 SPF MAIL FROM check failed: 127.0.0.1 is not allowed to use bad.example",
            b"5.7.23 The domain bad.example explains: ask postmaster",
        ]
        # The session goes on.
        client.rset()
        assert client.sendmail("ada@good.example", ["bo@here.example"], MESSAGE) == {}
    assert len(served.kept.messages) == 1


def test_a_message_is_refused_by_its_header() -> None:
    spoofed = MESSAGE.replace(b"ada@good", b"x@bad")
    with (
        serving(receiver(policy=REJECTING)) as served,
        pytest.raises(smtplib.SMTPDataError) as found,
    ):
        served.send("ada@good.example", message=spoofed)
    assert found.value.smtp_code == 550
    assert str(found.value.smtp_error).count("5.7.1 Sender ID (PRA) Not Permitted") == 1
    assert served.kept.messages == []


def test_for_now() -> None:
    with (
        serving(receiver(policy={"mailfrom": {"fail": "defer"}})) as served,
        pytest.raises(smtplib.SMTPRecipientsRefused) as found,
    ):
        served.send("x@bad.example")
    assert found.value.recipients["bo@here.example"][0] == 451


def test_the_null_reverse_path() -> None:
    with serving(receiver(policy={"null_sender": {"pass": "mark"}})) as served:
        served.send("")
    assert served.outcomes[0][1].decision.reason == "null_sender.pass = mark"
    assert b'envelope-from=""' in served.content


def test_recipients_that_do_not_want_it() -> None:
    policy = {"override": [{"recipient": "drop@here.example", "mailfrom": {"fail": "discard"}}]}
    with serving(receiver(policy=policy)) as served:
        served.send("x@bad.example", "bo@here.example", "drop@here.example")
        assert served.kept.messages[0][1] == ["bo@here.example"]
        served.send("x@bad.example", "drop@here.example")
        assert len(served.kept.messages) == 1
    assert [str(outcome.decision.action) for _, outcome in served.outcomes] == ["mark", "discard"]


def test_the_client_behind_a_relay() -> None:
    received = b"Received: from far (far [192.0.2.1])\r\n\tby in.here.example with ESMTP; now\r\n"
    relays = TrustedRelays("127.0.0.1")
    with serving(Receiver(HERE, relays=relays)) as served:
        served.send("x@far.example", message=received + MESSAGE)
    assert b"Received-SPF: pass (mx.here.example: domain of x@far.example" in served.content
    assert served.content.count(received) == 1


def test_one_s_own_host_is_not_checked_by_default() -> None:
    with serving(Receiver(HERE)) as served:
        served.send("x@bad.example")
    assert served.content == MESSAGE
    assert served.outcomes[0][1].skipped == "internal client"


def test_an_authenticated_client_is_not_checked() -> None:
    def known(*_: object) -> Any:
        return aiosmtpd.AuthResult(success=True)

    options = {"authenticator": known, "auth_require_tls": False}
    with serving(receiver(policy=REJECTING), **options) as served, served.client() as client:
        word = base64.b64encode(b"\0ada\0secret").decode()
        assert client.docmd("AUTH", f"PLAIN {word}")[0] == 235
        assert client.sendmail("x@bad.example", ["bo@here.example"], MESSAGE) == {}
    assert served.content.startswith(
        b"Authentication-Results: mx.here.example; none (not checked: authenticated)\r\nFrom: "
    )


@pytest.mark.parametrize("decode_data", [False, True])
def test_an_internationalised_message(decode_data: bool) -> None:
    options = {"enable_SMTPUTF8": True, "decode_data": decode_data}
    message = "From: ö@bücher.example\r\n\r\nü\r\n".encode()
    with serving(receiver(), **options) as served, served.client() as client:
        client.command_encoding = "utf-8"
        client.mail("ö@bücher.example", ["SMTPUTF8"])
        client.rcpt("bo@here.example")
        client.data(message)
    spf, _, rest = served.content.partition(b"\r\nAuthentication-Results: ")
    assert spf.startswith("Received-SPF: pass (mx.here.example: domain of ö@".encode())
    assert rest.endswith(message)
    assert isinstance(served.kept.messages[0][2], str) == decode_data


def test_octets_that_are_no_text() -> None:
    with (
        serving(receiver(policy=REJECTING), enable_SMTPUTF8=True) as served,
        socket.create_connection(("127.0.0.1", served.port), timeout=10) as peer,
        peer.makefile("rb") as lines,
    ):
        lines.readline()
        for command, code in (
            (b"HELO good.example", b"250"),
            (b"MAIL FROM:<\xe4da@good.example>", b"250"),
            (b"RCPT TO:<b\xff@here.example>", b"250"),
            (b"DATA", b"354"),
        ):
            peer.sendall(command + b"\r\n")
            assert lines.readline().startswith(code)
        peer.sendall(b"From: \xe4da@good.example\r\n\r\n.\r\n")
        assert lines.readline() == b"250 kept\r\n"
    envelope, outcome = served.outcomes[0]
    assert envelope.mail_from == b"\xe4da@good.example"
    assert envelope.recipients == (b"b\xff@here.example",)
    assert b'envelope-from="\\\\xe4da@good.example"' in served.content.replace(b"\r\n ", b" ")
    assert outcome.trouble is None


def test_a_message_without_a_header() -> None:
    with serving(receiver()) as served:
        served.send("ada@good.example", message=b"\r\nhello\r\n")
        assert served.content.endswith(b"sender-id=none\r\n\r\nhello\r\n")


def test_a_header_without_an_end_is_refused() -> None:
    many = b"".join(b"X-%d: x\r\n" % number for number in range(120_000))
    with serving(receiver()) as served:
        with pytest.raises(smtplib.SMTPDataError) as found:
            served.send("ada@good.example", message=many + MESSAGE)
        assert found.value.smtp_code == 552
        served.send("ada@good.example")
    assert len(served.kept.messages) == 1


def test_hooks_of_the_inner_handler_are_called() -> None:
    kept = Everything()
    with serving(receiver(policy=REJECTING), kept) as served, served.client() as client:
        assert client.has_extn("x-own")
        assert client.mail("no-one@good.example") == (550, b"5.7.1 not you")
        assert client.mail("x@bad.example") == (250, b"go on")
        assert client.rcpt("bo@here.example")[0] == 550  # ours comes first
        assert client.rset() == (250, b"forgotten")
        client.mail("ada@good.example")
        assert client.rcpt("nobody@here.example") == (550, b"5.1.1 nobody")
        assert client.rcpt("bo@here.example") == (250, b"fine")
        assert client.data(MESSAGE) == (250, b"kept")
    assert kept.hooks == ["EHLO", "MAIL", "MAIL", "RSET", "MAIL", "RCPT", "RCPT"]
    assert served.outcomes[0][0].recipients == (b"bo@here.example",)


def test_a_client_that_leaves_takes_its_checks_with_it() -> None:
    ended = threading.Event()

    class Endless:
        async def resolve_async(self, question: sf.Question, timeout: float) -> sf.Answer:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                ended.set()
                raise
            raise AssertionError

    with serving(receiver(), resolver=Endless()) as served, served.client() as client:
        client.mail("ada@good.example")
        assert not ended.is_set()
        client.rset()
        assert ended.wait(5)


# ---- SUBMITTER ----------------------------------------------------------------------------------


def test_submitter_is_offered_and_compared() -> None:
    offered = receiver(submitter=SubmitterPolicy())
    with serving(offered, make=SubmitterSMTP) as served, served.client() as client:
        assert client.has_extn("submitter")
        for submitter, reply in (
            ("ada@good.example", b"kept"),
            ("ADA@good.example", b"5.7.1 Submitter does not match header."),
        ):
            assert client.mail("news@good.example", [f"submitter={submitter}", "SIZE=9"])[0] == 250
            assert client.rcpt("bo@here.example")[0] == 250
            assert client.data(MESSAGE)[1] == reply
        client.mail("news@good.example", ["SUBMITTER=x@bad.example"])
        assert client.rcpt("bo@here.example") == (550, b"5.7.1 Submitter not allowed.")
        client.rset()
        twice = ["SUBMITTER=a@b.example", "SUBMITTER=a@b.example"]
        assert client.mail("news@good.example", twice)[0] == 501
        assert client.mail('"a SUBMITTER=x@y"@good.example')[0] == 250
    assert served.outcomes[0][0].submitter == b"ada@good.example"


def test_submitter_may_be_as_long_as_it_can_get() -> None:
    offered = receiver(submitter=SubmitterPolicy(test_only=True))
    longest = "+61" * 64 + "@" + "a" * 60 + ".good.example"
    with serving(offered, make=SubmitterSMTP) as served, served.client() as client:
        mailbox = "a" * 64 + "@good.example"
        assert client.mail(mailbox, [f"SUBMITTER={longest}", "BODY=8BITMIME"])[0] == 250
        client.rcpt("bo@here.example")
        client.data(MESSAGE)
    assert served.outcomes[0][0].submitter == longest.encode()


def test_submitter_is_not_known_where_it_is_not_offered() -> None:
    for make in (aiosmtpd.SMTP, SubmitterSMTP):
        with serving(receiver(), make=make) as served, served.client() as client:
            assert not client.has_extn("submitter")
            assert client.mail("x@good.example", ["SUBMITTER=a@b.example"])[0] == 555


def test_the_controller_of_aiosmtpd() -> None:
    """The program of docs/aiosmtpd.md."""
    from aiosmtpd.controller import Controller

    class Submission(Controller):
        def factory(self) -> SubmitterSMTP:
            return SubmitterSMTP(self.handler, **self.SMTP_kwargs)

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    kept = Kept()
    offered = receiver(submitter=SubmitterPolicy())
    handler = SenderIdHandler(offered, sf.AsyncEngine(sf.ZoneResolver(ZONE)), kept)
    controller = Submission(handler, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        with smtplib.SMTP("127.0.0.1", port, local_hostname="good.example", timeout=10) as client:
            assert client.sendmail("ada@good.example", ["bo@here.example"], MESSAGE) == {}
            assert client.has_extn("submitter")
    finally:
        controller.stop()
    assert kept.messages[0][2].startswith(b"Received-SPF: pass (mx.here.example: ")


# ---- mistakes -----------------------------------------------------------------------------------


def test_handlers_that_cannot_be_used() -> None:
    class Old(Kept):
        async def handle_EHLO(self, server: Any, session: Any, envelope: Any, hostname: str) -> str:
            return "250 HELP"

    engine = sf.AsyncEngine(sf.ZoneResolver({}))
    for handler, words in ((object(), "must have handle_DATA"), (Old(), "five arguments")):
        with pytest.raises(InputError, match=words):
            SenderIdHandler(Receiver(HERE), engine, handler)


def test_an_attribute_that_is_not_there() -> None:
    handler = SenderIdHandler(Receiver(HERE), sf.AsyncEngine(sf.ZoneResolver({})), Kept())
    assert not hasattr(handler, "handle_VRFY")
    assert not hasattr(handler, "messages")
    assert "handle_DATA" in dir(handler)
