"""The file that rows are written to: under a passing name until it is whole.

What may live here: octets on the disk, and their safety. No format of rows.

A job writes to `<out>.partial` and renames it when all is written, so that a file with the final
name is a whole one. What a place names is on the disk. The partial file is locked: two jobs with
one output would ruin it. What an earlier job left in it goes when the output begins, and nothing
can be wrong any more with what was asked for: a job that fails before has lost nothing.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import IO

from senderid_fast.errors import InputError, RowsError
from senderid_fast.rows.base import Place
from senderid_fast.rows.inputs import STANDARD, int_of, reading

__all__ = [
    "COPY",
    "FOOTERS",
    "PARTIAL",
    "Output",
    "files_of",
    "open_locked",
    "partial_of",
    "remove_beside",
    "sync_folder",
]

PARTIAL = ".partial"  #: what the name of an unfinished output ends with
# What else formats keep while an output is unfinished; their names begin with that of its partial
# file, and whoever has that file locked may write them.
FOOTERS = ".footers"  #: row groups of Parquet
COPY = ".copy"  #: batches of Arrow


def partial_of(path: str) -> Path:
    """What an output at a path is written to until it is whole. A link is followed."""
    final = Path(os.path.realpath(path))
    return final.with_name(final.name + PARTIAL)


def files_of(path: str) -> tuple[Path, ...]:
    """The files that an output at a path has, or may have until it is whole. A link is followed."""
    partial = partial_of(path)
    return Path(os.path.realpath(path)), partial, *_beside(partial)


def _beside(partial: Path) -> tuple[Path, ...]:
    return tuple(partial.with_name(partial.name + name) for name in (FOOTERS, COPY))


def remove_beside(partial: Path) -> None:
    """Remove what a format kept beside a partial file. Raises RowsError."""
    for path in _beside(partial):
        with reading(str(path)):
            path.unlink(missing_ok=True)


def open_locked(partial: Path, mode: str) -> FileIO:
    """Open a partial file that no other process writes. Raises RowsError, OSError."""
    file = FileIO(partial, mode)
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Another job may have ended since it was opened: then this is its whole output.
        taken = not os.path.samestat(os.fstat(file.fileno()), partial.stat())
    except (BlockingIOError, FileNotFoundError):
        taken = True
    except BaseException:
        file.close()
        raise
    if taken:
        file.close()
        raise RowsError(str(partial), "", "another job is writing it")
    return file


class Output:
    """An output file, or a pipe or device that is written to as it is.

    path       "-" is standard output
    place      where a killed job was, as place() gave it: what lies behind is cut off
    overwrite  whether a file that has the final name may be replaced
    begun      without a place: called once, by begin(), before what an earlier job left is lost

    A link is followed: the file it names is replaced, not the link. Raises InputError, RowsError.
    """

    def __init__(
        self,
        path: str,
        *,
        place: Place | None,
        overwrite: bool,
        begun: Callable[[], object] | None = None,
    ) -> None:
        self.name = "standard output" if path == STANDARD else path
        self.final: Path | None = None  #: None: a pipe or a device, which has no places
        self._file: IO[bytes] | FileIO
        self._begun = begun
        self._fresh = place is None
        self._made = False  # whether there was no partial file before
        self.offset = 0
        if path == STANDARD:
            self._file = sys.stdout.buffer
        else:
            self._open(Path(os.path.realpath(path)), place, overwrite)
        if self.final is None and place is not None:
            raise self._no_places()

    def _open(self, final: Path, place: Place | None, overwrite: bool) -> None:
        with reading(self.name):
            if final.is_dir():
                raise InputError("output", f"{self.name} is a folder")
            if final.exists() and not stat.S_ISREG(final.stat().st_mode):
                self._file = final.open("wb", buffering=0)
                return
            if final.exists() and not overwrite:
                raise InputError("output", f"{self.name} is there already: remove it or overwrite")
        self.final = final
        self.partial = partial_of(self.name)
        if place is None:
            with reading(self.name):
                self._made = not self.partial.exists()
                self._file = open_locked(self.partial, "ab")
            return
        self.offset = int_of(place, "octets", self.name)
        with reading(self.name):
            if not self.partial.exists():
                raise RowsError(str(self.partial), "", "it is gone: begin the job anew")
            self._file = open_locked(self.partial, "r+b")
            size = os.fstat(self._file.fileno()).st_size
            if size < self.offset:
                self._file.close()
                problem = f"it has {size} octets and not {self.offset}: begin the job anew"
                raise RowsError(str(self.partial), "", problem)
            self._file.truncate(self.offset)
            self._file.seek(self.offset)

    def _no_places(self) -> InputError:
        return InputError("output", f"{self.name} cannot be resumed: write to a file")

    def begin(self) -> None:
        """From here on there is nothing but what this job writes; so it is when it writes, too."""
        if not self._fresh:
            return
        if self._begun is not None:
            self._begun()
        if self.final is not None:
            with reading(self.name):
                self._file.truncate(0)
            remove_beside(self.partial)
        self._fresh = False

    def write(self, octets: bytes | memoryview) -> int:
        """Append octets. Raises RowsError, such as for a full disk."""
        self.begin()
        view = memoryview(octets).cast("B")
        at = 0
        with reading(self.name, f"octet {self.offset}"):
            while at < len(view):
                at += self._file.write(view[at : at + (1 << 30)])
        self.offset += at
        return at

    def cut(self, offset: int) -> None:
        """Forget what was written behind an offset. Raises RowsError."""
        with reading(self.name):
            self._file.truncate(offset)
            self._file.seek(offset)
        self.offset = offset

    def tail(self, size: int) -> bytes:
        """The last octets that were written."""
        assert self.final is not None
        with reading(self.name), self.partial.open("rb") as file:
            file.seek(self.offset - size)
            return file.read(size)

    def place(self) -> dict[str, object]:
        """Bring all to the disk, and tell how much it is. Raises RowsError, InputError."""
        if self.final is None:
            raise self._no_places()
        self.begin()
        with reading(self.name):
            os.fsync(self._file.fileno())
        return {"octets": self.offset}

    def replace(self, source: Path) -> None:
        """Go on with another file, of the same folder, in the place of the partial one."""
        with reading(self.name):
            source.replace(self.partial)
            old, self._file = self._file, open_locked(self.partial, "r+b")
            old.close()
            self._file.seek(0, os.SEEK_END)
            self.offset = self._file.tell()

    def close(self) -> None:
        """Bring all to the disk and give the file its final name. Raises RowsError."""
        self.begin()
        with reading(self.name):
            if self.final is None:
                self._file.flush()
                if self._file is not sys.stdout.buffer:
                    self._file.close()
                return
            os.fsync(self._file.fileno())
            self.partial.replace(self.final)
            self._file.close()
            sync_folder(self.final.parent)
        remove_beside(self.partial)

    def abandon(self) -> None:
        """Let go of the file; what was written stays. Where nothing was begun, nothing is left."""
        if self._file is sys.stdout.buffer:
            return
        if self._made and self._fresh and not self._file.closed:
            with suppress(OSError):
                self.partial.unlink()
        self._file.close()


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where that can be done. Raises OSError."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return  # files can be put into it, and it cannot be listed
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems of networks
            raise
    finally:
        os.close(handle)
