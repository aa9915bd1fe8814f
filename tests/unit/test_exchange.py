"""ExchangeSenderId: settings, decisions and Test-SenderId."""

from __future__ import annotations

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.verdicts import MadeVerdict, verdict

import senderid_fast as sf
from senderid_fast.errors import InputError
from senderid_fast.receiver import exchange
from senderid_fast.receiver.actions import Action
from senderid_fast.receiver.exchange import ExchangeAction, ExchangeSenderId, SenderIdStatus
from senderid_fast.results import Reason, Result, Scope

IP = "192.0.2.9"
FAIL = verdict("pra", "fail")
NO_PRA = verdict("pra", "none", "", reason=Reason.NO_PRA)
NO_DOMAIN = verdict("pra", "fail", "gone.example", reason=Reason.NO_DOMAIN)


def settings(text: str) -> ExchangeSenderId:
    return ExchangeSenderId.from_mapping(tomllib.loads(text))


def test_the_defaults_are_those_of_exchange() -> None:
    assert ExchangeSenderId().as_mapping() == {
        "Enabled": True,
        "ExternalMailEnabled": True,
        "InternalMailEnabled": False,
        "SpoofedDomainAction": "StampStatus",
        "TempErrorAction": "StampStatus",
        "BypassedRecipients": [],
        "BypassedSenderDomains": [],
        "InternalSMTPServers": [],
    }


