"""Several inputs as one source of rows, one after the other.

What may live here: the order of inputs, and places among them. How one is opened is told by the
caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from senderid_fast.errors import RowsError
from senderid_fast.rows.background import prefetching
from senderid_fast.rows.base import Block, Place
from senderid_fast.rows.waiting import InputStopped, is_stopped

if TYPE_CHECKING:
    import pyarrow as pa

    from senderid_fast.rows.base import RowSource

__all__ = ["ChainedSource"]

Opener = Callable[[str, "Place | None"], "RowSource"]


class ChainedSource:
    """The rows of inputs with the same columns, a RowSource; blocks are read ahead by a thread.

    All inputs are opened at once, so that one whose columns are others is refused before a row is
    checked. Kept open are the one that is read, and those without a size: what was read of a pipe
    cannot be read again.

    A place is {"input": number, "place": its own}. Raises RowsError that names the input, and
    InputStopped behind the rows that came when the work was stopped.
    """

    def __init__(self, inputs: Sequence[str], opener: Opener, place: Place | None) -> None:
        self._inputs = inputs
        self._opener = opener
        self._at, self._place = _place_in(place, len(inputs), inputs[0])
        self.may_fault = False
        self.octets: int | None = 0
        self.rows: int | None = 0
        self._sizes: list[int] = []
        self._open: dict[int, RowSource] = {}
        for number, name in enumerate(inputs):
            source = opener(name, self._place if number == self._at else None)
            try:
                self._add(name, source, first=number == 0)
            except BaseException:
                source.close()
                self.close()
                raise
            if number == self._at or (number > self._at and source.octets is None):
                self._open[number] = source
            else:
                source.close()

    def _add(self, name: str, source: RowSource, *, first: bool) -> None:
        if first:
            self.schema: pa.Schema = source.schema
        elif not source.schema.equals(self.schema):
            raise RowsError(
                name,
                "",
                f"its columns are not those of {self._inputs[0]}: "
                f"{_difference(self.schema, source.schema)}",
            )
        self.may_fault |= source.may_fault
        self._sizes.append(source.octets or 0)
        self.octets = None if None in (self.octets, source.octets) else sum(self._sizes)
        self.rows = None if self.rows is None or source.rows is None else self.rows + source.rows

    def blocks(self) -> Iterator[Block]:
        """The blocks of all inputs. Raises a SenderIDError."""
        yield from prefetching(self._blocks())

    def _blocks(self) -> Iterator[Block]:
        for number in range(self._at, len(self._inputs)):
            source = self._open.pop(number, None)
            if source is None:
                source = self._opener(self._inputs[number], None)
            before = sum(self._sizes[:number])
            try:
                for block in source.blocks():
                    place = {"input": number, "place": dict(block.place)}
                    yield block._replace(place=place, octets=before + block.octets)
                    if source.octets is not None and is_stopped():
                        raise InputStopped  # an input that may wait says so itself
            finally:
                source.close()

    def close(self) -> None:
        """Let go of files."""
        while self._open:
            self._open.popitem()[1].close()


def _place_in(place: Place | None, inputs: int, name: str) -> tuple[int, Place | None]:
    """The number of the input to begin with, and the place in it."""
    if place is None:
        return 0, None
    number, inside = place.get("input"), place.get("place")
    if type(number) is not int or not 0 <= number < inputs or not isinstance(inside, dict):
        raise RowsError(name, "", "the place to go on from is none of these inputs")
    return number, inside


def _difference(first: pa.Schema, other: pa.Schema) -> str:
    """The first column that is not the same, in words."""
    for number in range(max(len(first), len(other))):
        one, two = (
            f"{schema.field(number).name} ({schema.field(number).type})"
            if number < len(schema)
            else "none"
            for schema in (first, other)
        )
        if one != two:
            return f"column {number + 1} is {two} where it was {one}"
    return "they differ in what is said of them"
