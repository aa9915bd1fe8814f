"""Engines whose policies become tables at once, and zones whose verdicts depend on the address."""

from __future__ import annotations

import ipaddress
import itertools
from typing import Any
from unittest import mock

from hypothesis import strategies as st

import senderid_fast as sf
from senderid_fast import engine_base

__all__ = ["eager_engine", "network_zones"]


def eager_engine(resolver: Any, **options: Any) -> sf.Engine:
    """An engine that makes a table after the first evaluation of a policy."""
    with mock.patch.object(engine_base, "HEAT_FOR_TABLE", 1):
        return sf.Engine(resolver, **options)


NAMES = ["a.example", "b.example", "c.example", "d.example"]
_ip4 = st.sampled_from([0, 10 << 24, (10 << 24) + 7, (10 << 24) + 256, (1 << 32) - 1])
_ip6 = st.sampled_from([0, 0x20010DB8 << 96, (0x20010DB8 << 96) + 9, (1 << 128) - 1])
_networks = st.one_of(
    st.builds(
        lambda ip, bits: f"ip4:{ipaddress.IPv4Address(ip)}/{bits}",
        _ip4,
        st.sampled_from([0, 7, 8, 23, 24, 29, 30, 31, 32]),
    ),
    st.builds(
        lambda ip, bits: f"ip6:{ipaddress.IPv6Address(ip)}/{bits}",
        _ip6,
        st.sampled_from([0, 31, 32, 64, 120, 127, 128]),
    ),
)
_lengths = st.sampled_from(["", "", "/24", "/30", "//64", "/31//127", "/0", "//0"])
_targets = st.sampled_from([*NAMES, "gone.example", "%{l}.%{d}", "x.%{d2}", "%{i}.example"])
_terms = st.one_of(
    _networks,
    _networks,
    st.sampled_from(["all", "ptr", "ptr:b.example"]),
    st.builds(
        lambda kind, name, bits: kind + name + bits,
        st.sampled_from(["a", "mx"]),
        st.one_of(st.just(""), _targets.map(":{}".format)),
        _lengths,
    ),
    st.sampled_from([f"include:{name}" for name in NAMES]),
    st.sampled_from([f"include:{name}" for name in NAMES]),
    _targets.map("exists:{}".format),
)
_directives = st.builds(lambda sign, term: sign + term, st.sampled_from("+-~?"), _terms)
_records = st.builds(
    lambda terms, ending: " ".join(["v=spf1", *terms, *ending]),
    st.lists(_directives, max_size=7),
    st.one_of(
        st.just([]),
        st.just(["-all"]),
        st.just(["-all", "exp=why.%{d}"]),
        st.just(["-all", "exp=why.a.example"]),
        _targets.map(lambda name: [f"redirect={name}"]),
    ),
)
_four = st.integers(0, 3).flatmap(lambda _: _ip4).map(lambda ip: str(ipaddress.IPv4Address(ip)))
_six = _ip6.map(lambda ip: str(ipaddress.IPv6Address(ip)))
_hosts = st.one_of(
    _four.map(lambda ip: {"A": ip}),
    _four.map(lambda ip: {"A": ip}),
    _six.map(lambda ip: {"AAAA": ip}),
    st.sampled_from([*NAMES, "gone.example", "."]).map(lambda name: {"MX": [10, name]}),
)


@st.composite
def _zones(draw: st.DrawFn) -> dict[str, list[Any]]:
    zone: dict[str, list[Any]] = {}
    for name in NAMES:
        entries: list[Any] = draw(st.lists(_hosts, max_size=4))
        entries += [{"TXT": draw(_records)} for _ in range(draw(st.sampled_from([1, 1, 1, 1, 2])))]
        if draw(st.integers(0, 9)) == 0:
            entries = ["TIMEOUT"]
        zone[name] = entries
    if draw(st.booleans()):
        zone[NAMES[1]] = zone[NAMES[0]]  # two hosts with the same record
    zone["why.a.example"] = [{"TXT": "%{i} may not use %{d}"}]
    return zone


def _around(ip: int, last: int) -> list[int]:
    steps = (0, 1, 2, 3, 4, 7, 8, 15, 16, 255, 256, 257, 1 << 25)
    near = [ip + sign * step for step in steps for sign in (1, -1)]
    return sorted({address for address in near if 0 <= address <= last})


ADDRESSES = [
    *itertools.chain.from_iterable(
        (str(ipaddress.IPv4Address(ip)) for ip in _around(base, (1 << 32) - 1))
        for base in (0, 10 << 24, (1 << 32) - 1)
    ),
    *itertools.chain.from_iterable(
        (str(ipaddress.IPv6Address(ip)) for ip in _around(base, (1 << 128) - 1))
        for base in (0, 0x20010DB8 << 96, (1 << 128) - 1)
    ),
]

network_zones = st.tuples(_zones(), st.lists(st.sampled_from(ADDRESSES), min_size=4, max_size=12))
"""A zone of NAMES, and addresses at the borders of what its records name."""
