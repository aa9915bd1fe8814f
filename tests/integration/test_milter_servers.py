"""The milter behind real mail servers: what is delivered, what is refused, and with which words.

What may live here: messages sent to Postfix and to Sendmail alike. The client is told apart by the
address of the loopback network that it comes from.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.mailservers import Delivered, open_folder
from support.milter import Application, receiver_with
from support.miltermail import BOB, CLIENT, EVE, FORGED, RELAY, ZONE, message, ours
from support.milterthread import milter_thread
from support.postfix import Postfix
from support.sendmail import Sendmail
from support.smtp import Client, Reply, Sent

from senderid_fast import AsyncEngine, ZoneResolver
from senderid_fast.questions import Answer, Question
from senderid_fast.receiver.networks import Networks
from senderid_fast.receiver.relays import TrustedRelays
from senderid_fast.receiver.submitter import SubmitterPolicy


class Slowly:
    """The zone, but every answer takes a while."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._zone = seconds, ZoneResolver(ZONE)

    async def resolve_async(self, question: Question, timeout: float) -> Answer:
        await asyncio.sleep(self._seconds)
        return self._zone.resolve(question, timeout)


class Site:
    """A mail server with the milter, and what it has delivered since the test began."""

    def __init__(self, server: Postfix | Sendmail, application: Application) -> None:
        self.server, self.application = server, application
        self.is_postfix = isinstance(server, Postfix)
        self.use()
        self._before = len(server.delivered())
        application.messages.clear()
        application.faults.clear()

    def use(self, policy: dict[str, object] | None = None, **settings: Any) -> None:
        """Another receiver, from the next connection on."""
        settings.setdefault("internal", Networks(""))
        self.application.receiver = receiver_with(policy, **settings)
        self.application.engine = AsyncEngine(ZoneResolver(ZONE))

    def client(self, source: str = CLIENT, helo: str = "mail.pass.example") -> Client:
        return Client(self.server.port, helo, source=source)

    def send(
        self, sender: str, text: bytes | None = None, *recipients: str, source: str = CLIENT
    ) -> Sent:
        with self.client(source) as client:
            return client.send(sender, recipients or [BOB], text or message())

    def delivered(self, count: int) -> list[Delivered]:
        return self.server.wait_delivered(self._before + count)[self._before :]

    def deliver(self, sender: str, text: bytes | None = None, *recipients: str) -> Delivered:
        """Send a message and get it as it was delivered."""
        sent = self.send(sender, text, *recipients)
        assert sent.last.code == 250, sent
        found = self.delivered(1)
        assert len(found) == len(recipients or [BOB])
        return found[0]


@pytest.fixture(scope="module")
def application() -> Application:
    return Application()


@pytest.fixture(scope="module")
def sites(application: Application) -> Iterator[dict[str, Any]]:
    """Servers, started when a test first wants them."""
    with ExitStack() as stack:
        folder = stack.enter_context(open_folder("milter-"))
        path = folder / "socket"
        stack.enter_context(milter_thread(application, path))
        yield {"path": path, "stack": stack}


def started(sites: dict[str, Any], kind: str) -> Postfix | Sendmail:
    path: Path = sites["path"]
    if kind not in sites:
        made: Postfix | Sendmail
        if kind == "postfix":
            made = Postfix(milters=[f"unix:{path}"], settings={"smtputf8_enable": "yes"})
        else:
            made = Sendmail(milters=[f"local:{path}"])
        sites[kind] = sites["stack"].enter_context(made)
    found: Postfix | Sendmail = sites[kind]
    return found


@pytest.fixture(params=["postfix", "sendmail"])
def site(
    request: pytest.FixtureRequest, sites: dict[str, Any], application: Application
) -> Iterator[Site]:
    found = Site(started(sites, request.param), application)
    yield found
    assert application.faults == []


@pytest.fixture
def postfix(sites: dict[str, Any], application: Application) -> Site:
    return Site(started(sites, "postfix"), application)


