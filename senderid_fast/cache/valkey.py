"""ValkeyCache: answers in a server of Valkey or Redis that many machines share.

What may live here: keys and commands. That a check does not wait for a server that is slow or gone
is the matter of tier.py: here a call may raise, and take as long as the sockets do.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from math import ceil
from time import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from senderid_fast.cache.base import CachedAnswer, stale_of
from senderid_fast.cache.behind import Behind
from senderid_fast.cache.codec import Codec, key_of, keys_below, question_of
from senderid_fast.cache.guard import Breaker
from senderid_fast.errors import CacheError, InputError, MissingExtraError
from senderid_fast.questions import Question, Status

if TYPE_CHECKING:
    import asyncio

    from senderid_fast.cache.gathering import Gathering

__all__ = ["SCHEMES", "ValkeyCache", "check_options", "check_url"]

# Those of a url, and what redis calls them.
SCHEMES = {
    "valkey": "redis",
    "valkeys": "rediss",
    "redis": "redis",
    "rediss": "rediss",
    "unix": "unix",
}
TOGETHER = 512  # keys of one command
SECONDS_TO_CONNECT = 1.0  # a handshake of TLS may take longer than a check waits for a reply
SECONDS_TO_REPLY = 1.0
SECONDS_TO_CLOSE = 5.0
MOST_CONNECTIONS = 64
LASTING = (Status.OK, Status.NODATA, Status.NXDOMAIN)  # what may be used when it is over


def check_options(prefix: object, timeout: object, most_waiting: object) -> None:
    """Refuse options that no ValkeyCache can have. Raises InputError."""
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise InputError("timeout", f"must be a number of seconds, is {timeout!r}")
    if not 0 < timeout <= 10:
        raise InputError("timeout", f"must be above 0 to 10 seconds, is {timeout!r}")
    if type(most_waiting) is not int or not 0 < most_waiting <= 1 << 40:
        raise InputError("most_waiting", "must be a whole number from 1 to 2**40")
    if not isinstance(prefix, str) or len(prefix) > 100:
        raise InputError("prefix", f"must be text of at most 100 characters, is {prefix!r}")


class ValkeyCache:
    """A cache in a server of Valkey or Redis (5 or newer).

        engine = Engine(cache=ValkeyCache("valkeys://user:secret@cache.example.com:6379/0"))

    url      valkey://[user:password@]host[:port][/database], valkeys:// with TLS, unix:///socket;
             redis:// and rediss:// mean the same
    prefix   of all keys, so that others may use the server, too
    timeout  seconds that a check waits for the answers to some hundred questions; then DNS is
             asked. Above 0, at most 10.
    most_waiting  answers that may wait to be written; further ones are dropped
    stale_seconds answers stay on the server until so long after their time to live ended, for
                  engines that use them in place of errors (Settings.stale_seconds): 0 to 604,800

    Nothing is locked or tracked on the server: entries have an expiry, and what to do when its
    memory is full is its own setting (maxmemory-policy allkeys-lru suits). Who can write to the
    server can make any domain pass or fail.

    Raises InputError for a url or setting that cannot be used, MissingExtraError if redis is not
    installed. A server that cannot be reached: calls raise CacheError, which engines count.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "senderid-fast:",
        timeout: float = 0.005,
        most_waiting: int = 20_000,
        stale_seconds: float = 0,
    ) -> None:
        check_options(prefix, timeout, most_waiting)
        self._url, self._shown, self._address = check_url(url)
        self._prefix = prefix.encode("utf-8", "surrogateescape")
        self._stale_seconds = stale_of(stale_seconds)
        self._settings = url, prefix, float(timeout), most_waiting, self._stale_seconds
        self.timeout = float(timeout)
        self._codec = Codec()
        self._behind = Behind(self._write, most_waiting)
        self._breaker = Breaker()  # of writes; the one of reads is the engine's
        self._begin()
        try:
            self._client.connection_pool.make_connection()  # a wrong option is told now
        except (TypeError, ValueError) as error:
            raise InputError("url", f"{self._shown} cannot be used: {error}") from None

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._client: Any = _client(the_redis(), self._address)
        self._of_loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Any, Gathering]]
        self._of_loops = weakref.WeakKeyDictionary()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ValkeyCache) and self._settings == other._settings

    def __hash__(self) -> int:
        return hash(self._settings)

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, self._settings

    def __repr__(self) -> str:
        return f"ValkeyCache({self._shown!r})"

    @property
    def _server(self) -> Any:
        if os.getpid() != self._process:  # the sockets are the parent's
            self._begin()
        return self._client

    # ---- reading ----------------------------------------------------------------------------

    def get_many(
        self, questions: Sequence[Question], timeout: float = SECONDS_TO_REPLY
    ) -> dict[Question, CachedAnswer]:
        """The answers that are there and not over for longer than ``stale_seconds``, asked in one
        go. Raises CacheError.

        timeout  not looked at: an engine stops waiting, and the call ends with its sockets
        """
        keys = self._keys(questions)
        if not keys:
            return {}
        with _told(self._shown):
            replies = self._asking(self._server, [key for _, key in keys]).execute()
        return self._found(keys, _joined(replies))

    async def get_many_async(
        self, questions: Sequence[Question], timeout: float = SECONDS_TO_REPLY
    ) -> dict[Question, CachedAnswer]:
        """As get_many(), awaited; with connections of the running loop's own. What several tasks
        ask at about the same time goes in one command."""
        import asyncio

        keys = self._keys(questions)
        if not keys:
            return {}
        loop = asyncio.get_running_loop()
        _ = self._server  # begins anew after a fork
        if loop not in self._of_loops:
            self._of_loops[loop] = self._in_loop()
        _, gathering = self._of_loops[loop]
        with _told(self._shown):
            values = await gathering.ask([key for _, key in keys])
        return self._found(keys, values)

    def _in_loop(self) -> tuple[Any, Gathering]:
        """What belongs to the running loop."""
        import redis.asyncio

        from senderid_fast.cache.gathering import Gathering

        client = _client(redis.asyncio, self._address)

        async def ask(keys: list[bytes]) -> list[Any]:
            return _joined(await self._asking(client, keys).execute())

        return client, Gathering(ask)

    def _keys(self, questions: Sequence[Question]) -> list[tuple[Question, bytes]]:
        keys = ((question, key_of(question)) for question in questions)
        return [(question, self._prefix + key) for question, key in keys if key is not None]

    @staticmethod
    def _asking(client: Any, keys: list[bytes]) -> Any:
        pipeline = client.pipeline(transaction=False)
        for first in range(0, len(keys), TOGETHER):
            pipeline.mget(keys[first : first + TOGETHER])
        return pipeline

    def _found(
        self, keys: list[tuple[Question, bytes]], values: list[Any]
    ) -> dict[Question, CachedAnswer]:
        if len(values) != len(keys):
            raise CacheError(self._shown, f"gave {len(values)} values for {len(keys)} keys")
        now = time()
        found: dict[Question, CachedAnswer] = {}
        for (question, _), value in zip(keys, values, strict=True):
            if value is not None:
                cached = self._codec.decode(question.rrtype, value, now)
                if cached is not None and cached.expires + self._stale_seconds > now:
                    found[question] = cached
        return found

    def entries(self) -> Iterator[tuple[Question, CachedAnswer]]:
        """All answers that are not over. Raises CacheError."""
        for keys in self._listed(self._prefix):
            questions = [question_of(key.removeprefix(self._prefix)) for key in keys]
            known = [question for question in questions if question is not None]
            now = time()
            for question, cached in self.get_many(known).items():
                if cached.expires > now:
                    yield question, cached

    def _listed(self, prefix: bytes) -> Iterator[list[bytes]]:
        """All keys of a prefix, some at a time, each once as far as the server says it once."""
        pattern = b"".join(b"\\" + bytes((o,)) if o in b"*?[]\\^-" else bytes((o,)) for o in prefix)
        cursor = 0
        while True:
            with _told(self._shown):
                cursor, keys = self._server.scan(cursor, match=pattern + b"*", count=TOGETHER)
            yield [key for key in keys if key.startswith(prefix)]
            if not cursor:
                return

    # ---- writing ----------------------------------------------------------------------------

    def put_many(self, entries: Iterable[tuple[Question, CachedAnswer]]) -> None:
        """Have these written by a thread of the cache's own."""
        self._behind.put(entries)

    def flush(self, timeout: float) -> bool:
        """Wait until what was put is written; False: it took longer."""
        return self._behind.flush(timeout)

    def _write(self, entries: list[tuple[Question, CachedAnswer]]) -> int:
        pipeline = self._server.pipeline(transaction=False)
        now = time()
        count = 0
        for question, cached in entries:
            key = key_of(question)
            left = int(cached.expires - now)
            if cached.answer.status in LASTING:
                left += ceil(self._stale_seconds)
            if key is None or left <= 0:
                self._codec.dropped += key is None
                continue
            value = self._codec.encode(question.rrtype, cached)
            if value is not None:
                pipeline.set(self._prefix + key, value, ex=left)
                count += 1
        if not count:
            return 0
        if not self._breaker.may_ask():
            self._codec.dropped += count
            return 0
        try:
            replies = pipeline.execute(raise_on_error=False)
        except Exception:
            self._breaker.failed()
            raise
        self._breaker.succeeded()
        written = sum(reply is True for reply in replies)
        self._codec.dropped += count - written  # its memory is full
        return written

    def purge(self, domain: str | None = None, *, below: bool = True) -> int:
        """Remove the answers of a name, and with ``below`` of all names below it; None: all with
        the prefix. How many these were. Raises CacheError.

        What is still to be written is written first.
        """
        self.flush(SECONDS_TO_CLOSE)
        prefixes = (b"",) if domain is None else keys_below(domain, below)
        count = 0
        for prefix in prefixes:
            for keys in self._listed(self._prefix + prefix):
                if keys:
                    with _told(self._shown):
                        count += self._server.delete(*keys)
        return count

    # ---- the rest ---------------------------------------------------------------------------

    def statistics(self) -> dict[str, int]:
        """Since it was made: written, dropped (not read or not written), write_failures."""
        return {
            "written": self._behind.written,
            "dropped": self._codec.dropped + self._behind.dropped,
            "write_failures": self._behind.failures,
        }

    def close(self) -> None:
        """Write what is waiting and close the connections, but for those of other threads' event
        loops, which end with them. The next use opens new ones."""
        self._behind.flush(SECONDS_TO_CLOSE)
        if os.getpid() == self._process:
            self._client.close()

    async def close_async(self) -> None:
        """Close the connections of the running loop."""
        import asyncio

        found = self._of_loops.pop(asyncio.get_running_loop(), None)
        if found is not None:
            client, _ = found
            await client.aclose()


