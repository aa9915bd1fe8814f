"""The run of a job: blocks from a source are checked, written, counted, and noted now and then.

What may live here: the order of these steps and the thread that writes. Which source, sink and
check it is, and what a note holds, is decided in job.py.

Two threads: the caller's takes blocks and has them checked; the other one writes, counts and notes.
Blocks are handed over in their order, a few at a time, so memory is bounded. A note is made by the
thread that writes, between two blocks: what it says of source, sink and counters belongs to the
same block without anybody having to wait.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from senderid_fast.rows.faults import with_faults
from senderid_fast.rows.waiting import InputStopped, stoppable

if TYPE_CHECKING:
    import pyarrow as pa

    from senderid_fast.jobs.summary import Summary
    from senderid_fast.rows.base import Block, Place, RowSink, RowSource

__all__ = ["Run"]

# Blocks that were checked and wait to be written.
WAITING = 3
# A note makes the disk wait, some milliseconds. Once in this time it costs nothing, and a job that
# was killed has no more than this to do again.
NOTE_SECONDS = 5.0
# How often a thread that waits looks whether the other one is still there.
LOOK_SECONDS = 0.2


class _Checked(NamedTuple):
    batch: pa.RecordBatch
    block: Block


class Run:
    """One run over a source. Its figures may be read by another thread at any time.

    check    the block's columns with those of its results added
    note     keeps a note of the places of source and sink; None: the job cannot be resumed
    stop     once set, the block in hand is finished and the run ends
    drains   what the source has read already cannot be read again: it is all checked and written,
             and the source says where it was stopped
    address  the column that has the client's address, for the summary
    """

    def __init__(
        self,
        source: RowSource,
        sink: RowSink,
        check: Callable[[pa.RecordBatch], pa.RecordBatch],
        summary: Summary,
        *,
        note: Callable[[Place, Place], None] | None = None,
        stop: threading.Event | None = None,
        drains: bool = False,
        address: str | None = None,
        note_seconds: float = NOTE_SECONDS,
    ) -> None:
        self.octets = 0
        self.place: Place | None = None  #: behind the last block that was written
        self._source = source
        self._sink = sink
        self._check = check
        self._summary = summary
        self._note = note
        self._stop = threading.Event() if stop is None else stop
        self._drains = drains
        self._address = address
        self._note_seconds = note_seconds
        self._waiting: queue.Queue[_Checked | None] = queue.Queue(WAITING)
        self._failed: BaseException | None = None
        self._over = threading.Event()  # nothing more can be written: nothing more is waited for
        self._noted: Place | None = None

    def all(self) -> bool:
        """Check all rows. Whether they are all done: False if it was stopped before the end.

        The sink is neither closed nor abandoned: that is left to the caller. When this returns or
        raises, what was written before has been noted, as far as the sink still can be.
        """
        writer = threading.Thread(target=self._write_all, name="senderid-fast writer", daemon=True)
        writer.start()
        done = False
        try:
            with stoppable(self._over):
                done = self._check_all()
        finally:
            # Also when a source cannot be read on: what came before it is written and noted.
            self._hand_over(None)
            while writer.is_alive():
                writer.join(LOOK_SECONDS)
        if self._failed is not None:
            raise self._failed
        return done

    def _check_all(self) -> bool:
        try:
            for block in self._source.blocks():
                checked = self._check(block.batch)
                if self._source.may_fault:
                    checked = with_faults(checked, block.faults)
                if not self._hand_over(_Checked(checked, block)):
                    return False
                if self._stop.is_set() and not self._drains:
                    return False
        except InputStopped:
            return False
        return True

    def _hand_over(self, item: _Checked | None) -> bool:
        """Whether the thread that writes will take it."""
        while self._failed is None:
            try:
                self._waiting.put(item, timeout=LOOK_SECONDS)
            except queue.Full:
                continue
            return True
        return False

    def _write_all(self) -> None:
        try:
            last = monotonic()
            while (item := self._waiting.get()) is not None:
                self._write(item)
                if self._note is not None and monotonic() - last >= self._note_seconds:
                    self._make_note()
                    last = monotonic()
            if self._note is not None:
                self._make_note()
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
            self._failed = error
            self._over.set()

    def _write(self, item: _Checked) -> None:
        batch, block = item
        self._sink.write(batch)
        ip = block.batch[self._address] if self._address is not None else None
        self._summary.add(batch, len(block.faults), ip)
        self.octets = block.octets
        self.place = block.place

    def _make_note(self) -> None:
        if self.place is None or self.place is self._noted or self._note is None:
            return
        self._note(self.place, self._sink.place())
        self._noted = self.place