# Delivered ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "result"),
    [
        ("user@pass.example", "pass"),
        ("user@fail.example", "fail"),
        ("user@softfail.example", "softfail"),
        ("user@permerror.example", "permerror"),
        ("user@temperror.example", "temperror"),
        ("user@plain.example", "none"),
        ("", "pass"),  # postmaster at the HELO name (RFC 7208 2.4)
    ],
)
def test_results_stand_at_the_top(site: Site, sender: str, result: str) -> None:
    one = site.deliver(sender)
    (received, results) = ours(one)
    assert received[0] == "Received-SPF"
    assert received[1].startswith(f"{result} (mx.example.org: ")
    assert results[0] == "Authentication-Results"
    assert results[1].startswith(f"mx.example.org; spf={result} smtp.mailfrom=")
    assert "sender-id=pass header.from=pass.example" in results[1]
    (done,) = site.application.messages
    assert done.envelope.mail_from == f"<{sender}>".encode()
    assert done.envelope.recipients == (b"<bob@example.org>",)
    assert (done.envelope.ip, done.envelope.helo) == (CLIENT, b"mail.pass.example")
    assert done.envelope.queue_id
    assert done.envelope.queue_id in one.octets.decode("latin-1")


def test_fields_are_folded_with_one_space_after_the_name(site: Site) -> None:
    octets = site.deliver("user@pass.example").octets.replace(b"\r\n", b"\n")
    assert b"\nReceived-SPF: pass (mx.example.org: domain of user@pass.example" in octets
    assert b"\nAuthentication-Results: mx.example.org; spf=pass" in octets
    field = octets.partition(b"\nReceived-SPF: ")[2].partition(b"\nAuthentication-Results")[0]
    _, *others = field.split(b"\n")
    assert others
    assert all(len(line) <= 78 and line[:1] in b" \t" and line.strip() for line in others)


def test_what_was_there_is_as_it_was(site: Site) -> None:
    one = site.deliver("user@pass.example")
    text = one.octets.replace(b"\r\n", b"\n")
    assert b"\nSubject:  two spaces\nX-Folded: one\n\ttwo\nFrom: User <user@pass.example>\n" in text
    assert one.body == b"Hello\n"


def test_forged_fields_are_gone_and_others_stay(site: Site) -> None:
    foreign = b"Authentication-Results: other.example; spf=fail\n"
    forged = (
        FORGED
        + foreign
        + b"received-spf: pass (mx.example.org: yes) receiver=mx.example.org\n"
        + b"AUTHENTICATION-RESULTS: mx.example.org;\n\tspf=pass\n"
        + b"Received-SPF: fail (other.example: no) receiver=other.example\n"
        + FORGED
        + b"X-SID-Result: PASS\n"
    )
    one = site.deliver("user@fail.example", message(more=forged))
    assert len(ours(one)) == 2
    results = one.all("Authentication-Results")
    assert results[1:] == ["other.example; spf=fail"]
    assert results[0].startswith("mx.example.org; spf=fail")
    received = one.all("Received-SPF")
    assert received[1:] == ["fail (other.example: no) receiver=other.example"]
    assert received[0].startswith("fail (mx.example.org: ")
    assert one.all("X-SID-Result") == []


def test_many_forged_fields(site: Site) -> None:
    one = site.deliver("user@pass.example", message(more=FORGED * 50))
    assert len(one.all("Authentication-Results")) == 1


def test_other_fields(site: Site) -> None:
    site.use(fields=("x-sid", "exchange", "received-spf", "authentication-results"))
    one = site.deliver("user@pass.example")
    names = [name for name, _ in ours(one)]
    assert names[:3] == ["Received-SPF", "Authentication-Results", "X-SID-PRA"]
    assert one.all("X-MS-Exchange-Organization-SenderIdResult") == ["Pass"]


def test_a_forwarded_message_is_judged_by_who_forwarded_it(site: Site) -> None:
    more = b"Resent-From: list@pass.example\n"
    one = site.deliver("user@pass.example", message(b"user@fail.example", more))
    assert "sender-id=pass header.resent-from=pass.example" in ours(one)[1][1]


def test_the_client_behind_a_relay(site: Site) -> None:
    relays = TrustedRelays([f"{RELAY}/32"])
    site.use({"mailfrom": {"fail": "reject"}}, relays=relays)
    received = b"Received: from h (h.example [%b])\n\tby relay.example.org; " % b"192.0.2.1"
    received += b"Thu, 1 Jan 2026 00:00:00 +0000\n"
    sent = site.send("user@pass.example", message(more=received), source=RELAY)
    assert sent.last.code == 250
    (one,) = site.delivered(1)
    assert "client-ip=192.0.2.1" in ours(one)[0][1]
    refused = site.send("user@fail.example", message(more=received), source=RELAY)
    # Who sent it is known when the header has come.
    assert [reply.code for reply in refused.recipients] == [250]
    assert refused.last.code == 550


