"""What holds for every record: read or refused as the grammar says, and its text reads back."""

from __future__ import annotations

from hypothesis import example, given
from support import strategies
from support.grammar import is_record

import senderid_fast as sf


def _read(octets: bytes) -> sf.Record | None:
    """The record, or None for one refused; the error's parts are looked at on the way."""
    try:
        return sf.parse_record(octets)
    except sf.RecordSyntaxError as caught:
        error = caught
    assert error.record == octets
    assert 0 <= error.offset <= len(octets)
    assert error.term.encode("latin-1") in octets
    assert error.section.startswith("RFC ")
    return None


@given(strategies.records)
def test_records_of_the_grammar_are_read(octets: bytes) -> None:
    assert is_record(octets)
    record = _read(octets)
    assert record is not None


@given(strategies.records)
def test_terms_are_as_written(octets: bytes) -> None:
    record = sf.parse_record(octets)
    words = [word.decode("ascii") for word in octets.split(b" ") if word]
    assert bytes(record) == octets
    assert record.version == words[0].lower()
    assert [term.text for term in record.terms] == words[1:]
    for term in record.terms:
        assert octets[term.offset :].startswith(term.text.encode("ascii"))


@given(strategies.records)
def test_text_of_a_record_reads_as_the_record(octets: bytes) -> None:
    record = sf.parse_record(octets)
    again = sf.parse_record(str(record).encode("ascii"))
    assert again == record
    assert str(again) == str(record)
    assert is_record(str(record).encode("ascii"))


@given(strategies.mutated_records)
@example(b"v=spf1 -all\n")
@example(b"v=spf1 ip4:1.2.3.4\n")
def test_mutated_records_are_judged_as_the_grammar_says(octets: bytes) -> None:
    assert (_read(octets) is not None) == is_record(octets)


@given(strategies.noise)
@example(b"")
@example(b"v=spf1")
@example(b"v=spf1 %")
@example(b"v=spf1 a:%{")
@example(b"v=spf1 a:%{d")
@example(b"v=spf1 ip6:" + b":" * 300)
@example(b"v=spf1 a/" + b"9" * 60_000)
@example(b"v=spf1 " + b" " * 60_000)
def test_noise_is_judged_as_the_grammar_says(octets: bytes) -> None:
    assert (_read(octets) is not None) == is_record(octets)
