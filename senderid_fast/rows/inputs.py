"""Opening a file of rows: compression, standard input, and what goes wrong with outside data.

What may live here: getting at the octets of an input, as a stream or as a file that can be sought,
and errors of pyarrow and of the system turned into ours. No format of rows.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from senderid_fast.errors import InputError, MissingExtraError, RowsError
from senderid_fast.rows.base import Place
from senderid_fast.rows.waiting import WaitingInput, open_raw

__all__ = [
    "STANDARD",
    "Octets",
    "int_of",
    "natural",
    "open_octets",
    "open_seekable",
    "pyarrow",
    "reading",
]

STANDARD = "-"  #: standard input or output
SPOOL_LIMIT = 64 << 30  #: octets of a piped file that must be sought, and so is kept in /tmp
HEAD = 16  #: octets that are looked at to tell what an input is


def pyarrow() -> Any:
    """The package pyarrow. Raises MissingExtraError if it is not installed."""
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingExtraError("pyarrow", "batch") from error
    return pa


@contextmanager
def reading(name: str, place: str = "") -> Iterator[None]:
    """What pyarrow or the system says of a file becomes a RowsError with the file and the place."""
    pa = pyarrow()
    try:
        yield
    except MemoryError as error:
        problem = "a part of it does not fit into memory: write it in smaller batches"
        raise RowsError(name, place, problem) from error
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        if isinstance(error, RowsError | InputError):
            raise
        raise RowsError(name, place, said(error)) from error


def said(error: BaseException) -> str:
    """The first line of what an error says."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


def int_of(place: Place, key: str, name: str) -> int:
    """A number of a place that was noted. Raises RowsError if it is none."""
    value = place.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise RowsError(name, "", f"the noted place has no usable {key}: begin the job anew")
    return value


def natural(name: str, value: int) -> int:
    """A number of rows that an argument gives. Raises InputError if it is not positive."""
    if value < 1:
        raise InputError(name, "must be at least 1")
    return value


class Octets:
    """The octets of an input from its start, decompressed, with how much was read."""

    def __init__(self, raw: io.RawIOBase, name: str, compression: str | None) -> None:
        self.name = name
        self._raw = raw
        self._head = b""
        self._stream: Any = None
        self.compression = compression
        self.offset = 0  #: octets given so far, after decompression
        self._plain = 0

    def peek(self) -> bytes:
        """The first octets, before decompression; they are read again afterwards."""
        while len(self._head) < HEAD:
            with reading(self.name):
                more = self._raw.read(HEAD - len(self._head))
            if not more:
                break
            self._head += more
        return self._head

    def read(self, size: int) -> bytes:
        """The next octets, at most `size`; b"" at the end. Raises RowsError."""
        with reading(self.name, f"octet {self.offset}"):
            if self.compression is None:
                octets = self._read_raw(size)
            else:
                if self._stream is None:
                    pa = pyarrow()
                    raw = pa.PythonFile(_Reader(self), mode="r")
                    self._stream = pa.CompressedInputStream(raw, self.compression)
                octets = self._stream.read(size)
        self.offset += len(octets)
        return octets

    def _read_raw(self, size: int) -> bytes:
        if self._head:
            octets, self._head = self._head[:size], self._head[size:]
        else:
            octets = self._raw.read(size) or b""
        self._plain += len(octets)
        return octets

    def seek(self, offset: int) -> None:
        """Go on from an octet of the decompressed input. Raises RowsError if it ends before."""
        if self.compression is None and not self._head:
            with reading(self.name):
                if offset <= os.fstat(self._raw.fileno()).st_size:
                    self._raw.seek(offset)
                    self.offset = self._plain = offset
        while self.offset < offset:
            if not self.read(min(1 << 22, offset - self.offset)):
                raise RowsError(
                    self.name,
                    f"octet {self.offset}",
                    f"the noted place is octet {offset}: the file is not the one of the job",
                )

    def consumed(self) -> int:
        """Octets of the file that were read, as they lie on the disk."""
        return self._plain

    def close(self) -> None:
        self._raw.close()


class _Reader:
    """The raw octets as pyarrow wants a file."""

    def __init__(self, octets: Octets) -> None:
        self._octets = octets
        self.closed = False

    def read(self, size: int) -> bytes:
        return self._octets._read_raw(size)

    def close(self) -> None:
        self.closed = True


def open_octets(path: str, compression: str | None) -> tuple[Octets, int | None]:
    """An input and its size on the disk, if it has one. Raises RowsError, InputError."""
    if path == STANDARD:
        return Octets(WaitingInput(), "standard input", compression), None
    with reading(path):
        raw, size = open_raw(path)
    return Octets(raw, path, compression), size


def open_seekable(octets: Octets, size: int | None) -> tuple[Any, int]:
    """The file itself, or what came through a pipe in a file without a name, and its size.

    Raises RowsError if the pipe gives more than SPOOL_LIMIT octets, or the disk is full.
    """
    if size is not None:
        with reading(octets.name):
            return pyarrow().OSFile(octets.name), size
    with reading(octets.name):
        spool = tempfile.TemporaryFile()  # noqa: SIM115 - the source closes it
        while chunk := octets.read(1 << 20):
            if spool.tell() + len(chunk) > SPOOL_LIMIT:
                raise RowsError(octets.name, "", "too large for a pipe: give it as a file")
            spool.write(chunk)
        size = spool.tell()
        spool.seek(0)
    return spool, size
