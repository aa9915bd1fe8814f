"""ValkeyCache with a real server: stopped, restarted, slow, full, lying, and with a wrong password.

Whatever the server does, every check has the verdict that DNS alone gives. How long checks wait is
shown by counting how often they waited: the clock that ends a pause stands still meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import pickle
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import redis
from support.caches import cached, question
from support.scripted import Scripted, forked, policy, run_threads
from support.valkey import Pause, Proxy, Server, free_port

import senderid_fast as sf
from senderid_fast.cache import ValkeyCache
from senderid_fast.cache.codec import key_of
from senderid_fast.cache.guard import FAILURES, MOST_THREADS
from senderid_fast.errors import CacheError

IP = "192.0.2.1"
NAMES = [f"d{number}.example" for number in range(120)]
LONG = 5.0  # seconds to wait where a test is not about waiting


@pytest.fixture
def pause(monkeypatch: pytest.MonkeyPatch) -> Pause:
    clock = Pause()
    monkeypatch.setattr("senderid_fast.cache.guard.monotonic", clock)
    return clock


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path) as started:
        yield started


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with Proxy(server.port) as started:
        yield started


_made: list[ValkeyCache] = []


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    """Closes the caches of a test."""
    yield
    while _made:
        _made.pop().close()


def cache_of(url: str, timeout: float = LONG, **options: Any) -> ValkeyCache:
    _made.append(ValkeyCache(url, timeout=timeout, **options))
    return _made[-1]


def cache_at(port: int, timeout: float = LONG, user: str = "", **options: Any) -> ValkeyCache:
    return cache_of(f"valkey://{user}127.0.0.1:{port}", timeout, **options)


async def closed(cache: ValkeyCache, result: Awaitable[Any]) -> Any:
    """What is awaited; the connections of this loop are closed then."""
    try:
        return await result
    finally:
        await cache.close_async()


def dns() -> Scripted:
    def reply(asked: sf.Question, timeout: float) -> sf.Answer:
        leads_on = asked.name.endswith(".example")
        return policy(f"v=spf1 redirect={asked.name}.to" if leads_on else "v=spf1 +all")

    return Scripted(reply)


def check_all(kind: str, engine: Any) -> None:
    """Check all names: each passes."""

    def work(thread: int) -> None:
        for name in NAMES[thread::4]:
            verdict = engine.check_host(IP, name)
            assert verdict.result == "pass", verdict.detail

    if kind == "sync":
        run_threads(4, work)
        return

    async def run() -> None:
        checks = asyncio.gather(*(engine.check_host(IP, name) for name in NAMES))
        verdicts = await closed(engine.settings.cache, checks)
        assert [verdict.result for verdict in verdicts] == ["pass"] * len(NAMES)

    asyncio.run(run())


def fresh(kind: str, resolver: Any, cache: ValkeyCache) -> Any:
    return (sf.Engine if kind == "sync" else sf.AsyncEngine)(resolver, cache=cache)


def filled(server: Server) -> None:
    cache = cache_at(server.port)
    check_all("sync", sf.Engine(dns(), cache=cache))
    assert cache.flush(20)
    assert cache.statistics()["written"] == 2 * len(NAMES)
    cache.close()


class TestKeeping:
    def test_what_was_put_is_found(self, server: Server) -> None:
        cache = cache_at(server.port)
        answers = {
            question("a.example"): cached(b"v=spf1 -all"),
            question("a.example", "MX"): cached((10, "mx.a.example")),
            question("\xff.example", "A"): cached("192.0.2.1"),
        }
        cache.put_many(answers.items())
        assert cache.flush(20)
        asked = [*answers, question("b.example"), question("x" * 254)]
        found = cache.get_many(asked)
        assert {each: answer.answer for each, answer in found.items()} == {
            each: answer.answer for each, answer in answers.items()
        }
        assert asyncio.run(closed(cache, cache.get_many_async(asked))) == found
        assert dict(cache.entries()) == found
        assert cache.get_many([]) == {}

    def test_entries_expire_on_the_server(self, server: Server) -> None:
        cache = cache_at(server.port)
        cache.put_many(
            [
                (question("a.example"), cached(b"x", ttl=300, age=100)),
                (question("over.example"), cached(b"x", ttl=300, age=301)),
            ]
        )
        assert cache.flush(20)
        client = server.client()
        assert client.keys() == [b"senderid-fast:" + (key_of(question("a.example")) or b"")]
        assert 190 <= client.ttl(client.keys()[0]) <= 200

    def test_prefixes_are_apart(self, server: Server) -> None:
        one = cache_at(server.port, prefix="one[*]?\\:")
        two = cache_at(server.port, prefix="two:")
        names = ("example", "a.example", "b.a.example", "ba.example")
        for cache in (one, two):
            cache.put_many((question(name), cached(b"x")) for name in names)
            assert cache.flush(20)
        assert one.purge("a.example") == 2
        assert {asked.name for asked, _ in one.entries()} == {"example", "ba.example"}
        assert one.purge("example", below=False) == 1
        assert one.purge() == 1
        assert {asked.name for asked, _ in two.entries()} == set(names)

    def test_many_are_asked_in_one_go(self, server: Server) -> None:
        cache = cache_at(server.port)
        asked = [question(f"d{number}.example") for number in range(3_000)]
        cache.put_many((each, cached(b"x")) for each in asked)
        assert cache.flush(20)
        assert len(cache.get_many(asked)) == 3_000
        assert server.client().info("commandstats")["cmdstat_mget"]["calls"] == 6

    def test_pickles_and_forks(self, server: Server) -> None:
        cache = cache_at(server.port)
        cache.put_many([(question("a.example"), cached(b"x"))])
        assert cache.flush(20)
        again = pickle.loads(pickle.dumps(cache))
        _made.append(again)
        assert again == cache
        assert hash(again) == hash(cache)
        assert len(again.get_many([question("a.example")])) == 1
        assert forked(lambda: len(cache.get_many([question("a.example")])) == 1)
        assert len(cache.get_many([question("a.example")])) == 1


@pytest.mark.parametrize("kind", ["sync", "async"])
class TestEngines:
    def test_the_second_engine_asks_no_dns(self, kind: str, server: Server) -> None:
        filled(server)
        silent = Scripted(lambda *_: pytest.fail("DNS was asked"))
        engine = fresh(kind, silent, cache_at(server.port))
        check_all(kind, engine)
        assert engine.statistics()["cache_hits"] == 2 * len(NAMES)

    def test_a_batch(self, kind: str, server: Server) -> None:
        filled(server)
        silent = Scripted(lambda *_: pytest.fail("DNS was asked"))
        engine = fresh(kind, silent, cache_at(server.port))
        rows = pa.record_batch({"ip": [IP] * 120, "mail_from": [f"u@{name}" for name in NAMES]})
        found = engine.check_batch(rows)
        table = found if kind == "sync" else asyncio.run(closed(engine.settings.cache, found))
        assert table["spf_result"].to_pylist() == ["pass"] * 120
        # One command for each round, but for those that filled it.
        calls = server.client().info("commandstats")["cmdstat_mget"]["calls"]
        assert calls == 2 * len(NAMES) + 2

    def test_it_stops_and_starts_again(self, kind: str, server: Server, pause: Pause) -> None:
        filled(server)
        cache = cache_at(server.port)
        engine = fresh(kind, dns(), cache)
        server.stop()
        check_all(kind, engine)
        counts = engine.statistics()
        assert counts["cache_hits"] == 0
        assert counts["cache_misses"] == 2 * len(NAMES)
        assert counts["cache_failures"] >= FAILURES
        server.start()
        engine.clear()
        pause.end()
        check_all(kind, engine)  # what DNS brings is written again
        assert cache.flush(20)
        engine.clear()
        asked = engine.statistics()["asked"]
        check_all(kind, engine)
        assert engine.statistics()["asked"] == asked

    def test_it_stops_while_checks_run(self, kind: str, server: Server) -> None:
        engine = fresh(kind, dns(), cache_at(server.port, timeout=0.2))
        for step in (server.stop, lambda: None, server.start, server.stop, server.start):
            step()
            engine.clear()
            check_all(kind, engine)

    def test_a_slow_one_is_waited_for_a_few_times(
        self, kind: str, server: Server, proxy: Proxy, pause: Pause
    ) -> None:
        filled(server)
        proxy.delay = 0.5
        engine = fresh(kind, dns(), cache_at(proxy.port, timeout=0.005))
        check_all(kind, engine)
        counts = engine.statistics()
        assert counts["asked"] == 2 * len(NAMES)
        # Those that had begun to wait when it was found to be slow have waited, and no others. Each
        # wait is 5 ms at most.
        # The tasks of one round have one call.
        together = 4 if kind == "sync" else len(NAMES)
        assert FAILURES <= counts["cache_failures"] <= FAILURES + together
        for _ in range(3):
            engine.clear()
            check_all(kind, engine)
        assert engine.statistics()["cache_failures"] == counts["cache_failures"]
        # When it is quick again, one trial shows it.
        proxy.delay = 0.0
        time.sleep(1.2)  # until the replies that nobody waits for have come
        engine = fresh(kind, dns(), cache_at(proxy.port))
        check_all(kind, engine)
        assert engine.statistics()["asked"] == 0

    @pytest.mark.parametrize(
        "reply",
        [
            b"$-1\r\n",
            b"*1\r\n$1\r\nx\r\n",
            b"*-1\r\n",
            b"-ERR no\r\n",
            b"+OK\r\n",
            b":7\r\n",
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"\0\xff\0\xff\r\n",
            b"$999999999999\r\n",
            b"*999999999\r\n",
        ],
    )
    def test_wrong_replies(
        self, kind: str, server: Server, proxy: Proxy, pause: Pause, reply: bytes
    ) -> None:
        filled(server)
        proxy.reply = reply
        engine = fresh(kind, dns(), cache_at(proxy.port, timeout=0.05))
        check_all(kind, engine)
        assert engine.statistics()["cache_hits"] == 0
        assert engine.statistics()["asked"] == 2 * len(NAMES)

    def test_wrong_values(self, kind: str, server: Server) -> None:
        filled(server)
        client = server.client()
        values: list[Callable[[bytes], object]] = [
            lambda key: client.set(key, b"junk"),
            lambda key: client.set(key, b""),
            lambda key: client.set(key, b"x" * 1_000_000),
            lambda key: (client.delete(key), client.rpush(key, b"a", b"b")),
            lambda key: client.set(key, client.get(key)[:-1]),
        ]
        keys = sorted(client.keys())
        for number, key in enumerate(keys):
            values[number % len(values)](key)
        engine = fresh(kind, dns(), cache_at(server.port))
        check_all(kind, engine)
        counts = engine.statistics()
        assert counts["cache_hits"] == 0
        assert counts["asked"] == len(keys)
        assert counts["cache_dropped"] == len(keys) * 4 // 5  # a list is as nothing to MGET

    def test_a_full_one_still_answers(self, kind: str, tmp_path: Path) -> None:
        full = ("--maxmemory", "2500000", "--maxmemory-policy", "noeviction")
        with Server(tmp_path, *full) as server:
            cache = cache_at(server.port)
            cache.put_many([(question(NAMES[0]), cached(b"v=spf1 +all"))])
            assert cache.flush(20)
            client = server.client()
            with contextlib.suppress(redis.OutOfMemoryError):
                for number in range(10_000):
                    client.set(f"other {number}", b"x" * 10_000)
            assert client.dbsize() < 10_000
            engine = fresh(kind, dns(), cache)
            check_all(kind, engine)
            assert cache.flush(20)
            counts = engine.statistics()
            assert counts["cache_hits"] == 1
            # What is freed meanwhile lets a few in.
            assert counts["cache_dropped"] > 0
            written = cache.statistics()["written"]
            assert written + counts["cache_dropped"] == 2 * len(NAMES) - 1  # d0 leads nowhere
            assert counts["cache_failures"] == 0

    def test_passwords(self, kind: str, tmp_path: Path, pause: Pause) -> None:
        with Server(tmp_path, "--requirepass", "s3cret") as server:
            right = cache_at(server.port, user=":s3cret@")
            engine = fresh(kind, dns(), right)
            check_all(kind, engine)
            assert right.flush(20)
            assert len(list(right.entries())) == 2 * len(NAMES)
            for user in ("", ":wrong@"):
                wrong = fresh(kind, dns(), cache_at(server.port, user=user))
                check_all(kind, wrong)
                counts = wrong.statistics()
                assert counts["cache_hits"] == 0
                assert counts["asked"] == 2 * len(NAMES)
                # As many connections as had begun when it was found out.
                together = MOST_THREADS if kind == "sync" else len(NAMES)
                assert counts["cache_failures"] <= FAILURES + together + 1

    def test_a_silent_address(self, kind: str, pause: Pause) -> None:
        with Proxy(free_port()) as proxy:  # accepts, and closes
            engine = fresh(kind, dns(), cache_at(proxy.port, timeout=0.05))
            check_all(kind, engine)
            assert engine.statistics()["asked"] == 2 * len(NAMES)


# redis leaves the socket of a handshake that failed to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_tls(kind: str, tmp_path: Path, pause: Pause) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=cache", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    options = ("--tls-cert-file", str(certificate), "--tls-key-file", str(key))
    options += ("--tls-ca-cert-file", str(certificate), "--tls-auth-clients", "no")
    with Server(tmp_path, *options, tls=True) as server:
        url = f"valkeys://127.0.0.1:{server.port}"
        trusting = cache_of(f"{url}?ssl_ca_certs={certificate}")
        check_all(kind, fresh(kind, dns(), trusting))
        assert trusting.flush(20)
        engine = fresh(kind, dns(), trusting)
        check_all(kind, engine)
        assert engine.statistics()["asked"] == 0
        # A certificate that nobody vouches for: the cache is not used.
        stranger = fresh(kind, dns(), cache_of(url))
        check_all(kind, stranger)
        counts = stranger.statistics()
        assert counts["asked"] == 2 * len(NAMES)
        assert counts["cache_failures"] >= FAILURES
        gc.collect()


def test_one_that_is_gone_is_told_without_the_password() -> None:
    port = free_port()
    cache = cache_at(port, user="user:s3cret@")
    for call in (cache.get_many, lambda _: list(cache.entries()), lambda _: cache.purge()):
        with pytest.raises(CacheError) as caught:
            call([question("a.example")])
        assert str(caught.value).startswith(f"valkey://127.0.0.1:{port}: ")
        assert "s3cret" not in str(caught.value) + repr(cache)
