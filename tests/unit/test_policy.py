"""ReceiverPolicy and decide(): what is done about results."""

from __future__ import annotations

import pickle
import tomllib

import hypothesis.strategies as st
import pytest
from hypothesis import given
from support.verdicts import MadeVerdict, Message, verdict

import senderid_fast as sf
from senderid_fast.errors import InputError
from senderid_fast.receiver.policy import Action, Actions, ReceiverPolicy, decide
from senderid_fast.results import Reason, Result, Scope

IP = "192.0.2.9"
REFUSING = (Action.DEFER, Action.DISCARD, Action.REJECT)
NO_PRA = verdict("pra", "none", "", reason=Reason.NO_PRA)


def policy(text: str = "") -> ReceiverPolicy:
    return ReceiverPolicy.from_mapping(tomllib.loads(text))


@given(
    st.lists(
        st.builds(
            verdict,
            st.sampled_from(["helo", "mailfrom", "pra", "host"]),
            st.sampled_from([str(result) for result in Result]),
            scope=st.sampled_from(list(Scope)),
        ),
        max_size=4,
    ),
    st.sampled_from([None, "", "<>", "robin@sender.example"]),
    st.booleans(),
)
def test_nothing_is_refused_by_default(
    verdicts: list[MadeVerdict], mail_from: str | None, authenticated: bool
) -> None:
    decision = decide(
        ReceiverPolicy(), verdicts, [], IP, mail_from=mail_from, authenticated=authenticated
    )
    assert decision.action in (Action.ACCEPT, Action.MARK)
    assert decision.reply is None
    assert decision.would_be is decision.action
    assert decide(ReceiverPolicy(), NO_PRA).action is Action.MARK


def test_a_record_with_an_error_is_accepted_and_told() -> None:
    decision = decide(policy(), verdict("mailfrom", "permerror"), [], IP)
    assert decision.action is Action.MARK
    assert [(mark.identity, mark.result) for mark in decision.marks] == [
        ("mailfrom", Result.PERMERROR)
    ]
    assert decision.reason == "mailfrom.permerror = mark"


@pytest.mark.parametrize(
    ("result", "action", "reply"),
    [
        ("fail", Action.REJECT, "550 5.7.23"),
        ("temperror", Action.DEFER, "451 4.7.24"),
        ("permerror", Action.REJECT, "550 5.7.24"),
        ("softfail", Action.MARK, None),
        ("none", Action.ACCEPT, None),
        ("neutral", Action.ACCEPT, None),
        ("pass", Action.ACCEPT, None),
    ],
)
@pytest.mark.parametrize("identity", ["helo", "mailfrom"])
def test_a_strict_policy(identity: str, result: str, action: Action, reply: str | None) -> None:
    strict = 'fail = "reject"\ntemperror = "defer"\npermerror = "reject"'
    decision = decide(
        policy(f"[helo]\n{strict}\n[mailfrom]\n{strict}"), verdict(identity, result), [], IP
    )
    assert decision.action is action
    assert (str(decision.reply)[:10] if decision.reply else None) == reply
    assert (decision.identity, decision.result) == (identity, Result(result))


@pytest.mark.parametrize("table", ["helo", "mailfrom", "pra", "null_sender"])
@pytest.mark.parametrize("action", ["reject", "discard"])
def test_a_transient_error_never_loses_mail(table: str, action: str) -> None:
    with pytest.raises(InputError, match=rf"^{table}\.temperror: must be one of accept, mark, def"):
        policy(f'[{table}]\ntemperror = "{action}"')
    with pytest.raises(InputError, match=rf"^override\[0\]\.{table}\.temperror: "):
        policy(f'[[override]]\nsender = "a.example"\n{table} = {{ temperror = "{action}" }}')


def test_neutral_is_treated_as_none() -> None:
    with pytest.raises(InputError, match=r"^mailfrom\.neutral: must be as none \(RFC 7208 8\.2\)"):
        policy('[mailfrom]\nnone = "accept"\nneutral = "reject"')
    for setting in ("none", "neutral"):
        table = policy(f'[mailfrom]\n{setting} = "reject"').mailfrom
        assert (table.none, table.neutral) == (Action.REJECT, Action.REJECT)


