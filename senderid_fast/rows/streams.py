"""Input streams: a plain, gzip or zstd file, or standard input, read from a place on.

What may live here: opening files for reading by octets. What the octets mean is not known here.

The compression is told by the first octets of the file, since rotated logs have many names.
"""

from __future__ import annotations

import gzip
import io
import zlib
from typing import TYPE_CHECKING, Any, cast

from senderid_fast.errors import MissingExtraError, RowsError
from senderid_fast.rows.waiting import WaitingInput, open_raw

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["InputStream", "arrow"]

PIECE = 1 << 20
_GZIP = b"\x1f\x8b"  # RFC 1952 2.3.1
_ZSTD = b"\x28\xb5\x2f\xfd"  # RFC 8878 3.1.1


def arrow() -> ModuleType:
    """The package pyarrow. Raises MissingExtraError."""
    try:
        import pyarrow as pa
    except ImportError:
        raise MissingExtraError("pyarrow", "batch") from None
    return cast("ModuleType", pa)


class InputStream:
    """A file's octets, without its compression.

    path        as it was given; "-" is standard input
    size        octets of the file as it lies there, or None if that is not known
    compressed  whether it is

    Raises RowsError if the file cannot be opened, or is shorter than offset (octets of the data
    without compression, which are passed over).
    """

    def __init__(self, path: str, offset: int = 0) -> None:
        self.path = path
        self._octets = 0  # that were read, where the file cannot tell
        self.size: int | None
        try:
            raw, self.size = (WaitingInput(), None) if path == "-" else open_raw(path)
            self._file = io.BufferedReader(raw)
        except (OSError, ValueError) as error:  # ValueError: a name with NUL
            raise self.failure("", error) from None
        try:
            self._open(offset)
        except BaseException:
            self.close()
            raise

    def _open(self, offset: int) -> None:
        first = self._file.peek(len(_ZSTD))[: len(_ZSTD)]
        self._data: Any = self._file
        self.compressed = True
        if first.startswith(_GZIP):
            self._data = gzip.GzipFile(fileobj=self._file)
        elif first == _ZSTD:
            stream = arrow().input_stream(self._file, compression="zstd")
            self._data = io.BufferedReader(stream, PIECE)
        else:
            self.compressed = False
        # What may wait gives what there is.
        self._read = self._data.read if self.size is not None else self._data.read1
        if self.size is not None and not self.compressed:
            if offset > self.size:
                raise self._shorter(offset)
            self._file.seek(offset)
            return
        while offset > 0:
            octets = self.read(min(offset, PIECE))
            if not octets:
                raise self._shorter(offset)
            offset -= len(octets)

    def _shorter(self, offset: int) -> RowsError:
        return RowsError(
            self.path, "", f"is shorter than when the job was stopped, by {offset} octets or less"
        )

    def read(self, most: int, place: str = "") -> bytes:
        """Up to most octets, b"" at the end. Raises RowsError with the place given."""
        try:
            octets = cast("bytes", self._read(most))
        # ValueError: pyarrow's errors of bad data are some.
        except (OSError, EOFError, ValueError, zlib.error) as error:
            raise self.failure(place, error) from None
        self._octets += len(octets)
        return octets

    def readline(self, most: int, place: str = "") -> bytes:
        """A line with its line feed, or its first octets if it is longer than most."""
        try:
            octets = cast("bytes", self._data.readline(most))
        except (OSError, EOFError, ValueError, zlib.error) as error:
            raise self.failure(place, error) from None
        self._octets += len(octets)
        return octets

    def tell(self) -> int:
        """How much has been read: of the file as it lies there; of a pipe, of the data."""
        return self._octets if self.size is None else self._file.tell()

    def failure(self, place: str, error: Exception) -> RowsError:
        """The error of a file that cannot be read on."""
        words = getattr(error, "strerror", None) or str(error) or "it ends too early"
        return RowsError(self.path, place, f"cannot be read: {words}")

    def close(self) -> None:
        """Let go of the file; standard input stays open."""
        self._file.close()
