"""The core writes Received-SPF and Authentication-Results as plain Python does."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import plainfields as plain
from support.outcomes import Address, Said

import senderid_fast as sf
from senderid_fast.milter.codec import insert_fields
from senderid_fast.receiver import authentication_results, received_spf

PIECES = (
    *("\r\n", "\0", "\x85", "\u2028", "\ud800", "\udcff", "\u202e", "\xe9", "\u4f8b", "\x7f", "\t"),
    *("; ", "=", " ", "  ", '"', "\\", "(", ")", "<", ">", "@", ".", ",", ":", "=?", "?=", "?"),
    *("a", "b.example", "b\xfccher.example", "x" * 90, "...", "client-ip=203.0.113.9"),
)
TEXTS = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
    st.text(max_size=60),
    st.text(st.characters(codec="ascii"), min_size=200, max_size=1200),
    st.sampled_from(["user@example.com", "mta.example.org", '"a b"@example.com', ""]),
    st.sampled_from(["a", "\xe9", "\n"]).map(lambda c: 30_000 * c),
)
VALUES = TEXTS | st.binary(max_size=60) | st.just(b"mta.example.org") | st.just(b"\xff" * 30_000)
PATHS = VALUES | TEXTS.map(lambda text: f"<{text}>") | st.sampled_from(["<>", b"<>", "<", b">", ""])
ADDRESSES = (
    st.ip_addresses()
    | st.ip_addresses().map(str)
    | st.ip_addresses().map(lambda ip: ip.packed)
    | st.sampled_from(["::ffff:192.0.2.1", "fe80::1%eth0", "fe80::1%\xe9", "::ffff:1.2.3.4%a"])
    | st.sampled_from(["", "192.0.2", "::1\n", b"abc", "\ud800", ip_address("::ffff:192.0.2.1")])
)
OWN = st.sampled_from(
    ["mx.example.net"] * 4 + ["mx/a b", "m" * 255, "m" * 256, "", "m\xfc.example"]
)
HEADERS = st.sampled_from(["from", "Sender", "resent-from", "Resent-Sender", "reply-to"])


@st.composite
def verdicts(draw: Callable[..., Any], identities: tuple[str, ...]) -> Said:
    identity = draw(st.sampled_from(identities))
    return Said(
        draw(st.sampled_from(sf.Result)),
        draw(st.sampled_from(sf.Reason)),
        draw(st.sampled_from(sf.Scope)),
        identity,
        draw(TEXTS),
        draw(TEXTS),
        draw(TEXTS | st.none()),
        draw(TEXTS),
        Address(draw(HEADERS), draw(TEXTS)) if identity == "pra" and draw(st.booleans()) else None,
    )


def outcome(write: Callable[[], Any]) -> tuple[str, str]:
    """What is written, or the error that says why not."""
    try:
        return "written", getattr(body := write(), "body", body)
    except sf.InputError as error:
        return error.field, error.problem


@settings(max_examples=500, deadline=None)
@given(
    verdicts(("host", "helo", "mailfrom", "pra")),
    ADDRESSES,
    VALUES | st.none(),
    PATHS | st.none(),
    OWN,
    st.booleans(),
)
@example(Said(), "192.0.2.1", "mta.example.org", "user@example.com", "mx.example.net", False)
def test_received_spf(
    verdict: Any, ip: Any, helo: Any, mail_from: Any, receiver: str, eai: bool
) -> None:
    words = {"ip": ip, "helo": helo, "mail_from": mail_from, "receiver": receiver, "eai": eai}
    expected = outcome(lambda: plain.received_spf(verdict, **words))
    assert outcome(lambda: received_spf(verdict, **words)) == expected


@settings(max_examples=500, deadline=None)
@given(
    OWN,
    st.lists(verdicts(("helo", "mailfrom", "pra", "pra", "mailfrom", "host")), max_size=4)
    | st.lists(verdicts(("helo", "mailfrom")), min_size=20, max_size=20),
    st.sampled_from([None, 1, 999, 0, 1_000]),
    st.fixed_dictionaries(
        {},
        optional={name: st.booleans() for name in ("with_helo", "local_parts", "reasons", "eai")},
    ),
)
def test_authentication_results(
    own: str, said: list[Any], version: int | None, options: dict[str, bool]
) -> None:
    def results(write: Any) -> tuple[str, str]:
        return outcome(lambda: write(own, *said, version=version, **options))

    assert results(authentication_results) == results(plain.authentication_results)


LONG: Any = Said(identity="helo", domain="(\xe9" * 400, detail="\u4f8b" * 400)
WRITERS: dict[str, Callable[[], object]] = {
    "received_spf": lambda: received_spf(
        LONG, ip="2001:db8::1", helo=b"\xff" * 900, mail_from=None, receiver="mx", eai=True
    ),
    "authentication_results": lambda: authentication_results("mx", *[LONG] * 20, reasons=True),
    "insert_fields": lambda: insert_fields([("X", "a " * 3_000), ("Y", "\u4f8b " * 900)]),
}


@pytest.mark.parametrize("name", WRITERS)
def test_without_memory_there_is_no_field(name: str) -> None:
    testing = pytest.importorskip("_testcapi")
    write = WRITERS[name]
    expected, failed = write(), 0
    for allocation in range(300):
        testing.set_nomemory(allocation, allocation + 1)
        try:
            found = write()
        except MemoryError:
            failed += 1
        else:
            testing.remove_mem_hooks()
            assert found == expected
        finally:
            testing.remove_mem_hooks()
    assert failed > 2