def test_a_pass_is_never_refused() -> None:
    with pytest.raises(InputError, match=r"^helo\.pass: must be one of accept, mark, is 'reject'$"):
        policy('[helo]\npass = "reject"')


def test_settings_that_rfcs_advise_against_are_told() -> None:
    assert policy('[mailfrom]\nfail = "reject"\npermerror = "reject"').cautions() == ()
    told = policy(
        '[mailfrom]\nsoftfail = "reject"\n[pra]\npermerror = "reject"\n'
        '[[override]]\nname = "x"\nsender = "a.example"\npra = {softfail = "discard"}'
    ).cautions()
    assert [each.partition(":")[0] for each in told] == [
        "mailfrom.softfail is reject",
        "pra.permerror is reject",
        "pra.softfail is discard (override 'x')",
    ]


@pytest.mark.parametrize("result", ["none", "neutral", "softfail", "permerror", "temperror"])
def test_a_result_for_helo_does_not_hide_the_one_for_mail_from(result: str) -> None:
    strict = policy('[helo]\nfail = "reject"\n[mailfrom]\nfail = "reject"')
    helo = verdict("helo", result, "mx.example")
    bad = decide(strict, Message(helo, verdict("mailfrom", "fail")), [], IP)
    assert (bad.action, bad.identity) == (Action.REJECT, "mailfrom")
    good = decide(policy(), Message(helo, verdict("mailfrom", "pass")), [], IP)
    assert good.action in (Action.ACCEPT, Action.MARK)
    neither = decide(policy(), Message(helo, verdict("mailfrom", result)), [], IP)
    assert neither.identity == "mailfrom"


def test_a_pass_for_mail_from_does_not_outweigh_a_helo_that_is_refused() -> None:
    decision = decide(
        policy('[helo]\nfail = "reject"'),
        Message(verdict("helo", "fail", "mx.example"), verdict("mailfrom", "pass")),
        [],
        IP,
    )
    assert (decision.action, decision.identity) == (Action.REJECT, "helo")


@pytest.mark.parametrize("null", ["", "<>", b"", b"<>"])
def test_bounces_survive_a_policy_for_senders_without_record(null: str | bytes) -> None:
    strict = policy('[mailfrom]\nnone = "reject"')
    helo = verdict("helo", "none", "mx.example")
    bounce = Message(
        helo, verdict("mailfrom", "none", "mx.example", sender="postmaster@mx.example")
    )
    assert decide(strict, bounce, [], IP, mail_from=null).action is Action.ACCEPT
    mail = Message(helo, verdict("mailfrom", "none"))
    assert decide(strict, mail, [], IP, mail_from="robin@sender.example").action is Action.REJECT
    own = policy('[helo]\nnone = "mark"\n[null_sender]\nnone = "reject"')
    assert decide(own, bounce, [], IP, mail_from=null).action is Action.REJECT
    assert decide(own, mail, [], IP, mail_from="a@b.example").action is Action.MARK


def test_several_failures_are_told_as_such() -> None:
    strict = policy('[helo]\nfail = "reject"\n[mailfrom]\nfail = "reject"\n[pra]\nfail = "reject"')
    helo = verdict("helo", "fail", "mx.example")
    decision = decide(strict, Message(helo, verdict("mailfrom", "fail")), [], IP)
    assert str(decision.reply).startswith("550 5.7.26 Multiple authentication checks failed: MAIL ")
    # The null reverse-path is the identity of HELO once more, not a second failure.
    bounce = Message(
        helo, verdict("mailfrom", "fail", "mx.example", sender="postmaster@mx.example")
    )
    decision = decide(strict, bounce, [], IP, mail_from="<>")
    assert str(decision.reply).startswith("550 5.7.23 SPF MAIL FROM check failed")
    # A check that is marked only does not count among the reasons to reject.
    decision = decide(
        policy('[mailfrom]\nfail = "reject"'), Message(helo, verdict("mailfrom", "fail")), [], IP
    )
    assert str(decision.reply).startswith("550 5.7.23 ")


