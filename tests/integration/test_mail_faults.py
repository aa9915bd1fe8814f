"""The services beside a real Postfix: killed, ended, started anew and reloaded while mail comes.

What may live here: faults of the service itself. What Postfix has accepted is delivered once, with
the stamps that Engine gives it; what it has refused was refused by a policy that was in force.
"""

from __future__ import annotations

import os
import signal

import pytest
from support.mailsite import Kind, site
from support.mailzone import CLIENT, HELO, RECIPIENT, Mail, stamps, wrong_stamps
from support.services import eventually
from support.smtp import Client

KINDS = ["milter", "policyd"]
A, B = "a.site.example", "b.site.example"
POLICIES = {
    A: '[policy]\nmailfrom.fail = "reject"\ntexts.fail = "refused by a"',
    B: '[policy]\nmailfrom.softfail = "reject"\ntexts.other = "refused by b"',
}
REFUSES = {A: "fail", B: "softfail"}


@pytest.mark.parametrize("kind", KINDS)
def test_killed_under_load(kind: Kind) -> None:
    """A worker, and then the process that would start another one."""
    with site(kind) as here:
        here.configure(process="workers = 2")
        here.start()
        sending = here.sending(120)
        for _ in range(3):
            sending.wait_for(10)
            os.kill(eventually(here.service.workers)[0], signal.SIGKILL)
            sending.wait_for(10)
            here.service.signal(signal.SIGKILL)
            here.service.wait()
            here.start()
        sending.join()
        assert len(sending.accepted) == 120
        assert here.check(sending) == 0
        assert here.service.stop() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_told_to_end_under_load(kind: Kind) -> None:
    """Messages are in hand, since DNS is slow: they are finished, and the others come back."""
    with site(kind) as here:
        here.dns.way = "slow"
        here.configure(process="workers = 2", try_seconds=2)
        here.start()
        sending = here.sending(24)
        for _ in range(2):
            sending.wait_for(6)
            assert here.service.stop() == 0
            here.start()
        sending.join()
        assert len(sending.accepted) == 24
        assert here.check(sending) == 0
        assert here.count("cut_off=0") == 4
        assert here.count('event="worker ends"') == 4


@pytest.mark.parametrize("kind", KINDS)
def test_another_policy_under_load(kind: Kind) -> None:
    """Each message is decided and stamped by the one or the other, never by both."""
    with site(kind) as here:
        here.configure(A, process="workers = 2", more=POLICIES[A])
        here.start()
        sending = here.sending(300)
        for turn in range(1, 7):
            sending.wait_for(25)
            name = (A, B)[turn % 2]
            here.configure(name, process="workers = 2", more=POLICIES[name])
            here.reload()
        sending.join()
        assert sending.put_off == 0, "a reload is seen by nobody"
        for number, reply in sending.refused.items():
            (name,) = [name for name in REFUSES if Mail(number).kind == REFUSES[name]]
            assert reply.code == 550
            assert f"refused by {name[0]}" in reply.text
        delivered = here.postfix.wait_delivered(len(sending.accepted))
        numbers, names = [], []
        for message in delivered:
            (field,) = message.all("Received-SPF")
            (name,) = [name for name in (A, B) if f" ({name}: " in field]
            mail, results = stamps(message, kind, name)
            assert wrong_stamps(mail, results) == []
            assert mail.kind != REFUSES[name], "it was to be refused by that policy"
            numbers.append(mail.number)
            names.append(name)
        assert sorted(numbers) == sorted(sending.accepted)
        assert set(names) == {A, B}
        assert {Mail(number).kind for number in sending.refused} == set(REFUSES.values())
        assert here.service.stop() == 0


@pytest.mark.parametrize("more", ["", POLICIES[A]])
@pytest.mark.parametrize("kind", KINDS)
def test_another_policy_in_the_middle_of_a_message(kind: Kind, more: str) -> None:
    mail = Mail(2)
    assert mail.kind == REFUSES[B]
    with site(kind) as here:
        here.configure(A, more=more)
        here.start()
        with Client(here.postfix.port, HELO) as client:
            client.xclient(ADDR=CLIENT, NAME="[UNAVAILABLE]")
            assert client.mail(mail.mail_from).code == 250
            assert client.rcpt(RECIPIENT).code == 250
            here.configure(B, more=POLICIES[B])
            here.reload()
            assert client.rcpt("eve@example.org").code == 250
            last = client.data(mail.text)
            # The next one of the same session is decided by the new one.
            reply = client.send(mail.mail_from, [RECIPIENT], mail.text).last
            assert reply.code == 550
            assert "refused by b" in reply.text
        if kind == "milter" and not more:
            # No reply is due before the end, so that Postfix sends all of the message only then.
            assert last.code == 550
            assert "refused by b" in last.text
            assert here.postfix.delivered() == []
            return
        assert last.code == 250
        delivered = here.postfix.wait_delivered(2)
        assert len(delivered) == 2
        for message in delivered:
            _, results = stamps(message, kind, A)
            assert wrong_stamps(mail, results) == []