def test_internal_clients_are_left_alone(site: Site) -> None:
    site.use({"mailfrom": {"fail": "reject"}}, internal=Networks(CLIENT))
    one = site.deliver("user@fail.example", message(more=FORGED))
    assert ours(one) == []
    assert len(one.all("Authentication-Results")) == 1
    assert site.application.last.outcome.skipped == "internal client"


def test_several_messages_of_one_session(site: Site) -> None:
    site.use({"pra": {"fail": "reject"}})
    with site.client() as client:
        for sender in (b"user@pass.example", b"user@fail.example") * 3:
            client.mail("user@pass.example")
            client.command("RSET")
            sent = client.send("user@pass.example", [BOB, EVE], message(sender))
            assert sent.last.code == (550 if b"fail" in sender else 250)
    found = site.delivered(6)
    assert {one.all("Authentication-Results")[0].count("sender-id=pass") for one in found} == {1}
    assert [done.action for done in site.application.messages] == ["accept", "reject"] * 3


def test_octets_that_are_no_ascii(site: Site) -> None:
    """The case svc-non-utf8-sender: they pass, and what is written of them is ASCII."""
    more = b"X-Octets: \xff\xe9\n"
    one = site.deliver("user@pass.example", message(b"us\xe9r@pass.example", more))
    assert b"\xff\xe9" in one.octets
    for _, value in ours(one):
        value.encode("ascii")


def test_a_header_that_is_read_in_part(site: Site) -> None:
    """From is beyond the cut, so there is no PRA; what is forged there goes all the same."""
    site.application.max_header_octets = 20_000
    try:
        more = b"".join(b"X-%d: %b\n" % (number, b"y" * 60) for number in range(400)) + FORGED
        one = site.deliver("user@pass.example", message(more=more))
    finally:
        site.application.max_header_octets = 1 << 20
    (results,) = one.all("Authentication-Results")
    assert results.startswith("mx.example.org; spf=pass")
    assert "sender-id=none" in results
    assert len(one.all("X-399")) == 1


# Refused ------------------------------------------------------------------------------------------


def texts(reply: Reply) -> list[str]:
    return reply.text.split("\n")


def test_fail_is_refused_at_rcpt_with_its_explanation(site: Site) -> None:
    site.use({"mailfrom": {"fail": "reject"}})
    sent = site.send("user@fail.example", None, BOB, EVE)
    assert sent.data is None
    for reply in sent.recipients:
        assert reply.code == 550
        first, second = texts(reply)
        if not site.is_postfix:  # it says for whom
            first = re.sub("<.*>[.]{3} ", "", first)
        words = f"5.7.23 SPF MAIL FROM check failed: {CLIENT} is not allowed to use fail.example"
        assert first == words
        # "%" comes through formats of printf() unharmed.
        assert second == "5.7.23 The domain fail.example explains: 100% of fail.example says no"
    site.deliver("user@pass.example")
    refused, passed = site.application.messages
    assert (refused.action, passed.action) == ("reject", "accept")


def test_temperror_is_put_off(site: Site) -> None:
    site.use({"mailfrom": {"temperror": "defer"}})
    reply = site.send("user@temperror.example").last
    assert reply.code == 451
    assert all(line.startswith("4.7.24 ") for line in texts(reply))


def test_permerror_is_refused(site: Site) -> None:
    site.use({"mailfrom": {"permerror": "reject"}})
    reply = site.send("user@permerror.example").last
    assert reply.code == 550
    assert all(line.startswith("5.7.24 ") for line in texts(reply))


def test_a_spoofed_pra_is_refused_at_the_end(site: Site) -> None:
    site.use({"pra": {"fail": "reject"}})
    sent = site.send("user@pass.example", message(b"user@fail.example"))
    assert [reply.code for reply in sent.recipients] == [250]
    assert sent.data is not None
    assert sent.data.code == 550
    assert texts(sent.data)[0].startswith("5.7.1 Sender ID (PRA) Not Permitted - ")


