"""LmdbCache between processes: many that read and write, some that are killed; a warm start.

SENDERID_FAST_CACHE_SECONDS is how long the processes run (20).
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import lmdb.verify
import pytest

import senderid_fast as sf
from senderid_fast.cache import LmdbCache

SECONDS = float(os.environ.get("SENDERID_FAST_CACHE_SECONDS", "20"))
PROCESSES = 8
MAX_OCTETS = 2 << 20

# Every name has one right answer, and one right verdict, which can be worked out from the name. All
# answers and verdicts of a process are checked; a wrong one ends it with the status 3.
WORKER = """
import hashlib, json, os, random, select, sys, time
import senderid_fast as sf
from senderid_fast.cache import CachedAnswer, LmdbCache

def answer(name):
    digest = hashlib.sha256(name.encode()).digest()
    return sf.Answer(sf.Status.OK, (digest * (digest[0] * 3 + 1), name.encode()), 600)

def address(name):
    return "10." + ".".join(map(str, hashlib.sha256(name.encode()).digest()[:3]))

class Right:
    def resolve(self, question, timeout):
        record = f"v=spf1 ip4:{address(question.name)} -all".encode()
        return sf.Answer(sf.Status.OK, (record,), 600)

cache = LmdbCache(sys.argv[1], max_octets=int(sys.argv[2]))
choose = random.Random(int(sys.argv[3]))
print("ready", flush=True)
counts = {"found": 0, "missing": 0, "rounds": 0, "hits": 0, "asked": 0}
while not select.select([sys.stdin], [], [], 0)[0]:
    names = [f"d{int(choose.paretovariate(0.3)) % 6000}.example" for _ in range(50)]
    asked = [sf.Question(name, sf.RRType.TXT) for name in dict.fromkeys(names)]
    found = cache.get_many(asked)
    for question, cached in found.items():
        if cached.answer != answer(question.name):
            print(question, cached, file=sys.stderr)
            os._exit(3)
    now = time.time()
    missing = [question for question in asked if question not in found]
    cache.put_many((question, CachedAnswer(answer(question.name), now)) for question in missing)
    engine = sf.Engine(Right(), cache=cache)  # knows nothing: the core reads the cache
    for name in names[:10]:
        name = "policy." + name
        verdict = engine.check_host(address(name), name)
        other = engine.check_host("192.0.2.1", name)
        if (verdict.result, other.result) != ("pass", "fail"):
            print(verdict, other, file=sys.stderr)
            os._exit(3)
    counts["hits"] += engine.statistics()["cache_hits"]
    counts["asked"] += engine.statistics()["asked"]
    if choose.random() < 0.02:
        cache.purge(choose.choice(asked).name)
    if choose.random() < 0.01:
        child = os.fork()
        if child == 0:
            cache.get_many(asked)
            os._exit(0)
        os.waitpid(child, 0)
    counts["found"] += len(found)
    counts["missing"] += len(missing)
    counts["rounds"] += 1
    time.sleep(0.002)
flushed = cache.flush(30)
print(json.dumps({**cache.statistics(), **counts, "flushed": flushed}), flush=True)
cache.close()
"""


class Workers:
    """Processes that use one cache."""

    def __init__(self, folder: Path, errors: IO[bytes]) -> None:
        self._folder = folder
        self._errors = errors
        self.running: list[subprocess.Popen[bytes]] = []
        self._started = 0

    def start(self) -> None:
        self._started += 1
        command = [sys.executable, "-c", WORKER, str(self._folder), str(MAX_OCTETS)]
        process = subprocess.Popen(
            [*command, str(self._started)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self.running.append(process)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.communicate(timeout=30)
        self.running.remove(process)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for process in list(self.running):
            self.kill(process)


@pytest.mark.timeout(SECONDS + 120)
def test_processes_that_are_killed_while_they_read_and_write(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    choose = random.Random(7208)
    killed = 0
    with (tmp_path / "errors").open("wb") as errors, Workers(folder, errors) as workers:
        for _ in range(PROCESSES):
            workers.start()
        for process in workers.running:  # those that are started later may be killed at once
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            time.sleep(choose.uniform(0.1, 0.7))
            for process in workers.running:
                assert process.poll() is None, (tmp_path / "errors").read_text()
            victim = choose.choice(workers.running)
            workers.kill(victim)
            killed += 1
            workers.start()
            assert (folder / "data.mdb").stat().st_size <= MAX_OCTETS
        totals: dict[str, int] = {}
        for process in workers.running:
            out, _ = process.communicate(b"stop", timeout=60)
            assert process.returncode == 0, (tmp_path / "errors").read_text()
            for name, count in json.loads(out.splitlines()[-1]).items():
                totals[name] = totals.get(name, 0) + count
        workers.running.clear()
    assert killed >= SECONDS / 2
    assert (tmp_path / "errors").read_bytes() == b""
    assert totals["flushed"] == PROCESSES
    names = ("found", "missing", "evicted", "hits", "asked")
    assert min(totals[name] for name in names) > 0, totals
    assert totals["dropped"] == totals["write_failures"] == totals["moved_aside"] == 0
    assert lmdb.verify.verify(str(folder)) == []
    cache = LmdbCache(folder, max_octets=MAX_OCTETS)
    assert cache.statistics()["entries"] == len(list(cache.entries())) > 0
    cache.close()


SECOND = """
import json, sys
import pyarrow as pa
import senderid_fast as sf
from senderid_fast.cache import LmdbCache

class Silent:
    def resolve(self, question, timeout):
        raise AssertionError(f"asked {question}")

names = [f"d{number}.example" for number in range(500)]
engine = sf.Engine(Silent(), cache=LmdbCache(sys.argv[1]))
results = [engine.check_mail_from("192.0.2.1", f"u@{name}").result for name in names]
engine.clear()
rows = pa.record_batch({"ip": ["192.0.2.1"] * 500, "mail_from": [f"u@{name}" for name in names]})
batch = engine.check_batch(rows)["spf_result"].to_pylist()
print(json.dumps([results, batch, engine.statistics()]))
"""


def test_a_second_process_on_a_warm_cache_asks_no_dns(tmp_path: Path) -> None:
    zone = {
        f"d{number}.example": [{"TXT": f"v=spf1 a include:i{number % 50}.example -all"}]
        for number in range(500)
    }
    zone |= {
        f"i{number}.example": [{"TXT": f"v=spf1 ip4:192.0.2.{number % 3} ~all"}]
        for number in range(50)
    }
    with sf.Engine(sf.ZoneResolver(zone), cache=LmdbCache(tmp_path / "cache")) as engine:
        expected = [
            engine.check_mail_from("192.0.2.1", f"u@{name}").result for name in list(zone)[:500]
        ]
    done = subprocess.run(
        [sys.executable, "-c", SECOND, str(tmp_path / "cache")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    results, batch, counts = json.loads(done.stdout)
    assert results == batch == expected
    assert set(results) == {"pass", "fail"}
    assert counts["asked"] == counts["cache_misses"] == counts["cache_failures"] == 0
    assert counts["cache_hits"] == 2 * (500 + 500 + 50)
