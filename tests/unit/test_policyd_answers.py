"""What the policy service answers, with the reports of users as cases (svc-*, id-*, prf-*)."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Mapping
from typing import Any

import pytest
from support.policyd import MX, Recorded, Service, answers, recorded

import senderid_fast as sf
from senderid_fast.receiver import Action, ExchangeSenderId, TrustedRelays
from senderid_fast.results import Result

REJECT = {"mailfrom": {"fail": "reject", "permerror": "reject", "temperror": "defer"}}
INSTANCE = "2bd1.6565a1e3.%d.0"


def ask(application: Recorded, *requests: Mapping[str, str | bytes]) -> list[str]:
    return asyncio.run(answers(application, *requests))


def one(zone: Mapping[str, Any] | None = None, *, settings: Any = None, **attributes: Any) -> str:
    application = recorded(zone, **settings or {}) if zone else recorded(**settings or {})
    return ask(application, attributes)[0]


def result_of(answer: str) -> str:
    found = re.fullmatch(r"PREPEND Received-SPF: (\w+) \(.*", answer)
    assert found is not None, answer
    return found[1]


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


# ---- who is not checked ----------------------------------------------------------------------


def test_svc_skip_authenticated() -> None:
    application = recorded(policy=REJECT)
    (answer,) = ask(application, {"sasl_username": "grace"})
    assert answer == f"PREPEND Authentication-Results: {MX}; none (not checked: authenticated)"
    assert application.lines[0].outcome.skipped == "authenticated"
    assert application.resolver.questions == []
    policy = REJECT | {"check_authenticated": True}
    assert one(settings={"policy": policy}, sasl_username="grace").startswith("550")


@pytest.mark.parametrize("client", ["127.0.0.1", "::1", "unknown", ""])
def test_internal_and_unknown_clients(client: str) -> None:
    assert one(settings={"policy": REJECT}, client_address=client) == "DUNNO"


@pytest.mark.parametrize("client", ["192.0.2.25", "::ffff:192.0.2.25", "2001:db8::1"])
def test_svc_skip_relay(client: str) -> None:
    override = {"client": ["192.0.2.25", "2001:db8::/32"], "skip": True, "name": "backup MX"}
    settings = {"policy": REJECT | {"override": [override]}}
    answer = one(settings=settings, client_address=client)
    assert answer.endswith("none (not checked: override 'backup MX')")


def test_a_client_behind_a_relay_is_unknown_without_a_header() -> None:
    application = recorded(policy=REJECT, relays=TrustedRelays(["203.0.113.0/24"]))
    (answer,) = ask(application, {})
    assert answer.startswith(f"PREPEND Authentication-Results: {MX}; none (not checked: ")
    assert application.resolver.questions == []


def test_the_pra_is_not_decided_about() -> None:
    settings = {"policy": {"no_pra": "reject", "pra": {"none": "reject"}}}
    application = recorded(
        **settings, exchange=ExchangeSenderId.from_mapping({"SpoofedDomainAction": "Reject"})
    )
    (answer,) = ask(application, {})
    assert result_of(answer) == "fail"
    assert application.lines[0].outcome.verdicts is not None
    assert application.lines[0].outcome.verdicts.pra is None
    assert one(settings={"checks": ("pra",)}) == "DUNNO"


# ---- null-sender-and-identity ----------------------------------------------------------------


def test_id_null_sender() -> None:
    answer = one(sender="", helo_name="mail.example.org", client_address="192.0.2.1")
    assert result_of(answer) == "fail"
    assert "postmaster@mail.example.org" in answer


def test_id_null_helo_literal() -> None:
    assert result_of(one(sender="", helo_name="[192.0.2.1]")) == "none"


def test_id_empty_local_part() -> None:
    zone = {
        "example.com": [{"TXT": "v=spf1 exists:%{l}.users.example.net -all"}],
        "postmaster.users.example.net": [{"A": "127.0.0.2"}],
    }
    assert result_of(one(zone, sender="@example.com")) == "pass"


def test_id_no_domain() -> None:
    assert result_of(one(sender="root")) == "none"


@pytest.mark.parametrize("sender", ['"a@b"@strict.example', "a@b@strict.example"])
def test_id_quoted_at(sender: str) -> None:
    """Postfix tells addresses without their quotes."""
    assert result_of(one(sender=sender, client_address="192.0.2.1")) == "pass"


def test_id_idn_sender() -> None:
    zone = {"xn--bcher-kva.example": [{"TXT": "v=spf1 ip4:192.0.2.0/24 -all"}]}
    answer = one(zone, sender="user@b\xfccher.example", client_address="192.0.2.1")
    assert result_of(answer) == "pass"
    assert answer.isascii()


def test_svc_non_utf8_sender() -> None:
    zone = {
        "example.com": [{"TXT": "v=spf1 exists:%{l}.users.example.net -all"}],
        "us\\233r.users.example.net": [{"A": "127.0.0.2"}],
    }
    application = recorded(zone)
    (answer,) = ask(application, {"sender": b"us\xe9r@example.com", "recipient": b"\xff@\xfe"})
    assert result_of(answer) in ("pass", "fail")
    assert "us\\\\xe9r@example.com" in answer
    assert application.lines[0].envelope.mail_from == b"<us\xe9r@example.com>"


def test_svc_hide_receiver() -> None:
    answer = one(recipient="hidden@example.net")
    assert f"receiver={MX};" in answer
    assert "hidden" not in answer
    assert "hidden" not in one(settings={"policy": REJECT}, recipient="hidden@example.net")


# ---- trouble ---------------------------------------------------------------------------------


def break_engine(application: Recorded) -> None:
    def check(*_: object) -> object:
        raise RuntimeError("a defect\nwith a line")

    application.engine.check_mail_from = check  # type: ignore[method-assign, assignment]


def test_svc_bad_record_no_crash(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> list[str]:
        async with Service(application) as service:
            talk = await service.connect()
            working = application.engine.check_mail_from
            break_engine(application)
            found = [await talk.ask(), await talk.ask(recipient="eve@example.net")]
            application.engine.check_mail_from = working  # type: ignore[method-assign]
            return [*found, await talk.ask(instance=INSTANCE % 7)]

    application = recorded()
    with caplog.at_level(logging.ERROR):
        found = asyncio.run(run())
    assert found[1] == "DUNNO"
    assert found[2].startswith("PREPEND Received-SPF: fail")
    assert len(caplog.records) == 1
    assert re.search(r"\[[0-9a-f]{8}\]", caplog.records[0].getMessage())
    assert application.lines[0].outcome.trouble is not None


def test_a_defect_defers_where_that_is_set() -> None:
    application = recorded(on_trouble=Action.DEFER)
    break_engine(application)
    found = ask(application, {}, {"recipient": "eve@example.net"})
    assert [answer[:10] for answer in found] == ["451 4.3.0 "] * 2


@pytest.mark.parametrize("trouble", [Action.ACCEPT, Action.DEFER])
def test_an_application_that_fails_still_gets_an_answer_out(
    trouble: Action, caplog: pytest.LogCaptureFixture
) -> None:
    application = recorded(on_trouble=trouble)

    def done(*_: object) -> None:
        raise OSError("the disk is full")

    application.done = done  # type: ignore[method-assign, assignment]
    assert result_of(ask(application, {})[0]) == "fail"
    assert "could not be counted" in caplog.text
    application = recorded(on_trouble=trouble)
    object.__setattr__(application, "engine", None)
    (answer,) = ask(application, {})
    assert answer[:4] == ("451 " if trouble is Action.DEFER else "PREP")


def test_prf_policy_time_limits() -> None:
    """HELO and MAIL FROM are both slow: one budget for all, and one answer."""
    application = recorded(seconds=0.2)

    async def run() -> tuple[str, str, float]:
        application.resolver.open.clear()
        async with Service(application) as service:
            talk = await service.connect()
            began = time.monotonic()
            answer = await talk.ask()
            took = time.monotonic() - began
            application.resolver.open.set()  # svc-double-answer: what is late is for nobody
            await asyncio.sleep(0.05)
            return answer, await talk.ask(recipient="eve@example.net"), took

    answer, second, took = asyncio.run(run())
    assert result_of(answer) == "temperror"
    assert second == "DUNNO"
    assert took < 10
    assert len(application.lines) == 1
    verdicts = application.lines[0].outcome.verdicts
    assert verdicts is not None
    assert verdicts.mail_from is not None
    assert verdicts.mail_from.result is Result.TEMPERROR


def test_the_budget_is_below_the_time_that_postfix_waits() -> None:
    from senderid_fast.policyd.rules import Rules

    rules = Rules.of(recorded(seconds=3_600.0).receiver)
    assert rules.message is not None
    assert rules.message.seconds == 90


def test_a_reload_takes_effect_with_the_next_message() -> None:
    async def run() -> list[str]:
        async with Service(recorded()) as service:
            talk = await service.connect()
            found = [await talk.ask()]
            service.applications.append(recorded(policy=REJECT))
            return [*found, await talk.ask(), await talk.ask(instance=INSTANCE % 8)]

    found = asyncio.run(run())
    assert [answer[:4] for answer in found] == ["PREP", "DUNN", "550 "]
