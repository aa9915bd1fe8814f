"""An engine with a cache that the core reads: no DNS on a warm one, and caches that misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.caches import Near, question
from support.scripted import Scripted, policy, run_threads, zone_reply

import senderid_fast as sf
from senderid_fast._core.cachereader import CacheReader
from senderid_fast.cache import LmdbCache
from senderid_fast.cache.codec import key_of

IP = "192.0.2.1"
ZONE = {
    "a.example": [
        {"TXT": "v=spf1 mx a:h.example include:b.example -all"},
        {"MX": [5, "m.example"]},
    ],
    "b.example": [{"TXT": "v=spf1 ip4:192.0.2.1 -all"}],
    "h.example": [{"A": "192.0.2.9"}],
    "m.example": [{"A": "192.0.2.8"}],
}
ASKED = [
    question("a.example"),
    question("a.example", "MX"),
    question("m.example", "A"),
    question("h.example", "A"),
    question("b.example"),
]
WAYS = ["check", "trace", "batch", "batch in parts", "async check", "async batch"]
ROWS = 20_000


def rows(count: int = 1) -> pa.RecordBatch:
    return pa.record_batch({"ip": [IP] * count, "mail_from": ["u@a.example"] * count})


def run(way: str, resolver: Any, **settings: Any) -> tuple[str, dict[str, int]]:
    """The result of IP and a.example with a new engine, and the engine's counts."""
    if way.startswith("async"):

        async def awaited() -> tuple[str, dict[str, int]]:
            fresh = sf.AsyncEngine(resolver, **settings)
            if way == "async check":
                return (await fresh.check_mail_from(IP, "u@a.example")).result, fresh.statistics()
            return (await fresh.check_batch(rows()))["spf_result"][0].as_py(), fresh.statistics()

        return asyncio.run(awaited())
    engine = sf.Engine(resolver, **settings)
    if way == "check":
        result: str = engine.check_mail_from(IP, "u@a.example").result
    elif way == "trace":
        result = engine.trace_mail_from(IP, "u@a.example").verdict.result
    else:
        many = way == "batch in parts"
        table = engine.check_batch(rows(ROWS if many else 1), threads=4 if many else 1)
        (result,) = set(table["spf_result"].to_pylist())
    return result, engine.statistics()


def silent() -> Scripted:
    return Scripted(lambda *_: pytest.fail("DNS was asked"))


def warm(cache: Any) -> None:
    engine = sf.Engine(sf.ZoneResolver(ZONE), cache=cache)
    engine.check_mail_from(IP, "u@a.example")