def test_sender_id() -> None:
    strict = policy('no_pra = "reject"\n[pra]\nfail = "reject"\ntemperror = "defer"')
    for found, reply in (
        (NO_PRA, "550 5.7.1 Missing Purported Responsible Address"),
        (verdict("pra", "fail"), "550 5.7.1 Sender ID (PRA) Not Permitted - "),
        (verdict("host", "fail", scope=Scope.PRA), "550 5.7.1 Sender ID (PRA) Not Permitted - "),
        (verdict("pra", "temperror"), "450 4.4.3 Sender ID check is temporarily unavailable"),
    ):
        message = Message(verdict("helo", "none"), verdict("mailfrom", "pass"), found)
        decision = decide(strict, message, [], IP)
        assert decision.identity == "pra"
        assert str(decision.reply).startswith(reply)


def test_test_only_accepts_and_tells_what_would_be_done() -> None:
    decision = decide(
        policy('test_only = true\n[mailfrom]\nfail = "reject"'), verdict("mailfrom", "fail"), [], IP
    )
    assert (decision.action, decision.reply) == (Action.ACCEPT, None)
    assert decision.would_be is Action.REJECT
    assert str(decision.would_reply).startswith("550 5.7.23 ")
    assert decision.reason == "test only: mailfrom.fail = reject"


def test_with_an_engine() -> None:
    zone = {"a.example": [{"TXT": "v=spf1 -all"}], "b.example": [{"TXT": "v=spf1 +all"}]}
    engine = sf.Engine(resolver=sf.ZoneResolver(zone))
    strict = policy('no_pra = "reject"\n[mailfrom]\nfail = "reject"\n[pra]\nfail = "reject"')
    told = []
    for mail_from, headers in (
        ("x@b.example", b"From: x@b.example\r\n\r\n"),
        ("x@b.example", b"From: x@a.example\r\n\r\n"),
        ("x@a.example", b"From: x@a.example\r\n\r\n"),
        ("x@b.example", b"Subject: none\r\n\r\n"),
    ):
        message = engine.check_message(IP, "mx.example", mail_from, headers)
        decision = decide(strict, message, ["me@here.example"], message.ip, mail_from=mail_from)
        told.append((decision.identity, str(decision.reply)[:10]))
    assert told == [
        ("mailfrom", "None"),
        ("pra", "550 5.7.1 "),
        ("mailfrom", "550 5.7.26"),
        ("pra", "550 5.7.1 "),
    ]


def test_nothing_checked() -> None:
    decision = decide(policy(), [None], [], IP)
    assert (decision.action, decision.identity) == (Action.ACCEPT, None)
    assert decide(policy(), Message()).reason == "nothing was checked"
    with pytest.raises(InputError, match=r"^verdicts: unknown identity 'dkim'"):
        decide(policy(), verdict("dkim", "fail"))


