"""The compiled codec and dnspython agree on every message, or the compiled one says nothing."""

from __future__ import annotations

import random
from collections import Counter

import dns.message
import dns.rdatatype
from hypothesis import given
from hypothesis import strategies as st
from support.wire import agrees, dnspython_reads, message, mutated, question_of

from senderid_fast._core.wire import read_answer, write_query
from senderid_fast.questions import Answer, RRType
from senderid_fast.resolver.messages import text_to_name

ROUNDS = 1_500
NAMES = st.lists(st.text(st.characters(max_codepoint=255), max_size=70), max_size=6).map(".".join)


def check(octets: bytes, seed: object) -> Answer | str:
    question = question_of(octets)
    if question is None:
        return ""
    query_id = int.from_bytes(octets[:2], "big")
    ours = read_answer(octets, question.name, question.rrtype, query_id)
    theirs = dnspython_reads(octets, question, query_id)
    assert agrees(ours, theirs), (seed, octets, ours, theirs)
    return ours


def test_what_dnspython_writes_is_read_alike() -> None:
    choose = random.Random(1035)
    kinds: Counter[str] = Counter()
    for number in range(ROUNDS):
        question, query_id, octets = message(choose, rare=number % 2 == 0)
        ours = read_answer(octets, question.name, question.rrtype, query_id)
        theirs = dnspython_reads(octets, question, query_id)
        assert agrees(ours, theirs), (number, octets, question, ours, theirs)
        assert ours != "stray"
        kinds[ours if isinstance(ours, str) else str(ours.status)] += 1
    # Most are read, so that agreement means something.
    assert set(kinds) == {"ok", "nodata", "nxdomain", "servfail", "refused", "odd", "truncated"}
    assert kinds["odd"] < ROUNDS / 2.5
    assert kinds["ok"] > ROUNDS / 4


def test_changed_octets_are_read_alike_or_not_at_all() -> None:
    choose = random.Random(2181)
    kinds: Counter[str] = Counter()
    for number in range(ROUNDS):
        question, query_id, octets = message(choose, rare=number % 3 == 0)
        changed = mutated(octets, choose)
        ours = read_answer(changed, question.name, question.rrtype, query_id)
        theirs = dnspython_reads(changed, question, query_id)
        assert agrees(ours, theirs), (number, changed, question, ours, theirs)
        kinds[ours if isinstance(ours, str) else str(ours.status)] += 1
    assert kinds["ok"] > 50
    assert kinds["odd"] > 50


@given(st.integers(0, 1 << 32), st.binary(max_size=40), st.integers(0, 400))
def test_octets_in_the_middle(seed: int, octets: bytes, at: int) -> None:
    _, _, whole = message(random.Random(seed))
    check(whole[:at] + octets + whole[at + len(octets) :], seed)
    check(whole[:at] + octets, seed)


@given(st.binary(max_size=200), st.sampled_from(list(RRType)))
def test_any_octets(octets: bytes, rrtype: RRType) -> None:
    head = b"\0\1\x81\x80\0\1\0\2\0\1\0\1\1a\7example\0" + rrtype.to_bytes(2, "big") + b"\0\1"
    check(head + octets, None)
    read_answer(octets, "a.example", rrtype, 1)


@given(NAMES, st.sampled_from(list(RRType)), st.integers(0, 0xFFFF))
def test_what_is_written_dnspython_reads(name: str, rrtype: RRType, query_id: int) -> None:
    octets = write_query(name, rrtype, query_id)
    try:
        wanted = text_to_name(name)
    except ValueError:
        assert octets is None
        return
    assert octets is not None
    query = dns.message.from_wire(octets)
    assert [(one.name, one.rdtype) for one in query.question] == [
        (wanted, dns.rdatatype.RdataType(rrtype))
    ]
    assert (query.id, query.payload, int(query.flags)) == (query_id, 1232, 0x0100)
    again = read_answer(octets[:2] + b"\x81" + octets[3:], name, rrtype, query_id)
    assert isinstance(again, Answer)  # its own question, sent back: no data
