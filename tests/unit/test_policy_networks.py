"""Networks and patterns: lists as administrators write them."""

from __future__ import annotations

import pickle
from ipaddress import IPv4Address, IPv6Address, ip_address

import hypothesis.strategies as st
import pytest
from hypothesis import given

from senderid_fast.errors import InputError
from senderid_fast.receiver.networks import Networks, parse_range
from senderid_fast.receiver.patterns import (
    address_keys,
    domain_keys,
    parse_address,
    parse_domain,
)


@pytest.mark.parametrize(
    "entry",
    [
        "192.0.2.25",
        "::ffff:192.0.2.25",
        "192.0.2.0/24",
        "::ffff:192.0.2.0/120",
        "192.0.2.25/32",
        "0.0.0.0/0",
        "192.0.2.1-192.0.2.30",
        "192.0.2.25 - 192.0.2.25",
        "::ffff:192.0.2.1-192.0.2.30",
    ],
)
def test_each_way_to_write_an_address_of_ipv4(entry: str) -> None:
    networks = Networks([entry])
    octets = bytes([192, 0, 2, 25])
    for ip in ("192.0.2.25", "::ffff:192.0.2.25", "::FFFF:c000:219", IPv4Address("192.0.2.25")):
        assert ip in networks
    assert octets in networks
    assert bytes(10) + b"\xff\xff" + octets in networks
    assert IPv6Address("::ffff:192.0.2.25") in networks


@pytest.mark.parametrize(
    "entry", ["2001:db8::/32", "2001:db8::19", "2001:db8::-2001:db8::ff", "::/0"]
)
def test_ipv6(entry: str) -> None:
    networks = Networks([entry])
    assert "2001:DB8:0::19" in networks
    assert "2001:db8::19%eth0" in networks
    # A network of IPv6 does not hold what is IPv4.
    assert "192.0.2.25" not in networks
    assert "::ffff:192.0.2.25" not in networks


def test_lists_in_one_text() -> None:
    networks = Networks("127.0.0.1, ::1,192.0.2.0/24 ,")
    assert networks.entries == ("127.0.0.1", "::1", "192.0.2.0/24")
    assert "127.0.0.1" in networks
    assert "::1" in networks
    assert "192.0.3.0" not in networks
    assert (len(Networks("")), len(Networks(" "))) == (0, 0)
    assert "127.0.0.1" not in Networks()


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("relay.example", "'relay.example' is no address or network"),
        ("192.0.2.25/24", "the network is 192.0.2.0/24"),
        ("192.0.2.0/33", "from 0 to 32"),
        ("2001:db8::/129", "from 0 to 128"),
        ("192.0.2.0/255.255.255.0", "prefix length"),
        ("192.0.2.0/", "prefix length"),
        ("192.0.2.010", "192.0.2.010"),
        ("192.0.2.9-192.0.2.1", "ends before it begins"),
        ("192.0.2.9-2001:db8::1", "different IP versions"),
        ("192.0.2.1-", "is no address"),
        ("fe80::1%eth0", "zone index"),
        ("192.0.2", "is no address"),
    ],
)
def test_the_error_names_the_entry(entry: str, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        Networks(["192.0.2.1", entry], "skip_addresses")
    assert str(caught.value).startswith(f"skip_addresses: {entry!r} is no address or network: ")
    assert problem in str(caught.value)


@pytest.mark.parametrize("wrong", [None, 7, b"::1", {"a": 1}, [7], [""], [None]])
def test_what_is_no_list(wrong: object) -> None:
    with pytest.raises(InputError, match=r"^networks(\[0\])?: must be"):
        Networks(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("ip", ["", "unknown", "192.0.2", "192.0.2.1/32", None, 3, b"", b"abc"])
def test_what_is_no_address_is_on_no_list(ip: object) -> None:
    assert ip not in Networks(["0.0.0.0/0", "::/0"])


def test_equality_and_pickle() -> None:
    networks = Networks(["192.0.2.0/25", "192.0.2.128/25"])
    same = Networks(["192.0.2.0-192.0.2.255"])
    assert networks == same
    assert hash(networks) == hash(same)
    assert networks != Networks(["192.0.2.0/25"])
    assert networks != ["192.0.2.0/24"]
    assert pickle.loads(pickle.dumps(networks)).entries == networks.entries
    assert repr(same) == "Networks(['192.0.2.0-192.0.2.255'])"


@st.composite
def ranges(draw: st.DrawFn) -> str:
    base = draw(st.sampled_from(["192.0.2.", "::ffff:192.0.2.", "2001:db8::"]))
    one, two = sorted((draw(st.integers(0, 40)), draw(st.integers(0, 40))))
    return f"{base}{one}-{base}{two}" if "." in base else f"{base}{one:x}-{base}{two:x}"


@given(st.lists(ranges(), max_size=8), st.integers(0, 41), st.booleans())
def test_a_list_holds_what_one_of_its_entries_holds(
    entries: list[str], last: int, six: bool
) -> None:
    ip = ip_address(f"2001:db8::{last:x}" if six else f"192.0.2.{last}")
    single = [parse_range(entry) for entry in entries]
    expected = any(v == ip.version and a <= int(ip) <= b for v, a, b in single)
    assert (ip in Networks(entries)) is expected


def test_domains() -> None:
    assert parse_domain("Example.COM.") == "example.com"
    assert parse_domain(".Example.com") == ".example.com"
    assert parse_domain("B\xfccher.example") == "xn--bcher-kva.example"
    assert list(domain_keys("A.b.Example.")) == ["a.b.example", ".b.example", ".example"]
    assert list(domain_keys("")) == []
    assert next(domain_keys("[192.0.2.1]")) == "[192.0.2.1]"


def test_addresses() -> None:
    assert parse_address("User@Example.com") == "user@example.com"
    assert parse_address("example.com") == "example.com"
    assert list(address_keys("<USER@Mail.Example>")) == [
        "user@mail.example",
        "mail.example",
        ".example",
    ]
    assert list(address_keys("<Postmaster>")) == ["postmaster"]
    assert list(address_keys("")) == []


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("*.example.com", r'".example.com" is every domain below'),
        ("exa mple.com", "is no domain name"),
        ("example..com", "is no domain name"),
        ("a" * 64 + ".com", "is no domain name"),
        ("@example.com", "write the domain alone"),
        ("a b@example.com", "is no address"),
        ("a@b@example.com", "is no address"),
        ("<a@example.com>", "is no"),
        ("a@.example.com", "is no domain name"),
    ],
)
def test_what_is_no_pattern(pattern: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_address(pattern)