def _joined(replies: list[Any]) -> list[Any]:
    return [value for reply in replies for value in reply]


def _again(
    url: str, prefix: str, timeout: float, most_waiting: int, stale_seconds: float
) -> ValkeyCache:
    """What a pickled cache becomes."""
    return ValkeyCache(
        url,
        prefix=prefix,
        timeout=timeout,
        most_waiting=most_waiting,
        stale_seconds=stale_seconds,
    )


def the_redis() -> Any:
    """The module redis. Raises MissingExtraError."""
    try:
        import redis
    except ImportError:
        raise MissingExtraError("redis", "valkey") from None
    return redis


def _client(module: Any, address: str) -> Any:
    from redis.backoff import NoBackoff

    retry = the_retry(module)
    return module.Redis.from_url(
        address,
        socket_timeout=SECONDS_TO_REPLY,
        socket_connect_timeout=SECONDS_TO_CONNECT,
        max_connections=MOST_CONNECTIONS,
        retry=retry(NoBackoff(), 0),
        protocol=2,
        decode_responses=False,
        health_check_interval=0,
    )


def the_retry(module: Any) -> Any:
    """The class Retry that belongs to redis, or to redis.asyncio."""
    from importlib import import_module

    return import_module(f"{module.__name__}.retry").Retry


def check_url(url: object) -> tuple[str, str, str]:
    """The url, what may be shown of it, and how redis wants it. Raises InputError."""
    if not isinstance(url, str):
        raise InputError("url", f"must be text, is {type(url).__name__}")
    words = "must be valkey://host:port, valkeys://host:port or unix:///socket"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InputError("url", words) from None
    if parts.scheme == "unix":
        return url, f"unix://{parts.path}", url
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise InputError("url", words)  # its text may hold a password
    shown = f"{parts.scheme}://{parts.hostname}" + ("" if port is None else f":{port}")
    return url, shown, SCHEMES[parts.scheme] + url[len(parts.scheme) :]


class _told:
    """A context in which what redis raises becomes a CacheError, without the password."""

    def __init__(self, shown: str) -> None:
        self._shown = shown

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (the_redis().RedisError, OSError)):
            raise CacheError(self._shown, f"{type(error).__name__}: {error}") from None
