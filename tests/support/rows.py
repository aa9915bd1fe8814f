"""Tables for the tests of rows, and writing and reading them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from senderid_fast.rows.base import Block
from senderid_fast.rows.formats import open_sink, open_source

TEXT = ["csv", "tsv", "jsonl", "csv.gz", "csv.zst", "tsv.gz", "jsonl.gz", "jsonl.zst"]
COLUMNAR = ["parquet", "arrow", "arrows", "arrows.gz", "arrows.zst"]
RESULTS = pa.array(["none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"])
DICTIONARIES = {"spf_result": RESULTS}


def rows(count: int, first: int = 0) -> pa.RecordBatch:
    """Rows as a job has them: three strings, and a result."""
    numbers = range(first, first + count)
    indices = pa.array([number % 7 for number in numbers], pa.int8())
    return pa.record_batch(
        {
            "ip": pa.array([f"192.0.2.{number % 256}" for number in numbers]),
            "helo": pa.array([f'mail{number}."quoted", example' for number in numbers]),
            "mail_from": pa.array([f"user\n{number}\\\t@example.com" for number in numbers]),
            "spf_result": pa.DictionaryArray.from_arrays(indices, RESULTS),
        }
    )


def write(path: Path, batches: Iterable[pa.RecordBatch], schema: pa.Schema, **named: Any) -> None:
    sink = open_sink(path, schema, dictionaries=DICTIONARIES, **named)
    for batch in batches:
        sink.write(batch)
    sink.close()


def read_blocks(path: Path | str, **named: Any) -> list[Block]:
    source = open_source(path, **named)
    try:
        blocks = list(source.blocks())
    finally:
        source.close()
    for block in blocks:
        assert block.batch.schema.equals(source.schema)
    return blocks


def read(path: Path | str, **named: Any) -> list[dict[str, Any]]:
    return [row for block in read_blocks(path, **named) for row in block.batch.to_pylist()]
