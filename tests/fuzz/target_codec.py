"""Target: any octets in a shared cache. An answer comes of them, or none; nothing raises, and the
compiled reader reads what codec.py reads, or leaves it to that.

An input is the type of the question (one octet, modulo the types), then the octets of a value. They
are also read as a key.
"""

from __future__ import annotations

import senderid_fast as sf
from senderid_fast._core import packed
from senderid_fast._core.answers import AnswerStore
from senderid_fast.cache.codec import MOST_TTL, SKEW, Codec, key_of, question_of

__all__ = ["codec"]

NOW = 1_800_000_000.0
RRTYPES = tuple(sf.RRType)
IP = "192.0.2.1"


class _One:
    """A resolver that has one answer to everything."""

    def __init__(self, answer: sf.Answer) -> None:
        self.answer = answer

    def resolve(self, question: sf.Question, timeout: float) -> sf.Answer:
        return self.answer


def codec(data: bytes) -> None:
    """What decodes is believable, is written as it was read, and can be put before a check."""
    rrtype = RRTYPES[data[0] % len(RRTYPES)] if data else sf.RRType.TXT
    value = data[1:]
    one = Codec()
    found = one.decode(rrtype, value, NOW)
    assert one.dropped == (found is None)
    asked = sf.Question("a.example", rrtype)
    compiled = packed.read(value, asked, NOW)
    if compiled is not None:
        assert found is not None
        assert compiled[:2] == (round(found.fetched_at * 1000), found.answer.ttl)
        assert compiled[2] == packed.form(asked, found.answer)
    if found is not None:
        answer = found.answer
        assert type(answer.status) is sf.Status
        assert 0 <= answer.ttl <= MOST_TTL
        assert 0 <= found.fetched_at <= NOW + SKEW
        assert not answer.records or answer.status is sf.Status.OK
        again = one.encode(rrtype, found)
        assert again is not None
        assert one.decode(rrtype, again, NOW) == found
        # The core can read it: else it would be an error of DNS there.
        store = AnswerStore(1 << 20)
        store.put(asked, answer, 10, 5)
        meant = sf.Status.NODATA if answer[:2] == (sf.Status.OK, ()) else answer.status
        assert {each[2] for each in store.export(5)} <= {meant}, answer
        sf.Engine(_One(answer), store_octets=1 << 16).check_host(IP, "a.example")
    question = question_of(value)
    if question is not None:
        assert key_of(question) == value
        assert packed.key(question.name.encode("latin-1"), question.rrtype) == value
