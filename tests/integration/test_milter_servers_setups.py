"""The milter behind real mail servers that are set up otherwise: quarantine, older protocols.

What may live here: tests whose milter or mail server is their own.
"""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from support.mailservers import open_folder, wait_for
from support.milter import Application, receiver_with
from support.miltermail import BOB, CLIENT, FORGED, ZONE, message, ours
from support.milterthread import milter_thread
from support.postfix import Postfix
from support.sendmail import Sendmail
from support.smtp import Client

from senderid_fast import AsyncEngine, ZoneResolver
from senderid_fast.receiver.networks import Networks


@pytest.mark.parametrize("kind", ["postfix", "sendmail"])
def test_quarantine(kind: str) -> None:
    """The message is kept in the queue, with its fields, and can be let go from there."""
    application = Application(
        receiver_with({"mailfrom": {"fail": "discard"}}, internal=Networks("")),
        AsyncEngine(ZoneResolver(ZONE)),
    )
    with ExitStack() as stack:
        port = stack.enter_context(milter_thread(application, discard="quarantine"))
        server: Postfix | Sendmail
        if kind == "postfix":
            server = stack.enter_context(Postfix(milters=[f"inet:127.0.0.1:{port}"]))
        else:
            server = stack.enter_context(Sendmail(milters=[f"inet:{port}@127.0.0.1"]))
        with Client(server.port, "mail.pass.example", source=CLIENT) as client:
            assert client.send("user@fail.example", [BOB], message()).last.code == 250
            assert client.send("user@pass.example", [BOB], message()).last.code == 250
        wait_for(server.delivered, "the other message")
        assert len(server.delivered()) == 1
        if isinstance(server, Postfix):
            (kept,) = server.queue()
            assert kept["queue_name"] == "hold"
    assert [done.action for done in application.messages] == ["quarantine", "accept"]


@pytest.mark.parametrize("version", ["2", "3", "4", "6"])
def test_older_versions_of_the_protocol(version: str) -> None:
    application = Application(
        receiver_with({"mailfrom": {"fail": "reject"}}, internal=Networks("")),
        AsyncEngine(ZoneResolver(ZONE)),
    )
    with ExitStack() as stack:
        folder = stack.enter_context(open_folder("milter-"))
        stack.enter_context(milter_thread(application, folder / "socket"))
        server = stack.enter_context(
            Postfix(milters=[f"unix:{folder / 'socket'}"], settings={"milter_protocol": version})
        )
        with Client(server.port, "mail.pass.example", source=CLIENT) as client:
            assert client.send("user@fail.example", [BOB], message()).last.code == 550
            text = message(more=FORGED)
            assert client.send("user@pass.example", [BOB], text).last.code == 250
        (one,) = server.wait_delivered(1)
    assert [name for name, _ in ours(one)] == ["Received-SPF", "Authentication-Results"]
    assert len(one.all("Authentication-Results")) == 1
    assert application.faults == []
