"""Lists of networks against the ipaddress module, which looks at each network by itself."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senderid_fast._core.ranges import AddressRanges, address_number
from senderid_fast.receiver.networks import Networks

# Few numbers, so that networks touch, overlap and hold each other.
V4 = st.integers(0, 255).map(lambda low: IPv4Address(0xC0000200 + low))
V6 = st.integers(0, 255).map(lambda low: IPv6Address((0x20010DB8 << 96) + (low << 60)))
MAPPED = V4.map(lambda address: IPv6Address(f"::ffff:{address}"))
ANY = st.one_of(V4, V6, st.ip_addresses())


@st.composite
def networks(draw: st.DrawFn) -> str:
    address = draw(ANY)
    # A prefix that ends within the 96 bits before an IPv4-mapped address holds none of IPv4.
    length = draw(st.integers(0, address.max_prefixlen))
    return str(ip_network((address, length), strict=False))


def unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


@given(st.lists(networks(), max_size=8), st.one_of(ANY, MAPPED))
def test_an_address_is_on_a_list_if_it_is_in_a_network_of_it(
    entries: list[str], address: IPv4Address | IPv6Address
) -> None:
    listed = Networks(entries)
    asked = unmapped(address)
    expected = any(
        asked in network for network in map(ip_network, entries) if network.version == asked.version
    )
    assert (str(address) in listed) is expected
    assert (address in listed) is expected
    assert (address.packed in listed) is expected
    assert (f" {address}\n" in listed) is expected


@given(st.one_of(ANY, MAPPED))
def test_numbers(address: IPv4Address | IPv6Address) -> None:
    asked = unmapped(address)
    for text in (str(address), address.exploded.upper(), f"\t{address} "):
        assert address_number(text) == (asked.version, int(asked))


@given(st.text(max_size=50) | st.text(alphabet="0123456789abcdef:.% \u0660\ud800", max_size=40))
def test_text_that_is_no_address(text: str) -> None:
    try:
        expected = unmapped(ip_address(text.strip()))
    except ValueError:
        # RFC 6874 2: a zone, which ipaddress wants of IPv6 alone and in no form, may follow.
        if "%" not in text:
            assert address_number(text) is None
            assert text not in Networks(["0.0.0.0/0", "::/0"])
    else:
        found = address_number(text)
        if "%" not in text:
            assert found == (expected.version, int(expected))


@pytest.mark.parametrize(
    "ranges",
    [
        ((4, 5, 4),),
        ((4, 1, 2), (4, 3, 4)),
        ((4, 3, 4), (4, 1, 1)),
        ((6, 1, 2), (4, 1, 2)),
        ((5, 1, 2),),
        ((4, -1, 2),),
        ((4, 1, 1 << 32),),
        ((6, 1, 1 << 128),),
    ],
)
def test_ranges_must_be_in_order(ranges: tuple[tuple[int, int, int], ...]) -> None:
    with pytest.raises(ValueError, match="in order"):
        AddressRanges(ranges)
