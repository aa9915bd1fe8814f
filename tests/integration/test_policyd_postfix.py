"""The policy service behind Postfix: replies that clients get, and messages that are delivered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.mailservers import Delivered, open_folder
from support.policyd import Served
from support.postfix import Postfix
from support.smtp import Client, Sent, smtp_source, swaks

from senderid_fast.receiver import Action

RECIPIENT = "bob@example.net"
MESSAGE = (
    b"Subject: a message\n"
    b"From: grace@strict.example\n"
    b"Received-SPF: pass (forged) client-ip=203.0.113.9\n"
    b"Message-Id: <1@example.com>\n"
    b"Date: Thu, 1 Jan 2026 00:00:00 +0000\n"
    b"\n"
    b"Hello.\n"
)
REJECTING = {
    "mailfrom": {"fail": "reject", "permerror": "reject", "temperror": "defer"},
    "override": [
        {"recipient": "postmaster@example.net", "skip": True},
        {"recipient": "strict@example.net", "mailfrom": {"softfail": "reject"}},
    ],
}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with open_folder("policyd-") as folder:
        yield folder


@pytest.fixture(scope="module")
def postfix(folder: Path) -> Iterator[Postfix]:
    service = f"check_policy_service unix:{folder}/policyd.sock"
    # Its own networks are internal clients; tests come from others by XCLIENT.
    with Postfix(restrictions=["reject_unauth_destination", service]) as server:
        yield server


class World:
    def __init__(self, postfix: Postfix, served: Served) -> None:
        self.postfix, self.served = postfix, served
        self._before = len(postfix.delivered())

    def send(
        self,
        sender: str,
        *recipients: str,
        client: str = "203.0.113.9",
        helo: str = "mail.elsewhere.example",
        **attributes: str,
    ) -> Sent:
        with Client(self.postfix.port, helo) as connection:
            connection.xclient(ADDR=client, NAME="[UNAVAILABLE]", **attributes)
            return connection.send(sender, recipients or (RECIPIENT,), MESSAGE)

    def delivered(self, count: int = 1) -> list[Delivered]:
        found = self.postfix.wait_delivered(self._before + count)[self._before :]
        assert len(found) == count
        self._before += count
        return found

    @property
    def lines(self) -> list[str]:
        return [line.action for line in self.served.application.lines]


@pytest.fixture
def world(postfix: Postfix, folder: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    settings = getattr(request, "param", {"policy": REJECTING})
    with Served(folder / "policyd.sock", **settings) as served:
        yield World(postfix, served)


@pytest.mark.parametrize(
    ("sender", "client", "result"),
    [
        ("grace@strict.example", "192.0.2.1", "pass"),
        ("x@soft.example", "203.0.113.9", "softfail"),
        ("x@absent.example", "203.0.113.9", "none"),
        ("", "203.0.113.9", "none"),
        ("x@soft.example", "IPV6:2001:db8::1", "softfail"),
    ],
)
def test_what_passes_is_stamped_once(world: World, sender: str, client: str, result: str) -> None:
    recipients = [RECIPIENT, "al@two.example", "eve@example.net"]
    sent = world.send(sender, *recipients, client=client)
    assert [reply.code for reply in (*sent.recipients, sent.last)] == [250] * 4
    for message in world.delivered(3):
        ours, forged = message.all("Received-SPF")
        assert ours.startswith(f"{result} (mx.example.net: ")
        assert "identity=mailfrom" in ours
        assert forged.startswith("pass (forged)")
        names = [name for name, _ in message.fields]
        assert names.index("Received-SPF") < names.index("Subject"), "at the top"
        assert message.body == b"Hello.\n"
    assert len(world.lines) == 1


@pytest.mark.parametrize(
    ("sender", "code", "text"),
    [
        (
            "grace@strict.example",
            550,
            "5.7.23 <bob@example.net>: Recipient address rejected: SPF MAIL FROM check failed:"
            " 203.0.113.9 is not allowed to use strict.example",
        ),
        ("x@broken.example", 550, "5.7.24 <bob@example.net>: Recipient address rejected: SPF"),
        ("x@dead.example", 451, "4.7.24 <bob@example.net>: Recipient address rejected: SPF"),
    ],
)
def test_what_is_refused_gets_code_and_text(
    world: World, sender: str, code: int, text: str
) -> None:
    sent = world.send(sender)
    assert sent.last.code == code
    assert sent.last.text.startswith(text)
    assert world.lines == ["reject" if code == 550 else "defer"]
    assert world.postfix.queue() == []


def test_recipients_are_decided_by_themselves(world: World) -> None:
    sent = world.send("x@soft.example", "strict@example.net", RECIPIENT, "al@two.example")
    assert [reply.code for reply in sent.recipients] == [550, 250, 250]
    assert sent.last.code == 250
    for message in world.delivered(2):
        assert len(message.all("Received-SPF")) == 2
    sent = world.send("grace@strict.example", RECIPIENT, "postmaster@example.net")
    assert [reply.code for reply in sent.recipients] == [550, 250]
    (message,) = world.delivered()
    assert message.all("Received-SPF")[0].startswith("fail ")


def test_an_authenticated_client_is_not_checked(world: World) -> None:
    assert world.send("grace@strict.example", LOGIN="grace").last.code == 250
    (message,) = world.delivered()
    assert message.all("Authentication-Results") == [
        "mx.example.net; none (not checked: authenticated)"
    ]


@pytest.mark.parametrize("world", [{"policy": {"mailfrom": {"fail": "discard"}}}], indirect=True)
def test_what_is_discarded_is_accepted_and_not_delivered(world: World) -> None:
    sent = world.send("grace@strict.example", RECIPIENT, "al@two.example")
    assert sent.last.code == 250
    assert world.send("x@soft.example").last.code == 250
    (message,) = world.delivered()
    assert message.all("Received-SPF")[0].startswith("softfail ")


@pytest.mark.parametrize("world", [{"policy": REJECTING | {"test_only": True}}], indirect=True)
def test_only_telling(world: World) -> None:
    assert world.send("grace@strict.example").last.code == 250
    assert world.delivered()[0].all("Received-SPF")[0].startswith("fail ")
    line = world.served.application.lines[0]
    assert line.outcome.decision.reason == "test only: mailfrom.fail = reject"
    world.served.use(policy=REJECTING)
    assert world.send("grace@strict.example").last.code == 550


def test_a_defect_is_no_reason_to_lose_mail(world: World) -> None:
    def broken(*_: object) -> object:
        raise RuntimeError("a defect")

    world.served.application.engine.check_mail_from = broken  # type: ignore[method-assign, assignment]
    assert world.send("grace@strict.example").last.code == 250
    assert world.delivered()[0].all("Received-SPF")[0].startswith("temperror ")
    world.served.use(policy=REJECTING, on_trouble=Action.DEFER)
    world.served.use(policy=REJECTING)
    assert world.send("grace@strict.example").last.code == 550


def test_the_next_restrictions_give_the_next_field(folder: Path) -> None:
    service = f"check_policy_service unix:{folder}/second.sock"
    override = {"recipient": "keep@example.net", "mailfrom": {"fail": "accept"}}
    policy = {"mailfrom": {"fail": "discard"}, "override": [override]}
    settings = {"smtpd_data_restrictions": service, "smtpd_end_of_data_restrictions": service}
    with (
        Served(folder / "second.sock", policy=policy) as served,
        Postfix(restrictions=[service], settings=settings) as postfix,
    ):
        world = World(postfix, served)
        assert world.send("x@soft.example").last.code == 250
        (message,) = world.delivered()
        names = [name for name, _ in message.fields if name.startswith(("Received-S", "Auth"))]
        assert names == ["Received-SPF", "Authentication-Results", "Received-SPF"]
        # One that somebody is to get is delivered; one that nobody is to get is discarded.
        sent = world.send("grace@strict.example", RECIPIENT, "keep@example.net")
        assert sent.last.code == 250
        assert world.send("grace@strict.example").last.code == 250
        assert {each.recipient for each in world.delivered(2)} == {RECIPIENT, "keep@example.net"}
        assert "warning" not in "".join(
            line for line in postfix.log().splitlines() if "policy" in line or "access" in line
        )


def test_before_mail(folder: Path) -> None:
    service = f"check_policy_service unix:{folder}/third.sock"
    settings = {
        "smtpd_delay_reject": "no",
        "smtpd_client_restrictions": service,
        "smtpd_helo_restrictions": service,
        "smtpd_sender_restrictions": service,
    }
    policy = {"helo": {"fail": "reject"}, "null_sender": {"fail": "accept"}}
    with (
        Served(folder / "third.sock", policy=policy) as served,
        Postfix(restrictions=[service], settings=settings) as postfix,
    ):
        with Client(postfix.port, "mail.elsewhere.example") as client:
            client.xclient("strict.example", ADDR="203.0.113.9", NAME="[UNAVAILABLE]")
            reply = client.greeted
            assert reply is not None
            assert reply.code == 550
            assert reply.text.startswith("5.7.23 <strict.example>: Helo command rejected: SPF HELO")
        world = World(postfix, served)
        assert world.send("x@soft.example", RECIPIENT, "al@two.example").last.code == 250
        for message in world.delivered(2):
            names = [name for name, _ in message.fields if name.startswith(("Received-S", "Auth"))]
            assert names == ["Received-SPF", "Authentication-Results", "Received-SPF"]


def test_with_swaks(world: World) -> None:
    options = ("--helo", "mail.elsewhere.example", "--xclient-addr", "203.0.113.9")
    refused = swaks(world.postfix.port, "grace@strict.example", RECIPIENT, *options)
    assert refused.status == 24
    assert "<** 550 5.7.23 " in refused.transcript
    assert swaks(world.postfix.port, "x@soft.example", RECIPIENT, *options).status == 0
    assert len(world.delivered()) == 1


def test_many_sessions(folder: Path) -> None:
    with (
        Served(folder / "fourth.sock", internal="10.0.0.0/8", policy=REJECTING) as served,
        Postfix(
            restrictions=[f"check_policy_service unix:{folder}/fourth.sock"], deliver="discard"
        ) as postfix,
    ):
        load = smtp_source(postfix.port, "x@soft.example", RECIPIENT, 200, "-d")
        assert load.status == 0, load.said
        postfix.wait_idle()
        assert served.application.lines[0].action == "mark"
        assert len(served.application.lines) == 200
        assert len(served.application.resolver.questions) == 2
        assert "problem talking to server" not in postfix.log()


def test_a_restart_between_messages_is_not_seen(folder: Path) -> None:
    """Postfix has a connection to the old one, finds it closed, and asks the new one."""
    socket = folder / "fifth.sock"
    with Postfix(restrictions=[f"check_policy_service unix:{socket}"]) as postfix:
        with Served(socket, policy=REJECTING) as first:
            world = World(postfix, first)
            assert world.send("x@soft.example").last.code == 250
        with Served(socket, policy=REJECTING) as second:
            world.served = second
            assert world.send("x@soft.example").last.code == 250
            assert world.send("grace@strict.example").last.code == 550
            assert len(world.delivered(2)[1].all("Received-SPF")) == 2
        assert world.send("x@soft.example").last.code == 451  # by default; see docs/postfix.md
        postfix.stop()  # after a reload, an old process may take one more session
        postfix.configure(smtpd_policy_service_default_action="DUNNO")
        postfix.start()
        assert world.send("x@soft.example").last.code == 250
