"""Which format a file of rows has, and its source or sink.

What may live here: names, extensions and first octets of formats, open_source() and open_sink().
The formats themselves are in modules that are imported when a file of theirs is opened.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from senderid_fast.errors import InputError
from senderid_fast.rows.base import Place, RowSink, RowSource
from senderid_fast.rows.inputs import STANDARD, Octets, open_octets, pyarrow

if TYPE_CHECKING:
    import pyarrow as pa

    from senderid_fast.receiver.relays import TrustedRelays

__all__ = ["FORMATS", "LOG_FORMATS", "Format", "format_of", "open_sink", "open_source"]

FORMATS = ("jsonl", "csv", "tsv", "parquet", "arrow", "arrows")
# Formats that are only read, and their modules; each has open_<name>(path, *, place, batch_rows).
LOG_FORMATS = {
    "postfix": "senderid_fast.rows.logs.postfix",
    "exim": "senderid_fast.rows.logs.exim",
    "sendmail": "senderid_fast.rows.logs.sendmail",
    "exchange": "senderid_fast.rows.logs.exchange",
    "mbox": "senderid_fast.rows.mail",
    "maildir": "senderid_fast.rows.mail",
    "eml": "senderid_fast.rows.mail",
}
_EXTENSIONS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".arrows": "arrows",
}
_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
_MAGIC = ((b"PAR1", "parquet"), (b"ARROW1", "arrow"), (b"\xff\xff\xff\xff", "arrows"))
_COMPRESSION_MAGIC = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"))
_DELIMITERS = {"csv": ",", "tsv": "\t"}
_INSIDE = ("parquet", "arrow")  # they compress inside, and must be sought


class Format(NamedTuple):
    """A format and the compression around it ("gzip", "zstd" or None)."""

    name: str
    compression: str | None


def format_of(path: str, given: str | None, field: str) -> Format | None:
    """The format of a path, by the name that was given or by extension; None if neither tells.

    A given name may have the compression behind it: "csv.gz", "jsonl.zst".
    Raises InputError(field, ...) for a name that is no format, and for a compressed file of a
    format that compresses inside.
    """
    compression = None
    if given is not None:
        name, dot, tail = given.partition(".")
        compression = _COMPRESSIONS.get(dot + tail) if dot else None
        if name not in (*FORMATS, *LOG_FORMATS) or (dot and compression is None):
            known = ", ".join((*FORMATS, *LOG_FORMATS))
            raise InputError(field, f'no format "{given}": it is one of {known}')
    extensions = Path(path.lower()).suffixes
    if compression is None and extensions and extensions[-1] in _COMPRESSIONS:
        compression = _COMPRESSIONS[extensions.pop()]
    extension = extensions[-1] if extensions else ""
    found = name if given is not None else _EXTENSIONS.get(extension)
    if found is None:
        return None
    if compression is not None and found in _INSIDE:
        problem = f"{found} is compressed inside: take the {compression} layer off {path}"
        raise InputError(field, problem)
    return Format(found, compression)


def _of_standard_input(octets: Octets, given: str | None) -> str:
    """The format of standard input, by name or first octets; its compression is set on the way.

    Raises InputError if neither tells.
    """
    head = octets.peek()
    if octets.compression is None:
        for magic, compression in _COMPRESSION_MAGIC:
            if head.startswith(magic):
                octets.compression = compression
    found = given or next((name for magic, name in _MAGIC if head.startswith(magic)), None)
    if found is None:
        raise InputError("format", "standard input needs a format: name it")
    if octets.compression is not None and found in _INSIDE:
        problem = f"{found} is compressed inside: take the {octets.compression} layer off"
        raise InputError("format", problem)
    return found


def open_source(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002 - the word of the command line
    place: Place | None = None,
    batch_rows: int = 65_536,
    columns: Sequence[str] | None = None,
    wanted: Sequence[str] = (),
    raw: bool = False,
    trusted: TrustedRelays | None = None,
) -> RowSource:
    """Open a file of rows.

    path        "-" is standard input
    format      one of FORMATS or LOG_FORMATS, with ".gz" or ".zst" behind it if need be; None: by
                the extension, or by the first octets of standard input
    place       where to go on, as a Block of the same file had it
    batch_rows  rows of a block, at most
    columns     csv, tsv: the columns of a file without a header
    wanted      jsonl: the fields that must be strings
    raw         jsonl: keep each line as it came, in the column row_json
    trusted     mail: own relays (receiver.TrustedRelays)

    Raises InputError, RowsError, MissingExtraError.
    """
    pyarrow()
    path = os.fspath(path)
    known = format_of(path, format, "format")
    if path == STANDARD and place is not None:
        raise InputError("input", "standard input cannot be resumed: read from a file")
    if known is not None and known.name in LOG_FORMATS:
        module = import_module(LOG_FORMATS[known.name])
        opener: Callable[..., RowSource] = getattr(module, f"open_{known.name}")
        relays = {} if trusted is None else {"trusted": trusted}
        return opener(path, place=place, batch_rows=batch_rows, **relays)
    if known is None and path != STANDARD:
        raise InputError("format", f"{path} has no extension that tells: name the format")
    octets, size = open_octets(path, known.compression if known else None)
    try:
        name = known.name if known is not None else None
        if path == STANDARD:
            name = _of_standard_input(octets, name)
        assert name is not None
        return _source(name, octets, size, place, batch_rows, columns, wanted, raw)
    except BaseException:
        octets.close()
        raise


def _source(
    name: str,
    octets: Octets,
    size: int | None,
    place: Place | None,
    batch_rows: int,
    columns: Sequence[str] | None,
    wanted: Sequence[str],
    raw: bool,
) -> RowSource:
    if columns is not None and name not in _DELIMITERS:
        raise InputError("columns", f"{name} names its columns itself")
    if name in _DELIMITERS:
        from senderid_fast.rows.delimited import DelimitedSource

        return DelimitedSource(
            octets,
            size,
            delimiter=_DELIMITERS[name],
            place=place,
            batch_rows=batch_rows,
            columns=columns,
        )
    if name == "jsonl":
        from senderid_fast.rows.jsonlines import JsonLinesSource

        return JsonLinesSource(
            octets, size, place=place, batch_rows=batch_rows, wanted=wanted, raw=raw
        )
    from senderid_fast.rows import columnar

    kind: Any = {
        "parquet": columnar.ParquetSource,
        "arrow": columnar.ArrowFileSource,
        "arrows": columnar.ArrowStreamSource,
    }[name]
    source: RowSource = kind(octets, size, place=place, batch_rows=batch_rows)
    return source


def open_sink(
    path: str | os.PathLike[str],
    schema: pa.Schema,
    *,
    format: str | None = None,  # noqa: A002 - the word of the command line
    place: Place | None = None,
    overwrite: bool = False,
    codec: str | None = None,
    level: int | None = None,
    dictionaries: Mapping[str, pa.Array] | None = None,
    addresses: Collection[str] = ("ip",),
    begun: Callable[[], object] | None = None,
) -> RowSink:
    """Open an output of rows.

    path          "-" is standard output, which has no places
    format        one of FORMATS, with ".gz" or ".zst" behind it if need be; None: by the extension
    place         where a killed job was, as place() gave it
    overwrite     whether a file of that name may be replaced
    codec         parquet, arrow, arrows: the compression inside ("zstd", "lz4", "none"; parquet
                  also "snappy", "gzip"); None: zstd for parquet, none for Arrow
    level         of the codec, or of ".gz" and ".zst"; None: what is usual
    dictionaries  Arrow: the values of dictionary columns that stay dictionaries, by name
    addresses     text: the columns of packed addresses
    begun         without a place: called before what an earlier job left unfinished is lost, which
                  it is when this returns

    Raises InputError, RowsError, MissingExtraError.
    """
    pyarrow()
    path = os.fspath(path)
    known = format_of(path, format, "output_format")
    if known is None:
        raise InputError("output_format", f"{path} has no extension that tells: name the format")
    if known.name in LOG_FORMATS:
        raise InputError("output_format", f"{known.name} is only read")
    if codec is not None and known.name not in ("parquet", "arrow", "arrows"):
        raise InputError("codec", f"{known.name} is compressed as .gz or .zst")
    if not schema.names or len(set(schema.names)) < len(schema.names):
        raise InputError("schema", "needs columns, each name once")

    from senderid_fast.rows.outputs import Output
    from senderid_fast.rows.textsinks import Compressor

    inner = known.name in ("parquet", "arrow", "arrows")
    options = _options(known.name, codec, level if known.compression is None else None)
    compressor = Compressor(known.compression, level if known.compression else None)
    if level is not None and known.compression is None and not inner:
        raise InputError("level", "there is nothing that compresses")
    output = Output(path, place=place, overwrite=overwrite, begun=begun)
    try:
        sink: RowSink
        fixed = dictionaries or {}
        if known.name == "parquet":
            from senderid_fast.rows.parquetsink import ParquetSink

            sink = ParquetSink(output, schema, place=place, options=options)
        elif known.name == "arrow":
            from senderid_fast.rows.arrowsinks import ArrowFileSink

            sink = ArrowFileSink(
                output, schema, place=place, fixed=fixed, options=options["options"]
            )
        elif known.name == "arrows":
            from senderid_fast.rows.arrowsinks import ArrowStreamSink

            sink = ArrowStreamSink(
                output, schema, fixed=fixed, compressor=compressor, options=options["options"]
            )
        else:
            from senderid_fast.rows.textsinks import TextSink

            sink = TextSink(
                output,
                schema,
                delimiter=_DELIMITERS.get(known.name),
                compressor=compressor,
                addresses=addresses,
            )
        output.begin()  # there are formats without a head that would have been written by now
    except BaseException:
        output.abandon()
        raise
    return sink


def _options(name: str, codec: str | None, level: int | None) -> dict[str, Any]:
    """The options of pyarrow's writers. Raises InputError."""
    pa = pyarrow()
    if name == "parquet":
        codec = codec or "zstd"
        if codec not in ("zstd", "snappy", "gzip", "lz4", "none"):
            raise InputError("codec", f'parquet has no codec "{codec}"')
        if level is None and codec == "zstd":
            level = 1
        _check_level(codec, level)
        return {"compression": codec, "compression_level": level, "write_page_index": False}
    if name not in ("arrow", "arrows"):
        return {}
    if codec not in (None, "zstd", "lz4", "none"):
        raise InputError("codec", f'Arrow has no codec "{codec}"')
    if codec in (None, "none"):
        if level is not None:
            raise InputError("level", "there is nothing that compresses")
        return {"options": pa.ipc.IpcWriteOptions()}
    _check_level(codec, level)
    inside = pa.Codec(codec, compression_level=level) if level is not None else codec
    return {"options": pa.ipc.IpcWriteOptions(compression=inside)}


def _check_level(codec: str, level: int | None) -> None:
    pa = pyarrow()
    if level is None:
        return
    if codec in ("none", "snappy"):
        raise InputError("level", f"{codec} has no levels")
    if (
        not pa.Codec.minimum_compression_level(codec)
        <= level
        <= (pa.Codec.maximum_compression_level(codec))
    ):
        raise InputError("level", f"{codec} has no level {level}")
