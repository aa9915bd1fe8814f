"""Reading ahead and writing behind, in threads of their own.

What may live here: the queue between two threads, the source and the sink that use it. No format.

pyarrow, zlib and the disk work without the GIL, so that reading, checking and writing overlap. The
queues hold a few blocks. An exception of a thread is raised where its result is asked for. Nothing
is left running when a job stops, be it by an interrupt.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

from senderid_fast.rows.base import Block, Place, RowSink
from senderid_fast.rows.inputs import natural

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BackgroundSink", "prefetching"]

T = TypeVar("T")


class _Closed(Exception):
    """The other side does not go on."""


class _Queue(Generic[T]):
    """A bounded queue that either side can end."""

    def __init__(self, depth: int) -> None:
        self._items: deque[T] = deque()
        self._depth = depth
        self._changed = threading.Condition()
        self._ended = False
        self._dropped = False

    def put(self, item: T) -> None:
        """Wait for room, then append. Raises _Closed once drop() was called."""
        with self._changed:
            while len(self._items) >= self._depth and not self._dropped:
                self._changed.wait()
            if self._dropped:
                raise _Closed
            self._items.append(item)
            self._changed.notify_all()

    def get(self) -> T:
        """Wait for an item. Raises _Closed when there will be none."""
        with self._changed:
            while not self._items and not self._ended and not self._dropped:
                self._changed.wait()
            if not self._items:
                raise _Closed
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def end(self) -> None:
        """No more items will come; those that are there can be taken."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def drop(self) -> None:
        """No more items are wanted."""
        with self._changed:
            self._dropped = True
            self._items.clear()
            self._changed.notify_all()


def prefetching(blocks: Iterator[Block], depth: int = 2) -> Iterator[Block]:
    """The same blocks, read ahead in a thread by at most `depth` of them, and one under way.

    Closing the iterator (or letting go of it) ends the thread. Raises what `blocks` raises, behind
    the blocks that came before.
    """
    queue: _Queue[Block] = _Queue(natural("depth", depth))
    raised: list[BaseException] = []

    def read() -> None:
        try:
            for block in blocks:
                queue.put(block)
        except _Closed:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again in the other thread
            raised.append(error)
        finally:
            queue.end()

    thread = threading.Thread(target=read, name="senderid-fast rows reader", daemon=True)
    thread.start()
    try:
        while True:
            try:
                block = queue.get()
            except _Closed:
                break
            yield block
    finally:
        queue.drop()
        thread.join()
    if raised:
        raise raised[0]


class _Request:
    """A question to the writing thread: where is the sink?"""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.place: Place | None = None


class BackgroundSink:
    """A sink that is written to by a thread, at most `depth` batches behind.

    What the sink raises is raised by the next call here, and then by each. The sink is not closed
    when it has raised: abandon() it.
    """

    def __init__(self, sink: RowSink, depth: int = 2) -> None:
        self._sink = sink
        self._queue: _Queue[pa.RecordBatch | _Request] = _Queue(natural("depth", depth))
        self._raised: BaseException | None = None
        self._request: _Request | None = None
        self._thread = threading.Thread(
            target=self._run, name="senderid-fast rows writer", daemon=True
        )
        self._thread.start()

    def _run(self) -> None:
        try:
            while True:
                item = self._queue.get()
                if isinstance(item, _Request):
                    item.place = self._sink.place()
                    item.done.set()
                else:
                    self._sink.write(item)
        except _Closed:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again in the other thread
            self._raised = error
            self._queue.drop()
        finally:
            # A question may have been queued, and dropped, while the sink raised.
            if self._request is not None:
                self._request.done.set()

    def _put(self, item: pa.RecordBatch | _Request) -> None:
        try:
            self._queue.put(item)
        except _Closed:
            self._check()
            raise RuntimeError("the sink is closed") from None

    def _check(self) -> None:
        if self._raised is not None:
            raise self._raised

    def write(self, batch: pa.RecordBatch) -> None:
        """Hand the rows to the thread; wait if it is too far behind."""
        self._check()
        self._put(batch)

    def place(self) -> Place:
        """Wait until all is written, and tell where the sink is."""
        self._check()
        self._request = request = _Request()
        self._put(request)
        request.done.wait()
        self._check()
        if request.place is None:
            raise RuntimeError("the sink is closed")
        return request.place

    def close(self) -> None:
        """Wait until all is written, and finish the output."""
        self._queue.end()
        self._thread.join()
        self._check()
        self._queue.drop()
        self._sink.close()

    def abandon(self) -> None:
        """Stop without writing what is still queued; what was written stays."""
        self._queue.drop()
        self._thread.join()
        self._sink.abandon()
