"""The most frequent values of a column, in bounded memory.

What may live here: counting. What is counted is chosen by summary.py.

Counts of blocks are merged by column operations. When there are more values than the bound, the
count of the first one that has no place is taken from all (Misra and Gries, as Agarwal and others
merge it, "Mergeable Summaries", 2012): a count is then too low by at most ``error``, and every
value that has more rows than that is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BOUND", "Top", "Tops"]

BOUND = 4_096
# Blocks are merged when so many values wait: a merge costs as much for one block as for many.
WAITING = 16 * BOUND


class Top(NamedTuple):
    """A frequent value. rows may be too low by the ``error`` of its Tops."""

    value: str
    rows: int


class Tops:
    """Counts values of text columns; keeps the most frequent ones.

    error  by how much a count may be too low; 0: all counts are exact
    """

    def __init__(self, bound: int = BOUND) -> None:
        self.error = 0
        self._bound = bound
        self._values: list[pa.Array] = []
        self._counts: list[pa.Array] = []
        self._waiting = 0

    def add(self, column: pa.Array) -> None:
        """Count each value of the column, nulls left out."""
        import pyarrow.compute as pc

        counted = pc.value_counts(column)
        self.add_counts(counted.field(0), counted.field(1))

    def add_counts(self, values: pa.Array, counts: pa.Array) -> None:
        """Count values that were counted before; a value may be there more than once."""
        import pyarrow as pa

        if not len(values):
            return
        self._values.append(values.cast(pa.string()))
        self._counts.append(counts.cast(pa.int64()))
        self._waiting += len(values)
        if self._waiting > WAITING:
            self._merge()

    def most(self, number: int) -> list[Top]:
        """The most frequent values, those with as many rows by name."""
        self._merge()
        pairs = [
            Top(value, rows)
            for values, counts in zip(self._values, self._counts, strict=True)
            for value, rows in zip(values.to_pylist(), counts.to_pylist(), strict=True)
        ]
        return sorted(pairs, key=lambda pair: (-pair.rows, pair.value))[:number]

    def state(self) -> dict[str, Any]:
        """All of it, as JSON can hold it."""
        return {"error": self.error, "counts": dict(self.most(self._bound))}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what state() gave."""
        import pyarrow as pa

        self.error = int(state["error"])
        counts = state["counts"]
        self.add_counts(
            pa.array(list(counts), pa.string()), pa.array(list(counts.values()), pa.int64())
        )

    def _merge(self) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        if len(self._values) > 1:
            table = pa.table(
                {
                    "value": pa.chunked_array(self._values),
                    "rows": pa.chunked_array(self._counts),
                }
            )
            # Merging is little work: threads of its own would only take them from the checks.
            merged = table.group_by("value", use_threads=False).aggregate([("rows", "sum")])
            merged = merged.filter(pc.is_valid(merged["value"]))
            values = merged["value"].combine_chunks()
            counts = merged["rows_sum"].combine_chunks()
        elif self._values:
            valid = pc.is_valid(self._values[0])
            values, counts = self._values[0].filter(valid), self._counts[0].filter(valid)
        else:
            return
        if len(values) > self._bound:
            order = pc.sort_indices(counts, sort_keys=[("", "descending")])
            loss = counts[order[self._bound].as_py()].as_py()
            counts = pc.subtract(counts, loss)
            left = pc.greater(counts, 0)
            values, counts = values.filter(left), counts.filter(left)
            self.error += loss
        self._values, self._counts = [values], [counts]
        self._waiting = 0
