"""Whatever octets a sender chose: what is written is one field, and says what it was to say."""

from __future__ import annotations

import random
import re
from email import message_from_bytes, policy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.outcomes import IP, Address, Said, mail_from_verdict

import senderid_fast as sf
from senderid_fast.identities import a_labels
from senderid_fast.receiver.escaping import MARK, unquoted, visible
from senderid_fast.receiver.fields import Field, authentication_results, received_spf
from senderid_fast.receiver.reading import read_authentication_results, read_received_spf
from senderid_fast.receiver.removal import forged_fields
from senderid_fast.receiver.stamps import exchange_fields, sid_fields

MX = "mx.example.net"
HOSTILE = (
    *("\r\n", "\n", "\r", "\0", "\x0b", "\x85", "\u2028", "\ud800", "\u202e", "\xe9", "\u4f8b"),
    *("; ", ";", "=", " ", "  ", '"', "\\", '\\"', "(", ")", "\\)", "<", ">", "@", ".", ",", ":"),
    *("=?utf-8?q?", "?=", "?", "identity=helo", "spf=pass", "smtp.mailfrom=", "\r\nBcc: a@b"),
    *("\r\n\r\n", "\t", "a", "b.example", "x" * 90, "...", "client-ip=203.0.113.9", "%", "\x7f"),
)
texts = st.one_of(
    st.lists(st.sampled_from(HOSTILE), max_size=12).map("".join),
    st.text(max_size=60),
    st.binary(max_size=60),
    st.text(st.characters(codec="ascii"), min_size=200, max_size=1200),
)
outcomes = st.tuples(
    st.sampled_from(sf.Result),
    st.sampled_from(sf.Reason),
    st.sampled_from([("mailfrom", sf.Scope.SPF), ("helo", sf.Scope.SPF), ("pra", sf.Scope.PRA)]),
)
OPTIONS = ("local_parts", "reasons", "with_helo")


def as_text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")


