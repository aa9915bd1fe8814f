"""TrustedRelays: which field is believed, and where the walk ends."""

from __future__ import annotations

import doctest
import pickle
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senderid_fast.errors import InputError
from senderid_fast.receiver.relays import Client, RelayReason, TrustedRelays

ROOT = Path(__file__).parents[2]
RELAYS = TrustedRelays(["192.0.2.0/28", "2001:db8:1::/48"])
OUTSIDE = "203.0.113.5"


def field(ip: str, *, by: str = "mx.example.com", helo: str = "x.example") -> tuple[str, bytes]:
    return "Received", f" from {helo} (rdns [{ip}])\r\n\tby {by} with ESMTP id 1; date".encode()


def raw(body: str) -> tuple[str, bytes]:
    return "Received", body.encode()


def never() -> Iterator[tuple[str, bytes]]:
    raise AssertionError("a field was read")
    yield


def of(*fields: tuple[str, bytes], relays: TrustedRelays = RELAYS) -> Client:
    return relays.client_of("192.0.2.1", fields)


def test_a_stranger_connects() -> None:
    for ip in (OUTSIDE, "10.1.2.3", "2001:DB8::1"):
        client = RELAYS.client_of(ip, never())
        assert (client.ip, client.index, client.helo) == (ip, None, None)
        assert client.reason is RelayReason.CONNECTION


def test_the_first_address_that_is_not_on_the_list() -> None:
    client = of(field("192.0.2.2"), field("2001:db8:1::9"), field(OUTSIDE), field("198.51.100.1"))
    assert client == Client(
        OUTSIDE,
        2,
        RelayReason.FIELD,
        "Received field 2: 203.0.113.5 is the first address that is no trusted relay",
        "x.example",
    )


def test_no_field_is_read_behind_the_client() -> None:
    def fields() -> Iterator[tuple[str, bytes]]:
        yield field(OUTSIDE)
        yield from never()

    assert RELAYS.client_of("192.0.2.1", fields()).ip == OUTSIDE


def test_only_received_fields_count() -> None:
    other = ("Delivered-To", b"x"), ("X-Received", field("198.51.100.1")[1]), ("Subject", b"")
    client = of(
        *other, ("RECEIVED", field("192.0.2.2")[1]), *other, ("received ", field(OUTSIDE)[1])
    )
    assert (client.ip, client.index) == (OUTSIDE, 1)


def test_mapped_addresses_are_ipv4() -> None:
    client = RELAYS.client_of("::ffff:192.0.2.1", [field("IPv6:::ffff:203.0.113.5")])
    assert client.ip == OUTSIDE
    mapped = TrustedRelays(["::ffff:192.0.2.0/124"])
    assert mapped.client_of("192.0.2.1", [field("192.0.2.2"), field(OUTSIDE)]).ip == OUTSIDE


ENDS = {
    "all ours": ([field("192.0.2.2")], RelayReason.NO_FIELD),
    "no fields": ([], RelayReason.NO_FIELD),
    "no address": ([raw("from x (unknown [unknown]) by mx; d")], RelayReason.NO_ADDRESS),
    "no from": ([raw("by 2002:a17:: with SMTP id 1; d")], RelayReason.NO_ADDRESS),
    "claimed": ([raw(f"from [{OUTSIDE}] by mx with SMTP; d")], RelayReason.NO_ADDRESS),
    "empty": ([raw("")], RelayReason.NO_ADDRESS),
    "too long": ([raw(field(OUTSIDE)[1].decode() + " " * 20_000)], RelayReason.NO_ADDRESS),
    "forged": (
        [raw(f"from x (y [192.0.2.2]) (rdns [{OUTSIDE}]) by mx; d"), field("198.51.100.1")],
        RelayReason.NO_ADDRESS,
    ),
    "postfix local": ([raw("by mx (Postfix, from userid 1000) id 1; d")], RelayReason.LOCAL),
    "qmail local": ([raw("(qmail 1 invoked by uid 1000); d")], RelayReason.LOCAL),
    "exim local": ([raw("from root by mx with local (Exim 4.96) id 1; d")], RelayReason.LOCAL),
    "webmail": ([raw(f"from x ([{OUTSIDE}]) by mx with HTTP; d")], RelayReason.NOT_SMTP),
    "fetched": (
        [raw(f"from pop [{OUTSIDE}] by mx with POP3 (fetchmail-6.3); d")],
        RelayReason.NOT_SMTP,
    ),
}


