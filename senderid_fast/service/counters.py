"""Board: the counters of all processes of a service, in memory that they share.

What may live here: where each number stands, and adding to it. What is counted is in families.py;
how it is shown, in metrics.py.

The memory is an anonymous map that forked processes inherit. Each process writes to its own slot
alone, so no lock is needed: a number is 8 octets in line, which are written at once. A process that
is killed leaves what it counted, and the one in its place goes on from there: no counter falls.

prometheus_client in its multiprocess mode was measured: 12 to 14 us for the six numbers of a
message (24 us where labels are looked up), here 1 us; and it keeps a file for each process that
was ever started.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from time import monotonic

from senderid_fast._core.counting import Numbers
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
    """The numbers of one process; it alone writes to them.

    numbers  the same by their places: what is counted for each message goes there at once
    """

    __slots__ = ("index", "numbers")

    def __init__(self, numbers: Numbers, index: int) -> None:
        self.numbers = numbers
        self.index = index

    def add(self, family: Family, labels: tuple[str, ...] = (), amount: float = 1) -> None:
        """Add to a counter."""
        self.numbers.add(family.places[labels], amount)

    def set(self, family: Family, value: float, labels: tuple[str, ...] = ()) -> None:
        """Set a gauge."""
        self.numbers.set(family.places[labels], value)

    def get(self, family: Family, labels: tuple[str, ...] = ()) -> float:
        """A counter or a gauge."""
        return self.numbers.get(family.places[labels])

    def observe(self, family: Histogram, value: float, labels: tuple[str, ...] = ()) -> None:
        """Add a value to a histogram: to its bucket, then to the sum."""
        self.numbers.observe(family.places[labels], family.bounds, value)

    def values(self, family: Family) -> list[float]:
        """All numbers of a family, as they stand."""
        return self.numbers.row(family.begin, family.size)

    # ---- the process itself -----------------------------------------------------------------

    def begin(self, process: int, generation: int) -> None:
        """A process takes the slot: its gauges begin anew, its counters go on."""
        for family in FAMILIES:
            if family.kind == "gauge":
                for place in range(family.begin, family.begin + family.size):
                    self.numbers.set(place, 0)
        now = monotonic()
        self.numbers.set(PROCESS, process)
        self.numbers.set(GENERATION, generation)
        self.numbers.set(HEARTBEAT, now)
        self.numbers.set(BEGAN, now)
        self.numbers.set(STATE, State.STARTING if process else State.NONE)

    def beat(self) -> None:
        """The process is alive."""
        self.numbers.set(HEARTBEAT, monotonic())

    @property
    def process(self) -> int:
        """Its number; 0: none."""
        return int(self.numbers.get(PROCESS))

    @property
    def state(self) -> int:
        """One of State."""
        return int(self.numbers.get(STATE))

    @state.setter
    def state(self, state: int) -> None:
        self.numbers.set(STATE, state)

    @property
    def generation(self) -> int:
        """Of the settings that it uses: they are counted from 1, one more with each reload."""
        return int(self.numbers.get(GENERATION))

    @generation.setter
    def generation(self, generation: int) -> None:
        self.numbers.set(GENERATION, generation)

    @property
    def silence(self) -> float:
        """Seconds since the last beat."""
        return monotonic() - self.numbers.get(HEARTBEAT)

    @property
    def age(self) -> float:
        """Seconds since the process began."""
        return monotonic() - self.numbers.get(BEGAN)


class Board:
    """The slots of all processes: the supervisor's, then the workers', then the observer's.

    workers  how many there are
    """

    def __init__(self, workers: int) -> None:
        count = workers + 2
        memory = mmap.mmap(-1, count * WIDTH * 8)
        self._all = Numbers(memory, 0, count * WIDTH)
        self.slots: Sequence[Slot] = tuple(
            Slot(Numbers(memory, index * WIDTH, WIDTH), index) for index in range(count)
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
        return self._all.column(family.begin, WIDTH)
