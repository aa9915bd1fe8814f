"""LmdbCache: answers in a file that many processes of one machine have mapped.

What may live here: the tables in the file, expiry, and what goes when there is no room. Opening,
damage and forks are in lmdbfiles.py.

answers  key of the question -> CRC 32 (4 octets), when it was put (8 octets), value of the codec
times    when it was put (8 octets), key of the question -> nothing

The CRC is of the key and all that follows it: it finds what a disk has changed, and a value that
came to stand under another key.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from time import sleep, time, time_ns
from typing import Any, NoReturn, TypeVar
from zlib import crc32

from senderid_fast.cache.base import CachedAnswer, stale_of
from senderid_fast.cache.behind import Behind
from senderid_fast.cache.codec import Codec, key_of, keys_below, question_of
from senderid_fast.cache.lmdbfiles import (
    PAGE,
    SECONDS_TO_OPEN,
    Opened,
    damage,
    files_of,
    the_lmdb,
)
from senderid_fast.errors import CacheError, InputError
from senderid_fast.questions import Question

__all__ = ["LmdbCache", "check_options"]

HEAD = 12  # octets before the value: CRC and time
FULL = 0.75  # of the map: then the oldest go. The rest is for pages that a change needs meanwhile
TRIALS = 7  # of a change that finds no room, or of reading files that get another size
LISTED = 512  # entries of one transaction while they are listed
SECONDS_TO_CLOSE = 5.0

Written = tuple[bytes, bytes]
Result = TypeVar("Result")


def check_options(max_octets: object, most_waiting: object) -> None:
    """Refuse options that no LmdbCache can have. Raises InputError."""
    for name, value, least in (
        ("max_octets", max_octets, 1 << 20),
        ("most_waiting", most_waiting, 1),
    ):
        if type(value) is not int or not least <= value <= 1 << 40:
            raise InputError(name, f"must be a whole number from {least} to 2**40")


class LmdbCache:
    """A cache in a folder, shared by all processes of a machine that name it. Safe over fork, and
    over processes that are killed while they write.

        engine = Engine(cache=LmdbCache("/var/cache/senderid-fast"))

    path        a folder of the cache's own, made if it is not there. Whoever can write to it can
                make any domain pass or fail: keep it to the mail system's user (it is made so).
    max_octets  of the file: 1 MiB to 1 TiB. When it is nearly full, the oldest entries go. While
                several processes have it open, the setting of the first counts.
    most_waiting  answers that may wait to be written; further ones are dropped
    stale_seconds answers are given until so long after their time to live ended, for engines that
                  use them in place of errors (Settings.stale_seconds): 0 to 604,800

    Reading waits for nobody. What others have damaged, or another program has left there, is moved
    aside to PATH.damaged, and the cache begins anew. Raises InputError for a path that cannot be
    used, CacheError, and MissingExtraError if lmdb is not installed.
    """

    timeout = 0.0
    head = HEAD

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_octets: int = 256 << 20,
        most_waiting: int = 20_000,
        stale_seconds: float = 0,
    ) -> None:
        check_options(max_octets, most_waiting)
        if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
            raise InputError("path", f"must be the path of a folder, is {path!r}")
        the_lmdb()
        self._path = Path(path)
        self._max_octets = max_octets // PAGE * PAGE
        self._most_waiting = most_waiting
        self._stale_seconds = stale_of(stale_seconds)
        self._codec = Codec()
        self._behind = Behind(self._write, most_waiting)
        self._evicted = 0
        self._files = files_of(self._path, self._max_octets)
        self._damage = damage()
        self._resized = the_lmdb().MapResizedError
        self._open()

    def _open(self) -> None:
        """Open the files now, so that a path that cannot be used is told at once."""
        try:
            with self._files.read_lock:
                self._files.opened(SECONDS_TO_OPEN)
        except OSError as error:
            words = error.strerror or str(error)
            raise InputError("path", f"{self._path} cannot be used: {words}") from None
        except the_lmdb().Error as error:
            raise CacheError(str(self._path), f"cannot be opened: {error}") from None
        self._files.users.add(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LmdbCache) and self._settings() == other._settings()

    def __hash__(self) -> int:
        return hash(self._settings())

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, self._settings()

    def __repr__(self) -> str:
        return f"LmdbCache({str(self._path)!r}, max_octets={self._max_octets})"

    def _settings(self) -> tuple[Any, ...]:
        return self._path, self._max_octets, self._most_waiting, self._stale_seconds

    # ---- reading ----------------------------------------------------------------------------

    def get_many(
        self, questions: Sequence[Question], timeout: float = 0.0
    ) -> dict[Question, CachedAnswer]:
        """The answers that are there and not over for longer than ``stale_seconds``, read in one
        transaction."""
        now = time()
        found: dict[Question, CachedAnswer] = {}
        keys = [(question, key) for question in questions if (key := key_of(question)) is not None]
        raws = self.read(lambda get: [(*each, get(each[1])) for each in keys])
        for question, key, raw in raws:
            cached = None if raw is None else self.decoded(question, key, raw, now)
            if cached is not None and cached.expires + self._stale_seconds > now:
                found[question] = cached
        return found

    def read(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """What work(get, *arguments) gives, in one transaction. get(key): the octets of a key, or
        None.

        work is short and changes nothing here: what is removed meanwhile keeps its room. Raises
        CacheError, and what work raises.
        """
        files = self._files
        for trial in range(TRIALS):
            try:
                with files.read_lock:
                    opened = files.opened()
                    with opened.env.begin(db=opened.answers) as transaction:
                        return work(transaction.get, *arguments)
            except self._damage as error:
                self._damaged(error)
            except self._resized:  # said before work is called
                files.close()
                if trial == TRIALS - 1:
                    raise
        raise AssertionError("the last trial returns or raises")

    async def get_many_async(
        self, questions: Sequence[Question], timeout: float = 0.0
    ) -> dict[Question, CachedAnswer]:
        """As get_many(); nothing in it waits."""
        return self.get_many(questions, timeout)

    def decoded(
        self, question: Question, key: bytes, raw: bytes, now: float
    ) -> CachedAnswer | None:
        """The answer of what is at a key, over or not; None, and counted, if there is none to be
        believed."""
        if len(raw) < HEAD or raw[:4] != _check(key, raw[4:]):
            self._codec.dropped += 1
            return None
        return self._codec.decode(question.rrtype, raw[HEAD:], now)

    def entries(self) -> Iterator[tuple[Question, CachedAnswer]]:
        """All answers that are not over, by name from the root on."""
        for key, raw in self._items(b""):
            question = question_of(key)
            now = time()
            if question is None:
                self._codec.dropped += 1
                continue
            cached = self.decoded(question, key, raw, now)
            if cached is not None and cached.expires > now:
                yield question, cached

    def _items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values of a prefix, some in each transaction: a long one would keep the room of
        all that is written meanwhile."""
        start = prefix
        while True:
            some: list[tuple[bytes, bytes]] = []
            with self._files.read_lock:
                opened = self._files.opened()
                with opened.env.begin(db=opened.answers) as transaction:
                    cursor = transaction.cursor()
                    more = cursor.set_range(start) if start else cursor.first()
                    while more and len(some) < LISTED and cursor.key().startswith(prefix):
                        some.append(cursor.item())
                        more = cursor.next()
            yield from some
            if len(some) < LISTED:
                return
            start = some[-1][0] + b"\0"

    # ---- writing ----------------------------------------------------------------------------

    def put_many(self, entries: Iterable[tuple[Question, CachedAnswer]]) -> None:
        """Have these written by a thread of the cache's own."""
        self._behind.put(entries)

    def flush(self, timeout: float) -> bool:
        """Wait until what was put is written; False: it took longer."""
        return self._behind.flush(timeout)

    def _write(self, entries: list[tuple[Question, CachedAnswer]]) -> int:
        """Write entries, a few in each transaction: each has to find room. How many were."""
        values: list[Written] = []
        for question, cached in entries:
            key = key_of(question)
            value = None if key is None else self._codec.encode(question.rrtype, cached)
            if key is None or value is None or len(value) > self._max_octets // 64:
                self._codec.dropped += value is not None or key is None
                continue
            values.append((key, value))
        octets, some = 0, list[Written]()
        for each in values:
            some.append(each)
            octets += len(each[1])
            if len(some) >= self._together or octets > self._max_octets // 64:
                self._put(some)
                octets, some = 0, []
        if some:
            self._put(some)
        return len(values)

    @property
    def _together(self) -> int:
        """Entries of one transaction: each may change two pages and those above them."""
        return min(max(self._max_octets // PAGE // 64, 1), 500)

    def _put(self, some: list[Written]) -> None:
        try:
            self._change(lambda opened, transaction: _put_all(opened, transaction, some))
        except self._damage as error:
            self._damaged(error)

    def _change(self, work: Callable[[Opened, Any], int]) -> int:
        """What work(opened, transaction) gives; tried again when there is no room for it."""
        lmdb = the_lmdb()
        for trial in range(TRIALS):
            sleep(trial * trial * 0.01)
            with self._files.write_lock:
                opened = self._files.opened()
                try:
                    self._make_room(opened, FULL - trial * 0.1)
                    with opened.env.begin(write=True) as transaction:
                        return work(opened, transaction)
                except (lmdb.MapFullError, lmdb.TxnFullError):
                    # Readers keep the room of what they read: killed ones until somebody looks,
                    # others until they have a processor again.
                    opened.env.reader_check()
                    if trial == TRIALS - 1:
                        raise
                except self._resized:
                    self._files.close()
                    if trial == TRIALS - 1:
                        raise
        raise AssertionError("the last trial returns or raises")

    def _make_room(self, opened: Opened, part: float) -> None:
        """Let the oldest entries go while more than that part of the map is used."""
        while True:
            with opened.env.begin() as transaction:
                used = sum(_octets(transaction.stat(db)) for db in (opened.answers, opened.times))
            if used <= opened.limit * part:
                break
            if not self._drop_oldest(opened, max(self._together, 8)):
                break

    def _drop_oldest(self, opened: Opened, count: int) -> int:
        """Remove so many of the entries that were put first; how many these were."""
        with opened.env.begin(write=True) as transaction:
            cursor = transaction.cursor(opened.times)
            dropped = 0
            while dropped < count and cursor.first():
                transaction.delete(cursor.key()[8:], db=opened.answers)
                cursor.delete()
                dropped += 1
        self._evicted += dropped
        return dropped

    def _damaged(self, error: Exception) -> NoReturn:
        self._files.damaged()
        raise CacheError(str(self._path), f"is damaged: {error}") from None

    def purge(self, domain: str | None = None, *, below: bool = True) -> int:
        """Remove the answers of a name, and with ``below`` of all names below it; None: all. How
        many these were.

        What is still to be written is written first. Raises CacheError.
        """
        self.flush(SECONDS_TO_CLOSE)
        prefixes = (b"",) if domain is None else keys_below(domain, below)
        count = 0
        try:
            for prefix in prefixes:
                some: list[tuple[bytes, bytes]] = []
                for item in self._items(prefix):
                    some.append(item)
                    if len(some) >= self._together:
                        count += self._remove(some)
                        some = []
                count += self._remove(some)
        except the_lmdb().Error as error:
            raise CacheError(str(self._path), f"cannot be purged: {error}") from None
        return count

    def _remove(self, items: list[tuple[bytes, bytes]]) -> int:
        def remove(opened: Opened, transaction: Any) -> int:
            count = 0
            for key, raw in items:
                transaction.delete(raw[4:HEAD] + key, db=opened.times)
                count += transaction.delete(key, db=opened.answers)
            return count

        return self._change(remove) if items else 0

    # ---- the rest ---------------------------------------------------------------------------

    def statistics(self) -> dict[str, int]:
        """entries, and octets of the limit that are used; since this object was made: written,
        evicted for want of room, dropped (not read or not written), write_failures, moved_aside."""
        counts = {"entries": 0, "octets": 0, "limit": self._max_octets}
        try:
            with self._files.read_lock:
                opened = self._files.opened()
                with opened.env.begin() as transaction:
                    stats = transaction.stat(opened.answers), transaction.stat(opened.times)
                counts["entries"] = stats[0]["entries"]
                counts["octets"] = sum(map(_octets, stats))
                counts["limit"] = opened.limit
        except (the_lmdb().Error, CacheError, OSError):
            pass  # the counts below tell of it
        return {
            **counts,
            "written": self._behind.written,
            "evicted": self._evicted,
            "dropped": self._codec.dropped + self._behind.dropped,
            "write_failures": self._behind.failures,
            "moved_aside": self._files.moved_aside,
        }

    def close(self) -> None:
        """Write what is waiting and let go of the files. The next use opens them again."""
        self._behind.flush(SECONDS_TO_CLOSE)
        self._files.users.discard(self)
        if not self._files.users:
            self._files.close()


def _again(path: Path, max_octets: int, most_waiting: int, stale: float) -> LmdbCache:
    """What a pickled cache becomes."""
    return LmdbCache(path, max_octets=max_octets, most_waiting=most_waiting, stale_seconds=stale)


def _octets(stat: Any) -> int:
    """Of a table: those of its pages."""
    pages: int = stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]
    return pages * int(stat["psize"])


def _check(key: bytes, rest: bytes) -> bytes:
    return crc32(rest, crc32(key)).to_bytes(4, "big")


def _put_all(opened: Opened, transaction: Any, some: list[Written]) -> int:
    put_at = (time_ns() // 1000).to_bytes(8, "big")
    for key, value in some:
        old = transaction.get(key, db=opened.answers)
        if old is not None:
            transaction.delete(old[4:HEAD] + key, db=opened.times)
        rest = put_at + value
        transaction.put(key, _check(key, rest) + rest, db=opened.answers)
        transaction.put(put_at + key, b"", db=opened.times)
    return len(some)
