"""What a row of a batch costs when every answer is known, beside single calls.

Two loads: connections drawn by Zipf's law over 2,000 domains, and evenly over many, whose policies
do not fit into the caches of a processor. The verdicts are compared before anything is timed.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import senderid_fast as sf
from benchmarks.peers import zone

ROWS = 50_000
LOADS = {"zipf": 2_000, "even": 30_000}  # domains


def run_all(check: Any, connections: list[zone.Connection]) -> None:
    for ip, helo, mail_from in connections:
        check(ip, mail_from, helo)


@pytest.fixture(scope="module", params=LOADS)
def load(request: pytest.FixtureRequest) -> tuple[sf.Engine, Any, list[zone.Connection]]:
    import pyarrow as pa

    world = zone.generate(LOADS[request.param], ROWS, request.param)
    connections = world.connections
    engine = sf.Engine(sf.ZoneResolver(zone.mapping(world.resources)), store_octets=1 << 30)
    columns = list(zip(*connections, strict=True))
    table = pa.table(dict(zip(("ip", "helo", "mail_from"), columns, strict=True)))
    checked = engine.check_batch(table).column("spf_result").to_pylist()
    single = [str(engine.check_mail_from(ip, path, helo).result) for ip, helo, path in connections]
    assert checked == single
    assert {"pass", "fail", "softfail"} <= set(single)
    return engine, table, connections


@pytest.mark.benchmark(group=f"{ROWS:,} rows, answers known", timer=time.process_time)
class TestRows:
    def test_check_batch(self, benchmark: BenchmarkFixture, load: Any) -> None:
        engine, table, _ = load
        benchmark(engine.check_batch, table, threads=1)

    def test_check_mail_from(self, benchmark: BenchmarkFixture, load: Any) -> None:
        engine, _, connections = load
        benchmark(run_all, engine.check_mail_from, connections)
