"""Receiver: settings are checked when it is made; what follows from them before any check."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from support.receptions import envelope

from senderid_fast.errors import InputError
from senderid_fast.receiver import (
    Action,
    ExchangeSenderId,
    Networks,
    ReceiverPolicy,
    SubmitterPolicy,
    TrustedRelays,
)
from senderid_fast.reception import Receiver

HERE = "mx.here.example"


@pytest.mark.parametrize(
    ("settings", "field", "words"),
    [
        ({"authserv_id": ""}, "authserv_id", "cannot stand in a header field"),
        ({"authserv_id": "a\r\nb"}, "authserv_id", "cannot stand in a header field"),
        ({"own_names": ["old.example", "a\nb"]}, "own_names", "cannot stand in a header field"),
        ({"policy": {}}, "policy", "cannot be a dict"),
        ({"exchange": True}, "exchange", "cannot be a bool"),
        ({"relays": "192.0.2.1"}, "relays", "cannot be a str"),
        ({"submitter": "yes"}, "submitter", "cannot be a str"),
        ({"internal": "192.0.2.0/33"}, "internal", "is no address or network"),
        ({"checks": ["helo", "mfrom"]}, "checks", "'mfrom' is none of helo, mailfrom, pra"),
        ({"checks": []}, "checks", "must hold one of"),
        ({"checks": ["helo"], "exchange": ExchangeSenderId()}, "checks", "must hold pra"),
        ({"fields": ["x-spf"]}, "fields", "'x-spf' is none of"),
        ({"remove_forged": "yes"}, "remove_forged", "must be true or false"),
        ({"on_trouble": "reject"}, "on_trouble", "must be one of accept, defer"),
        ({"seconds": 0}, "seconds", "above 0"),
        ({"seconds": True}, "seconds", "above 0"),
        ({"seconds": float("nan")}, "seconds", "above 0"),
        ({"seconds": 3601}, "seconds", "up to 3600"),
    ],
)
def test_what_cannot_be_used(settings: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as found:
        Receiver(**({"authserv_id": HERE} | settings))
    assert found.value.field.partition("[")[0] == field


def test_lists_may_be_one_text_and_come_in_one_order() -> None:
    settings: dict[str, Any] = {
        "checks": "pra, helo",
        "fields": "exchange,received-spf",
        "internal": "127.0.0.1, ::1,192.0.2.0/24",
        "own_names": "a.example, b.example",
        "on_trouble": "defer",
    }
    receiver = Receiver(HERE, **settings)
    assert receiver.checks == ("helo", "pra")
    assert receiver.fields == ("received-spf", "exchange")
    assert "192.0.2.7" in receiver.internal
    assert receiver.own_names == ("a.example", "b.example")
    assert receiver.on_trouble is Action.DEFER
    assert Receiver(HERE, fields=()).fields == ()


def test_a_receiver_is_a_value() -> None:
    settings: dict[str, Any] = {
        "policy": ReceiverPolicy.from_mapping({"mailfrom": {"fail": "reject"}}),
        "exchange": ExchangeSenderId.from_mapping({"InternalSMTPServers": "203.0.113.9"}),
        "relays": TrustedRelays("203.0.113.1"),
    }
    one, other = Receiver(HERE, **settings), Receiver(HERE, **settings)
    assert one == other
    again = pickle.loads(pickle.dumps(one))
    assert again == one
    assert again.needs_header("203.0.113.9")
    assert again.refuses_early()
    assert one != Receiver(HERE)


@pytest.mark.parametrize(
    ("policy", "others", "early"),
    [
        ({}, {}, False),
        ({"mailfrom": {"fail": "reject"}}, {}, True),
        ({"mailfrom": {"fail": "reject"}}, {"checks": ("helo", "pra")}, False),
        ({"mailfrom": {"fail": "reject"}, "test_only": True}, {}, False),
        ({"helo": {"fail": "discard"}}, {"checks": ("helo",)}, True),
        ({"null_sender": {"temperror": "defer"}}, {}, True),
        ({"pra": {"fail": "reject"}, "no_pra": "reject"}, {}, False),
        ({"override": [{"sender": "a.example", "mailfrom": {"fail": "reject"}}]}, {}, True),
        ({"override": [{"sender": "a.example", "pra": {"fail": "reject"}}]}, {}, False),
        ({"override": [{"client": "192.0.2.1", "skip": True}]}, {}, False),
        ({}, {"submitter": SubmitterPolicy()}, True),
        ({}, {"submitter": SubmitterPolicy(test_only=True)}, False),
        ({}, {"exchange": ExchangeSenderId(spoofed_domain_action="Reject")}, False),  # type: ignore[arg-type]
    ],
)
def test_whether_anything_can_be_refused_early(
    policy: dict[str, Any], others: dict[str, Any], early: bool
) -> None:
    receiver = Receiver(HERE, policy=ReceiverPolicy.from_mapping(policy), **others)
    assert receiver.refuses_early() is early


def test_in_which_order_a_session_is_skipped() -> None:
    skipping = {"override": [{"name": "lan", "client": "10.0.0.0/8", "skip": True}]}
    receiver = Receiver(
        HERE,
        policy=ReceiverPolicy.from_mapping(skipping),
        internal=Networks("10.0.0.0/16"),
        relays=TrustedRelays("10.0.0.1"),
    )
    whys = {
        ("10.0.0.2", True): "authenticated",
        ("10.0.0.1", True): "authenticated",
        ("192.0.2.1", True): "authenticated",
        ("10.0.0.2", False): "internal client",
        ("10.0.0.1", False): None,  # a relay: the header will tell
        ("10.1.0.1", False): "override 'lan'",
        ("192.0.2.1", False): None,
    }
    for (ip, authenticated), why in whys.items():
        assert receiver.skipped(envelope(ip=ip, authenticated=authenticated)) == why
    assert receiver.needs_header("10.0.0.1")
    assert receiver.needs_header("::ffff:10.0.0.1")
    assert not receiver.needs_header("10.0.0.2")
    assert not receiver.needs_header(None)


def test_the_agent_and_the_policy_exempt_each_for_itself() -> None:
    skipping = {"override": [{"name": "friend", "client": "192.0.2.1", "skip": True}]}
    policy = ReceiverPolicy.from_mapping(skipping)
    both = Receiver(HERE, policy=policy, exchange=ExchangeSenderId())
    assert both.identities("192.0.2.1") == ("pra",)
    assert both.identities("192.0.2.2") == ("helo", "mailfrom", "pra")
    off = Receiver(HERE, policy=policy, exchange=ExchangeSenderId(enabled=False))
    assert off.identities("192.0.2.2") == ("helo", "mailfrom")
    assert off.skipped(envelope()) == "override 'friend'"
    alone = Receiver(HERE, checks=("pra",), exchange=ExchangeSenderId(enabled=False))
    assert alone.skipped(envelope()) == "Enabled is false"
