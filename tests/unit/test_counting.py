"""Numbers in memory that processes share: every place is within them."""

from __future__ import annotations

from bisect import bisect_left
from math import inf, isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senderid_fast._core.counting import Numbers

BOUNDS = (0.001, 0.5, 1, 30)


def test_parts_of_one_memory() -> None:
    memory = bytearray(8 * 8)
    whole, parts = Numbers(memory, 0, 8), [Numbers(memory, 0, 4), Numbers(memory, 4, 4)]
    parts[0].add(1)
    parts[0].add(1, -0.5)
    parts[1].add(1, 3)
    parts[1].set(3, 7)
    assert whole.row(0, len(whole)) == [0, 0.5, 0, 0, 0, 3, 0, 7]
    assert parts[1].row(1, 3) == [3, 0, 7]
    assert whole.get(7) == parts[1].get(3) == 7
    assert whole.column(1, 4) == 3.5
    assert whole.column(0, 8) == whole.column(8, 4) == 0
    assert memoryview(memory).cast("d")[5] == 3


@pytest.mark.parametrize("place", [-1, 4, 1 << 62])
def test_places_that_are_not_there(place: int) -> None:
    numbers = Numbers(bytearray(8 * 8), 2, 4)
    with pytest.raises(IndexError):
        numbers.add(place)
    with pytest.raises(IndexError):
        numbers.set(place, 1)
    with pytest.raises(IndexError):
        numbers.get(place)
    with pytest.raises(IndexError):
        numbers.observe(place, (), 1)
    with pytest.raises(IndexError):
        numbers.row(place, 1)
    with pytest.raises(IndexError):
        numbers.row(1, place)
    assert numbers.row(0, 4) == [0] * 4


@pytest.mark.parametrize(("begin", "step"), [(-1, 1), (0, 0), (0, -1), (0, 5), (0, 1 << 62)])
def test_columns_that_are_not_there(begin: int, step: int) -> None:
    with pytest.raises(IndexError):
        Numbers(bytearray(8 * 4), 0, 4).column(begin, step)


def test_a_histogram_is_whole() -> None:
    numbers = Numbers(bytearray(8 * 8), 0, 6)
    with pytest.raises(IndexError):
        numbers.observe(1, BOUNDS, 1)
    assert numbers.row(0, 6) == [0] * 6


@given(st.floats(allow_nan=False) | st.sampled_from([*BOUNDS, 0, inf, nan]))
def test_buckets(value: float) -> None:
    numbers = Numbers(bytearray(8 * 8), 1, 7)
    numbers.observe(1, BOUNDS, value)
    expected = [0.0] * 5
    expected[bisect_left(BOUNDS, value)] = 1
    assert numbers.row(0, 6) == [0, *expected]
    assert numbers.get(6) == value or isnan(value)


@pytest.mark.parametrize(("begin", "count"), [(-1, 2), (0, 5), (5, 0), (2, 3), (1, -1)])
def test_memory_that_is_too_short(begin: int, count: int) -> None:
    with pytest.raises(ValueError, match="does not have these numbers"):
        Numbers(bytearray(8 * 4 + 7), begin, count)


def test_memory_that_is_none() -> None:
    with pytest.raises(BufferError):
        Numbers(bytes(64), 0, 8)
    with pytest.raises(TypeError):
        Numbers("text", 0, 1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not in line"):
        Numbers(memoryview(bytearray(64))[1:], 0, 1)


def test_memory_is_held_as_long_as_it_is_counted_in() -> None:
    memory = bytearray(64)
    numbers = Numbers(memory, 0, 8)
    with pytest.raises(BufferError):
        memory.clear()
    del numbers
    memory.clear()
