"""Sources of rows, read to the end by the tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from senderid_fast.rows.base import Block, Place, RowSource

__all__ = [
    "Open",
    "Read",
    "Row",
    "assert_resumes",
    "counts_of",
    "log_of",
    "read_rows",
    "rows_of",
]

Row = tuple[str | None, str | None, str | None, str | None]  # queue_id, ip, helo, mail_from

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


def log_of(tmp_path: Path, opened: Open, *lines: str) -> Read:
    path = tmp_path / "log"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogateescape") + b"\n")
    return read_rows(opened, path)


def rows_of(read: Read) -> list[Row]:
    names = ("queue_id", "ip", "helo", "mail_from")
    return [tuple(row[name] for name in names) for row in read.rows]  # type: ignore[misc]


def counts_of(path: Path, opened: Open) -> dict[str, int]:
    with closing(opened(str(path))) as source:
        list(source.blocks())
    return {name: count for name, count in source.counts.items() if count and name != "lines"}
