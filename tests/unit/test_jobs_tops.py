"""The most frequent values in bounded memory, and the networks of clients."""

from __future__ import annotations

import json
import random
from collections import Counter
from ipaddress import ip_address, ip_network

import pyarrow as pa
import pytest

from senderid_fast.jobs import tops as module
from senderid_fast.jobs.networks import count_networks, network_name
from senderid_fast.jobs.tops import Top, Tops


def draw(generator: random.Random, number: int, most: int) -> list[str]:
    """Names of which the first are much more frequent than the last."""
    return [f"d{int(most ** generator.random())}.example" for _ in range(number)]


def test_few_values_are_counted_exactly() -> None:
    generator = random.Random(1)
    tops, exact = Tops(), Counter[str]()
    for _ in range(200):
        names = draw(generator, 500, 3_000)
        exact.update(names)
        column = pa.array([*names, None], pa.string())
        tops.add(column.dictionary_encode() if generator.random() < 0.5 else column)
    expected = sorted(exact.items(), key=lambda pair: (-pair[1], pair[0]))
    assert tops.most(10_000) == [Top(*pair) for pair in expected]
    assert tops.error == 0
    assert tops.most(3) == [Top(*pair) for pair in expected[:3]]


def test_many_values_are_counted_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING", 1_000)
    generator = random.Random(2)
    tops, exact = Tops(bound=100), Counter[str]()
    for _ in range(300):
        names = draw(generator, 500, 100_000)
        exact.update(names)
        tops.add(pa.array(names))
    found = dict(tops.most(1_000))
    assert len(found) <= 100
    # The promise of Misra and Gries.
    assert 0 < tops.error <= exact.total() / 100
    for name, rows in found.items():
        assert exact[name] - tops.error <= rows <= exact[name]
    for name, rows in exact.items():
        assert rows <= tops.error or name in found


def test_it_goes_on_from_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING", 1_000)
    generator = random.Random(3)
    whole, parts = Tops(bound=5_000), Tops(bound=5_000)
    for _ in range(20):
        column = pa.array(draw(generator, 500, 3_000))
        whole.add(column)
        parts.add(column)
        state = json.loads(json.dumps(parts.state()))
        parts = Tops(bound=5_000)
        parts.restore(state)
    assert parts.most(5_000) == whole.most(5_000)
    assert parts.state() == whole.state()


def test_nothing_was_counted() -> None:
    tops = Tops()
    tops.add(pa.nulls(3, pa.string()))
    tops.add(pa.array([], pa.string()))
    assert tops.most(10) == []
    assert tops.state() == {"error": 0, "counts": {}}


def networks_of(column: pa.Array) -> Counter[str]:
    found: Counter[str] = Counter()
    for keys, counts in count_networks(column):
        for key, rows in zip(keys.to_pylist(), counts.to_pylist(), strict=True):
            found[network_name(key)] += rows
    return found


def test_networks_of_text() -> None:
    column = pa.array(
        [
            "192.0.2.1",
            " 192.0.2.255 ",
            "192.0.20.1",
            "::ffff:192.0.2.9",
            "2001:db8:1::1",
            " 2001:DB8:0001:0:ffff::",
            "2001:db8::1:2:3:4:5",
            "2001:db8::",
            "2001::1:2:3:4:5:6",
            "2001::1",
            "1:2:3:4:5:6:7::",
            "::1:2:3:4:5:6:7",
            "::1",
            None,
        ]
    )
    expected = {
        "192.0.2.0/24": 3,
        "192.0.20.0/24": 1,
        "2001:db8:1::/48": 2,
        "2001:db8::/48": 2,
        "2001:0:1::/48": 1,
        "2001::/48": 1,
        "1:2:3::/48": 1,
        "0:1:2::/48": 1,
        "::/48": 1,
    }
    assert networks_of(column) == expected
    assert networks_of(column.dictionary_encode()) == expected
    assert networks_of(column.cast(pa.large_string())) == expected


def test_networks_of_octets() -> None:
    generator = random.Random(4)
    addresses = [
        ip_address(generator.getrandbits(32 if generator.random() < 0.5 else 128) & ~0xFFFF)
        for _ in range(100)
    ]
    expected = Counter(
        str(ip_network((each, 24 if each.version == 4 else 48), strict=False)) for each in addresses
    )
    packed = [each.packed for each in addresses]
    assert networks_of(pa.array([*packed, None], pa.binary())) == expected
    four = [each for each in packed if len(each) == 4]
    assert networks_of(pa.array(four, pa.binary(4))) == networks_of(pa.array(four, pa.binary()))
    assert networks_of(pa.array([], pa.string())) == {}
    assert networks_of(pa.array([], pa.binary())) == {}


def test_networks_of_random_addresses() -> None:
    generator = random.Random(5)
    addresses = [
        ip_address(
            sum(generator.choice([0, 0, 1, 0xFFFF]) << 16 * at for at in range(8)) | 1 << 127
        )
        for _ in range(500)
    ]
    expected = Counter(str(ip_network((each, 48), strict=False)) for each in addresses)
    assert networks_of(pa.array([str(each) for each in addresses])) == expected
    assert networks_of(pa.array([each.exploded for each in addresses])) == expected