@pytest.mark.parametrize("case", ENDS)
def test_the_walk_ends_without_a_client(case: str) -> None:
    fields, reason = ENDS[case]
    # What stands below is a stranger's word, and not read.
    below = [] if reason is RelayReason.NO_FIELD else [field("198.51.100.1")]
    client = of(*fields, *below)
    assert (client.ip, client.reason, client.helo) == (None, reason, None)
    assert client.index == (None if reason is RelayReason.NO_FIELD else 0)
    assert client.detail


@pytest.mark.parametrize(
    "ip",
    [
        "127.0.0.1",
        "10.1.2.3",
        "100.64.0.1",
        "172.31.0.1",
        "192.168.1.1",
        "169.254.1.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fd00::1",
        "fe80::1%3",
        "ff02::1",
    ],
)
def test_a_private_address_is_a_relay_or_none(ip: str) -> None:
    client = of(field(ip), field(OUTSIDE))
    assert (client.ip, client.reason, client.index) == (None, RelayReason.PRIVATE, 0)
    assert "private" in client.detail
    listed = TrustedRelays(["192.0.2.1", ip.partition("%")[0]])
    assert of(field(ip), field(OUTSIDE), relays=listed).ip == OUTSIDE


def test_qmail_writes_two_fields() -> None:
    network = raw("(qmail 5162 invoked from network); 1 Jan 2024 00:00:00 -0000")
    smtpd = raw(f"from unknown (HELO x.example) ({OUTSIDE}) by mx with SMTP; date")
    client = of(network, smtpd, relays=TrustedRelays(["192.0.2.1"], ["mx"]))
    assert (client.ip, client.index, client.helo) == (OUTSIDE, 1, "x.example")


def test_other_protocols_between_ones_own_hosts() -> None:
    """Exchange hands messages to mailboxes over HTTPS; a mailbox of one's own may be fetched."""
    relays = TrustedRelays(["192.0.2.1", "::1"])
    inside = raw("from a.example (::1) by b.example with HTTPS; d")
    assert of(inside, field(OUTSIDE), relays=relays).ip == OUTSIDE


def test_the_depth() -> None:
    relays = TrustedRelays(["192.0.2.0/24"], depth=3)
    assert of(field("192.0.2.2"), field("192.0.2.3"), field(OUTSIDE), relays=relays).ip == OUTSIDE
    client = of(*[field("192.0.2.2")] * 3, field(OUTSIDE), relays=relays)
    assert (client.ip, client.index, client.reason) == (None, 3, RelayReason.DEPTH)
    endless = (field("192.0.2.2") for _ in iter(int, 1))
    assert RELAYS.client_of("192.0.2.1", endless).reason is RelayReason.DEPTH


def test_names_are_those_behind_by() -> None:
    relays = TrustedRelays(["192.0.2.0/24"], ["MX.example.com", ".inside.example"])
    for by in ("mx.example.com", "MX.EXAMPLE.COM.", "a.b.inside.example", "a.inside.example (1.2)"):
        assert of(field(OUTSIDE, by=by), relays=relays).ip == OUTSIDE
    # HELO and names from DNS are not asked: the client chooses them.
    for by in ("mx.example.org", "x.mx.example.com", "inside.example", "([192.0.2.1])", "\x1b[31m"):
        client = of(field(OUTSIDE, by=by, helo="mx.example.com"), relays=relays)
        assert (client.ip, client.reason) == (None, RelayReason.NOT_OURS)
        assert client.detail.isprintable()


