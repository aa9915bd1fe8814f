"""Sources of rows, read to the end by the tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from senderid_fast.rows.base import Block, Place, RowSource

__all__ = ["Open", "Read", "assert_resumes", "read_rows"]

Open = Callable[..., Any]  # one of the open_ functions of rows


class Read(NamedTuple):
    """All rows of a source as plain values, and the reasons of those at fault, by row."""

    rows: list[dict[str, Any]]
    faults: dict[int, str]

    def column(self, name: str) -> list[Any]:
        return [row[name] for row in self.rows]


def _blocks(source: RowSource) -> Iterator[Block]:
    try:
        for block in source.blocks():
            assert block.batch.schema == source.schema
            block.batch.validate(full=True)
            assert block.batch.num_rows > 0
            yield block
    finally:
        source.close()


def _joined(blocks: list[Block]) -> Read:
    rows: list[dict[str, Any]] = []
    faults = {}
    for block in blocks:
        faults.update({len(rows) + fault.row: fault.reason for fault in block.faults})
        rows += block.batch.to_pylist()
    return Read(rows, faults)


def read_rows(opened: Open, path: object, place: Place | None = None, **more: Any) -> Read:
    """Everything from a place on."""
    return _joined(list(_blocks(opened(str(path), place=place, **more))))


def assert_resumes(opened: Open, path: object, batch_rows: int = 1) -> int:
    """From each of its places, a source gives what an undisturbed one gives. Returns the blocks."""
    whole = read_rows(opened, path)
    blocks = list(_blocks(opened(str(path), batch_rows=batch_rows)))
    assert _joined(blocks) == whole
    assert all(block.batch.num_rows <= batch_rows for block in blocks)
    for count, block in enumerate(blocks, 1):
        place = json.loads(json.dumps(block.place))
        rest = list(_blocks(opened(str(path), place=place, batch_rows=batch_rows)))
        assert _joined(blocks[:count] + rest) == whole
        # Places and all: the resumed job can be killed in its turn.
        assert [each.place for each in rest] == [each.place for each in blocks[count:]]
    return len(blocks)
