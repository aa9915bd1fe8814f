"""Records as they are published: each is read or refused as the grammar says, and never crashes."""

from __future__ import annotations

import re

import pytest
from support.grammar import is_record
from support.shared import shared_file, tsv_rows

import senderid_fast as sf

RECORDS = 35_219
SHOWN = 25

_ESCAPES = {b"\\": b"\\", b"t": b"\t", b"n": b"\n", b"r": b"\r"}


def _octets(column: str) -> bytes:
    """The record; backslash, TAB, LF and CR are escaped in the file."""
    return re.sub(rb"\\([\\tnr])", lambda match: _ESCAPES[match.group(1)], column.encode("utf-8"))


@pytest.fixture(scope="module")
def records() -> list[bytes]:
    return [_octets(row["record"]) for row in tsv_rows(shared_file("corpus/records.tsv.gz"))]


def _report(differences: list[str]) -> str:
    shown = "\n".join(differences[:SHOWN])
    return f"{len(differences)} records differ, such as\n{shown}"


def test_all_are_there(records: list[bytes]) -> None:
    assert len(records) == RECORDS


def test_read_or_refused_as_the_grammar_says(records: list[bytes]) -> None:
    differences = []
    for octets in records:
        try:
            sf.parse_record(octets)
            read = True
        except sf.RecordSyntaxError:
            read = False
        if read != is_record(octets):
            differences.append(f"{'read' if read else 'refused'}: {octets!r}")
    assert not differences, _report(differences)


def test_place_of_an_error_is_in_the_record(records: list[bytes]) -> None:
    differences = []
    for octets in records:
        try:
            sf.parse_record(octets)
        except sf.RecordSyntaxError as error:
            term = error.term.encode("latin-1")
            inside = 0 <= error.offset <= len(octets) and error.record == octets
            if not (inside and term in octets and error.section.startswith("RFC ")):
                differences.append(f"{error.offset} {error.term!r} {error.section}: {octets!r}")
    assert not differences, _report(differences)


def test_record_keeps_its_terms(records: list[bytes]) -> None:
    """Every term stands in the record as it was written, and the shortest form says the same."""
    differences = []
    for octets in records:
        try:
            record = sf.parse_record(octets)
        except sf.RecordSyntaxError:
            continue
        words = [word.decode("ascii") for word in octets.split(b" ") if word]
        if bytes(record) != octets or [term.text for term in record.terms] != words[1:]:
            differences.append(f"{record!r} from {octets!r}")
        elif sf.parse_record(str(record)) != record:
            differences.append(f"{record!s} is another record than {octets!r}")
    assert not differences, _report(differences)
