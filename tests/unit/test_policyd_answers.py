"""What the policy service answers, with the reports of users as cases (svc-*)."""

from __future__ import annotations

import asyncio

import pytest
from support.policyd import INSTANCE, MX, REJECT, Service, ask, one, recorded, result_of

import senderid_fast as sf

# ---- once per message ------------------------------------------------------------------------


def test_svc_multi_rcpt_one_header() -> None:
    application = recorded()
    found = ask(application, *({"recipient": f"r{at}@example.net"} for at in range(3)))
    assert [answer[:20] for answer in found] == ["PREPEND Received-SPF", "DUNNO", "DUNNO"]
    asked = [str(question) for question in application.resolver.questions]
    assert len(asked) == len(set(asked)) == 2, "HELO and MAIL FROM, once"
    assert [line.action for line in application.lines] == ["mark"], "one line a message"
    assert application.lines[0].envelope.recipients == (b"r0@example.net",)


def test_another_message_of_the_session_is_another_one() -> None:
    application = recorded()
    found = ask(application, {}, {}, {"instance": "2bd1.6565a1e3.1f2b4.1"}, {})
    assert [answer[:7] for answer in found] == ["PREPEND", "DUNNO", "PREPEND", "DUNNO"]
    assert len(application.lines) == 2


@pytest.mark.parametrize(
    "differs",
    [
        {"sender": "mallory@soft.example"},
        {"client_address": "192.0.2.1"},
        {"helo_name": "other.example"},
        {"sasl_username": "grace"},
    ],
)
def test_a_name_that_two_servers_give_serves_no_other_sender(differs: dict[str, str]) -> None:
    first, second = ask(recorded(), {}, differs)
    assert second.startswith("PREPEND")
    assert second != first


def test_a_request_without_an_instance_is_a_message_of_its_own() -> None:
    found = ask(recorded(), {"instance": ""}, {"instance": ""})
    assert [answer[:7] for answer in found] == ["PREPEND", "PREPEND"]


def test_a_message_that_began_with_mail_has_no_instance_yet() -> None:
    application = recorded()
    mail = {"state": "MAIL", "instance": "", "recipient": ""}
    found = ask(application, mail, {}, {"recipient": "eve@example.net"}, mail, mail, {})
    assert [answer[:20] for answer in found] == [
        "PREPEND Received-SPF",
        "PREPEND Authenticati",
        "DUNNO",
        *["PREPEND Received-SPF"] * 2,
        "PREPEND Authenticati",
    ]
    assert len(application.lines) == 3
    assert ask(recorded(), mail, {"sender": "x@soft.example"})[1].startswith("PREPEND Received-S")


def test_a_message_goes_on_over_another_connection() -> None:
    async def run() -> list[str]:
        async with Service(application) as service:
            talk = await service.connect()
            first = await talk.ask()
            await talk.close()
            again = await service.connect()
            return [first, await again.ask(recipient="other@example.net")]

    application = recorded()
    first, second = asyncio.run(run())
    assert first.startswith("PREPEND")
    assert second == "DUNNO"


def test_a_message_is_not_forgotten_for_many_others() -> None:
    """Its own connection asks about it still, whatever others do."""

    async def run() -> str:
        async with Service(application) as service:
            talk, other = await service.connect(), await service.connect()
            await talk.ask()
            for at in range(4_200):
                await other.ask(instance=INSTANCE % at)
            assert len(service.server._answering._instances) == 4_096
            return await talk.ask(recipient="other@example.net")

    application = recorded()
    assert asyncio.run(run()) == "DUNNO"


def test_decisions_differ_by_recipient() -> None:
    policy = REJECT | {"override": [{"recipient": "postmaster@example.net", "skip": True}]}
    application = recorded(policy=policy)
    found = ask(
        application,
        {"recipient": "bob@example.net"},
        {"recipient": "postmaster@example.net"},
        {"recipient": "eve@example.net"},
    )
    assert found[0].startswith("550 5.7.23 ")
    assert found[1].startswith("PREPEND Received-SPF: fail ")
    assert found[2] == found[0]
    assert [line.action for line in application.lines] == ["reject", "reject"]
    assert [line.envelope.recipients[0] for line in application.lines] == [
        b"bob@example.net",
        b"eve@example.net",
    ]
    counted = [line for line in application.lines if line.outcome.verdicts is not None]
    assert len(counted) == 1, "the checks of a message are counted once"


