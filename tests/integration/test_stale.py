"""Stale answers with real servers: one of DNS that stops answering, and one of Valkey or Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.caches import cached, question
from support.failing import Failing, FailingBulk, every
from support.faulty import BEHAVIOURS, run_faulty_server
from support.valkey import Server

import senderid_fast as sf
from senderid_fast.cache import ValkeyCache

IP = "192.0.2.1"
DAY = 86_400
RECORD = b"v=spf1 ip4:192.0.2.1 -all"
ASKED = question("a.example")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path) as started:
        yield started


class TestValkey:
    @pytest.fixture
    def cache(self, server: Server) -> Iterator[ValkeyCache]:
        made = ValkeyCache(f"valkey://127.0.0.1:{server.port}", timeout=5, stale_seconds=50)
        yield made
        made.close()

    def fill(self, cache: ValkeyCache, *entries: Any) -> None:
        cache.put_many(entries)
        assert cache.flush(20)

    def test_in_place_of_an_error(self, cache: ValkeyCache) -> None:
        self.fill(cache, (ASKED, cached(RECORD, ttl=60, age=70)))
        for kind in (Failing, FailingBulk):
            dns = kind({})
            dns.fails = every
            engine = sf.Engine(dns, cache=cache, stale_seconds=DAY)
            rows = pa.record_batch({"ip": [IP], "mail_from": ["u@a.example"]})
            assert engine.check_batch(rows, stale=True)["spf_stale"].to_pylist() == [True]
            found = engine.check_mail_from(IP, "u@a.example")
            assert (found.result, found.stale) == ("pass", True)

    def test_asyncio(self, cache: ValkeyCache) -> None:
        self.fill(cache, (ASKED, cached(RECORD, ttl=60, age=70)))
        dns = Failing({})
        dns.fails = every

        async def run() -> sf.Verdict:
            async with sf.AsyncEngine(dns, cache=cache, stale_seconds=DAY) as engine:
                return await engine.check_mail_from(IP, "u@a.example")

        found = asyncio.run(run())
        assert (found.result, found.stale) == ("pass", True)

    def test_how_long_the_server_keeps_it(self, cache: ValkeyCache, server: Server) -> None:
        names = [question(f"{name}.example") for name in ("good", "over", "gone", "error")]
        error = cached(ttl=30)
        error = error._replace(answer=sf.Answer(sf.Status.SERVFAIL, (), 30))
        self.fill(
            cache,
            (names[0], cached(RECORD, ttl=60)),
            (names[1], cached(RECORD, ttl=60, age=70)),
            (names[2], cached(RECORD, ttl=60, age=200)),
            (names[3], error),
        )
        found = cache.get_many(names)
        assert list(found) == [names[0], names[1], names[3]]
        assert [asked for asked, _ in cache.entries() if asked == names[1]] == []
        left = {key.decode(): server.client().ttl(key) for key in server.client().keys("*")}
        lives = sorted(left.values())
        assert len(lives) == 3
        for seconds, most in zip(lives, (30, 40, 110), strict=True):
            assert most - 5 <= seconds <= most

    def test_off_by_default(self, server: Server) -> None:
        cache = ValkeyCache(f"valkey://127.0.0.1:{server.port}", timeout=5)
        self.fill(cache, (ASKED, cached(RECORD, ttl=60, age=70)))
        assert cache.get_many([ASKED]) == {}
        cache.close()


@pytest.mark.parametrize("kind", [sf.SystemResolver, sf.UdpResolver])
@pytest.mark.parametrize("behaviour", ["servfail", "refused", "silent", "garbage"])
def test_a_server_that_breaks(kind: Any, behaviour: str) -> None:
    now = {"*": BEHAVIOURS["good"]}
    with run_faulty_server(now) as server:
        resolver = kind([server.address], try_seconds=0.2, tries=2)
        engine = sf.Engine(resolver, stale_seconds=DAY, max_ttl=0.3)
        assert not engine.check_mail_from(IP, "u@a.example").stale
        now["*"] = BEHAVIOURS[behaviour]
        time.sleep(0.4)
        found = engine.check_mail_from(IP, "u@a.example")
        assert (found.result, found.stale) == ("pass", True)
        assert engine.statistics()["failed"] == 1
        server.queries.clear()
        for _ in range(20):
            assert engine.check_mail_from(IP, "u@a.example").stale
        assert server.queries == []
