"""Overrides: which comes first, and that contradictions are told when a policy is made."""

from __future__ import annotations

import tomllib

import hypothesis.strategies as st
import pytest
from hypothesis import given
from support.verdicts import Message, verdict

from senderid_fast.errors import InputError
from senderid_fast.receiver.policy import Action, Decision, Override, ReceiverPolicy, decide

IP = "192.0.2.9"
FAIL = verdict("mailfrom", "fail", "mail.shop.example")


def policy(*overrides: str, more: str = "") -> ReceiverPolicy:
    text = f'{more}\n[mailfrom]\nfail = "reject"\n'
    return ReceiverPolicy.from_mapping(
        tomllib.loads(text + "".join(f"[[override]]\n{each}\n" for each in overrides))
    )


def action(made: ReceiverPolicy, *recipients: str, ip: str = IP) -> Action:
    return decide(made, FAIL, recipients, ip).action


SKIPS = ["192.0.2.25", "::ffff:192.0.2.25", "192.0.2.0/24", "192.0.2.20-192.0.2.30"]


@pytest.mark.parametrize("entry", SKIPS)
@pytest.mark.parametrize("ip", ["192.0.2.25", "::ffff:192.0.2.25"])
def test_own_relays_are_not_checked(entry: str, ip: str) -> None:
    made = policy(f'name = "backup mx"\nclient = "{entry}, 2001:db8:1::/48"\nskip = true')
    assert made.skipped(ip) == "backup mx"
    assert made.skipped("2001:db8:1::25") == "backup mx"
    assert made.skipped("198.51.100.1") is None
    decision = decide(made, FAIL, [], ip)
    assert (decision.action, decision.skipped) == (Action.ACCEPT, "backup mx")
    assert decision.reason == "skipped: backup mx"
    assert action(made, ip="198.51.100.1") is Action.REJECT


def test_an_entry_that_is_no_address_is_told_when_the_policy_is_made() -> None:
    with pytest.raises(InputError, match=r"^override\[0\]\.client: 'mx\.example' is no address"):
        policy('client = "192.0.2.25, mx.example"\nskip = true')


def test_authenticated_clients() -> None:
    made = policy()
    assert made.skipped(IP, authenticated=True) == "authenticated"
    assert decide(made, FAIL, [], IP, authenticated=True).action is Action.ACCEPT
    checked = policy(
        'authenticated = true\nmailfrom = {fail = "mark"}',
        'client = "192.0.2.0/24"\nmailfrom = {fail = "defer"}',
        more="check_authenticated = true",
    )
    assert decide(checked, FAIL, [], IP, authenticated=True).action is Action.MARK
    assert decide(checked, FAIL, [], IP).action is Action.DEFER
    assert checked.skipped(IP, authenticated=True) is None


@pytest.mark.parametrize(
    ("result", "expected"),
    [("pass", Action.ACCEPT), ("none", Action.REJECT), ("fail", Action.REJECT)],
)
def test_a_helo_name_counts_only_if_it_is_proven(result: str, expected: Action) -> None:
    made = policy('helo_name = ["forwarder.example", ".forwarder.example"]\nskip = true')
    for name in ("forwarder.example", "mx1.forwarder.example"):
        message = Message(verdict("helo", result, name), FAIL)
        assert decide(made, message, [], IP).action is expected
    assert decide(made, FAIL, [], IP).action is Action.REJECT


LAYERS = [  # from the last that is looked at to the first
    'sender = ".example"\nmailfrom = {fail = "A"}',
    'sender = ".shop.example"\nmailfrom = {fail = "A"}',
    'sender = "mail.shop.example"\nmailfrom = {fail = "A"}',
    'recipient = ".example"\nmailfrom = {fail = "A"}',
    'recipient = "here.example"\nmailfrom = {fail = "A"}',
    'recipient = "Me@Here.Example"\nmailfrom = {fail = "A"}',
    'helo_name = "mx.example"\nmailfrom = {fail = "A"}',
    'client = "192.0.0.0/8"\nmailfrom = {fail = "A"}',
    'client = "192.0.2.0-192.0.3.255"\nmailfrom = {fail = "A"}',
    'client = "192.0.2.9"\nmailfrom = {fail = "A"}',
    'authenticated = true\nmailfrom = {fail = "A"}',
]


@given(st.sets(st.sampled_from(range(len(LAYERS))), min_size=1), st.randoms())
def test_the_order(chosen: set[int], random: object) -> None:
    first = max(chosen)
    texts = [
        LAYERS[at]
        .replace('"A"', '"discard"' if at == first else '"defer"')
        .replace("192.0.0.0/8", "192.0.0.0-192.255.255.255")
        for at in chosen
    ]
    random.shuffle(texts)  # type: ignore[attr-defined]
    made = policy(*texts, more="check_authenticated = true")
    message = Message(verdict("helo", "pass", "mx.example"), FAIL)
    decision = decide(made, message, ["<me@here.example>"], IP, authenticated=True)
    assert decision.action is Action.DISCARD


def test_each_result_is_looked_for_by_itself() -> None:
    made = policy(
        'name = "net"\nclient = "192.0.2.0/24"\nmailfrom = {softfail = "defer"}',
        'name = "shop"\nsender = ".shop.example"\nmailfrom = {fail = "mark", softfail = "mark"}',
    )
    assert action(made) is Action.MARK
    soft = verdict("mailfrom", "softfail", "mail.shop.example")
    decision = decide(made, soft, [], IP)
    assert decision.action is Action.DEFER
    assert decision.reason == "mailfrom.softfail = defer (override 'net')"


