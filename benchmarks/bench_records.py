"""What reading a record costs: octets of a TXT record to terms, short and long, good and bad."""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import senderid_fast as sf

RECORDS = {
    "short": b"v=spf1 mx -all",
    "include": b"v=spf1 ip4:192.0.2.0/24 include:_spf.provider.example ~all",
    "macros": b"v=spf1 exists:%{ir}.%{l1r+-}._spf.%{d2} redirect=%{h}.policy.example",
    "long": b"v=spf1 "
    + b" ".join(b"ip4:198.18.%d.0/24 ip6:2001:db8:%x::/48" % (n, n) for n in range(24))
    + b" -all",
}
BROKEN = b"v=spf1 ip4:192.0.2.0/24 include:_spf.provider.example ip4:192.0.2.0/33 -all"


@pytest.mark.benchmark(group="parse_record")
@pytest.mark.parametrize("octets", RECORDS.values(), ids=RECORDS)
def test_parse(benchmark: BenchmarkFixture, octets: bytes) -> None:
    assert isinstance(benchmark(sf.parse_record, octets), sf.Record)


@pytest.mark.benchmark(group="parse_record")
def test_syntax_error(benchmark: BenchmarkFixture) -> None:
    def parse() -> sf.RecordSyntaxError:
        try:
            sf.parse_record(BROKEN)
        except sf.RecordSyntaxError as error:
            return error
        raise AssertionError("read without an error")

    assert benchmark(parse).term == "ip4:192.0.2.0/33"
