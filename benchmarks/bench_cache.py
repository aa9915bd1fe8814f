"""Shared caches: what an answer costs, and a new engine on a warm cache.

Every benchmark asserts first that the answers and the verdicts are right. The server of ValkeyCache
is started here; its benchmarks are skipped if it is not installed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import senderid_fast as sf
from benchmarks.peers.zone import generate, mapping
from senderid_fast._core import packed
from senderid_fast.cache import CachedAnswer, LmdbCache, ValkeyCache
from senderid_fast.cache.codec import Codec

DOMAINS = 2_000
IP = "192.0.2.1"
ANSWER = sf.Answer(sf.Status.OK, (b"v=spf1 ip4:192.0.2.0/24 include:_spf.example.net -all",), 3_600)
QUESTIONS = [sf.Question(f"d{number}.example", sf.RRType.TXT) for number in range(DOMAINS)]
ZONE = {
    f"d{number}.example": [{"TXT": f"v=spf1 a include:i{number % 40}.example -all"}]
    for number in range(DOMAINS)
} | {f"i{number}.example": [{"TXT": "v=spf1 ip4:192.0.2.0/24 -all"}] for number in range(40)}
SENDERS = [f"user@d{number}.example" for number in range(DOMAINS)]

# A process of its own: from the first check on, with nothing known but what the cache has.
FIRST = f"""
import sys, time
import pyarrow as pa
import senderid_fast as sf
from benchmarks.peers.zone import generate, mapping
from senderid_fast._core import packed
from senderid_fast.cache import LmdbCache

class Silent:
    def resolve(self, question, timeout):
        raise AssertionError(question)

senders = [f"user@d{{number}}.example" for number in range({DOMAINS})]
began = time.perf_counter()
engine = sf.Engine(Silent(), cache=LmdbCache(sys.argv[1]))
opened = time.perf_counter()
if sys.argv[2] == "single":
    results = [engine.check_mail_from("{IP}", sender).result for sender in senders]
else:
    rows = pa.record_batch({{"ip": ["{IP}"] * len(senders), "mail_from": senders}})
    results = engine.check_batch(rows, threads=1)["spf_result"].to_pylist()
