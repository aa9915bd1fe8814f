"""Hypothesis strategies for records, zones and checks.

``records`` is written from the grammar of RFC 7208 12, production by production;
``mutated_records`` changes a few octets of such a record; ``noise`` is any octets, mostly of those
that records are made of.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from hypothesis import strategies as st

__all__ = ["checks", "mutated_records", "noise", "records", "unrelated_zones", "zones"]

LITERALS = "".join(chr(octet) for octet in range(0x21, 0x7F) if octet != 0x25)
DELIMITERS = ".-+,/_="


def _any_case(text: str) -> st.SearchStrategy[str]:
    flips = st.lists(st.booleans(), min_size=len(text), max_size=len(text))
    return flips.map(
        lambda up: "".join(
            letter.upper() if flip else letter for letter, flip in zip(text, up, strict=True)
        )
    )


def _concat(*parts: st.SearchStrategy[str] | str) -> st.SearchStrategy[str]:
    strategies = [st.just(part) if isinstance(part, str) else part for part in parts]
    return st.tuples(*strategies).map("".join)


def _optional(part: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(st.just(""), part)


# transformers = *DIGIT [ "r" ]
transformers = _concat(
    st.sampled_from(["", "", "1", "2", "3", "09", "127", "128", "4294967297"]),
    st.sampled_from(["", "r", "R"]),
)
macro_expands = st.one_of(
    st.sampled_from(["%%", "%_", "%-"]),
    _concat(
        "%{",
        st.sampled_from("slodiphvSLODIPHV"),
        transformers,
        st.text(DELIMITERS, max_size=3),
        "}",
    ),
)
literals = st.text(LITERALS, max_size=6)
macro_strings = st.lists(st.one_of(macro_expands, literals), max_size=4).map("".join)
# The letters of explanations are of the grammar in a value of which no name is made.
unknown_values = _concat(macro_strings, st.sampled_from(["", "", "%{c}", "%{R}", "%{t2r-}"]))
labels = st.text("abcxyz019-_", min_size=1, max_size=8)
toplabels = st.one_of(
    st.sampled_from(["example", "test", "x--y", "3com", "a1"]),
    st.from_regex(r"[0-9a-z]{0,3}[a-z][0-9a-z]{0,3}", fullmatch=True),
    st.from_regex(r"[0-9a-z]{1,3}-[0-9a-z-]{0,3}[0-9a-z]", fullmatch=True),
)
domain_ends = st.one_of(_concat(".", toplabels, st.sampled_from(["", "."])), macro_expands)
domain_specs = st.one_of(
    _concat(macro_strings, domain_ends),
    _concat(labels, domain_ends),
    st.sampled_from(["one.example", "two.example", "three.example", "%{d}", "%{l}.%{d2}"]),
)

ip4_lengths = st.integers(0, 32).map("/{}".format)
ip6_lengths = st.integers(0, 128).map("/{}".format)
dual_lengths = _concat(_optional(ip4_lengths), _optional(_concat("/", ip6_lengths)))
ip4_networks = st.ip_addresses(v=4).map(str)


def _ip6_forms(address: ipaddress.IPv6Address) -> st.SearchStrategy[str]:
    words = address.exploded.split(":")
    quad = str(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return st.sampled_from(
        [
            str(address),
            address.exploded,
            str(address).upper(),
            ":".join([*words[:6], quad]),
            "::" + quad,
            ":".join(words[:7]) + "::",
        ]
    )


ip6_networks = st.ip_addresses(v=6).flatmap(
    lambda address: _ip6_forms(ipaddress.IPv6Address(address))
)

mechanisms = st.one_of(
    _any_case("all"),
    _concat(_any_case("include"), ":", domain_specs),
    _concat(_any_case("a"), _optional(_concat(":", domain_specs)), dual_lengths),
    _concat(_any_case("mx"), _optional(_concat(":", domain_specs)), dual_lengths),
    _concat(_any_case("ptr"), _optional(_concat(":", domain_specs))),
    _concat(_any_case("ip4"), ":", ip4_networks, _optional(ip4_lengths)),
    _concat(_any_case("ip6"), ":", ip6_networks, _optional(ip6_lengths)),
    _concat(_any_case("exists"), ":", domain_specs),
)
directives = _concat(st.sampled_from(["", "+", "-", "?", "~"]), mechanisms)
unknown_names = st.from_regex(r"[A-Za-z][A-Za-z0-9\-_.]{0,6}", fullmatch=True).filter(
    lambda name: name.lower() not in ("redirect", "exp")
)
unknown_modifiers = _concat(unknown_names, "=", unknown_values)
redirects = _concat(_any_case("redirect"), "=", domain_specs)
explanations = _concat(_any_case("exp"), "=", domain_specs)
scope_ids = st.one_of(_any_case("mfrom"), _any_case("pra"), unknown_names)
sender_id_versions = _concat(
    _any_case("spf2."),
    st.sampled_from(["0", "1", "007"]),
    "/",
    st.lists(scope_ids, min_size=1, max_size=3).map(",".join),
)
versions = st.one_of(_any_case("v=spf1"), _any_case("v=spf1"), sender_id_versions)
spaces = st.integers(1, 3).map(lambda count: " " * count)


@st.composite
def _records(draw: st.DrawFn) -> bytes:
    terms = draw(st.lists(st.one_of(directives, directives, unknown_modifiers), max_size=8))
    for once in (redirects, explanations):
        if draw(st.booleans()):
            terms.insert(draw(st.integers(0, len(terms))), draw(once))
    version = draw(versions)
    text = version + "".join(draw(spaces) + term for term in terms)
    return (text + " " * draw(st.integers(0, 2))).encode("ascii")


records: st.SearchStrategy[bytes] = _records()

TEMPTING = (
    *(b" ", b"\t", b"\n", b"\0", b"%", b"%{", b"}", b":", b"/", b"//", b".", b"=", b"-", b"0"),
    *(b"33", b"129", b"256", b"\xa0", b"\xff", b"all", b"%{c}", b"%{d0}", b"::", b"redirect=a.b"),
    *(b",", b"pra", b"spf2.0/"),
)


@st.composite
def _mutated(draw: st.DrawFn) -> bytes:
    octets = bytearray(draw(records))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(octets)))
        end = min(len(octets), start + draw(st.integers(0, 3)))
        piece = st.one_of(st.sampled_from(TEMPTING), st.binary(max_size=2))
        octets[start:end] = draw(piece)
    return bytes(octets)


mutated_records: st.SearchStrategy[bytes] = _mutated()
noise: st.SearchStrategy[bytes] = st.one_of(
    st.binary(max_size=80),
    st.lists(st.sampled_from(TEMPTING), max_size=12).map(b"".join),
    st.lists(st.sampled_from(TEMPTING), max_size=12).map(
        lambda parts: b"v=spf1 " + b"".join(parts)
    ),
)

# Zones in which names meet: every name that a record may reach is one of a few.
NAMES = ["one.example", "two.example", "three.example", "mta.one.example"]
ADDRESSES = ["203.0.113.25", "198.51.100.1"]
ADDRESSES_6 = ["2001:db8:25::25", "2001:db8::1"]
REVERSE = {
    "203.0.113.25": "25.113.0.203.in-addr.arpa",
    "2001:db8:25::25": "5.2.0.0" + ".0" * 16 + ".5.2.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
}
_targets = st.sampled_from([*NAMES, "gone.example", "%{l}.%{d}", "%{d2}", "%{p}.one.example"])
_terms = st.one_of(
    st.sampled_from(["all", "a", "mx", "ptr", "ip4:203.0.113.0/24", "ip6:2001:db8:25::/48"]),
    *(_targets.map((name + ":{}").format) for name in ("include", "a", "mx", "ptr", "exists")),
)
_directives = _concat(st.sampled_from(["", "-", "?", "~"]), _terms)
_modifiers = st.one_of(
    _targets.map("redirect={}".format), _targets.map("exp={}".format), st.just("note=x")
)
_policies = st.tuples(st.lists(_directives, max_size=5), st.lists(_modifiers, max_size=1)).map(
    lambda parts: " ".join(["v=spf1", *parts[0], *parts[1]])
)
_entries: st.SearchStrategy[Any] = st.one_of(
    st.builds(lambda text: {"TXT": text}, _policies),
    st.builds(lambda text: {"TXT": text}, _policies),
    st.just({"TXT": "no mail from %{i}"}),
    st.builds(lambda address: {"A": address}, st.sampled_from(ADDRESSES)),
    st.builds(lambda address: {"AAAA": address}, st.sampled_from(ADDRESSES_6)),
    st.builds(lambda host: {"MX": [10, host]}, st.sampled_from([*NAMES, "gone.example", "."])),
    st.just("TIMEOUT"),
)


@st.composite
def _zones(draw: st.DrawFn) -> dict[str, list[Any]]:
    zone = {name: draw(st.lists(_entries, max_size=4)) for name in NAMES}
    # A record at the name that is checked makes most examples say something.
    zone[NAMES[0]].insert(0, {"TXT": draw(_policies)})
    for name in REVERSE.values():
        zone[name] = [{"PTR": host} for host in draw(st.lists(st.sampled_from(NAMES), max_size=3))]
    return zone


zones: st.SearchStrategy[dict[str, list[Any]]] = _zones()
"""Zone data in the OpenSPF form; one.example has a record."""

checks: st.SearchStrategy[tuple[str, str, str]] = st.tuples(
    st.sampled_from([*REVERSE, "::ffff:203.0.113.25"]),
    st.sampled_from([NAMES[3], "mta", ""]),
    st.sampled_from([f"robin@{NAMES[0]}", f"a-b+c@{NAMES[0]}", "", f"@{NAMES[0]}"]),
)
"""(ip, helo, mail_from)."""

unrelated_zones: st.SearchStrategy[dict[str, list[Any]]] = st.dictionaries(
    st.from_regex(r"[a-z]{1,5}\.unrelated\.test", fullmatch=True),
    st.lists(_entries, max_size=3),
    max_size=5,
)
"""Names that no zone of ``zones`` leads to."""