@pytest.fixture(params=["lmdb", "octets", "octets with a CRC"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param != "lmdb":
        yield Near(4 if "CRC" in request.param else 0)
        return
    with_files = LmdbCache(tmp_path / "cache")
    yield with_files
    with_files.close()


@pytest.mark.parametrize("way", WAYS)
class TestWhatIsAsked:
    def test_a_new_engine_on_a_warm_cache_asks_no_dns(self, way: str, cache: Any) -> None:
        dns = Scripted(zone_reply(ZONE))
        result, counts = run(way, dns, cache=cache)
        assert result == "pass"
        assert dns.questions == ASKED
        assert (counts["cache_hits"], counts["cache_misses"]) == (0, 5)
        if isinstance(cache, LmdbCache):
            assert cache.flush(20)
        dns = silent()
        result, counts = run(way, dns, cache=cache)
        assert (result, dns.questions) == ("pass", [])
        assert (counts["cache_hits"], counts["cache_misses"]) == (5, 0)
        assert (counts["asked"], counts["failed"], counts["cache_failures"]) == (0, 0, 0)

    def test_what_is_missing_is_asked_of_dns_and_the_cache_goes_on(self, way: str) -> None:
        cache = Near()
        warm(cache)
        key = key_of(ASKED[2])
        assert key is not None
        del cache.octets[key]
        dns = Scripted(zone_reply(ZONE))
        result, counts = run(way, dns, cache=cache)
        assert result == "pass"
        assert dns.questions == [ASKED[2]]
        assert (counts["cache_hits"], counts["cache_misses"]) == (4, 1)
        if way != "batch in parts":
            assert cache.got[-5:] == [key_of(each) for each in ASKED]

    @pytest.mark.parametrize("bad", [b"", b"\x00", b"abcd\x96\x01", b"\xff" * 200, b"x" * 200_000])
    @pytest.mark.parametrize("head", [0, 4])
    def test_a_value_that_is_none_is_dropped_and_counted(
        self, way: str, head: int, bad: bytes
    ) -> None:
        cache = Near(head)
        warm(cache)
        key = key_of(ASKED[3])
        assert key is not None
        cache.octets[key] = bad
        dns = Scripted(zone_reply(ZONE))
        result, counts = run(way, dns, cache=cache)
        assert result == "pass"
        assert dns.questions == [ASKED[3]]
        assert counts["cache_dropped"] >= 1
        assert counts["cache_failures"] == 0

    def test_a_value_under_another_key_is_dropped(self, way: str) -> None:
        cache = Near(4)
        warm(cache)
        keys = [key_of(each) for each in ASKED]
        assert None not in keys
        cache.octets[keys[0]] = cache.octets[keys[4]]  # type: ignore[index]
        dns = Scripted(zone_reply(ZONE))
        result, counts = run(way, dns, cache=cache)
        assert (result, dns.questions) == ("pass", [ASKED[0]])
        assert counts["cache_dropped"] >= 1


class _Odd(Near):
    """A near cache of which one thing is wrong."""

    def __init__(self, wrong: str) -> None:
        super().__init__()
        self.wrong = wrong
        warm(self)

    def get(self, key: bytes) -> Any:
        if self.wrong == "get raises":
            raise RuntimeError("the cache is broken")
        if self.wrong == "get gives no octets":
            return 7
        return b"?" if self.wrong.startswith("decoded") else super().get(key)

    def read(self, work: Callable[..., Any], *arguments: Any) -> Any:
        if self.wrong == "read raises":
            raise RuntimeError("the cache is broken")
        if self.wrong == "read does nothing":
            return None
        if self.wrong == "read raises at its end":
            work(self.get, *arguments)
            raise RuntimeError("the cache is broken")
        if self.wrong == "read calls twice":
            work(self.get, *arguments)
        return work(self.get, *arguments)

    def decoded(self, *arguments: Any) -> Any:
        if self.wrong == "decoded raises":
            raise RuntimeError("the cache is broken")
        return "no answer" if self.wrong == "decoded gives junk" else super().decoded(*arguments)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "wrong",
    [
        "get raises",
        "get gives no octets",
        "read raises",
        "read does nothing",
        "read raises at its end",
        "read calls twice",
        "decoded raises",
        "decoded gives junk",
    ],
)
def test_no_check_fails_or_hangs_for_a_bad_cache(way: str, wrong: str) -> None:
    result, counts = run(way, Scripted(zone_reply(ZONE)), cache=_Odd(wrong))
    assert result == "pass"
    assert counts["cache_failures"] > 0 or wrong == "read calls twice"


def test_a_cache_that_fails_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("senderid_fast.cache.guard.monotonic", lambda: 1000.0)
    cache = _Odd("get raises")
    engine = sf.Engine(Scripted(lambda *_: policy("v=spf1 +all", ttl=0)), cache=cache)
    for _ in range(20):
        assert engine.check_host(IP, "a.example").result == "pass"
    counts = engine.statistics()
    assert (counts["cache_failures"], counts["cache_misses"]) == (3, 20)


def test_threads_that_check_at_once_share_the_cache(tmp_path: Path) -> None:
    zone = {f"d{n}.example": [{"TXT": f"v=spf1 ip4:192.0.2.{n % 200} -all"}] for n in range(400)}
    cache = LmdbCache(tmp_path / "cache")
    sf.Engine(sf.ZoneResolver(zone), cache=cache).fetch(zone)
    assert cache.flush(20)
    with sf.Engine(silent(), cache=cache) as engine:

        def work(number: int) -> None:
            for n in range(400):
                each = (n * 7 + number * 50) % 400
                verdict = engine.check_host(f"192.0.2.{each % 200}", f"d{each}.example")
                assert verdict.result == "pass"

        run_threads(8, work)
        assert engine.statistics()["asked"] == 0


@pytest.mark.parametrize("head", [1, 3])
def test_a_head_without_room_for_the_crc_is_none(head: int) -> None:
    with pytest.raises(ValueError, match="no room for the CRC"):
        CacheReader(head, 1, 1, lambda *_: None)
    cache = Near()
    cache.head = head
    dns = Scripted(zone_reply(ZONE))
    with pytest.raises(AssertionError):
        cache.get_many([], 0)
    assert run("check", dns, cache=cache)[0] == "pass"  # it is asked as any other is, and fails


@pytest.mark.parametrize("threads", [1, 3])
def test_a_store_that_loses_answers_does_not_lose_rows(threads: int) -> None:
    """The batch needs many times what the store can hold; what it has taken stays with it."""
    count = 13_000
    zone = {
        f"d{n}.example": [{"TXT": f"v=spf1 a:h{n % 4_000}.example ip4:192.0.2.{n % 200} -all"}]
        for n in range(count)
    } | {f"h{n}.example": [{"A": "203.0.113.9"}] for n in range(4_000)}
    cache = Near()
    sf.Engine(sf.ZoneResolver(zone), cache=cache).fetch(f"d{n}.example" for n in range(count))
    dns = silent()
    engine = sf.Engine(dns, cache=cache, store_octets=1 << 16)
    senders = [f"u@d{n}.example" for n in range(count)]
    ips = [f"192.0.2.{(n + (n % 3 == 0)) % 200}" for n in range(count)]
    table = engine.check_batch(pa.record_batch({"ip": ips, "mail_from": senders}), threads=threads)
    expected = ["fail" if n % 3 == 0 else "pass" for n in range(count)]
    assert table["spf_result"].to_pylist() == expected
    counts = engine.statistics()
    assert counts["evicted"] > 0
    assert (dns.questions, counts["asked"], counts["cache_misses"]) == ([], 0, 0)
    assert counts["cache_hits"] == 17_000
