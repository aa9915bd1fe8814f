"""Which fields of an incoming message claim to be ours."""

from __future__ import annotations

import time
from typing import Any

import pytest
from support.outcomes import IP, Said

import senderid_fast as sf
from senderid_fast.receiver.fields import authentication_results, received_spf
from senderid_fast.receiver.removal import forged_fields
from senderid_fast.receiver.stamps import exchange_fields, sid_fields

US = "mx.example.net"


def forged(name: str, body: str | bytes, ours: Any = US, **options: Any) -> bool:
    return forged_fields([(name, body)], ours, **options) == [0]


def test_positions_are_highest_first() -> None:
    fields: list[tuple[str, str | bytes]] = [
        ("Authentication-Results", b" mx.example.net; spf=pass smtp.mailfrom=ceo@example.com"),
        ("Received", b" from a by b; date"),
        ("AUTHENTICATION-RESULTS ", " MX.Example.NET.; none"),
        ("Authentication-Results", " other.example; spf=pass"),
        ("X-MS-Exchange-Organization-SCL", " -1"),
        ("x-sid-result", " PASS"),
        ("Received-SPF", " pass receiver=mx.example.net"),
        ("Received-SPF", " pass receiver=other.example"),
        ("From", " mx.example.net"),
    ]
    assert forged_fields(fields, US) == [6, 5, 4, 2, 0]
    assert forged_fields(fields, US, all_received_spf=True) == [7, 6, 5, 4, 2, 0]
    for position in forged_fields(fields, US):
        del fields[position]
    assert [name for name, _ in fields] == [
        "Received",
        "Authentication-Results",
        "Received-SPF",
        "From",
    ]


@pytest.mark.parametrize(
    "body",
    [
        "mx.example.net; spf=pass",
        " MX.EXAMPLE.NET ; none",
        "mx.example.net",
        "mx.example.net 1; spf=pass",
        "\r\n (c (d) \\) )\r\n mx.example.net\r\n (e) ; spf=pass",
        '"mx.example.net"; spf=pass',
        '"mx\\.exam\\ple.net"; spf=pass',
        "mx.example.net.; spf=pass",
        # Of a version that nobody here knows, whoever wrote it (RFC 8601 5).
        "other.example 2; spf=pass",
        # They cannot be read, and a laxer reader may take them for ours.
        "mx.example.net spf=pass",
        'mx.example.net; spf=pass reason="',
        "mx.example.\r\n net; spf=pass",
        "mx.(c)example.net; spf=pass",
        '"mx.example.net; spf=pass',
        "mx.example.net\x00; spf=pass",
        "mx.exam\x00ple.net; spf=pass",
        "mx.example.net\r; spf=pass",
        "other.example (; mx.example.net; spf=pass",
        "; mx.example.net; spf=pass",
        "=?utf-8?q?mx=2Eexample.net?=; spf=pass",
        "mx.example.net=x; spf=pass",
        "mx.example.net; spf=pass" + " " * 70_000,
    ],
)
def test_results_that_claim_to_be_ours(body: str) -> None:
    assert forged("Authentication-Results", body)
    assert forged("authentication-results", body.encode())


@pytest.mark.parametrize(
    "body",
    [
        "other.example; spf=pass",
        "smx.example.net; spf=pass",
        "mx.example.net.evil.example; spf=pass",
        "example.net; spf=pass",
        "other.example (mx.example.net); spf=pass",
        "other.example; spf=pass (mx.example.net: domain of) smtp.mailfrom=mx.example.net",
        '"other.example; mx.example.net"; spf=pass',
        "spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=mx.example.net; dkim=none",
        "other example; spf=pass",
    ],
)
def test_results_of_others_stay(body: str) -> None:
    assert not forged("Authentication-Results", body)


def test_internationalised_identifiers() -> None:
    ours = "mx.xn--mller-kva.example"
    for theirs in ("mx.m\xfcller.example", "MX.M\xdcLLER.example", "mx.XN--MLLER-KVA.example"):
        assert forged("Authentication-Results", f"{theirs}; spf=pass".encode(), ours)
        assert forged("Authentication-Results", f"{ours}; spf=pass", theirs)
    assert not forged("Authentication-Results", b"mx.m\xff.example; spf=pass", ours)


def test_several_identifiers() -> None:
    for name in ("a.example", "old.example"):
        assert forged("Authentication-Results", f"{name}; none", {"a.example", "old.example"})
    for wrong in ("", [], ["a.example", ""], "."):
        with pytest.raises(sf.InputError):
            forged_fields([], wrong)
    with pytest.raises(sf.InputError) as raised:
        forged_fields([], US, receiver=())
    assert raised.value.field == "receiver"


@pytest.mark.parametrize(
    ("body", "gone"),
    [
        ("pass receiver=mx.example.net; client-ip=192.0.2.1", True),
        ('Pass (x) a=b; Receiver="MX.example.net"', True),
        ("pass receiver=other.example; receiver=mx.example.net", True),
        ("pass (mx.example.net: domain of a) client-ip=192.0.2.1", True),
        ("pass (mx.example.net: it) receiver=other.example", True),
        ("pass receiver=mx.example.net; (", True),
        ("pass receiver=mx.(c)example.net", True),
        ("pass receiver=other.example; helo=mx.example.net", False),
        ("pass (other.example: domain of mx.example.net)", False),
        ("none", False),
        ("none (", False),
    ],
)
def test_received_spf(body: str, gone: bool) -> None:
    assert forged("Received-SPF", body) is gone
    assert forged("Received-SPF", body, all_received_spf=True)
    assert forged("Received-SPF", body, "id.example", receiver=[US]) is gone
    assert not forged("Received-SPF", body.replace("(c)", ""), "id.example")


def test_all_that_we_write_is_found_again() -> None:
    verdict = Said()
    ours = [
        authentication_results(US, verdict),
        authentication_results("mx/a b", verdict),
        received_spf(verdict, ip=IP, helo="x", mail_from="", receiver=US),
        *exchange_fields(verdict, report=True),
        *sid_fields(verdict),
    ]
    assert forged_fields(ours, (US, "mx/a b")) == list(range(len(ours)))[::-1]
    folded = [(name, field.folded()) for field in ours for name in [field.name]]
    assert len(forged_fields(folded, (US, "mx/a b"))) == len(ours)


@pytest.mark.parametrize(
    "name", ["X-MS-Exchange-Organization", "X-SID", "X-SIDE", "X-Received-SPF", "Subject", ""]
)
def test_other_fields_stay(name: str) -> None:
    assert not forged(name, "mx.example.net; spf=pass")


@pytest.mark.parametrize("name", ["Authentication-Results", "Received-SPF"])
@pytest.mark.parametrize("body", [b"(\\(", b"((", b'("\\"', b"(\\\\(\\)"])
def test_a_field_of_comments_that_never_end_is_read_once(name: str, body: bytes) -> None:
    begun = time.process_time()
    for each in (body * 25_000, US.encode() + b"; " + body * 25_000):
        forged(name, each)
        forged(name, each.decode())
    assert time.process_time() - begun < 10  # some 50 ms; with work by the square it is minutes