def test_a_sender_is_the_domain_of_the_identity_that_is_judged() -> None:
    made = policy('sender = "trusted.example"\nskip = true', more='pra = {fail = "reject"}')
    trusted = verdict("mailfrom", "fail", "trusted.example")
    assert decide(made, trusted, [], IP).skipped == "sender trusted.example"
    decision = decide(made, [trusted, verdict("pra", "fail", "other.example")], [], IP)
    assert (decision.action, decision.identity) == (Action.REJECT, "pra")
    assert decision.skipped is None
    # ".x" is the domains below x, and not x.
    below = policy('sender = ".trusted.example"\nskip = true')
    assert decide(below, trusted, [], IP).action is Action.REJECT


def test_a_smaller_network_may_be_checked_within_one_that_is_not() -> None:
    made = policy(
        'client = "192.0.2.0/24"\nskip = true',
        'name = "guests"\nclient = "192.0.2.64/26"\nmailfrom = {fail = "defer"}',
    )
    assert made.skipped("192.0.2.1") == "client 192.0.2.0/24"
    assert made.skipped("192.0.2.70") is None
    assert action(made, ip="192.0.2.70") is Action.DEFER


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('sender = "a.example"', 'sender = ["b.example", "A.EXAMPLE."]'),
        ('recipient = "me@a.example"', 'recipient = "ME@A.example"'),
        ('helo_name = ".a.example"', 'helo_name = ".a.example"'),
        ('client = "192.0.2.0/24"', 'client = "::ffff:192.0.2.0-192.0.2.255"'),
        ('client = "192.0.2.0-192.0.2.20"', 'client = "192.0.2.10-192.0.2.30"'),
        ('client = "192.0.2.0-192.0.2.20"', 'client = "192.0.2.20-192.0.2.30"'),
        ("authenticated = true", "authenticated = true"),
    ],
)
@pytest.mark.parametrize("skip", [False, True])
def test_contradictions_are_told_and_both_are_named(one: str, other: str, skip: bool) -> None:
    first = "skip = true" if skip else 'mailfrom = {fail = "accept"}'
    texts = [
        f'name = "one"\n{one}\n{first}',
        f'name = "two"\n{other}\nmailfrom = {{fail = "mark"}}',
    ]
    for order in (texts, texts[::-1]):
        with pytest.raises(InputError, match=r"contradict each other") as caught:
            policy(*order, more="check_authenticated = true")
        assert "'one'" in str(caught.value)
        assert "'two'" in str(caught.value)
        assert "mailfrom.fail" in str(caught.value)
    # They may say the same, or speak of different results.
    policy(texts[0], texts[0], more="check_authenticated = true")
    if not skip:
        apart = f'{other}\nmailfrom = {{softfail = "mark"}}'
        policy(texts[0], apart, more="check_authenticated = true")


def decided(made: ReceiverPolicy, *recipients: str) -> Decision:
    return decide(made, FAIL, recipients, IP)


def test_the_strictest_of_several_recipients_counts() -> None:
    made = policy(
        'recipient = "postmaster@here.example"\nskip = true',
        'recipient = "later@here.example"\nmailfrom = {fail = "defer"}',
    )
    assert decided(made, "postmaster@here.example").action is Action.ACCEPT
    assert decided(made, "later@here.example", "postmaster@here.example").action is Action.DEFER
    every = decided(made, "postmaster@here.example", "later@here.example", "me@here.example")
    assert every.action is Action.REJECT
    assert str(every.reply).startswith("550 5.7.23 ")


def test_a_message_is_dropped_for_those_alone_who_want_it_dropped() -> None:
    made = policy(
        'recipient = "drop@here.example"\nmailfrom = {fail = "discard"}',
        'recipient = "keep@here.example"\nmailfrom = {fail = "mark"}',
    )
    alone = decided(made, "drop@here.example")
    assert (alone.action, alone.dropped) == (Action.DISCARD, ())
    both = decided(made, "drop@here.example", "keep@here.example")
    assert (both.action, both.dropped) == (Action.MARK, ("drop@here.example",))
    assert both.reason.endswith("; dropped for drop@here.example")
    refused = decided(made, "drop@here.example", "me@here.example")
    assert (refused.action, refused.dropped) == (Action.REJECT, ())


def test_one_recipient_may_be_given_as_text() -> None:
    made = policy('recipient = "postmaster@here.example"\nskip = true')
    found = decide(made, FAIL, "postmaster@here.example", IP)
    assert found.skipped == "recipient postmaster@here.example"


def test_the_null_sender_is_as_helo_in_an_override_too() -> None:
    bounce = verdict("mailfrom", "none", "mx.example")
    for table, expected in (("helo", Action.DEFER), ("mailfrom", Action.ACCEPT)):
        made = policy(f'client = "192.0.2.0/24"\n{table} = {{none = "defer"}}')
        assert decide(made, bounce, [], IP, mail_from="<>").action is expected


def test_in_code() -> None:
    made = ReceiverPolicy(
        overrides=(Override(sender=("Shop.Example",), no_pra=Action.REJECT, name="shop"),)
    )
    assert made.overrides[0].sender == ("shop.example",)
    assert made.overrides[0].criterion == "sender"
