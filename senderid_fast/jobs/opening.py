"""What a job runs over: its source, its sink and its check, made from options.

What may live here: how options become arguments of rows.formats and of Engine.check_batch. This is
the one module of jobs that knows both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from senderid_fast.errors import InputError
from senderid_fast.jobs.chain import ChainedSource
from senderid_fast.jobs.options import STANDARD

if TYPE_CHECKING:
    import pyarrow as pa

    from senderid_fast.engine import Engine
    from senderid_fast.jobs.options import JobOptions
    from senderid_fast.rows.base import Place, RowSink, RowSource

    Check = Callable[["pa.RecordBatch"], "pa.RecordBatch"]

__all__ = ["checker", "sink_of", "source_of"]


def output_format(options: JobOptions) -> str | None:
    """The format of the output; None: the name of the output tells it."""
    from senderid_fast.rows.formats import LOG_FORMATS, format_of

    if options.output_format is not None:
        return options.output_format
    if options.output is not None and format_of(options.output, None, "output_format"):
        return None
    if options.format not in LOG_FORMATS:
        found = format_of(options.inputs[0], options.format, "format")
        if found is not None and found.name not in LOG_FORMATS:
            return found.name
    return "csv"


def keeps_lines(options: JobOptions) -> bool:
    """Whether lines of JSON go to lines of JSON: then each stays as it was, with results added."""
    from senderid_fast.rows.formats import LOG_FORMATS, format_of

    target = format_of(options.output or STANDARD, output_format(options), "output_format")
    if target is None or target.name != "jsonl" or options.format in LOG_FORMATS:
        return False
    sources = [format_of(name, options.format, "format") for name in options.inputs]
    return all(each is not None and each.name == "jsonl" for each in sources)


def source_of(options: JobOptions, place: Place | None) -> RowSource:
    """The rows of all inputs, from a place on. Raises a SenderIDError."""

    def opened(name: str, place: Place | None) -> RowSource:
        from senderid_fast.rows.formats import open_source

        return open_source(
            name,
            format=options.format,
            place=place,
            batch_rows=options.batch_rows,
            wanted=options.wanted,
            raw=keeps_lines(options),
            trusted=options.trusted,
        )

    source = ChainedSource(options.inputs, opened, place)
    for option, name in options.needed:
        if name not in source.schema.names:
            source.close()
            called = ", ".join(source.schema.names)
            raise InputError(option, f"{options.inputs[0]} has no column {name}; it has {called}")
    return source


def checker(engine: Engine, options: JobOptions) -> Check:
    """The check of a block."""
    inside = options.wanted if keeps_lines(options) else ()

    def check(batch: pa.RecordBatch) -> pa.RecordBatch:
        checked: pa.RecordBatch = engine.check_batch(
            batch,
            ip=options.columns.get("ip", "ip"),
            helo=options.columns.get("helo", "helo"),
            mail_from=options.columns.get("mail_from", "mail_from"),
            headers=options.headers,
            helo_result=options.helo_result,
            counts=options.counts,
            stale=options.stale,
            explanations=options.explanations,
            threads=options.threads,
        )
        # What a line of JSON holds already is not added to it.
        return checked.drop_columns([each for each in inside if each in checked.schema.names])

    return check


def sink_of(
    options: JobOptions,
    source: RowSource,
    check: Check,
    place: Place | None,
    *,
    overwrite: bool,
    begun: Callable[[], object],
) -> RowSink:
    """What takes the checked rows, from a place on. Raises a SenderIDError.

    begun  without a place: called before what an earlier job left unfinished is lost
    """
    import pyarrow as pa

    from senderid_fast.rows.faults import with_faults
    from senderid_fast.rows.formats import open_sink

    # The columns of the output are those of a block without rows. pa.nulls knows every type.
    columns = [pa.nulls(0, kind) for kind in source.schema.types]
    empty = check(pa.RecordBatch.from_arrays(columns, schema=source.schema))
    known = {
        field.name: column.dictionary
        for field, column in zip(empty.schema, empty.columns, strict=True)
        if field.name not in source.schema.names and pa.types.is_dictionary(field.type)
    }
    if source.may_fault:
        empty = with_faults(empty, ())
    return open_sink(
        options.output or STANDARD,
        empty.schema,
        format=output_format(options),
        place=place,
        overwrite=overwrite,
        begun=begun,
        dictionaries=known,
        addresses=(options.address,),
    )
