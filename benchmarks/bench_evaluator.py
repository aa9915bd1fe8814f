"""What check_host() alone costs, in C, without a call from Python: answers known, no verdict made.

Each round evaluates a check a thousand times in one call of Evaluator.rehearse, so the figures are
milliseconds a thousand, which is microseconds a check. Policy tables are off: they take the
evaluator's place for policies that are asked for often, and what they save is in bench_batch.py.
"""

from __future__ import annotations

from time import monotonic_ns

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import senderid_fast as sf
from benchmarks.zones import HELO, MEMBER, POLICIES, STRANGER, known_engine

MAIL_FROM = "info@sender.example"
COUNT = 1_000
RESULTS = tuple(sf.Result)


@pytest.mark.benchmark(group="evaluator: 1,000 checks")
@pytest.mark.parametrize("ip", [MEMBER, STRANGER], ids=["member", "stranger"])
@pytest.mark.parametrize("name", POLICIES)
def test_rehearse(benchmark: BenchmarkFixture, name: str, ip: str) -> None:
    policy = POLICIES[name]
    engine = known_engine(policy.zone, policy_tables=False)
    verdict = engine.check_mail_from(ip, MAIL_FROM, HELO)
    expected = sf.Result.PASS if ip == MEMBER else sf.Result.FAIL
    assert (verdict.result, verdict.lookups) == (expected, policy.lookups)
    rehearse = engine._evaluator.rehearse
    result = benchmark(rehearse, ip, MAIL_FROM, HELO, monotonic_ns(), COUNT)
    assert RESULTS[result] is expected
