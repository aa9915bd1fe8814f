"""The compiled reader of caches beside codec.py: what it reads is the same, and it reads most.

A value that it is not sure of is left to codec.py; so it may say nothing, but never anything else.
"""

from __future__ import annotations

import time
from typing import Any
from unittest import mock

import msgpack
from hypothesis import given
from hypothesis import strategies as st
from support.caches import ANSWERS, QUESTIONS, Memory, Near
from support.scripted import Scripted

import senderid_fast as sf
from senderid_fast._core import packed
from senderid_fast.cache.base import CachedAnswer
from senderid_fast.cache.codec import FORMAT, SKEW, Codec, key_of

NOW = 1_800_000_000.0
COUNTS = ("cache_hits", "cache_misses", "cache_failures")
NAMES = st.text(st.characters(max_codepoint=0xFF), min_size=1, max_size=253)
NUMBERS = st.sampled_from([0, 1, 127, 128, 255, 256, 65_535, 65_536, 1 << 32, (1 << 64) - 1, -1])
FIELDS = st.one_of(
    NUMBERS,
    st.integers(0, 700_000),
    st.integers(int(NOW * 1000) - 10, int((NOW + SKEW) * 1000) + 10),
    st.sampled_from([*map(str, sf.Status), "OK", b"ok", None, True, 1.0]),
    st.lists(st.binary(max_size=20), max_size=3),
    st.lists(st.sampled_from(["192.0.2.1", "::1", "2001:db8::192.0.2.1", "h.example", "1.2.3"])),
    st.lists(st.tuples(NUMBERS, st.sampled_from(["m.example", "", ".", "\xe9", b"m"])), max_size=3),
    st.text(max_size=5),
)


def compare(value: bytes, question: sf.Question) -> bool:
    """Whether the compiled reader reads it. What it reads is what codec.py reads."""
    found = packed.read(value, question, NOW)
    if found is None:
        return False
    cached = Codec().decode(question.rrtype, value, NOW)
    assert cached is not None, value
    milliseconds, ttl, form = found
    assert (milliseconds / 1000, ttl) == (cached.fetched_at, cached.answer.ttl)
    assert form == packed.form(question, cached.answer)
    return True


def octets_of(rrtype: sf.RRType, answer: sf.Answer) -> bytes:
    octets = Codec().encode(rrtype, CachedAnswer(answer, NOW))
    assert octets is not None
    return octets


@given(ANSWERS, NAMES)
def test_what_is_usual_is_read_and_is_the_same(one: tuple[sf.RRType, sf.Answer], name: str) -> None:
    rrtype, answer = one
    texts = [answer.detail, *(str(each) for each in answer.records)]
    is_usual = rrtype is sf.RRType.TXT or all(map(str.isascii, texts[1:]))
    is_read = compare(octets_of(rrtype, answer), sf.Question(name, rrtype))
    assert is_read == (is_usual and answer.detail.isascii())


@given(st.integers(0, 70))
def test_many_records_are_left_to_the_codec(count: int) -> None:
    for rrtype, record in ((sf.RRType.TXT, b"v=spf1 -all"), (sf.RRType.A, "192.0.2.1")):
        answer = sf.Answer(sf.Status.OK, (record,) * count, 300)  # type: ignore[arg-type]
        question = sf.Question("a.example", rrtype)
        assert compare(octets_of(rrtype, answer), question) == (count <= 32)


@given(ANSWERS, st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=3)), max_size=4))
def test_octets_that_were_changed(
    one: tuple[sf.RRType, sf.Answer], changes: list[tuple[int, bytes]]
) -> None:
    rrtype, answer = one
    octets = bytearray(octets_of(rrtype, answer))
    for at, new in changes:
        octets[at % len(octets) : at % len(octets) + len(new)] = new
    for other in sf.RRType:
        compare(bytes(octets), sf.Question("a.example", other))
        compare(bytes(octets[: len(octets) // 2]), sf.Question("a.example", other))


@given(st.lists(FIELDS, min_size=5, max_size=7), st.sampled_from(sf.RRType), st.booleans())
def test_fields_of_any_kind(fields: list[Any], rrtype: sf.RRType, is_ours: bool) -> None:
    if is_ours:
        fields = [FORMAT, "ok", int(NOW * 1000), *fields[3:6]]
    compare(msgpack.packb(fields, use_bin_type=True), sf.Question("a.example", rrtype))


@given(st.binary(max_size=60), st.sampled_from(sf.RRType))
def test_any_octets(octets: bytes, rrtype: sf.RRType) -> None:
    compare(octets, sf.Question("a.example", rrtype))


@given(QUESTIONS)
def test_keys_are_those_of_the_codec(question: sf.Question) -> None:
    assert packed.key(question.name.encode("latin-1"), question.rrtype) == key_of(question)


@given(
    ANSWERS,
    st.sampled_from([0, 0.5, 5, 100.5]),
    st.sampled_from([0, 60, 1_000.5, 604_800]),
    st.sampled_from([-59, -5, 0, 1, 59, 61, 900, 10_000]),
    st.sampled_from([4, 0]),
)
def test_an_engine_takes_the_same_for_the_same_time(
    one: tuple[sf.RRType, sf.Answer], failure_ttl: float, max_ttl: float, age: float, head: int
) -> None:
    """Through the core, and through get_many: what is taken, for how long, and what is counted."""
    _, answer = one
    cached = CachedAnswer(answer, NOW - age - 0.5)
    if one[0] is not sf.RRType.TXT:
        cached = cached._replace(answer=answer._replace(records=()))
    seen = []
    for cache in (Memory(), Near(head)):
        cache.put_many([(sf.Question("a.example", sf.RRType.TXT), cached)])
        dns = Scripted(lambda *_: sf.Answer(sf.Status.NXDOMAIN, ttl=0))
        engine = sf.Engine(dns, cache=cache, failure_ttl=failure_ttl, max_ttl=max_ttl)
        with mock.patch("senderid_fast.cache.tier.time", return_value=NOW):
            verdict = engine.check_host("192.0.2.1", "a.example")
        counts = {name: count for name, count in engine.statistics().items() if name in COUNTS}
        left = [(row[2], row[4], row[5]) for row in engine._store.export(time.monotonic_ns())]
        seen.append(
            (verdict.result, verdict.reason, verdict.detail, len(dns.questions), counts, left)
        )
    assert seen[0] == seen[1]