def test_a_message_whose_connection_is_not_known() -> None:
    fields = [field("192.0.2.2"), field(OUTSIDE)]
    assert RELAYS.client_of(None, fields).ip == OUTSIDE
    assert RELAYS.client_of(None, [field(OUTSIDE), field("198.51.100.1")]).index == 0
    named = TrustedRelays(["192.0.2.0/24"], ["mx.example.com"])
    assert named.client_of(None, fields).ip == OUTSIDE
    foreign = named.client_of(None, [field(OUTSIDE, by="mx.example.org")])
    assert foreign.reason is RelayReason.NOT_OURS
    assert TrustedRelays().client_of(None, [field(OUTSIDE)]).ip == OUTSIDE


def test_nothing_is_trusted_by_default() -> None:
    assert TrustedRelays().client_of("127.0.0.1", never()).reason is RelayReason.CONNECTION
    assert not TrustedRelays().trusts("127.0.0.1")
    assert TrustedRelays(["2001:db8::1-2001:db8::5"]).trusts("2001:db8::3")
    assert not RELAYS.trusts("no address")


@pytest.mark.parametrize(
    ("argument", "value", "named"),
    [
        ("networks", ["192.0.2.1", "192.0.2.0/33"], "192.0.2.0/33"),
        ("networks", ["192.0.2.9-192.0.2.1"], "192.0.2.9-192.0.2.1"),
        ("networks", ["192.0.2.1-2001:db8::1"], "192.0.2.1-2001:db8::1"),
        ("networks", ["mx.example.com"], "mx.example.com"),
        ("networks", [7], "7"),
        ("names", ["mx.example.com", "a b"], "a b"),
        ("names", ["*.example.com"], "*.example.com"),
        ("names", [None], "None"),
        ("depth", 0, "0"),
        ("depth", 101, "101"),
        ("depth", True, "True"),
    ],
)
def test_what_cannot_be_used_is_named(argument: str, value: object, named: str) -> None:
    with pytest.raises(InputError) as caught:
        TrustedRelays(**{argument: value})  # type: ignore[arg-type]
    assert caught.value.field.startswith(argument)
    assert named in str(caught.value)


@pytest.mark.parametrize("ip", ["", "192.0.2", "mx.example.com", 7, b"\xc0\x00\x02\x01"])
def test_an_address_that_is_none(ip: object) -> None:
    with pytest.raises(InputError, match=r"^ip: "):
        RELAYS.client_of(ip, [])  # type: ignore[arg-type]


def test_it_is_a_value() -> None:
    relays = TrustedRelays(iter(["192.0.2.1"]), ["mx.example.com"], depth=5)
    assert relays == TrustedRelays(("192.0.2.1",), ("mx.example.com",), 5)
    assert hash(relays) == hash(TrustedRelays(["192.0.2.1"], ["mx.example.com"], 5))
    copy = pickle.loads(pickle.dumps(relays))
    assert copy == relays
    assert copy.trusts("192.0.2.1")
    client = of(field(OUTSIDE))
    assert pickle.loads(pickle.dumps(client)) == client


TRUSTED = st.integers(0, 15).map(lambda last: f"192.0.2.{last}")


@given(
    st.lists(TRUSTED, max_size=8),
    st.lists(st.binary(max_size=80) | TRUSTED.map(lambda ip: field(ip)[1]), max_size=4),
)
def test_what_a_stranger_writes_below_changes_nothing(hops: list[str], forged: list[bytes]) -> None:
    fields = [*map(field, hops), field(OUTSIDE), *(("Received", body) for body in forged)]
    client = of(*fields)
    assert (client.ip, client.index) == (OUTSIDE, len(hops))


@given(st.lists(st.tuples(st.text(max_size=9) | st.just("Received"), st.binary(max_size=99))))
def test_any_fields(fields: Iterable[tuple[str, bytes]]) -> None:
    client = RELAYS.client_of(None, fields)
    assert (client.ip is None) == (client.reason is not RelayReason.FIELD)
    assert client.detail.isprintable()


def test_the_examples_of_the_document() -> None:
    text = (ROOT / "docs" / "trusted-relays.md").read_text("utf-8")
    examples = doctest.DocTestParser().get_doctest(text, {}, "relays", "trusted-relays.md", 0)
    told: list[str] = []
    assert len(examples.examples) >= 8
    assert not doctest.DocTestRunner().run(examples, out=told.append).failed, "".join(told)
