"""senderid-fast batch as tests run it: in this process or in one of its own, over made-up rows."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa

from senderid_fast.cli import main
from senderid_fast.rows.formats import open_sink, open_source

__all__ = [
    "FORMATS",
    "RESULTS",
    "ROOT",
    "ZONE",
    "batch",
    "command",
    "environment",
    "plain",
    "read",
    "run",
    "start",
    "table_of",
    "write",
]

ROOT = Path(__file__).parents[2]
ZONE = str(ROOT / "examples" / "example.zone")
FORMATS = ("jsonl", "csv", "tsv", "parquet", "arrow", "arrows")
RESULTS = ["spf_result", "spf_scope", "spf_reason", "spf_domain", "spf_mechanism"]


def table_of(rows: int, seed: int = 1) -> pa.Table:
    """Rows over the zone of the examples; no two are the same."""
    generator = random.Random(seed)
    addresses = [f"192.0.2.{host}" for host in range(0, 256, 5)]
    addresses += [f"2001:db8:{network}::25" for network in range(5)]
    addresses += ["198.51.100.7", "::ffff:192.0.2.90", "no address", ""]
    domains = ["plain", "shop", "moved", "users", "strict", "broken", "twice", "silent", "none"]
    senders = ["", "<>", *(f"alice@{domain}.example" for domain in domains)]
    return pa.table(
        {
            "n": pa.array(range(rows), pa.int64()),
            "ip": pa.array(generator.choices(addresses, k=rows), pa.string()),
            "helo": pa.array(generator.choices(["mail.plain.example", "x"], k=rows), pa.string()),
            "mail_from": pa.array(generator.choices(senders, k=rows), pa.string()),
        }
    )


def write(path: Path, table: pa.Table) -> Path:
    sink = open_sink(path, table.schema)
    for batch in table.to_batches(max_chunksize=7_000):
        sink.write(batch)
    sink.close()
    return path


def read(path: Path) -> list[dict[str, Any]]:
    source = open_source(path)
    found = [row for block in source.blocks() for row in block.batch.to_pylist()]
    source.close()
    return found


def plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as text has them: numbers are text, and "" is nothing."""
    return [
        {name: None if value in (None, "") else str(value) for name, value in row.items()}
        for row in rows
    ]


def batch(*words: object, status: int = 0) -> None:
    assert main(["batch", *map(str, words)]) == status


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "senderid_fast", "batch", *map(str, words)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def start(*words: object, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(*words),
        cwd=ROOT,
        env=environment(),
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=options.pop("stderr", subprocess.PIPE),
        **options,
    )


def run(*words: object, status: int = 0, **options: Any) -> tuple[str, str]:
    done = subprocess.run(
        command(*words), cwd=ROOT, env=environment(), capture_output=True, check=False, **options
    )
    assert done.returncode == status, done.stderr.decode()
    return done.stdout.decode(), done.stderr.decode()
