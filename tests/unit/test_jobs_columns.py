"""Columns of rare types, which pyarrow cannot make from Python's values: a job passes them on."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from senderid_fast import Engine, InputError, ZoneResolver
from senderid_fast.jobs.job import Job
from senderid_fast.jobs.options import JobOptions

TYPES = pa.array([0, 1, 0], pa.int8())
ODD = {
    "sparse": pa.UnionArray.from_sparse(TYPES, [pa.array([1, 2, 3]), pa.array(["a", "b", "c"])]),
    "dense": pa.UnionArray.from_dense(
        TYPES, pa.array([0, 0, 1], pa.int32()), [pa.array([1, 3]), pa.array(["b"])]
    ),
    "runs": pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), ["x", "y"]),
    "spans": pa.array([(1, 2, 3), None, (0, 0, 1)], pa.month_day_nano_interval()),
}


def rows(folder: Path, odd: pa.Array) -> Path:
    columns = {
        "ip": pa.array(["192.0.2.1"] * 3),
        "helo": pa.array(["mail.example"] * 3),
        "mail_from": pa.array(["a@a.example"] * 3),
        "odd": odd,
    }
    batch = pa.record_batch(columns)
    path = folder / "rows.arrow"
    with pa.ipc.new_file(path, batch.schema) as writer:
        writer.write_batch(batch)
    return path


def job(source: Path, target: Path) -> Job:
    options = JobOptions(inputs=(str(source),), output=str(target))
    return Job(Engine(ZoneResolver({"a.example": [{"TXT": "v=spf1 -all"}]})), options)


@pytest.mark.parametrize("odd", ODD.values(), ids=list(ODD))
def test_rare_columns_are_passed_on(odd: pa.Array, tmp_path: Path) -> None:
    source = rows(tmp_path, odd)
    assert job(source, tmp_path / "out.arrow").run().finished
    with pa.ipc.open_file(tmp_path / "out.arrow") as reader:
        found = reader.read_all()
    assert found["odd"].to_pylist() == odd.to_pylist()
    assert found["spf_result"].to_pylist() == ["fail"] * 3
    assert job(source, tmp_path / "out.csv").run().finished
    assert len((tmp_path / "out.csv").read_bytes().splitlines()) == 4


@pytest.mark.parametrize("odd", ODD.values(), ids=list(ODD))
def test_an_output_that_cannot_hold_them_is_refused(odd: pa.Array, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="parquet cannot hold these columns"):
        job(rows(tmp_path, odd), tmp_path / "out.parquet").run()
