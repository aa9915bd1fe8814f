"""Target: any octets through parse_record and select_record.

An input is a record. One that begins with "*" is repeated instead, so that records of tens of
thousands of octets are reached, where counts and offsets of 16 bits could wrap.
"""

from __future__ import annotations

import pickle
import re

from support.grammar import is_record

import senderid_fast as sf

__all__ = ["tokenizer"]

ORACLE_MOST = 400  # octets; the oracle's regular expressions are slow on long texts
LONG = 5_000  # octets; of longer records the terms are not looked at one by one
REPEATED_MOST = 70_000  # octets; a little above what a record may have


def tokenizer(data: bytes) -> None:
    """A Record that reads back as itself, or an error whose place is in the record; and the same
    yes or no as the oracle's."""
    record = _repeated(data) if data[:1] == b"*" else data
    accepted = _parse(record)
    # A label of more than 63 octets is of the grammar, and no label of DNS (RFC 1035 2.3.4).
    if len(record) <= ORACLE_MOST and not re.search(rb"[A-Za-z0-9-]{64}", record):
        assert accepted == is_record(record), f"{accepted} for the parser, other for the grammar"
    _select(record)


def _repeated(data: bytes) -> bytes:
    first, _, rest = data[1:].partition(b"*")
    times = REPEATED_MOST // (len(rest) + 1)
    return first + b" " + b" ".join([rest] * min(times, 33_000))


def _parse(octets: bytes) -> bool:
    try:
        record = sf.parse_record(octets)
    except sf.RecordSyntaxError as error:
        _check_error(error, octets)
        return False
    assert bytes(record) == octets
    shortest = str(record)
    again = sf.parse_record(shortest)
    assert str(again) == shortest
    if len(octets) > LONG:
        return True
    assert again == record
    assert hash(again) == hash(record)
    assert pickle.loads(pickle.dumps(record)) == record
    end = 0
    for term in record.terms:
        assert term.offset >= end, "terms overlap"
        end = term.offset + len(term.text)
        assert octets[term.offset : end] == term.text.encode("ascii")
        repr(term)
    assert octets[end:].strip(b" ") == b"" or not record.terms
    return True


def _check_error(error: sf.RecordSyntaxError, octets: bytes) -> None:
    assert error.record == octets
    assert 0 <= error.offset <= len(octets)
    assert error.term.encode("latin-1") in octets
    assert " " not in error.term
    assert error.section.startswith("RFC ")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def _selected(records: list[bytes], scope: sf.Scope) -> bytes | str | None:
    try:
        return sf.select_record(records, scope)
    except sf.RecordSelectionError as error:
        return "more than one" if len(error.records) > 1 else "an error without reason"


def _select(octets: bytes) -> None:
    """The octets as a set of TXT records, one a line: the order must not matter."""
    rrset = octets.split(b"\n")[:200]
    for scope in sf.Scope:
        found = _selected(rrset, scope)
        assert found == _selected(rrset[::-1], scope)
        assert found in (None, "more than one", *rrset)
