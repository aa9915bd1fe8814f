"""Addresses and networks of the core, against ipaddress and the definition of a match."""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.scripted import Scripted, address, policy

import senderid_fast as sf
from senderid_fast._core.cidr import parse_address
from senderid_fast._core.tables import first_match

numbers4 = st.one_of(
    st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 2**31 - 1, 2**31, 2**32 - 1, 0xC0000201])
)
groups = st.one_of(st.sampled_from([0, 0, 0, 1, 0xFFFF]), st.integers(0, 0xFFFF))
numbers6 = st.one_of(
    st.lists(groups, min_size=8, max_size=8).map(
        lambda eight: sum(group << 16 * place for place, group in enumerate(eight))
    ),
    st.integers(0, 2**128 - 1),
    numbers4.map(lambda number: 0xFFFF << 32 | number),
)
almost = st.one_of(
    st.text("0123456789.", max_size=16),
    st.text("0123456789abcdefABCDEF:.%", max_size=48),
    numbers6.map(lambda number: str(IPv6Address(number))).flatmap(
        lambda text: st.tuples(st.integers(0, len(text)), st.sampled_from("0:.gA ")).map(
            lambda change: text[: change[0]] + change[1] + text[change[0] :]
        )
    ),
)


def plain(text: str) -> str | None:
    """What parse_address is to give (RFC 7208 5: an IPv4-mapped client is an IPv4 client)."""
    before, percent, zone = text.partition("%")  # a zone is of no meaning, but is IPv6 only
    try:
        found = ipaddress.ip_address(before)
    except ValueError:
        return None
    if isinstance(found, IPv6Address):
        return None if percent and not zone else str(found.ipv4_mapped or found)
    return None if percent else str(found)


@given(numbers4)
def test_ipv4(number: int) -> None:
    text = str(IPv4Address(number))
    assert parse_address(text) == text


@given(numbers6)
def test_ipv6(number: int) -> None:
    """RFC 5952 4, as ipaddress writes it."""
    found = IPv6Address(number)
    for text in (str(found), found.exploded, found.exploded.upper(), str(found) + "%eth0"):
        assert parse_address(text) == plain(text)


@given(numbers6)
def test_ipv6_with_a_quad_at_its_end(number: int) -> None:
    text = IPv6Address(number).exploded[:30] + str(IPv4Address(number & 0xFFFFFFFF))
    assert parse_address(text) == plain(text)


@given(almost)
@example("::")
@example("1::2::3")
@example("1:2:3:4:5:6:7::")
@example("::2:3:4:5:6:7:8")
@example("1:2:3:4::5:6:7:8")
@example("1:2:3:4:5:6:1.2.3.4")
@example("1:2:3:4:5:6:7:1.2.3.4")
@example("::ffff:1.2.3.4")
@example("::1.2.3.4%1")
@example("1.2.3.4::")
@example(":1.2.3.4")
@example("00001::")
@example("1.2.3.4.")
@example("fe80::1%")
@example("fe80::1%a%b")
def test_what_is_and_what_is_no_address(text: str) -> None:
    assert parse_address(text) == plain(text)


@pytest.mark.parametrize("text", ["", "\0", "1.2.3.4\0", "\ud800", "\u0661.2.3.4", "1" * 100_000])
def test_no_text_does_harm(text: str) -> None:
    assert parse_address(text) is None


def holds(network: int, prefix: int, ip: int, bits: int) -> bool:
    """RFC 7208 5: the high-order ``prefix`` bits are the same."""
    return network >> (bits - prefix) == ip >> (bits - prefix)


Case = tuple[list[tuple[int, int]], int]


@st.composite
def near(draw: st.DrawFn, bits: int) -> Case:
    """Networks, and an address in, beside or far from one of them."""
    beside = draw(st.booleans())
    numbers: st.SearchStrategy[int] = st.one_of(
        numbers4 if bits == 32 else numbers6, st.integers(0, 7)
    )
    networks = draw(st.lists(st.tuples(numbers, st.integers(0, bits)), max_size=20))
    ip = draw(numbers)
    if networks and beside:
        network, prefix = draw(st.sampled_from(networks))
        size = 1 << (bits - prefix)
        start = network & ~(size - 1)
        ip = draw(st.sampled_from([start, start + size - 1, start - 1, start + size]))
    return networks, ip % (1 << bits)


def expected(networks: list[tuple[int, int]], ip: int, bits: int) -> int | None:
    found = (n for n, (network, prefix) in enumerate(networks) if holds(network, prefix, ip, bits))
    return next(found, None)


