"""Files of answers that grow while a job runs: an Arrow IPC stream that survives a kill.

What may live here: how far such a file is whole, and the writer that goes on from there.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

from senderid_fast.answersets.checking import empty_batch
from senderid_fast.answersets.recording import AnswerCollector
from senderid_fast.answersets.schema import answers_schema, arrow, damage
from senderid_fast.errors import RowsError, SenderIDError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import pyarrow as pa

    from senderid_fast.questions import Answer, Question

__all__ = ["AnswerWriter", "stream_batches"]

# The Arrow format: before each message stand these octets and the length of its metadata; a length
# of 0 is the end of the stream.
_CONTINUATION = b"\xff\xff\xff\xff"
_END = _CONTINUATION + bytes(4)


class AnswerWriter:
    """Appends answers to an Arrow IPC stream file (.arrows); a sink of RecordingResolver.

    path  a new file, or one of a writer before, which is gone on with: what a kill left half
          written at its end is cut off

    Memory is bounded: answers are written when some thousands of them, or some MiB, have come
    together. The file can be read at any time, also after a kill; a question that was answered
    several times stands there several times, and AnswerSet.read() takes the last. For threads.

    Raises RowsError if the file cannot be written, or is not one of answers.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        self._collector = AnswerCollector(self._append)
        try:
            self._file = self._open()
        except OSError as error:
            raise self._trouble(error) from None
        if self._file.tell() == 0:
            try:
                self._write(memoryview(answers_schema().serialize()))
            except BaseException:
                self._file.close()
                raise

    def _open(self) -> FileIO:
        # Without a buffer: what was not written when the disk was full must not come later.
        try:
            file = self._path.open("r+b", buffering=0)
        except FileNotFoundError:
            file = self._path.open("x+b", buffering=0)
        try:
            whole = _whole(self._path, answers_schema())
            file.truncate(whole)
            file.seek(whole)
        except BaseException:
            file.close()
            raise
        return file

    def add(self, question: Question, answer: Answer, fetched_at: datetime | None = None) -> None:
        """Append an answer; fetched_at None: now. Raises RowsError if the disk will not have it."""
        self._collector.add(question, answer, fetched_at)

    def flush(self) -> None:
        """Bring all that was added to the disk."""
        self._collector.flush()
        with self._lock:
            try:
                os.fsync(self._file.fileno())
            except OSError as error:
                raise self._trouble(error) from None

    def place(self) -> int:
        """Flush, and tell the octets of the file: cut to these, it is as it is now."""
        self.flush()
        with self._lock:
            return self._file.tell()

    def close(self) -> None:
        """Finish the file. It may be gone on with all the same."""
        if self._file.closed:
            return
        try:
            self._collector.flush()
            self._write(_END)
        finally:
            self._file.close()

    def __enter__(self) -> AnswerWriter:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _append(self, batch: pa.RecordBatch) -> None:
        self._write(memoryview(batch.serialize()))

    def _write(self, octets: bytes | memoryview) -> None:
        """Append all of it or nothing: with a half of it, what follows could not be read."""
        with self._lock:
            whole: int | None = None
            try:
                whole = self._file.tell()
                left = memoryview(octets)
                while left:
                    left = left[self._file.write(left) :]
            except (OSError, ValueError) as error:
                if whole is not None:
                    with suppress(OSError):
                        self._file.truncate(whole)
                        self._file.seek(whole)
                raise self._trouble(error) from None

    def _trouble(self, error: Exception) -> RowsError:
        words = getattr(error, "strerror", None) or error
        return RowsError(str(self._path), "", f"cannot be written: {words}")


def _whole(path: Path, schema: pa.Schema) -> int:
    """How many octets of a file are whole messages of a stream of answers."""
    pa = arrow()
    whole = 0
    try:
        with pa.OSFile(str(path)) as source:
            for place, message in _messages(source, str(path)):
                if whole == 0 and not pa.ipc.read_schema(message).equals(schema):
                    raise RowsError(str(path), "", "is not a stream that an AnswerWriter wrote")
                whole = place
        begun = path.read_bytes() if whole == 0 and path.stat().st_size < 1 << 16 else b""
        if whole == 0 and not (path.stat().st_size == len(begun) and _is_begun(begun, schema)):
            raise RowsError(str(path), "", "is not a stream that an AnswerWriter wrote")
    except (SenderIDError, OSError):
        raise
    except damage() as error:
        raise RowsError(str(path), "", f"is not a stream of answers: {error}") from None
    return whole


def _is_begun(octets: bytes, schema: pa.Schema) -> bool:
    """Whether a writer was killed while it wrote the schema, or before."""
    return bool(schema.serialize().to_pybytes().startswith(octets))


def _messages(source: pa.NativeFile, name: str) -> Iterator[tuple[int, pa.Message]]:
    """The messages that are whole, each with the place behind it."""
    pa = arrow()
    size = source.size()
    place = 0
    while place < size:
        source.seek(place)
        begin = source.read(8)
        if begin == _END:
            return
        if not (_CONTINUATION if len(begin) >= 4 else _CONTINUATION[: len(begin)]) == begin[:4]:
            raise RowsError(name, f"octet {place}", "is not where a message of Arrow begins")
        if len(begin) < 8 or place + 8 + int.from_bytes(begin[4:], "little", signed=True) > size:
            return  # half of the beginning
        source.seek(place)
        try:
            message = pa.ipc.read_message(source)
        except EOFError:
            return
        except (pa.ArrowException, OSError) as error:
            if source.tell() >= size:
                return  # the file ends within the message
            raise RowsError(name, f"octet {place}", f"is no message of Arrow: {error}") from None
        place = source.tell()
        yield place, message


def stream_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The batches of an Arrow IPC stream; one that is half written at the end is left out."""
    pa = arrow()
    with pa.OSFile(str(path)) as source:
        whole = 0
        for place, _ in _messages(source, str(path)):
            whole = place
    if whole == 0:
        raise RowsError(str(path), "", "holds no stream of Arrow")
    with pa.OSFile(str(path)) as source:
        # Without an end the reader stops where the octets do: behind the last whole message.
        octets = pa.PythonFile(_Part(source, whole), mode="r")
        reader = pa.ipc.open_stream(octets)
        yield empty_batch(reader.schema)
        yield from reader


class _Part:
    """The first octets of a file, as a file."""

    def __init__(self, source: pa.NativeFile, size: int) -> None:
        self._source = source
        self._left = size
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        size = self._left if size < 0 else min(size, self._left)
        octets: bytes = self._source.read(size)
        self._left -= len(octets)
        return octets

    def close(self) -> None:
        self.closed = True