ended = time.perf_counter()
assert set(results) == {{"pass"}} and engine.statistics()["asked"] == 0
print(opened - began, ended - opened)
"""


@pytest.fixture(params=["lmdb", "valkey"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LmdbCache | ValkeyCache]:
    if request.param == "lmdb":
        made: LmdbCache | ValkeyCache = LmdbCache(tmp_path / "cache")
        yield made
        made.close()
        return
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    if program is None:
        pytest.skip("no server is installed")
    socket = tmp_path / "s"
    command = [program, "--port", "0", "--unixsocket", str(socket), "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=tmp_path) as process:
        while not socket.exists():
            time.sleep(0.02)
        made = ValkeyCache(f"unix://{socket}", timeout=5)
        yield made
        made.close()
        process.terminate()


def warmed(cache: Any) -> None:
    sf.Engine(sf.ZoneResolver(ZONE), cache=cache).fetch(f"d{n}.example" for n in range(DOMAINS))
    assert cache.flush(60)


@pytest.mark.parametrize("together", [1, 256])
def test_get_many(benchmark: Any, cache: Any, together: int) -> None:
    cache.put_many((question, CachedAnswer(ANSWER, time.time())) for question in QUESTIONS)
    assert cache.flush(60)
    asked = QUESTIONS[:together]
    found = benchmark(cache.get_many, asked, 5.0)
    assert {each: found[each].answer for each in asked} == dict.fromkeys(asked, ANSWER)


def test_encode(benchmark: Any) -> None:
    codec = Codec()
    octets = benchmark(codec.encode, sf.RRType.TXT, CachedAnswer(ANSWER, time.time()))
    assert codec.decode(sf.RRType.TXT, octets, time.time()).answer == ANSWER


def test_decode(benchmark: Any) -> None:
    codec = Codec()
    octets = codec.encode(sf.RRType.TXT, CachedAnswer(ANSWER, time.time()))
    assert benchmark(codec.decode, sf.RRType.TXT, octets, time.time()).answer == ANSWER


def test_decode_into_the_core(benchmark: Any) -> None:
    """As test_decode, a thousand times, and with the record parsed as a check needs it."""
    octets = Codec().encode(sf.RRType.TXT, CachedAnswer(ANSWER, time.time()))
    assert octets is not None
    assert packed.read(octets, QUESTIONS[0], time.time())[2] == packed.form(QUESTIONS[0], ANSWER)
    assert benchmark(packed.rehearse, octets, QUESTIONS[0], 1_000) == 1_000
    benchmark.extra_info["answers"] = 1_000


def test_a_new_engine_checks_singly(benchmark: Any, cache: Any) -> None:
    warmed(cache)

    def check() -> set[str]:
        engine = sf.Engine(sf.ZoneResolver({}), cache=cache)
        results = {engine.check_mail_from(IP, sender).result for sender in SENDERS}
        assert engine.statistics()["asked"] == 0
        return results

    assert benchmark.pedantic(check, rounds=5, warmup_rounds=1) == {"pass"}
    benchmark.extra_info["checks"] = DOMAINS


def test_a_new_engine_checks_a_batch(benchmark: Any, cache: Any) -> None:
    warmed(cache)
    rows = pa.record_batch({"ip": [IP] * DOMAINS, "mail_from": SENDERS})

    def check() -> set[str]:
        engine = sf.Engine(sf.ZoneResolver({}), cache=cache)
        results = set(engine.check_batch(rows, threads=1)["spf_result"].to_pylist())
        assert engine.statistics()["asked"] == 0
        return results

    assert benchmark.pedantic(check, rounds=5, warmup_rounds=1) == {"pass"}
    benchmark.extra_info["checks"] = DOMAINS


@pytest.mark.parametrize("way", ["single", "batch"])
def test_a_new_process(benchmark: Any, tmp_path: Path, way: str) -> None:
    """The whole process; extra_info has the seconds from the first check on."""
    cache = LmdbCache(tmp_path / "cache")
    warmed(cache)

    def start() -> list[float]:
        command = [sys.executable, "-c", FIRST, str(tmp_path / "cache"), way]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return [float(each) for each in done.stdout.split()]

    opening, checking = benchmark.pedantic(start, rounds=5)
    benchmark.extra_info["opening"] = opening
    benchmark.extra_info["checks per second"] = round(DOMAINS / checking)
    cache.close()


class Silent:
    """The resolver of engines whose answers are all in their cache."""

    def resolve(self, question: sf.Question, timeout: float) -> sf.Answer:
        raise AssertionError(question)


@pytest.fixture(scope="module", params=[("once", 50_000), ("zipf", 1_000_000)], ids=str)
def load(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Rows over 50,000 domains of real shapes, what they give, and a cache that has all answers."""
    draw, count = request.param
    world = generate(50_000, count, draw)
    ips, helos, senders = zip(*world.connections, strict=True)
    rows = pa.table({"ip": ips, "helo": helos, "mail_from": senders})
    cache = LmdbCache(tmp_path_factory.mktemp("load") / "cache", most_waiting=1_000_000)
    resolver = sf.ZoneResolver(mapping(world.resources), ttl=86_400)
    known = sf.Engine(resolver, cache=cache, store_octets=1 << 30)
    expected = known.check_batch(rows)["spf_result"]
    assert cache.flush(300)
    yield rows, expected, cache
    cache.close()


@pytest.mark.timeout(900)
def test_the_first_checks_of_a_new_engine_as_a_batch(benchmark: Any, load: Any) -> None:
    rows, expected, cache = load

    def fresh() -> tuple[tuple[sf.Engine], dict[str, Any]]:
        return (sf.Engine(Silent(), cache=cache, store_octets=1 << 30),), {}

    def check(engine: sf.Engine) -> Any:
        return engine.check_batch(rows, threads=1)["spf_result"]

    found = benchmark.pedantic(check, setup=fresh, rounds=5)
    assert found.equals(expected)
    benchmark.extra_info["checks"] = rows.num_rows


@pytest.mark.timeout(900)
def test_the_first_checks_of_a_new_engine_singly(benchmark: Any, load: Any) -> None:
    rows, expected, cache = load
    if rows.num_rows > 50_000:
        pytest.skip("one after the other, 50,000 say as much")
    arguments = list(
        zip(*(rows[name].to_pylist() for name in ("ip", "mail_from", "helo")), strict=True)
    )

    def fresh() -> tuple[tuple[sf.Engine], dict[str, Any]]:
        return (sf.Engine(Silent(), cache=cache, store_octets=1 << 30),), {}

    def check(engine: sf.Engine) -> list[str]:
        return [engine.check_mail_from(*each).result for each in arguments]

    assert benchmark.pedantic(check, setup=fresh, rounds=5) == expected.to_pylist()
    benchmark.extra_info["checks"] = rows.num_rows