# ---- what follows from results ---------------------------------------------------------------


@pytest.mark.parametrize("helo", ["[192.0.2.1]", "localhost", "a..b"])
def test_svc_none_is_not_451(helo: str) -> None:
    application = recorded(policy=REJECT)
    (answer,) = ask(application, {"sender": "", "helo_name": helo})
    assert result_of(answer) == "none"
    assert application.resolver.questions == []


@pytest.mark.parametrize(
    ("sender", "codes"),
    [
        ("grace@strict.example", "550 5.7.23"),
        ("grace@dead.example", "451 4.7.24"),
        ("grace@broken.example", "550 5.7.24"),
    ],
)
def test_svc_reply_code_class(sender: str, codes: str) -> None:
    answer = one(settings={"policy": REJECT}, sender=sender)
    assert answer.startswith(f"{codes} SPF MAIL FROM check ")
    assert answer[0] == answer[4], "the classes agree"


def test_svc_no_third_party_url() -> None:
    answer = one(settings={"policy": REJECT})
    assert "http" not in answer
    assert "openspf" not in answer
    assert "strict.example" in answer
    assert "203.0.113.9" in answer


def test_the_domain_explains_in_its_own_words() -> None:
    answer = one(settings={"policy": REJECT}, sender="x@explained.example")
    assert answer == (
        "550 5.7.23 SPF MAIL FROM check failed: 203.0.113.9 is not allowed to use"
        " explained.example The domain explained.example explains: see our page,"
        " 203.0.113.9 is 100% unknown"
    )


def test_svc_permerror_default() -> None:
    assert result_of(one(sender="grace@broken.example")) == "permerror"
    policy = {
        "mailfrom": {"permerror": "defer"},
        "override": [{"sender": "broken.example", "mailfrom": {"permerror": "reject"}}],
    }
    answer = one(settings={"policy": policy}, sender="grace@broken.example")
    assert answer.startswith("550 5.7.24 ")


def test_svc_temperror_action() -> None:
    assert result_of(one(sender="grace@dead.example")) == "temperror"
    answer = one(settings={"policy": REJECT}, sender="grace@dead.example")
    assert answer.startswith("451 4.7.24 ")
    with pytest.raises(sf.InputError, match="temperror"):
        recorded(policy={"mailfrom": {"temperror": "reject"}})


def test_svc_reject_none_option() -> None:
    settings = {"policy": {"mailfrom": {"none": "reject"}}}
    assert one(settings=settings, sender="x@absent.example").startswith("550 5.7.1 ")
    assert result_of(one(settings=settings, sender="")) == "none"
    assert result_of(one(sender="x@absent.example")) == "none", "off by default"
    settings = {"policy": {"null_sender": {"none": "reject"}}}
    assert one(settings=settings, sender="").startswith("550 5.7.1 ")


def test_svc_helo_none_does_not_mask() -> None:
    for helo in ("absent.example", "soft.example", "broken.example", "dead.example"):
        answer = one(helo_name=helo, client_address="192.0.2.1")
        assert result_of(answer) == "pass", helo
        assert "identity=mailfrom" in answer


def test_test_only_refuses_nothing() -> None:
    application = recorded(policy=REJECT | {"test_only": True})
    (answer,) = ask(application, {})
    assert result_of(answer) == "fail"
    assert application.lines[0].outcome.decision.reason.startswith("test only: mailfrom.fail")


