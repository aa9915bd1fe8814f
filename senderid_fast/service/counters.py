"""Board: the counters of all processes of a service, in memory that they share.

What may live here: where each number stands, and adding to it. What is counted is in families.py;
how it is shown, in metrics.py.

The memory is an anonymous map that forked processes inherit. Each process writes to its own slot
alone, so no lock is needed: a number is 8 octets in line, which are written at once. A process that
is killed leaves what it counted, and the one in its place goes on from there: no counter falls.

prometheus_client in its multiprocess mode was measured: 12 to 14 us for the six numbers of a
message (24 us where labels are looked up), here 2 us; and it keeps a file for each process that
was ever started.
"""

from __future__ import annotations

import mmap
from bisect import bisect_left
from collections.abc import Sequence
from time import monotonic

from senderid_fast.service.families import FAMILIES, Family, Histogram

__all__ = ["Board", "Slot", "State"]

# The first numbers of a slot.
PROCESS, STATE, HEARTBEAT, GENERATION, BEGAN = range(5)
HEAD = 8


class State:
    """What a process of the service is doing."""

    NONE = 0
    STARTING = 1
    SERVING = 2
    ENDING = 3


def _lay_out() -> int:
    """Give each family its place; the numbers of a process."""
    here = HEAD
    for family in FAMILIES:
        family.lay_out(here)
        here += family.size
    return -(-here // 8) * 8  # whole cache lines


WIDTH = _lay_out()


class Slot:
    """The numbers of one process; it alone writes to them."""

    __slots__ = ("_numbers", "index")

    def __init__(self, numbers: memoryview[float], index: int) -> None:
        self._numbers = numbers
        self.index = index

    def add(self, family: Family, labels: tuple[str, ...] = (), amount: float = 1) -> None:
        """Add to a counter."""
        self._numbers[family.place(labels)] += amount

    def set(self, family: Family, value: float, labels: tuple[str, ...] = ()) -> None:
        """Set a gauge."""
        self._numbers[family.place(labels)] = value

    def get(self, family: Family, labels: tuple[str, ...] = ()) -> float:
        """A counter or a gauge."""
        value: float = self._numbers[family.place(labels)]
        return value

    def observe(self, family: Histogram, value: float, labels: tuple[str, ...] = ()) -> None:
        """Add a value to a histogram: to its bucket, then to the sum."""
        begin, bounds = family.place(labels), family.bounds
        # Most of what is measured took no time to speak of.
        self._numbers[begin if value <= bounds[0] else begin + bisect_left(bounds, value)] += 1
        if value:
            self._numbers[begin + len(bounds) + 1] += value

    def values(self, family: Family) -> list[float]:
        """All numbers of a family, as they stand."""
        begin = family.begin
        return list(self._numbers[begin : begin + family.size])

    # ---- the process itself -----------------------------------------------------------------

    def begin(self, process: int, generation: int) -> None:
        """A process takes the slot: its gauges begin anew, its counters go on."""
        for family in FAMILIES:
            if family.kind == "gauge":
                begin = family.begin
                for place in range(begin, begin + family.size):
                    self._numbers[place] = 0.0
        self._numbers[PROCESS] = process
        self._numbers[GENERATION] = generation
        self._numbers[BEGAN] = self._numbers[HEARTBEAT] = monotonic()
        self._numbers[STATE] = State.STARTING if process else State.NONE

    def beat(self) -> None:
        """The process is alive."""
        self._numbers[HEARTBEAT] = monotonic()

    @property
    def process(self) -> int:
        """Its number; 0: none."""
        return int(self._numbers[PROCESS])

    @property
    def state(self) -> int:
        """One of State."""
        return int(self._numbers[STATE])

    @state.setter
    def state(self, state: int) -> None:
        self._numbers[STATE] = state

    @property
    def generation(self) -> int:
        """Of the settings that it uses: they are counted from 1, one more with each reload."""
        return int(self._numbers[GENERATION])

    @generation.setter
    def generation(self, generation: int) -> None:
        self._numbers[GENERATION] = generation

    @property
    def silence(self) -> float:
        """Seconds since the last beat."""
        return monotonic() - float(self._numbers[HEARTBEAT])

    @property
    def age(self) -> float:
        """Seconds since the process began."""
        return monotonic() - float(self._numbers[BEGAN])


class Board:
    """The slots of all processes: the supervisor's, then the workers', then the observer's.

    workers  how many there are
    """

    def __init__(self, workers: int) -> None:
        self._map = mmap.mmap(-1, (workers + 2) * WIDTH * 8)
        numbers = memoryview(self._map).cast("d")
        self.slots: Sequence[Slot] = tuple(
            Slot(numbers[index * WIDTH : (index + 1) * WIDTH], index)
            for index in range(workers + 2)
        )

    @property
    def supervisor(self) -> Slot:
        """The slot of the process that started the others."""
        return self.slots[0]

    @property
    def workers(self) -> Sequence[Slot]:
        """Those of the processes that serve."""
        return self.slots[1:-1]

    @property
    def observer(self) -> Slot:
        """That of the process that shows the numbers."""
        return self.slots[-1]

    def total(self, family: Family) -> list[float]:
        """The numbers of a family, of all processes together."""
        columns = zip(*(slot.values(family) for slot in self.slots), strict=True)
        return [sum(column) for column in columns]

    def sum(self, family: Family) -> float:
        """The same of a family without labels, as one number."""
        return sum(slot.get(family) for slot in self.slots)
