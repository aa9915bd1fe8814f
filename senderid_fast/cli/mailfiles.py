"""Messages in files: header sections out of single messages, mbox files and Maildir folders.

What may live here: where messages are and where their header sections end. Nothing is checked and
nothing is printed. Files are read as streams: of each message the header section alone is kept, and
of that no more than HEADER_MOST octets.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from senderid_fast import header_fields

__all__ = ["FORMATS", "HEADER_MOST", "Found", "read_messages"]

FORMATS = ("auto", "eml", "mbox", "maildir")
HEADER_MOST = 1 << 20
PIECE = 1 << 16  # of a line that is longer, pieces are read
EMPTY_LINES = (b"\n", b"\r\n")

Piece = tuple[bytes, bool]
"""Octets of one line, and whether they are its beginning."""


class Found(NamedTuple):
    """A message, or why there is none.

    file     the file it stands in, as it was named or found; "-" is standard input
    number   which message of an mbox it is, from 1; else None
    headers  the octets of its header section
    fields   its fields, as header_fields() gives them
    problem  why it cannot be used; None if it can
    """

    file: str
    number: int | None = None
    headers: bytes = b""
    fields: Sequence[tuple[str, bytes, int, int]] = ()
    problem: str | None = None

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return self.file if self.number is None else f"{self.file}, message {self.number}"

    @property
    def junk_at(self) -> int | None:
        """The octet at which a line that is no field ends the header too early, or None."""
        end = self.fields[-1][3] if self.fields else 0
        return end if end < len(self.headers) else None


def read_messages(files: Sequence[str], kind: str) -> Iterator[Found]:
    """The messages of files and folders, one after another. kind is one of FORMATS.

    What cannot be read is one Found with its problem; the rest follow.
    """
    for file in files or ("-",):
        try:
            yield from _of_file(file, kind)
        except (OSError, ValueError) as error:  # ValueError: a name with NUL
            yield _unreadable(file, error)


def _unreadable(file: str, error: OSError | ValueError) -> Found:
    return Found(file, problem=f"cannot be read: {getattr(error, 'strerror', None) or error}")


def _of_file(file: str, kind: str) -> Iterator[Found]:
    if file == "-":
        if kind == "maildir":
            yield Found(file, problem="is standard input, no folder")
            return
        stream: BinaryIO = sys.stdin.buffer
        yield from _of_stream(file, stream, kind)
        # Who writes to a pipe may take it for a failure if the body is not read.
        while stream.read(PIECE):
            pass
        return
    path = Path(file)
    if path.is_dir():
        if kind in ("auto", "maildir"):
            yield from _of_maildir(file, path)
        else:
            yield Found(file, problem="is a folder")
    elif kind == "maildir":
        path.stat()  # raises if there is nothing
        yield Found(file, problem="is no folder")
    else:
        with path.open("rb") as opened:
            yield from _of_stream(file, opened, kind)


def _of_maildir(file: str, path: Path) -> Iterator[Found]:
    """The messages in new and cur, in the order of their names; tmp holds unfinished ones."""
    folders = [path / name for name in ("cur", "new") if (path / name).is_dir()]
    if not folders:
        yield Found(file, problem="is a folder without cur and new, so no Maildir")
    for folder in folders:
        for entry in sorted(folder.iterdir()):
            if entry.name.startswith("."):
                continue
            try:
                if not entry.is_file():  # to open a pipe would wait for somebody to write to it
                    yield Found(str(entry), problem="is no file")
                    continue
                with entry.open("rb") as opened:
                    yield from _of_stream(str(entry), opened, "eml")
            except OSError as error:
                yield _unreadable(str(entry), error)


def _of_stream(file: str, stream: BinaryIO, kind: str) -> Iterator[Found]:
    first = stream.readline(PIECE)
    pieces = _pieces(first, stream)
    if kind == "auto":
        kind = "mbox" if first.startswith(b"From ") else "eml"
    if kind == "mbox":
        if first and not first.startswith(b"From "):
            yield Found(file, problem='does not begin with a "From " line, so it is no mbox')
            return
        yield from _of_mbox(file, pieces)
        return
    section = bytearray()
    for piece, begins in pieces:
        if (begins and piece in EMPTY_LINES) or len(section) > HEADER_MOST:
            break
        section += piece
    yield _found(file, None, bytes(section), empty=not first)


def _pieces(first: bytes, stream: BinaryIO) -> Iterator[Piece]:
    piece, begins = first, True
    while piece:
        yield piece, begins
        begins = piece.endswith(b"\n")
        piece = stream.readline(PIECE)


def _of_mbox(file: str, pieces: Iterator[Piece]) -> Iterator[Found]:
    """A line that begins with "From " begins a message if it follows an empty line (RFC 4155)."""
    number = 0
    section: bytearray | None = None  # None within a body
    after_empty = True
    separator = False
    for piece, begins in pieces:
        if begins:
            separator = after_empty and piece.startswith(b"From ")
            after_empty = piece in EMPTY_LINES
            if separator:
                number += 1
                section = bytearray()
        if separator or section is None:
            continue
        if after_empty:
            yield _found(file, number, bytes(section))
            section = None
        elif len(section) <= HEADER_MOST:
            section += piece
    if section is not None:
        yield _found(file, number, bytes(section))


def _found(file: str, number: int | None, section: bytes, *, empty: bool = False) -> Found:
    if empty:
        return Found(file, number, problem="is empty")
    # Of a long one its beginning is enough to tell what it is.
    too_long = len(section) > HEADER_MOST
    fields = header_fields(section[:PIECE] if too_long else section)
    if not fields:
        return Found(file, number, problem="is no message: it does not begin with a header field")
    if too_long:
        problem = f"has a header section of more than {HEADER_MOST} octets"
        return Found(file, number, problem=problem)
    return Found(file, number, section, fields)
