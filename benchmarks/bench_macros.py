"""What a macro-string costs: parsed and expanded to a name (RFC 7208 7.1 to 7.3).

In a check the parsing is done once, when the record is read; the expansion alone is a part of
"exists with a macro" in bench_evaluator.py.
"""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from senderid_fast._core.macros import expand

VALUES = {
    "sender": "strong-bad@email.example.com",
    "helo": "mail.example.com",
    "domain": "email.example.com",
    "ip": "192.0.2.3",
}
VALUES_IP6 = VALUES | {"ip": "2001:db8::cb01"}

# The examples of RFC 7208 7.4, and what they expand to.
EXAMPLES: dict[str, tuple[dict[str, str], bytes, bytes]] = {
    "no macro": (VALUES, b"_spf.example.com", b"_spf.example.com"),
    "domain": (VALUES, b"_spf.%{d}", b"_spf.email.example.com"),
    "two labels": (
        VALUES,
        b"%{d2}.trusted-domains.example",
        b"example.com.trusted-domains.example",
    ),
    "reversed": (
        VALUES,
        b"%{ir}.%{v}._spf.%{d2}",
        b"3.2.0.192.in-addr._spf.example.com",
    ),
    "delimiters": (
        VALUES,
        b"%{lr-}.lp._spf.%{d2}",
        b"bad.strong.lp._spf.example.com",
    ),
    "everything": (
        VALUES,
        b"%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}",
        b"3.2.0.192.in-addr.strong.lp._spf.example.com",
    ),
    "IPv6": (
        VALUES_IP6,
        b"%{ir}.%{v}._spf.%{d2}",
        b"1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com",
    ),
    "cut to 253 octets": (
        VALUES,
        b"%{h}." + b".".join([b"x" * 59] * 4) + b".%{d2}",
        b"%s.example.com" % b".".join([b"x" * 59] * 4),
    ),
}


@pytest.mark.benchmark(group="expand")
@pytest.mark.parametrize("name", EXAMPLES)
def test_expand(benchmark: BenchmarkFixture, name: str) -> None:
    values, macro_string, expanded = EXAMPLES[name]
    assert benchmark(expand, macro_string, values) == expanded


@pytest.mark.benchmark(group="expand")
def test_no_name(benchmark: BenchmarkFixture) -> None:
    """An empty label: what comes out is no DNS name."""
    assert benchmark(expand, b"a..%{d}", VALUES) is None