def test_a_failing_helo_can_be_refused_before_mail() -> None:
    policy = {"helo": {"fail": "reject"}, "null_sender": {"fail": "defer"}}
    application = recorded(policy=policy)
    greeting = {"helo_name": "strict.example", "sender": "", "recipient": ""}
    found = ask(
        application,
        greeting | {"state": "CONNECT", "helo_name": ""},
        greeting | {"state": "EHLO"},
        greeting | {"state": "HELO", "helo_name": "absent.example"},
        greeting | {"state": "EHLO", "helo_name": ""},
    )
    assert found[0] == "DUNNO"
    assert found[1].startswith("550 5.7.23 SPF HELO check failed: ")
    assert found[2:] == ["DUNNO", "DUNNO"], "a field has no place before MAIL"
    assert [line.action for line in application.lines] == ["reject"]


@pytest.mark.parametrize("state", ["CONNECT", "VRFY", "ETRN", "AUTH", "", "\r"])
def test_states_that_tell_no_identity(state: str) -> None:
    application = recorded(policy=REJECT)
    assert ask(application, {"state": state}) == ["DUNNO"]
    assert application.resolver.questions == []


def test_the_next_state_gives_the_next_field() -> None:
    states = ("MAIL", "RCPT", "RCPT", "DATA", "END-OF-MESSAGE")
    found = ask(recorded(), *({"state": state} for state in states))
    assert [answer[:30] for answer in found] == [
        "PREPEND Received-SPF: fail (mx",
        "PREPEND Authentication-Results",
        "DUNNO",
        "DUNNO",
        "DUNNO",
    ]
    found = ask(recorded(), *({"state": state} for state in ("RCPT", "DATA")))
    assert found[1] == (
        f"PREPEND Authentication-Results: {MX}; spf=fail smtp.mailfrom=strict.example"
    )


@pytest.mark.parametrize("state", ["DATA", "END-OF-MESSAGE", "MAIL"])
def test_refusing_at_other_states(state: str) -> None:
    answer = one(settings={"policy": REJECT}, state=state, recipient="")
    assert answer.startswith("550 5.7.23 ")


def test_what_was_decided_for_recipients_stays_after_data() -> None:
    policy = REJECT | {"override": [{"recipient": "postmaster@example.net", "skip": True}]}
    found = ask(
        recorded(policy=policy, fields=()),
        {"recipient": "bob@example.net"},
        {"recipient": "postmaster@example.net"},
        {"state": "DATA", "recipient": "postmaster@example.net"},
        {"state": "END-OF-MESSAGE", "recipient": "postmaster@example.net"},
    )
    assert [answer[:5] for answer in found] == ["550 5", "DUNNO", "DUNNO", "DUNNO"]


def test_discarding() -> None:
    settings = {"policy": {"mailfrom": {"fail": "discard"}}}
    application = recorded(**settings)
    found = ask(application, {}, {"recipient": "eve@example.net"})
    assert found == ["DISCARD mailfrom.fail = discard"] * 2
    assert [line.action for line in application.lines] == ["discard", "discard"]


@pytest.mark.parametrize("kept", [True, False])
def test_a_message_that_some_are_to_get_is_not_discarded(kept: bool) -> None:
    """Postfix discards it for all: what another recipient may be exempt from waits for DATA."""
    override = {"recipient": "bob@example.net", "mailfrom": {"fail": "accept"}}
    policy = {"mailfrom": {"fail": "discard"}, "override": [override]}
    application = recorded(policy=policy, fields=())
    recipients = ["eve@example.net", "bob@example.net" if kept else "ann@example.net"]
    after = [{"state": "DATA", "recipient": ""}, {"state": "END-OF-MESSAGE", "recipient": ""}]
    found = ask(application, *({"recipient": each} for each in recipients), *after)
    last = "DUNNO" if kept else "DISCARD discard for every recipient"
    assert found == ["DUNNO", "DUNNO", last, last]
    assert application.lines[-1].action == ("accept" if kept else "discard")


def test_discarding_where_recipients_are_not_told() -> None:
    override = {"recipient": "bob@example.net", "mailfrom": {"fail": "accept"}}
    policy = {"mailfrom": {"fail": "discard"}, "override": [override]}
    settings = {"policy": policy, "fields": ()}
    assert one(settings=settings, state="DATA", recipient="") == "DUNNO"
    answer = one(settings=settings, state="DATA", recipient="eve@example.net")
    assert answer.startswith("DISCARD")
