"""What addresses cost: text to address, and which of many networks holds one.

first_match() sorts the networks and then searches, so it is the cost of a record's first use; the
search alone is a part of "400 networks" in bench_evaluator.py.
"""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from senderid_fast._core.cidr import parse_address
from senderid_fast._core.tables import first_match

ADDRESSES = {
    "IPv4": "203.0.113.77",
    "IPv6, short": "2001:db8::1",
    "IPv6, long": "2001:db8:ef7e:5833:caa2:e773:aa1d:5417",
    "IPv4 mapped": "::ffff:203.0.113.77",
}


@pytest.mark.benchmark(group="parse_address: text to address")
@pytest.mark.parametrize("text", ADDRESSES.values(), ids=ADDRESSES)
def test_parse_address(benchmark: BenchmarkFixture, text: str) -> None:
    parsed = benchmark(parse_address, text)
    mapped = getattr(ip_address(text), "ipv4_mapped", None)
    assert parsed == str(mapped or ip_address(text))


@pytest.mark.benchmark(group="parse_address: no address")
@pytest.mark.parametrize("text", ["203.0.113.777", "2001:db8:::1", "mail.sender.example"])
def test_no_address(benchmark: BenchmarkFixture, text: str) -> None:
    assert benchmark(parse_address, text) is None


@pytest.mark.benchmark(group="first_match: networks sorted, then one searched")
@pytest.mark.parametrize("count", [1, 16, 256, 4_096])
def test_first_match_of_ip4(benchmark: BenchmarkFixture, count: int) -> None:
    # Every other /24: a neighbour of each is in none of them.
    networks: list[tuple[int | bytes, int]] = [(0x0A000000 + (n << 9), 24) for n in range(count)]
    last = 0x0A000000 + ((count - 1) << 9) + 77
    assert first_match(networks, last + 256) is None
    assert benchmark(first_match, networks, last) == count - 1


@pytest.mark.benchmark(group="first_match: networks sorted, then one searched")
@pytest.mark.parametrize("count", [16, 256])
def test_first_match_of_ip6(benchmark: BenchmarkFixture, count: int) -> None:
    first = int(ip_address("2001:db8::"))
    networks: list[tuple[int | bytes, int]] = [
        ((first + (n << 65)).to_bytes(16, "big"), 64) for n in range(count)
    ]
    last = first + ((count - 1) << 65) + 77
    assert first_match(networks, (last + (1 << 64)).to_bytes(16, "big")) is None
    assert benchmark(first_match, networks, last.to_bytes(16, "big")) == count - 1
