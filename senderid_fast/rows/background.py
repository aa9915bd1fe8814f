"""Reading ahead, in a thread of its own.

What may live here: the queue between two threads, and the source that uses it. No format. That a
job writes in a thread, too, is the matter of jobs/running.py.

pyarrow, zlib and the disk work without the GIL, so that reading and checking overlap. The queue
holds a few blocks. An exception of the thread is raised where its result is asked for. Nothing is
left running when a job stops, be it by an interrupt.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from senderid_fast.rows.base import Block
from senderid_fast.rows.inputs import natural

__all__ = ["prefetching"]

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