def test_names_and_words_in_any_case() -> None:
    made = settings(
        'spoofeddomainaction = "reject"\nTEMPERRORACTION = "DELETE"\n'
        'bypassedRecipients = "Abuse@Here.example, postmaster@here.example"\n'
        'BypassedSenderDomains = ["Partner.Example"]\nInternalSmtpServers = ["10.0.0.0/8"]'
    )
    assert made.spoofed_domain_action is ExchangeAction.REJECT
    assert made.temp_error_action is ExchangeAction.DELETE
    assert made.bypassed_recipients == ("abuse@here.example", "postmaster@here.example")
    assert made.bypassed_sender_domains == ("partner.example",)
    assert ExchangeSenderId.from_mapping(made.as_mapping()) == made
    assert ExchangeSenderId.from_mapping(json.loads(json.dumps(made.as_mapping()))) == made


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('SpoofedAction = "Reject"', "SpoofedAction: unknown; must be one of Enabled, External"),
        ('SpoofedDomainAction = "drop"', "SpoofedDomainAction: must be one of StampStatus, Reje"),
        ("TempErrorAction = 1", "TempErrorAction: must be one of StampStatus, Reject, Delete"),
        ('Enabled = "$true"', "Enabled: must be true or false"),
        ("enabled = true\nEnabled = true", "Enabled: is there twice"),
        ('BypassedRecipients = ["here.example"]', "BypassedRecipients: 'here.example' is no addr"),
        ('BypassedSenderDomains = ["*.a.example"]', "BypassedSenderDomains: '*.a.example' is no"),
        ('BypassedSenderDomains = [".a.example"]', "BypassedSenderDomains: '.a.example' is no"),
        ('InternalSMTPServers = ["mx"]', "InternalSMTPServers: 'mx' is no address or network"),
        ("InternalSMTPServers = 1", "InternalSMTPServers: must be a list of text"),
    ],
)
def test_a_slip_is_told(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        settings(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", ["BypassedRecipients", "BypassedSenderDomains"])
def test_lists_hold_a_hundred(name: str) -> None:
    at = "a@" if name == "BypassedRecipients" else ""
    entries = [f"{at}d{number}.example" for number in range(101)]
    ExchangeSenderId.from_mapping({name: entries[:100]})
    with pytest.raises(InputError, match=rf"^{name}: may hold 100 entries, has 101$"):
        ExchangeSenderId.from_mapping({name: entries})


@pytest.mark.parametrize(
    ("found", "status", "fail_reason"),
    [
        (verdict("pra", "pass"), "Pass", None),
        (verdict("pra", "neutral"), "Neutral", None),
        (verdict("pra", "softfail"), "SoftFail", None),
        (verdict("pra", "none"), "None", None),
        (verdict("pra", "permerror"), "PermError", None),
        (verdict("pra", "temperror"), "TempError", None),
        (FAIL, "Fail", "NotPermitted"),
        (NO_DOMAIN, "Fail", "DomainDoesNotExist"),
        (NO_PRA, "Fail", None),
        (verdict("pra", "fail", reason=Reason.SUBMITTER_MISMATCH), "Fail", None),
    ],
)
def test_statuses_are_stamped(found: MadeVerdict, status: str, fail_reason: str | None) -> None:
    decision = ExchangeSenderId().decide(found, ["me@here.example"], IP)
    assert decision.action is Action.MARK
    assert decision.reply is None
    assert (decision.status, decision.fail_reason) == (status, fail_reason)
    assert decision.prd == (found.domain or None)
    assert decision.bypassed is None


@given(
    st.sampled_from([str(result) for result in Result]),
    st.sampled_from(list(ExchangeAction)),
    st.sampled_from(list(ExchangeAction)),
)
def test_only_fail_and_temperror_have_actions(
    result: str, spoofed: ExchangeAction, temp: ExchangeAction
) -> None:
    made = ExchangeSenderId(spoofed_domain_action=spoofed, temp_error_action=temp)
    decision = made.decide(verdict("pra", result), [], IP)
    wanted = {"fail": spoofed, "temperror": temp}.get(result, ExchangeAction.STAMP_STATUS)
    assert decision.action == {"Reject": "reject", "Delete": "discard"}.get(wanted, "mark")
    assert (decision.reply is not None) is (wanted is ExchangeAction.REJECT)
    if decision.reply is not None:
        # Exchange's documents have 5xx for Reject, whatever the status.
        assert (decision.reply.code, decision.reply.enhanced) == (550, "5.7.1")


@pytest.mark.parametrize(
    ("found", "reply"),
    [
        (FAIL, "550 5.7.1 Sender ID (PRA) Not Permitted"),
        (NO_DOMAIN, "550 5.7.1 Sender ID (PRA) Domain Does Not Exist"),
        (NO_PRA, "550 5.7.1 Missing Purported Responsible Address"),
        (verdict("pra", "temperror"), "550 5.7.1 Sender ID (PRA) Temporary Error"),
        (
            verdict("pra", "fail", reason=Reason.SUBMITTER_MISMATCH),
            "550 5.7.1 Submitter does not match header.",
        ),
        (
            verdict("pra", "fail", explanation="Ask us"),
            "550 5.7.1 Sender ID (PRA) Not Permitted - The domain sender.example explains: Ask us",
        ),
    ],
)
def test_replies(found: MadeVerdict, reply: str) -> None:
    made = settings('SpoofedDomainAction = "Reject"\nTempErrorAction = "Reject"')
    assert str(made.decide(found, [], IP).reply) == reply


@pytest.mark.parametrize(
    ("text", "internal", "ip", "bypassed"),
    [
        ("", False, IP, None),
        ("", True, IP, "InternalMailEnabled is false"),
        ("InternalMailEnabled = true", True, IP, None),
        ("InternalMailEnabled = true\nEnabled = false", True, IP, "Enabled is false"),
        ("Enabled = false", False, IP, "Enabled is false"),
        ("ExternalMailEnabled = false", False, IP, "ExternalMailEnabled is false"),
        ("", False, None, "the message has no source address"),
        (
            'InternalSMTPServers = ["192.0.2.0-192.0.2.20"]',
            False,
            IP,
            "the source address is in InternalSMTP",
        ),
        ('BypassedSenderDomains = ["SENDER.example"]', False, IP, "sender.example is in Bypassed"),
        ('BypassedSenderDomains = ["example"]', False, IP, None),
    ],
)
def test_what_is_not_checked(
    text: str, internal: bool, ip: str | None, bypassed: str | None
) -> None:
    made = settings(f'SpoofedDomainAction = "Reject"\n{text}')
    decision = made.decide(FAIL, ["me@here.example"], ip, internal=internal)
    if bypassed is None:
        assert decision.action is Action.REJECT
        return
    assert decision.bypassed is not None
    assert decision.bypassed.startswith(bypassed)
    assert (decision.action, decision.status) == (Action.ACCEPT, None)


def test_what_is_no_mapping() -> None:
    with pytest.raises(InputError, match=r"^settings: must be a table of settings"):
        ExchangeSenderId.from_mapping([])  # type: ignore[arg-type]


def test_without_a_check_there_is_no_status() -> None:
    decision = ExchangeSenderId().decide(None, [], IP)
    assert (decision.action, decision.status) == (Action.ACCEPT, None)
    assert decision.reason == "not checked: there was no check"


@pytest.mark.parametrize(
    ("recipients", "action"),
    [
        ([], Action.REJECT),
        (["ABUSE@here.example"], Action.ACCEPT),
        ("<abuse@here.example>", Action.ACCEPT),
        (["abuse@here.example", "help@here.example"], Action.ACCEPT),
        (["abuse@here.example", "me@here.example"], Action.REJECT),
        (["me@here.example"], Action.REJECT),
    ],
)
def test_a_message_is_bypassed_if_all_recipients_are(recipients: list[str], action: Action) -> None:
    made = settings(
        'SpoofedDomainAction = "Reject"\n'
        'BypassedRecipients = ["abuse@here.example", "help@here.example"]'
    )
    assert made.decide(FAIL, recipients, IP).action is action


def test_a_message_without_pra_has_no_domain_to_bypass() -> None:
    made = settings('SpoofedDomainAction = "Delete"\nBypassedSenderDomains = ["sender.example"]')
    assert made.decide(NO_PRA, [], IP).action is Action.DISCARD


def test_sender_id_of_an_address_and_a_domain() -> None:
    zone = {
        "good.example": [{"TXT": "v=spf1 ip4:192.0.2.9 -all"}],
        "soft.example": [{"TXT": "v=spf1 ~all"}],
        "bad.example": [{"TXT": "v=spf1 nonsense"}],
        "slow.example": ["TIMEOUT"],
        "plain.example": [{"A": "192.0.2.9"}],
        "why.example": [{"TXT": "spf2.0/pra -all exp=text.why.example"}],
        "text.why.example": [{"TXT": "Ask %{d}"}],
        "none.example": [{"TXT": "spf2.0/pra ?all"}, {"TXT": "v=spf1 -all"}],
        "helo.example": [{"TXT": "spf2.0/pra exists:%{h}.ok.example -all"}],
        "mx.there.ok.example": [{"A": "127.0.0.2"}],
    }
    engine = sf.Engine(resolver=sf.ZoneResolver(zone))

    def of(domain: str, helo: str | None = None) -> tuple[str, str | None]:
        found = exchange.test_sender_id(engine, IP, domain, helo)
        return found.status, found.fail_reason

    assert of("good.example") == ("Pass", None)
    assert of("soft.example") == ("SoftFail", None)
    assert of("bad.example") == ("PermError", None)
    assert of("slow.example") == ("TempError", None)
    assert of("plain.example") == ("None", None)
    assert of("none.example") == ("Neutral", None)
    assert of("why.example") == ("Fail", "NotPermitted")
    assert of("gone.example") == ("Fail", "DomainDoesNotExist")
    assert of("no domain") == ("None", None)
    assert of("helo.example", "mx.there") == ("Pass", None)
    assert of("helo.example", "mx.elsewhere") == ("Fail", "NotPermitted")
    found = exchange.test_sender_id(engine, IP, "why.example")
    assert found.verdict.explanation == "Ask why.example"
    assert found.verdict.scope is Scope.PRA
    assert exchange.sender_id_status(found.verdict) is SenderIdStatus.FAIL


def test_with_a_message() -> None:
    engine = sf.Engine(resolver=sf.ZoneResolver({"a.example": [{"TXT": "v=spf1 -all"}]}))
    made = settings('SpoofedDomainAction = "Reject"')
    replies = []
    for headers in (b"From: x@a.example\r\n\r\n", b"Subject: x\r\n\r\n"):
        message = engine.check_message(IP, "mx.example", "x@a.example", headers)
        replies.append(str(made.decide(message.pra, [], IP).reply))
    assert replies == [
        "550 5.7.1 Sender ID (PRA) Not Permitted",
        "550 5.7.1 Missing Purported Responsible Address",
    ]