@given(near(32))
@example(([(0, 0), (0, 32)], 0))
@example(([(0, 32), (0, 0)], 2**32 - 1))
@example(([(2**32 - 1, 32), (2**31, 1)], 2**32 - 1))
def test_the_first_network_that_holds_an_ipv4_address(case: Case) -> None:
    """RFC 7208 4.6.2, 5.6: from left to right."""
    networks, ip = case
    assert first_match([*networks], ip) == expected(networks, ip, 32)


@given(near(128))
@example(([(0, 0), (0, 128)], 0))
@example(([(2**128 - 1, 128), (2**127, 1)], 2**128 - 1))
def test_the_first_network_that_holds_an_ipv6_address(case: Case) -> None:
    networks, ip = case
    octets: list[tuple[int | bytes, int]] = [
        (network.to_bytes(16, "big"), prefix) for network, prefix in networks
    ]
    assert first_match(octets, ip.to_bytes(16, "big")) == expected(networks, ip, 128)


def test_many_networks() -> None:
    networks: list[tuple[int | bytes, int]] = [(number << 8, 24) for number in range(65_534)]
    assert first_match(networks, 65_533 << 8 | 7) == 65_533
    assert first_match(networks, 65_534 << 8) is None
    with pytest.raises(ValueError, match="65534"):
        first_match([*networks, (0, 32)], 0)


def text_of(number: int, bits: int) -> str:
    return str(IPv4Address(number) if bits == 32 else IPv6Address(number))


def is_mapped(ip: int, bits: int) -> bool:
    return bits == 128 and ip >> 32 == 0xFFFF


@given(near(32), near(128), st.sampled_from([32, 128]), st.data())
def test_terms_of_both_families_in_one_record(
    four: Case,
    six: Case,
    bits: int,
    data: st.DataObject,
) -> None:
    """RFC 7208 5.6: the other family never matches, and the first match decides."""
    networks: list[tuple[int, int, int]] = data.draw(
        st.permutations([(n, p, 32) for n, p in four[0]] + [(n, p, 128) for n, p in six[0]])
    )
    ip = four[1] if bits == 32 else six[1]
    family, value = (32, ip & 0xFFFFFFFF) if is_mapped(ip, bits) else (bits, ip)
    terms = []
    for place, (network, prefix, width) in enumerate(networks):
        name = "ip4" if width == 32 else "ip6"
        terms.append(f"{'+-~?'[place % 4]}{name}:{text_of(network, width)}/{prefix}")
        if data.draw(st.integers(0, 5)) == 0:
            terms.append("x=y")  # between two runs of networks
    record = " ".join(["v=spf1", *terms])
    verdict = sf.Engine(Scripted(lambda *_: policy(record))).check_host(
        text_of(ip, bits), "a.example"
    )
    hits = [
        place
        for place, (network, prefix, width) in enumerate(networks)
        if width == family and holds(network, prefix, value, width)
    ]
    right = ("pass", "fail", "softfail", "neutral")[hits[0] % 4] if hits else "neutral"
    assert verdict.result == right
    assert (verdict.mechanism is not None) == bool(hits)


@given(
    st.lists(numbers4, min_size=1, max_size=20),
    st.lists(numbers6, min_size=1, max_size=20),
    st.integers(0, 32),
    st.integers(0, 128),
    st.data(),
)
def test_dual_cidr_lengths(
    fours: list[int], sixes: list[int], prefix4: int, prefix6: int, data: st.DataObject
) -> None:
    """RFC 7208 5.3, 5.4: an address of the name shares the first bits with the client's."""
    bits = data.draw(st.sampled_from([32, 128]))
    known, prefix = (fours, prefix4) if bits == 32 else (sixes, prefix6)
    near_one = data.draw(st.sampled_from(known)) ^ (1 << data.draw(st.integers(0, bits - 1)))
    ip = data.draw(st.one_of(st.just(near_one), numbers4 if bits == 32 else numbers6))
    family, value = (32, ip & 0xFFFFFFFF) if is_mapped(ip, bits) else (bits, ip)
    if family != bits:
        known, prefix = fours, prefix4

    def reply(question: sf.Question, timeout: float) -> Any:
        match question.rrtype:
            case sf.RRType.TXT:
                return policy(f"v=spf1 a:h.example/{prefix4}//{prefix6} -all")
            case sf.RRType.A:
                return address(*(text_of(number, 32) for number in fours))
            case _:
                return address(*(text_of(number, 128) for number in sixes))

    verdict = sf.Engine(Scripted(reply)).check_host(text_of(ip, bits), "a.example")
    right = any(holds(number, prefix, value, family) for number in known)
    assert verdict.result == ("pass" if right else "fail")
