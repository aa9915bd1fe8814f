"""Reading ahead: order, errors, and an end in every case."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pyarrow as pa
import pytest

from senderid_fast.rows.background import prefetching
from senderid_fast.rows.base import Block


def block(number: int) -> Block:
    return Block(pa.record_batch({"n": [number]}), (), {"at": number}, number)


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("senderid-fast rows")]


def test_blocks_come_in_order_and_the_thread_ends() -> None:
    assert [b.octets for b in prefetching(block(n) for n in range(100))] == list(range(100))
    assert threads() == []


def test_an_error_comes_behind_the_blocks_before_it() -> None:
    def broken() -> Iterator[Block]:
        yield block(1)
        yield block(2)
        raise KeyError("broken")

    found = prefetching(broken())
    assert [next(found).octets, next(found).octets] == [1, 2]
    with pytest.raises(KeyError, match="broken"):
        next(found)
    assert threads() == []


def test_no_more_is_read_than_the_depth() -> None:
    read: list[int] = []

    def blocks() -> Iterator[Block]:
        for number in range(1000):
            read.append(number)
            yield block(number)

    found = prefetching(blocks(), depth=2)
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert len(read) <= 4
    assert threads() == []


def test_an_interrupt_of_the_consumer_ends_the_thread() -> None:
    def consume() -> None:
        for _ in prefetching(block(n) for n in range(1000)):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        consume()
    assert threads() == []