def test_a_message_without_a_pra(site: Site) -> None:
    two = b"a@pass.example>, <b@pass.example"
    site.use({"no_pra": "reject"})
    reply = site.send("user@pass.example", message(two)).last
    assert (reply.code, reply.text) == (550, "5.7.1 Missing Purported Responsible Address")
    site.use()
    one = site.deliver("user@pass.example", message(two))
    assert "sender-id=none" in ours(one)[1][1]


def test_some_recipients_are_refused(site: Site) -> None:
    override = {"name": "lax", "recipient": [BOB], "mailfrom": {"fail": "mark"}}
    site.use({"mailfrom": {"fail": "reject"}, "override": [override]})
    sent = site.send("user@fail.example", None, EVE, BOB)
    assert [reply.code for reply in sent.recipients] == [550, 250]
    (one,) = site.delivered(1)
    assert one.recipient == BOB


def test_some_recipients_do_not_get_it(site: Site) -> None:
    override = {"name": "strict", "recipient": [EVE], "mailfrom": {"fail": "discard"}}
    site.use({"override": [override]})
    sent = site.send("user@fail.example", None, EVE, BOB)
    assert [reply.code for reply in sent.recipients] == [250, 250]
    assert sent.last.code == 250
    (one,) = site.delivered(1)
    assert one.recipient == BOB


def test_a_discarded_message_is_accepted_and_delivered_to_nobody(site: Site) -> None:
    site.use({"mailfrom": {"fail": "discard"}})
    assert site.send("user@fail.example").last.code == 250
    site.deliver("user@pass.example")
    assert [done.action for done in site.application.messages] == ["discard", "accept"]


# Time ---------------------------------------------------------------------------------------------


def test_a_slow_check_is_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mail server is told to wait on, and does."""
    monkeypatch.setattr("senderid_fast.milter.server._PROGRESS_AFTER", 0.5)
    site.application.engine = AsyncEngine(Slowly(3.0))
    one = site.deliver("user@pass.example")
    assert "spf=pass" in ours(one)[1][1]


def test_a_check_that_takes_too_long_is_stamped_as_such(site: Site) -> None:
    site.use(seconds=0.5)
    site.application.engine = AsyncEngine(Slowly(20.0))
    began = time.monotonic()
    one = site.deliver("user@pass.example")
    assert time.monotonic() - began < 15
    assert ours(one)[1][1].startswith("mx.example.org; spf=temperror")
    assert site.application.last.outcome.trouble is not None


# What one of them has alone -----------------------------------------------------------------------


def test_submitter_is_not_for_these_servers(site: Site) -> None:
    """Neither takes the parameter, whatever a milter would do with it (RFC 4405 3)."""
    site.use(submitter=SubmitterPolicy())
    with site.client() as client:
        assert client.greeted is not None
        assert "SUBMITTER" not in client.greeted.text
        reply = client.mail("user@pass.example", "SUBMITTER=other@pass.example")
    assert reply.code in (501, 555)


def test_case_svc_skip_authenticated(postfix: Site) -> None:
    postfix.use({"mailfrom": {"fail": "reject"}})
    with Client(postfix.server.port) as client:
        client.xclient(ADDR="192.0.2.99", LOGIN="user")
        sent = client.send("user@fail.example", [BOB], message())
    assert sent.last.code == 250
    (one,) = postfix.delivered(1)
    (results,) = ours(one)
    assert results[1] == "mx.example.org; none (not checked: authenticated)"
    assert postfix.application.last.envelope.authenticated


def test_smtputf8(postfix: Site) -> None:
    with postfix.client() as client:
        sent = client.send("usér@pass.example", [BOB], message(), "SMTPUTF8")
    assert sent.last.code == 250
    (one,) = postfix.delivered(1)
    assert postfix.application.last.envelope.eai
    assert "spf=pass" in ours(one)[1][1]


def test_version_6_addresses(postfix: Site) -> None:
    with Client(postfix.server.port) as client:
        client.xclient(ADDR="IPV6:2001:db8::1", NAME="h.example")
        assert client.send("user@pass.example", [BOB], message()).last.code == 250
    (one,) = postfix.delivered(1)
    assert 'client-ip="2001:db8::1"' in ours(one)[0][1]
    assert postfix.application.last.envelope.connection == "h.example"
