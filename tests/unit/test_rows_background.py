"""Reading ahead and writing behind: order, errors, and an end in every case."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pyarrow as pa
import pytest

from senderid_fast.rows.background import BackgroundSink, prefetching
from senderid_fast.rows.base import Block, Place


def block(number: int) -> Block:
    return Block(pa.record_batch({"n": [number]}), (), {"at": number}, number)


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("senderid-fast rows")]


class Sink:
    """Notes what it is told; writing batch `bad` raises."""

    def __init__(self, bad: int | None = None) -> None:
        self.written: list[int] = []
        self.told: list[str] = []
        self.bad = bad
        self.go = threading.Event()
        self.go.set()

    def write(self, batch: pa.RecordBatch) -> None:
        self.go.wait()
        number = batch.column(0)[0].as_py()
        if number == self.bad:
            raise OSError("disk full")
        self.written.append(number)

    def place(self) -> Place:
        return {"written": list(self.written)}

    def close(self) -> None:
        self.told.append("close")

    def abandon(self) -> None:
        self.told.append("abandon")


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


def test_batches_are_written_in_order_and_places_are_true() -> None:
    inner = Sink()
    sink = BackgroundSink(inner)
    for number in range(50):
        sink.write(block(number).batch)
        if number % 10 == 9:
            assert sink.place() == {"written": list(range(number + 1))}
    sink.close()
    assert inner.written == list(range(50))
    assert inner.told == ["close"]
    assert threads() == []


@pytest.mark.parametrize("call", ["write", "place", "close"])
def test_an_error_of_the_sink_is_raised_by_the_next_calls(call: str) -> None:
    inner = Sink(bad=1)
    sink = BackgroundSink(inner)
    sink.write(block(0).batch)
    sink.write(block(1).batch)

    def again() -> None:
        for _ in range(10):
            if call == "write":
                sink.write(block(2).batch)
            else:
                getattr(sink, call)()

    for _ in range(2):
        with pytest.raises(OSError, match="disk full"):
            again()
    sink.abandon()
    assert inner.written == [0]
    assert inner.told == ["abandon"]
    assert threads() == []


def test_a_question_that_is_queued_while_the_sink_raises_is_answered() -> None:
    inner = Sink(bad=0)
    inner.go.clear()
    sink = BackgroundSink(inner)
    sink.write(block(0).batch)
    threading.Timer(0.05, inner.go.set).start()
    with pytest.raises(OSError, match="disk full"):
        sink.place()
    sink.abandon()


def test_abandon_does_not_write_what_is_queued() -> None:
    inner = Sink()
    inner.go.clear()
    sink = BackgroundSink(inner, depth=2)
    for number in range(3):
        sink.write(block(number).batch)
    stopping = threading.Thread(target=sink.abandon)
    stopping.start()
    while not sink._queue._dropped:
        pass
    inner.go.set()
    stopping.join()
    assert inner.written == [0]
    assert inner.told == ["abandon"]
