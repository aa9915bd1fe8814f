"""The folder "shared" next to the checkout, which holds data too large or not ours to ship.

Tests that need it skip, with a reason, where it is not there.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["CHECKOUT", "SHARED", "gzip_lines", "shared_file", "tsv_rows"]

CHECKOUT = Path(__file__).resolve().parents[2]
SHARED = CHECKOUT.parent / "shared"


def shared_file(relative: str) -> Path:
    """The path of a shared file; skips the test (or the module) that asks where it is absent."""
    path = SHARED / relative
    if not path.is_file():
        pytest.skip(f"../shared/{relative} is not there", allow_module_level=True)
    return path


def gzip_lines(path: Path) -> Iterator[str]:
    """The lines of a gzip file, without their line feed."""
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        for line in lines:
            yield line.removesuffix("\n")


def tsv_rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a gzipped TAB separated file; its first line names the columns."""
    lines = gzip_lines(path)
    columns = next(lines).removeprefix("#").split("\t")
    for row in csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
        # Empty columns at the end of a row may have been left out.
        yield dict(zip(columns, row + [""] * (len(columns) - len(row)), strict=True))
