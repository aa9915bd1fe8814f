"""Caches made for tests: in memory, and such that misbehave. Answers for them, of every kind.

What may live here: what several tests of caches need.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from zlib import crc32

from hypothesis import strategies as st

import senderid_fast as sf
from senderid_fast.cache import CachedAnswer, LmdbCache
from senderid_fast.cache.codec import Codec, key_of

__all__ = [
    "ANSWERS",
    "QUESTIONS",
    "Hanging",
    "Junk",
    "Memory",
    "Near",
    "Raising",
    "cached",
    "keep",
    "names_in",
    "put",
    "question",
]


def question(name: str, rrtype: str = "TXT") -> sf.Question:
    return sf.Question(name, sf.RRType[rrtype])


def cached(*records: Any, ttl: int = 300, age: float = 0.0) -> CachedAnswer:
    return CachedAnswer(sf.Answer(sf.Status.OK, records, ttl), time.time() - age)


def put(cache: LmdbCache, *entries: tuple[sf.Question, CachedAnswer]) -> None:
    """Put these, and wait until they are written."""
    cache.put_many(entries)
    assert cache.flush(20)


def keep(cache: LmdbCache, *names: str, record: bytes = b"v=spf1 -all", ttl: int = 300) -> None:
    put(cache, *((question(name), cached(record, ttl=ttl)) for name in names))


def names_in(cache: LmdbCache) -> list[str]:
    return [asked.name for asked, _ in cache.entries()]


class Memory:
    """A cache that keeps what it is given, and notes its calls."""

    timeout = 0.0

    def __init__(self) -> None:
        self.kept: dict[sf.Question, CachedAnswer] = {}
        self.asked: list[tuple[sf.Question, ...]] = []
        self.closed = 0

    def get_many(
        self, questions: Sequence[sf.Question], timeout: float
    ) -> dict[sf.Question, CachedAnswer]:
        self.asked.append(tuple(questions))
        return {each: self.kept[each] for each in questions if each in self.kept}

    def put_many(self, entries: Iterable[tuple[sf.Question, CachedAnswer]]) -> None:
        self.kept.update(entries)

    def statistics(self) -> dict[str, int]:
        return {"dropped": 0}

    def close(self) -> None:
        self.closed += 1


class Near(Memory):
    """A cache that the core reads: it keeps octets, under the octets of their keys.

    head  0, or 4: then a CRC stands before each value
    """

    def __init__(self, head: int = 0) -> None:
        super().__init__()
        self.head = head
        self.octets: dict[bytes, bytes] = {}
        self.got: list[bytes] = []
        self.codec = Codec()

    def get_many(
        self, questions: Sequence[sf.Question], timeout: float
    ) -> dict[sf.Question, CachedAnswer]:
        raise AssertionError("the core reads it")

    def put_many(self, entries: Iterable[tuple[sf.Question, CachedAnswer]]) -> None:
        for asked, one in entries:
            key, value = key_of(asked), self.codec.encode(asked.rrtype, one)
            if key is not None and value is not None:
                crc = crc32(value, crc32(key)).to_bytes(4, "big")
                self.octets[key] = crc[: self.head] + value

    def get(self, key: bytes) -> bytes | None:
        self.got.append(key)
        return self.octets.get(key)

    def read(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return work(self.get, *arguments)

    def decoded(
        self, question: sf.Question, key: bytes, octets: bytes, now: float
    ) -> CachedAnswer | None:
        value = octets[self.head :]
        if self.head and octets[:4] != crc32(value, crc32(key)).to_bytes(4, "big"):
            self.codec.dropped += 1
            return None
        return self.codec.decode(question.rrtype, value, now)

    def statistics(self) -> dict[str, int]:
        return {"dropped": self.codec.dropped}


class Raising(Memory):
    """A cache of which every call raises."""

    def _raise(self, *_: object) -> Any:
        raise RuntimeError("the cache is broken")

    get_many = put_many = statistics = close = _raise


class Hanging(Memory):
    """A cache whose reads end when it is told."""

    timeout = 0.01

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def get_many(self, questions: Sequence[sf.Question], timeout: float) -> Any:
        super().get_many(questions, timeout)
        self.go_on.wait(60)
        return {}


class Junk(Memory):
    """A cache that replies what reply(questions) gives."""

    def __init__(self, reply: Callable[[Sequence[sf.Question]], Any]) -> None:
        super().__init__()
        self.reply = reply

    def get_many(self, questions: Sequence[sf.Question], timeout: float) -> Any:
        super().get_many(questions, timeout)
        return self.reply(questions)


_OCTET_TEXT = st.text(st.characters(max_codepoint=0xFF), max_size=253)
_RECORDS: dict[sf.RRType, st.SearchStrategy[Any]] = {
    sf.RRType.TXT: st.binary(max_size=300),
    sf.RRType.A: st.ip_addresses(v=4).map(str),
    sf.RRType.AAAA: st.ip_addresses(v=6).map(str),
    sf.RRType.MX: st.tuples(st.integers(0, 0xFFFF), _OCTET_TEXT),
    sf.RRType.PTR: _OCTET_TEXT,
}
QUESTIONS: st.SearchStrategy[sf.Question] = st.builds(
    sf.Question, _OCTET_TEXT, st.sampled_from(sf.RRType)
)


@st.composite
def _answers(draw: st.DrawFn) -> tuple[sf.RRType, sf.Answer]:
    rrtype = draw(st.sampled_from(sf.RRType))
    status = draw(st.sampled_from(sf.Status))
    records = ()
    if status is sf.Status.OK:
        records = tuple(draw(st.lists(_RECORDS[rrtype], max_size=5)))
    ttl = draw(st.integers(0, 604_800))
    detail = draw(st.text(max_size=40) | st.just("\ud800 is half a character"))
    return rrtype, sf.Answer(status, records, ttl, detail)


ANSWERS: st.SearchStrategy[tuple[sf.RRType, sf.Answer]] = _answers()
