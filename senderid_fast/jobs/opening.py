"""What a job runs over: its source, its sink and its check, made from options.

What may live here: how options become arguments of rows.formats and of Engine.check_batch. This is
the one module of jobs that knows both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from senderid_fast.engine import Engine
    from senderid_fast.jobs.options import JobOptions
    from senderid_fast.rows.base import Place, RowSink, RowSource

__all__ = ["checker", "sink_of", "source_of"]

Check = Callable[["pa.RecordBatch"], "pa.RecordBatch"]


def source_of(options: JobOptions, place: Place | None) -> RowSource:
    raise NotImplementedError


def sink_of(
    options: JobOptions, source: RowSource, check: Check, place: Place | None
) -> RowSink:
    raise NotImplementedError


def checker(engine: Engine, options: JobOptions) -> Check:
    raise NotImplementedError
