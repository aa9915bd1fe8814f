"""Whatever a session and a message hold: one outcome, well-formed fields, and no trouble."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.receptions import ZONE, arrive, fields_of

import senderid_fast as sf
from senderid_fast.cli.reports import Reporter
from senderid_fast.receiver import (
    Action,
    Actions,
    ExchangeSenderId,
    Networks,
    ReceiverPolicy,
    SubmitterPolicy,
    TrustedRelays,
    read_authentication_results,
)
from senderid_fast.reception import BlockingReception, Envelope, Receiver
from senderid_fast.rows.mailfiles import Found

DOMAINS = [name.encode() for name in ZONE] + [b"gone.example", b"localhost", b""]
OCTETS = st.binary(max_size=40)
MAILBOXES = st.one_of(
    st.builds(lambda local, domain: local + b"@" + domain, OCTETS, st.sampled_from(DOMAINS)), OCTETS
)
PATHS = st.one_of(MAILBOXES, MAILBOXES.map(lambda path: b"<" + path + b">"))
ADDRESSES = st.sampled_from(
    [
        None,
        "192.0.2.1",
        "198.51.100.7",
        "203.0.113.1",
        "127.0.0.1",
        "2001:db8::1",
        "::ffff:192.0.2.1",
        "",
    ]
)
ENVELOPES = st.builds(
    Envelope,
    ip=ADDRESSES,
    helo=st.one_of(st.none(), st.sampled_from(DOMAINS), OCTETS),
    mail_from=PATHS,
    recipients=st.lists(PATHS, max_size=3).map(tuple),
    submitter=st.one_of(st.none(), MAILBOXES),
    authenticated=st.booleans(),
    eai=st.booleans(),
)
LINES = st.one_of(
    MAILBOXES.map(lambda mailbox: b"From: " + mailbox),
    MAILBOXES.map(lambda mailbox: b"Sender: <" + mailbox + b">"),
    st.sampled_from(
        [
            b"Received: from x (x [192.0.2.1]) by mx.here.example with SMTP",
            b"Received: from y (y [203.0.113.1]) by mx.here.example with SMTP",
            b"Authentication-Results: mx.here.example; spf=pass",
            b"Received-SPF: pass (mx.here.example: x) receiver=mx.here.example",
            b"X-SID-PRA: a@b.example",
        ]
    ),
    OCTETS.map(lambda octets: b"X-Any: " + octets),
    OCTETS,
)
HEADERS = st.lists(LINES, max_size=6).map(lambda lines: b"".join(line + b"\r\n" for line in lines))
ACTIONS = st.sampled_from([None, *Action])
TABLES = st.builds(Actions, fail=ACTIONS, softfail=ACTIONS, permerror=ACTIONS, none=ACTIONS)
POLICIES = st.builds(
    ReceiverPolicy,
    helo=TABLES,
    mailfrom=TABLES,
    pra=TABLES,
    no_pra=st.sampled_from(Action),
    test_only=st.booleans(),
    check_authenticated=st.booleans(),
)
RECEIVERS = st.builds(
    Receiver,
    st.just("mx.here.example"),
    policy=POLICIES,
    exchange=st.sampled_from([None, ExchangeSenderId()]),
    relays=st.just(TrustedRelays("203.0.113.1")),
    submitter=st.sampled_from([None, SubmitterPolicy()]),
    fields=st.just(("received-spf", "authentication-results", "x-sid", "exchange")),
)


@settings(max_examples=300, deadline=None)
@given(RECEIVERS, ENVELOPES, HEADERS)
def test_one_well_formed_outcome(receiver: Receiver, envelope: Envelope, headers: bytes) -> None:
    outcome = asyncio.run(arrive(receiver, envelope, headers, recipients=envelope.recipients))
    assert outcome.trouble is None
    assert (outcome.verdicts is None) == (outcome.skipped is not None)
    action, reply = outcome.decision.action, outcome.decision.reply
    assert (reply is not None) == (action in (Action.REJECT, Action.DEFER))
    if reply is not None:
        assert str(reply.code)[0] == reply.enhanced[0] == ("5" if action is Action.REJECT else "4")
    assert set(outcome.dropped) <= set(envelope.recipients)
    fields = fields_of(headers)
    assert list(outcome.remove) == sorted({*outcome.remove} & {*range(len(fields))})
    for field in outcome.add:
        assert envelope.eai or field.body.isascii()
        assert field.body.isprintable()
        assert len(f"{field}".encode()) <= 998
        if field.name == "Authentication-Results":
            assert read_authentication_results(field.body).authserv_id == "mx.here.example"
    blocking = BlockingReception(receiver, sf.Engine(sf.ZoneResolver(ZONE)), envelope)
    found = blocking.at_end_of_header(fields, headers)
    assert found._replace(seconds=0) == outcome._replace(seconds=0)


@settings(max_examples=200, deadline=None)
@given(POLICIES, ENVELOPES, HEADERS)
def test_verify_says_the_same(policy: ReceiverPolicy, envelope: Envelope, headers: bytes) -> None:
    """The command and a mail server differ in how they ask, not in what follows."""
    settings: dict[str, Any] = {"policy": policy, "relays": TrustedRelays("203.0.113.1")}
    receiver = Receiver("mx.here.example", internal=Networks(), **settings)
    if envelope.ip in (None, "") or envelope.authenticated:
        return
    plain = Envelope(envelope.ip, envelope.helo, envelope.mail_from)
    outcome = asyncio.run(arrive(receiver, plain, headers))
    engine = sf.Engine(sf.ZoneResolver(ZONE))
    reporter = Reporter(engine, receiver, plain.ip, plain.helo, plain.mail_from)
    report = reporter.report(Found("x", headers=headers, fields=sf.header_fields(headers)))
    assert (report.decision, report.add, report.remove, report.client) == (
        outcome.decision,
        outcome.add,
        outcome.remove,
        outcome.client,
    )
    if outcome.verdicts is not None:
        assert report.verdicts == outcome.verdicts
