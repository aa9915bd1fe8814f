"""The core writes log lines as the plain Python of support/loglines.py does, octet for octet."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.loglines import SHORT, Value, json_line, plain_line

from senderid_fast import Result
from senderid_fast._core.loglines import LINE_MOST, VALUE_MOST, write_line


class Number(IntEnum):
    ONE = 1


KEYS = st.from_regex(r"k_[a-z]{1,12}", fullmatch=True)
# What is written in a form of its own, and its neighbours.
CHARACTERS = st.sampled_from(
    'aZ09~!#<>=" \\[]/.\x00\b\t\n\v\f\r\x1b\x1f\x7f\x80\x85\xa0\xff\u0100\u07ff\u0800\u2028\ud7ff'
    "\ud800\udbff\udc00\udc7f\udc80\udca9\udcc3\udcff\udd00\udfff\ue000\ufeff\uffff"
    "\U00010000\U0001f4e8\U0010ffff"
)
PIECES = st.sampled_from(
    [bytes([octet]) for octet in b'a=" \\\0\n\x1f\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc2\xdf\xff']
    + [b"\xe0\xa0", b"\xed\x9f", b"\xed\xa0", b"\xf0\x90", b"\xf4\x8f", b"\xf4\x90", b"\xf5\x80"]
    + [character.encode() for character in "\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff"]
)
# Near the two lengths at which a value is cut, and beyond.
LENGTHS = st.sampled_from([0, SHORT, VALUE_MOST, 3 * VALUE_MOST]).flatmap(
    lambda most: st.integers(max(most - 8, 0), most + 4)
)
TEXTS = st.text() | st.builds(
    lambda begin, text, length: (begin * length)[:length] + text,
    st.just("a") | st.text(CHARACTERS),
    st.text(CHARACTERS),
    LENGTHS,
)
OCTETS = st.binary() | st.builds(
    lambda begin, pieces, length: (b"".join(begin) * length)[:length] + b"".join(pieces),
    st.just([b"a"]) | st.lists(PIECES),
    st.lists(PIECES),
    LENGTHS,
)
NUMBERS = st.integers() | st.floats() | st.booleans() | st.just(Number.ONE)
VALUES: st.SearchStrategy[Value] = (
    TEXTS | OCTETS | NUMBERS | st.none() | st.sampled_from(list(Result))
)
FIELDS = st.dictionaries(KEYS, VALUES, max_size=30)


def same(time: str | None, fields: Mapping[str, Value]) -> bytes:
    """The plain line, if both forms are as they should be."""
    head: dict[str, Value] = {} if time is None else {"time": time}
    whole = {**head, "level": "info", **fields}
    line = write_line(time, "info", fields, False)
    assert line == plain_line(whole)
    assert write_line(time, "info", fields, True) == json_line(whole)
    return line


@given(st.none() | st.just("2026-11-25T20:32:07.768Z"), FIELDS)
@example(None, {})
@example(None, {"a": "", "b": b"", "c": None, "d": 0, "e": -0.0, "f": 1e300, "g": 10**400})
@example(None, {"a": float("nan"), "b": float("inf"), "c": 1, "d": 1.0, "e": True, "f": Number.ONE})
def test_lines(time: str | None, fields: dict[str, Value]) -> None:
    same(time, fields)
    same(time, MappingProxyType(fields))


@given(KEYS, TEXTS | OCTETS)
def test_values(key: str, value: Value) -> None:
    same(None, {key: value})


@pytest.mark.parametrize("octet", range(256))
def test_each_octet(octet: int) -> None:
    for text in (chr(octet), f"a{chr(octet)}b"):
        same(None, {"a": text, "b": text.encode("latin-1"), "c": text.encode()})


@given(st.lists(TEXTS | OCTETS | NUMBERS, min_size=10, max_size=60), st.integers(1, 4_000))
def test_lines_beyond_the_bound(values: list[Value], more: int) -> None:
    fields = {f"value_{number}": value for number, value in enumerate(values)}
    assert len(same(None, {**fields, "k" * more: "x", "last": b"\xff" * more})) <= LINE_MOST


@pytest.mark.parametrize("length", range(-4, 5))
def test_lines_at_the_bound(length: int) -> None:
    fields: dict[str, Value] = {f"v{number:02}": "x" * 200 for number in range(18)}
    same(None, fields)
    for end in (len(write_line(None, "info", fields, as_json)) for as_json in (False, True)):
        same(None, {**fields, "k" * (LINE_MOST - end - 8 + length): 1})


@pytest.mark.parametrize(
    "fields",
    [
        {"a": object()},
        {"a": bytearray(b"x")},
        {"a": ["x"]},
        {"a": 10**5_000},
        {"\xe9": "x"},
        {1: "x"},
        {**{f"v{number}": "x" * 256 for number in range(20)}, "a": object()},
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_what_is_no_field(fields: Any, as_json: bool) -> None:
    with pytest.raises((TypeError, ValueError)):
        write_line(None, "info", fields, as_json)


def test_without_memory_there_is_no_line() -> None:
    testing = pytest.importorskip("_testcapi")
    fields: dict[str, Value] = {f"v{number}": b"\xff" * 300 for number in range(20)}
    expected = write_line("t", "info", fields, False)
    lines = []
    for allocation in range(10):
        testing.set_nomemory(allocation, allocation + 1)
        try:
            lines.append(write_line("t", "info", fields, False))
        except MemoryError:
            lines.append(b"")
        finally:
            testing.remove_mem_hooks()
    assert lines.count(b"") > 2  # the first room, more of it, the line
    assert set(lines) == {b"", expected}
