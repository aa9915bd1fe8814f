"""The codec of caches: what goes in comes out the same; nothing else does, and nothing raises."""

from __future__ import annotations

import ipaddress
from typing import Any

import msgpack
from hypothesis import given
from hypothesis import strategies as st
from support.caches import ANSWERS, QUESTIONS

import senderid_fast as sf
from senderid_fast.cache.base import CachedAnswer
from senderid_fast.cache.codec import (
    MOST_OCTETS,
    MOST_TTL,
    SKEW,
    Codec,
    key_of,
    keys_below,
    question_of,
)

NOW = 1_800_000_000.0
WORDS: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.sampled_from(["ok", "nodata", "192.0.2.1", "2001:db8::1"]),
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.tuples(st.just(1), st.just("ok"), st.just(int(NOW * 1000)), inner, inner, inner)
    ),
    max_leaves=10,
)


def _believable(rrtype: sf.RRType, found: CachedAnswer) -> None:
    """What a decoded answer always is."""
    status, records, ttl, detail = found.answer
    assert type(status) is sf.Status
    assert type(detail) is str
    assert 0 <= ttl <= MOST_TTL
    assert 0 <= found.fetched_at <= NOW + SKEW
    assert not records or status is sf.Status.OK
    for record in records:
        match rrtype:
            case sf.RRType.TXT:
                assert type(record) is bytes
            case sf.RRType.A:
                ipaddress.IPv4Address(record)
            case sf.RRType.AAAA:
                ipaddress.IPv6Address(record)
            case sf.RRType.MX:
                preference, exchange = record
                assert 0 <= preference <= 0xFFFF
                exchange.encode("latin-1")
            case sf.RRType.PTR:
                record.encode("latin-1")


@given(ANSWERS, st.integers(0, int(NOW * 1000)))
def test_an_answer_comes_back_the_same(
    given_answer: tuple[sf.RRType, sf.Answer], milliseconds: int
) -> None:
    rrtype, answer = given_answer
    codec = Codec()
    octets = codec.encode(rrtype, CachedAnswer(answer, milliseconds / 1000))
    assert octets is not None
    found = codec.decode(rrtype, octets, NOW)
    assert found == CachedAnswer(answer, milliseconds / 1000)
    assert [type(each) for each in found.answer] == [type(each) for each in answer]
    assert codec.dropped == 0


@given(st.sampled_from(sf.RRType), st.binary(max_size=200))
def test_any_octets_give_an_answer_or_none(rrtype: sf.RRType, octets: bytes) -> None:
    codec = Codec()
    found = codec.decode(rrtype, octets, NOW)
    assert codec.dropped == (found is None)
    if found is not None:
        _believable(rrtype, found)


@given(st.sampled_from(sf.RRType), WORDS)
def test_any_msgpack_gives_an_answer_or_none(rrtype: sf.RRType, value: Any) -> None:
    octets = msgpack.packb(value, use_bin_type=True)
    codec = Codec()
    found = codec.decode(rrtype, octets, NOW)
    assert codec.dropped == (found is None)
    if found is not None:
        _believable(rrtype, found)
        assert codec.decode(rrtype, codec.encode(rrtype, found), NOW) == found


@given(ANSWERS, st.data())
def test_a_changed_octet_gives_an_answer_or_none(
    given_answer: tuple[sf.RRType, sf.Answer], data: st.DataObject
) -> None:
    rrtype, answer = given_answer
    codec = Codec()
    octets = bytearray(codec.encode(rrtype, CachedAnswer(answer, NOW)) or b"")
    octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    found = codec.decode(rrtype, bytes(octets), NOW)
    if found is not None:
        _believable(rrtype, found)


@given(st.sampled_from(sf.RRType), WORDS, WORDS, WORDS, WORDS)
def test_whatever_is_written_can_be_read(
    rrtype: sf.RRType, status: Any, records: Any, ttl: Any, detail: Any
) -> None:
    codec = Codec()
    octets = codec.encode(rrtype, CachedAnswer(sf.Answer(status, records, ttl, detail), NOW))
    assert codec.dropped == (octets is None)
    if octets is not None:
        assert len(octets) <= MOST_OCTETS
        found = codec.decode(rrtype, octets, NOW)
        assert found is not None
        _believable(rrtype, found)


@given(QUESTIONS)
def test_a_key_gives_its_question_back(question: sf.Question) -> None:
    key = key_of(question)
    assert key is not None
    assert len(key) < 511  # the longest that LMDB takes
    assert question_of(key) == question


@given(QUESTIONS, QUESTIONS)
def test_the_keys_of_a_domain_begin_alike_and_no_others_do(
    one: sf.Question, other: sf.Question
) -> None:
    for name in (one.name, f"a.{one.name}"[:253], one.name.partition(".")[2], other.name):
        key = key_of(sf.Question(name, one.rrtype))
        assert key is not None
        at, below = keys_below(one.name)
        # A name may hold the octet that ends one: then its key says where the name ends.
        is_at = key.startswith(at) and question_of(key) == sf.Question(one.name, one.rrtype)
        assert is_at == (name == one.name)
        assert key.startswith(below) == name.endswith("." + one.name)


@given(st.binary(max_size=300))
def test_any_octets_are_a_key_or_none(key: bytes) -> None:
    question = question_of(key)
    if question is not None:
        assert key_of(question) == key