@given(
    st.lists(
        st.builds(
            verdict,
            st.sampled_from(["helo", "mailfrom", "pra"]),
            st.sampled_from([str(result) for result in Result]),
        ),
        min_size=1,
        max_size=3,
    ),
    st.fixed_dictionaries(
        {},
        optional={
            table: st.fixed_dictionaries(
                {},
                optional={
                    "none": st.sampled_from([str(action) for action in Action]),
                    "fail": st.sampled_from([str(action) for action in Action]),
                    "softfail": st.sampled_from([str(action) for action in Action]),
                    "temperror": st.sampled_from(["accept", "mark", "defer"]),
                    "permerror": st.sampled_from([str(action) for action in Action]),
                },
            )
            for table in ("helo", "mailfrom", "pra")
        },
    ),
)
def test_the_strictest_action_counts_and_has_its_reply(
    verdicts: list[MadeVerdict], mapping: dict[str, object]
) -> None:
    made = ReceiverPolicy.from_mapping(mapping)
    order = list(Action)
    wanted = [getattr(made, found.identity).of(found.result) for found in verdicts]
    decision = decide(made, verdicts, ["a@b.example"], IP)
    assert decision.action is max(wanted, key=order.index)
    if decision.reply is None:
        assert decision.action not in (Action.REJECT, Action.DEFER)
    else:
        assert str(decision.reply)[0] == {"reject": "5", "defer": "4"}[decision.action]
    if any(found.result is Result.TEMPERROR for found in verdicts) and len(verdicts) == 1:
        assert decision.action not in (Action.REJECT, Action.DISCARD)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[mailfrom]\nfial = "reject"', "mailfrom.fial: unknown; must be one of none, neutral, "),
        ('[mailfrom]\nfail = "rejct"', "mailfrom.fail: must be one of accept, mark, defer, disc"),
        ("[mailfrom]\nfail = true", "mailfrom.fail: must be one of accept, mark, defer, discard"),
        ('mailfrom = "reject"', "mailfrom: must be a table of settings, is 'reject'"),
        ("test-only = true", "test-only: unknown; must be one of helo, null_sender, mailfrom"),
        ('test_only = "yes"', "test_only: must be true or false, is 'yes'"),
        ("check_authenticated = 1", "check_authenticated: must be true or false, is 1"),
        ('no_pra = "drop"', "no_pra: must be one of accept, mark, defer, discard, reject"),
        ('codes = "rfc1"', "codes: must be one of rfc7372, rfc7208, is 'rfc1'"),
        ('[texts]\nfial = "no"', "texts.fial: unknown; must be one of fail, other, "),
        ('[texts]\nfail = "{who}"', "texts.fail: {who} is no field; a field is one of domain"),
        ('override = "x"', "override: must be a list of tables, is 'x'"),
        ("override = [1]", "override[0]: must be a table of settings, is 1"),
        ("[[override]]\nskip = true", "override[0].criterion: must be one of authenticated, cli"),
        (
            '[[override]]\nskip = true\nsender = "a.example"\nclient = "::1"',
            "override[0].criterion: must be one of authenticated, client, helo_name, recipient, "
            "sender; there is client and sender",
        ),
        ('[[override]]\nsender = "a.example"', "override[0].skip: an override has either"),
        (
            '[[override]]\nsender = "a.example"\nskip = true\nno_pra = "mark"',
            "override[0].skip: an override has either",
        ),
        ('[[override]]\nsender = "*.a"\nskip = true', "override[0].sender: '*.a' is no domain"),
        ('[[override]]\nclient = ["::1", "x"]\nskip = true', "override[0].client: 'x' is no addr"),
        ("[[override]]\nclient = [1]\nskip = true", "override[0].client[0]: must be text, is 1"),
        ('[[override]]\nrecipient = "@a"\nskip = true', "override[0].recipient: '@a' has nothing"),
        ('[[override]]\nname = 1\nclient = "::1"\nskip = true', "override[0].name: must be text"),
        ('[[override]]\nclient = "::1"\nskip = 1', "override[0].skip: must be true or false"),
        ('[[override]]\nclients = "::1"\nskip = true', "override[0].clients: unknown; must be"),
        (
            '[[override]]\nsender = "a.example"\nhelo = {fail = "no"}',
            "override[0].helo.fail: must be one of accept",
        ),
        (
            "[[override]]\nauthenticated = true\nskip = true",
            "override[0].authenticated: has no effect without check_authenticated",
        ),
    ],
)
def test_a_slip_is_told_with_its_place(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        policy(text)
    assert str(caught.value).startswith(message)


def test_arguments_of_the_wrong_type() -> None:
    with pytest.raises(InputError, match=r"^policy: must be a table of settings"):
        ReceiverPolicy.from_mapping([])  # type: ignore[arg-type]
    for wrong in (
        {"helo": {"fail": "reject"}},
        {"replies": None},
        {"overrides": ({"skip": True},)},
        {"no_pra": "no"},
    ):
        with pytest.raises(InputError):
            ReceiverPolicy(**wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^fail: must be one of"):
        Actions(fail="no")  # type: ignore[arg-type]


def test_a_policy_is_a_value() -> None:
    text = '[mailfrom]\nfail = "reject"\n[[override]]\nclient = "192.0.2.0/24"\nskip = true'
    one, other = policy(text), policy(text)
    assert one == other
    assert hash(one) == hash(other)
    assert one != policy()
    again = pickle.loads(pickle.dumps(one))
    assert again == one
    assert decide(again, verdict("mailfrom", "fail"), [], IP).skipped == "client 192.0.2.0/24"