def converted(domain: str) -> str:
    return a_labels(domain.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def says(read: str | None, given_: str | bytes, eai: bool) -> bool:
    """Whether what was read is the value that was given, or its beginning with the mark."""
    assert read is not None
    whole = visible(given_, 100_000, eai=eai)
    return read == whole or (read.endswith(MARK) and whole.startswith(read.removesuffix(MARK)))


def is_one_field(field: Field, eai: bool) -> None:
    assert field.body.isprintable()
    assert eai or field.body.isascii()
    assert not re.search(r"=\?[^ ]*\?[^ ]*\?[^ ]*\?=", field.body)  # RFC 2047 2
    assert len(str(field).encode()) <= 998
    lines = field.text().split("\r\n")
    assert lines.pop() == ""
    assert "".join(lines) == str(field)
    assert all(line[0] == " " and line[1] != " " for line in lines[1:])
    # A line is longer than 78 only if no break was to be had in it.
    assert all(len(line.encode()) <= 78 or not re.search(r"[^ ] [^ ]", line) for line in lines[1:])
    for line_end in ("\r\n", "\n"):
        octets = f"X-First: 1{line_end}{field.text(line_end)}X-Last: 2{line_end}{line_end}body"
        for kind in (policy.compat32, policy.default):
            message = message_from_bytes(octets.encode(), policy=kind)
            assert message.keys() == ["X-First", field.name, "X-Last"]
            assert message.get_payload() == "body"


def check_fields(
    verdict: Any, helo: str | bytes, mail_from: str | bytes, eai: bool, *, local_parts: bool
) -> None:
    spf = received_spf(verdict, ip=IP, helo=helo, mail_from=mail_from, receiver=MX, eai=eai)
    is_one_field(spf, eai)
    read = read_received_spf(spf.folded())
    assert read == read_received_spf(spf.body)
    pra = getattr(verdict, "pra", None)
    named = verdict.reason in (sf.Reason.MATCHED, sf.Reason.DEFAULT)
    assert [key for key, _ in read.pairs] == [
        *("receiver", "client-ip", "envelope-from", "helo", "identity"),
        *(["pra"] if pra else []),
        *(["mechanism"] if named else []),
        *(["problem"] if verdict.result in ("temperror", "permerror") else []),
    ]
    assert read.result is verdict.result
    assert (read.value("receiver"), read.value("client-ip")) == (MX, IP)
    assert read.value("identity") == verdict.identity
    assert says(read.value("helo"), helo, eai)
    path = as_text(mail_from)
    path = path[1:-1] if path.startswith("<") and path.endswith(">") else path
    assert says(read.value("envelope-from"), path, eai)
    if named:
        assert says(read.value("mechanism"), verdict.mechanism or "default", eai)
    assert read.comment is not None
    assert read.comment.startswith(f"{MX}: ")

    results = authentication_results(
        MX, verdict, verdict, with_helo=True, local_parts=local_parts, reasons=True, eai=eai
    )
    is_one_field(results, eai)
    found = read_authentication_results(results.folded())
    assert found.authserv_id == MX
    assert len(found.results) == 2
    first, second = found.results
    assert first == second
    assert first.result == verdict.result
    assert says(first.reason, verdict.detail, eai)
    value = verdict.sender if verdict.identity == "mailfrom" and local_parts else verdict.domain
    where = ("smtp", verdict.identity)
    if verdict.identity == "pra":
        value = (
            (pra.mailbox if local_parts else pra.mailbox.rpartition("@")[2].lower()) if pra else ""
        )
        where = ("header", "from")
    assert [info[:2] for info in first.properties] == ([where] if value else [])
    if value:
        local, _, domain = value.rpartition("@")
        read_local, _, read_domain = first.properties[0].value.rpartition("@")
        forms = [domain] if eai else [domain, converted(domain)]
        # As a whole in quotes, or in two parts.
        assert says(first.properties[0].value, value, eai) or (
            says(unquoted(read_local), unquoted(local), eai)
            and any(says(read_domain, form, eai) for form in forms)
        )
    stamps = (*exchange_fields(verdict, report=True, eai=eai), *sid_fields(verdict, eai=eai))
    for field in stamps:
        is_one_field(field, eai)
    ours = [spf, results, *stamps]
    assert forged_fields(ours, MX) == list(range(len(ours)))[::-1]


@settings(max_examples=300, deadline=None)
@given(outcomes, texts, texts, texts, texts, st.booleans(), st.booleans())
def test_any_text_makes_one_field(
    outcome: tuple[sf.Result, sf.Reason, tuple[str, sf.Scope]],
    helo: str | bytes,
    mail_from: str | bytes,
    domain: str | bytes,
    detail: str | bytes,
    eai: bool,
    local_parts: bool,
) -> None:
    result, reason, (identity, scope) = outcome
    said = Said(result, reason, scope, identity, as_text(domain), as_text(mail_from))
    said.mechanism, said.detail = as_text(detail), as_text(detail)
    if identity == "pra" and reason is not sf.Reason.NO_PRA:
        said.pra = Address("From", as_text(mail_from))
    check_fields(said, helo, mail_from, eai, local_parts=local_parts)


@settings(max_examples=150, deadline=None)
@given(texts, texts, st.booleans())
def test_any_session_of_the_engine_makes_one_field(
    helo: str | bytes, mail_from: str | bytes, eai: bool
) -> None:
    zone = {"b.example": [{"TXT": "v=spf1 exists:%{h}.%{l}.b.example exp=e.b.example -all"}]}
    given_ = mail_from if mail_from else "a@b.example"
    # The engine takes text that is UTF-8.
    given_ = as_text(given_).encode("utf-8", "surrogatepass")
    octets = as_text(helo).encode("utf-8", "surrogatepass")
    verdict = mail_from_verdict(zone, given_, octets)
    check_fields(verdict, octets, given_, eai, local_parts=True)


def random_text(dice: random.Random) -> str:
    return "".join(dice.choices(HOSTILE, k=dice.randrange(8)))


@pytest.mark.parametrize("part", range(4))
def test_twenty_thousand_random_fields(part: int) -> None:
    dice = random.Random(part)
    identities = [("mailfrom", sf.Scope.SPF), ("helo", sf.Scope.SPF), ("pra", sf.Scope.PRA)]
    for _ in range(5_000):
        identity, scope = dice.choice(identities)
        said = Said(dice.choice(list(sf.Result)), dice.choice(list(sf.Reason)), scope, identity)
        said.domain, said.sender = random_text(dice), random_text(dice)
        said.mechanism = said.detail = random_text(dice)
        said.pra = Address("From", random_text(dice)) if identity == "pra" else None
        eai = dice.random() < 0.3
        helo, mail_from = random_text(dice), random_text(dice)
        field = received_spf(said, ip=IP, helo=helo, mail_from=mail_from, receiver=MX, eai=eai)
        found = read_received_spf(field.folded("\n"))
        assert says(found.value("helo"), helo, eai)
        assert found.value("identity") == identity
        assert 6 <= len(found.pairs) + (said.reason not in ("matched", "default")) <= 8
        field = authentication_results(MX, said, local_parts=True, eai=eai)
        results = read_authentication_results(field.folded("\n")).results
        assert len(results) == 1
        assert len(results[0].properties) <= 1
        assert len(str(field)) <= 998


@pytest.mark.parametrize("part", range(4))
def test_reading_random_bodies_raises_input_error_only(part: int) -> None:
    dice = random.Random(part)
    pieces = [
        *HOSTILE,
        "mx",
        "mx.example.net; ",
        "spf",
        "/",
        "1",
        "none",
        "pass ",
        "reason=",
        "(c)",
    ]
    for _ in range(10_000):
        body: str | bytes = "".join(dice.choices(pieces, k=dice.randrange(14)))
        if dice.random() < 0.3:
            body = as_text(body).encode("utf-8", "surrogatepass")
        for read in (read_received_spf, read_authentication_results):
            try:
                read(body)
            except sf.InputError as error:
                assert error.field == "body"  # noqa: PT017
        forged_fields([("Authentication-Results", body), ("Received-SPF", body)], MX)


@pytest.mark.parametrize("value", ["a\r" * 50, "\xe9" * 50, "ab" * 50, "\u4f8b" * 50, '"\\' * 40])
@pytest.mark.parametrize("eai", [False, True])
def test_visible_keeps_to_its_limit(value: str, eai: bool) -> None:
    whole = visible(value, 10_000, eai=eai)
    for limit in range(0, 220):
        cut = visible(value, limit, eai=eai)
        assert len(cut.encode()) <= limit
        if len(whole.encode()) <= limit:
            assert cut == whole
        elif limit >= 3:
            assert cut.endswith(MARK)
            kept = cut.removesuffix(MARK)
            assert whole.startswith(kept)
            assert eai or not re.search(r"\\(?:x[0-9a-f]?)?$", kept) or '"' in value
