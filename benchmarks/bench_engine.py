"""What a check costs when every answer is known: ours, beside pyspf where that is installed.

pyspf is taken from the environment that `python -m benchmarks.peers` makes; without it, its half of
each group is skipped. Verdicts are asserted before anything is timed.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import senderid_fast as sf
from benchmarks.peers import verdicts, zone
from benchmarks.peers.prepare import BUILD
from benchmarks.zones import HELO, INCLUDES, MEMBER, STRANGER, known_engine

Check = Callable[[str, str, str], str]
MAIL_FROM = "info@sender.example"


def pyspf_module() -> Any:
    for folder in BUILD.glob("venv/lib/python*/site-packages"):
        if str(folder) not in sys.path:
            sys.path.append(str(folder))  # last: it adds pyspf and hides nothing of ours
    pytest.importorskip("spf", reason="run `python -m benchmarks.peers --quick` first")
    return importlib.import_module("benchmarks.peers.drivers.pyspf")


@pytest.fixture(scope="module")
def world() -> zone.World:
    return zone.generate(domains=500, connections=1_000)


def run_all(check: Callable[[str, str, str], object], connections: list[zone.Connection]) -> None:
    for ip, helo, mail_from in connections:
        check(ip, mail_from, helo)


@pytest.mark.benchmark(group="check_mail_from: 1,000 connections", timer=time.process_time)
class TestZone:
    """The zone of the side-by-side run, smaller.

    A pass is long enough for others on the machine to break into it, so its CPU time is taken. The
    clock for that costs a microsecond, which the short ones below cannot afford.
    """

    def test_senderid_fast(self, benchmark: BenchmarkFixture, world: zone.World) -> None:
        engine = known_engine(zone.mapping(world.resources))
        for domain in world.domains:
            for ip in domain.senders:
                verdict = engine.check_mail_from(ip, f"x@{domain.name}", f"mail.{domain.name}")
                assert verdict.result is sf.Result.PASS, (domain, ip, verdict)
        benchmark(run_all, engine.check_mail_from, world.connections)

    def test_pyspf(self, benchmark: BenchmarkFixture, world: zone.World) -> None:
        mapping = zone.mapping(world.resources)
        engine = known_engine(mapping)
        check = pyspf_module().prepare(mapping)
        words: dict[str, list[str]] = {"senderid_fast": [], "pyspf": []}
        for ip, helo, mail_from in world.connections:
            words["senderid_fast"].append(str(engine.check_mail_from(ip, mail_from, helo).result))
            words["pyspf"].append(check(ip, mail_from, helo)[0])
        assert all(kind.reason for kind in verdicts.compare(world, words))
        benchmark.pedantic(  # type: ignore[no-untyped-call]
            run_all, (check, world.connections), rounds=3
        )


@pytest.mark.benchmark(group="check_host: an include of four records")
class TestIncludes:
    """One policy whose four included records are all read."""

    def test_senderid_fast(self, benchmark: BenchmarkFixture) -> None:
        check = known_engine(INCLUDES).check_host
        stranger = check(STRANGER, "sender.example", MAIL_FROM, HELO)
        assert (stranger.result, stranger.lookups) == (sf.Result.FAIL, 4)
        verdict = benchmark(check, MEMBER, "sender.example", MAIL_FROM, HELO)
        assert (verdict.result, verdict.lookups) == (sf.Result.PASS, 4)

    def test_pyspf(self, benchmark: BenchmarkFixture) -> None:
        check = pyspf_module().prepare(INCLUDES)
        assert check(STRANGER, MAIL_FROM, HELO)[0] == "fail"
        assert benchmark(check, MEMBER, MAIL_FROM, HELO)[0] == "pass"
