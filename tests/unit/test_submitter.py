"""SUBMITTER (RFC 4405): what its vectors do not say."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import hypothesis.strategies as st
import pytest
from hypothesis import given
from support.verdicts import verdict

import senderid_fast as sf
from senderid_fast.receiver.policy import Action
from senderid_fast.receiver.submitter import (
    EHLO_KEYWORD,
    Submitter,
    SubmitterPolicy,
    SubmitterSyntaxError,
    parse_submitter,
    submitter_matches,
    submitter_of,
    submitter_parameter,
    xtext_decode,
    xtext_encode,
)

ALICE = Submitter("alice@example.com", "alice", "example.com")


@dataclass(frozen=True)
class Pra:
    local_part: str
    domain: str


@given(st.binary(max_size=300))
def test_xtext_carries_any_octets(octets: bytes) -> None:
    encoded = xtext_encode(octets)
    assert xtext_decode(encoded) == octets
    assert encoded.isascii()
    assert not set(encoded) & set(" =\r\n\0")


@given(st.text(max_size=400))
def test_any_value_is_a_mailbox_or_a_syntax_error(value: str) -> None:
    try:
        found = parse_submitter(value)
    except SubmitterSyntaxError:
        return
    assert found.mailbox.isascii()
    assert found.mailbox.isprintable()
    assert "@" in found.mailbox
    assert submitter_of([submitter_parameter(found.mailbox)]) == found


@pytest.mark.parametrize(
    "value",
    [
        *("+4", "+4g", "+", "a b@example.com", "a\r\n@example.com", "\xe9@example.com"),
        *(".a@example.com", "a.@example.com", "a..b@example.com", "@example.com", "a@"),
        *("a@example.com.", "a@-example.com", "a@example-.com", "a@exa_mple.com", "a@@example.com"),
        *('"a@example.com', 'a"b"@example.com', '"a"b"@example.com', '"a\\"@example.com'),
        *("a@[192.0.2.256]", "a@[192.0.2.1", "a@[]", "a@[IPv6:fe80::1%25eth0]", "a@[IPv6:]"),
        *("a@[tag:]", "a@[tag-:x]", "a" * 321 + "@example.com", "a@" + "b." * 128 + "com"),
        "+61" * 320,
    ],
)
def test_what_is_no_mailbox(value: str) -> None:
    with pytest.raises(SubmitterSyntaxError):
        parse_submitter(value)


@pytest.mark.parametrize(
    ("value", "local_part", "domain"),
    [
        ("A.b@EXAMPLE.com", "A.b", "example.com"),
        ('"a+20b"@example.com', "a b", "example.com"),
        ('"a\\"b"@example.com', 'a"b', "example.com"),
        ('"a@b"@example.com', "a@b", "example.com"),
        ("a@[IPv6:2001:DB8::1]", "a", "[ipv6:2001:db8::1]"),
        ("a@[x-tag:anything]", "a", "[x-tag:anything]"),
        ("a@localhost", "a", "localhost"),
    ],
)
def test_mailboxes(value: str, local_part: str, domain: str) -> None:
    found = parse_submitter(value)
    assert (found.local_part, found.domain) == (local_part, domain)


def test_the_error_says_what_is_wrong_and_pickles() -> None:
    with pytest.raises(SubmitterSyntaxError, match=r"^SUBMITTER: has no value$") as caught:
        submitter_of(["SIZE=10", "SUBMITTER="])
    assert str(pickle.loads(pickle.dumps(caught.value))) == "SUBMITTER: has no value"
    assert isinstance(caught.value, sf.SenderIDError)


def test_the_parameter_for_a_client() -> None:
    parameter = submitter_parameter('"al ice"+x@example.com'.replace('"+x', '+x"'))
    assert parameter == 'SUBMITTER="al+20ice+2Bx"@example.com'
    assert parameter.partition("=")[0] == EHLO_KEYWORD
    for wrong in ("<alice@example.com>", "", "alice", "a@b\xfccher.example"):
        with pytest.raises(sf.InputError, match=r"^mailbox: "):
            submitter_parameter(wrong)


def test_comparison() -> None:
    assert submitter_matches(ALICE, Pra("alice", "EXAMPLE.com"))
    assert not submitter_matches(ALICE, Pra("Alice", "example.com"))
    assert not submitter_matches(ALICE, Pra("alice", "example.com.evil.example"))


@pytest.mark.parametrize("result", ["none", "neutral", "pass", "softfail", "permerror"])
def test_only_not_authorized_rejects(result: str) -> None:
    decision = SubmitterPolicy().at_mail(verdict("host", result, scope=sf.Scope.PRA))
    assert (decision.action, decision.reply) == (Action.ACCEPT, None)


def test_a_should_can_be_softened_and_the_must_cannot() -> None:
    policy = SubmitterPolicy(not_allowed=Action.MARK, no_pra=Action.ACCEPT)
    fail = verdict("host", "fail", scope=sf.Scope.PRA)
    assert policy.at_mail(fail).action is Action.MARK
    assert policy.at_mail(fail).reply is None
    assert policy.after_data(ALICE, None).action is Action.ACCEPT
    assert policy.after_data(ALICE, Pra("bob", "example.com")).action is Action.REJECT
    for wrong in ({"not_allowed": "defer"}, {"no_pra": "discard"}, {"temperror": "reject"}):
        with pytest.raises(sf.InputError, match=f"^{next(iter(wrong))}: must be one of accept"):
            SubmitterPolicy(**wrong)  # type: ignore[arg-type]


def test_test_only_accepts_and_tells() -> None:
    decision = SubmitterPolicy(test_only=True).after_data(ALICE, None)
    assert (decision.action, decision.would_be) == (Action.ACCEPT, Action.REJECT)
    assert decision.reply is None
    assert str(decision.would_reply) == "554 5.7.7 Cannot verify submitter address."


def test_with_an_engine() -> None:
    zone = {"example.com": [{"TXT": "spf2.0/pra ip4:192.0.2.1 -all"}]}
    engine = sf.Engine(resolver=sf.ZoneResolver(zone))
    submitter = submitter_of(["SUBMITTER=alice@example.com"])
    assert submitter is not None
    replies = []
    for ip in ("192.0.2.1", "192.0.2.2"):
        checked = engine.check_host(
            ip, submitter.domain, submitter.mailbox, "mail.example", sf.Scope.PRA
        )
        replies.append(SubmitterPolicy().at_mail(checked).reply)
    assert [str(reply) for reply in replies] == ["None", "550 5.7.1 Submitter not allowed."]
