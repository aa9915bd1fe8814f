"""Messages in files: header sections out of single messages, mbox files and Maildir folders.

What may live here: where messages are and where their header sections end. Nothing is checked and
nothing is printed. Files are read as streams: of each message the header section alone is kept, and
of that no more than HEADER_MOST octets.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from senderid_fast import header_fields

__all__ = [
    "FORMATS",
    "HEADER_MOST",
    "Found",
    "Lines",
    "entry_message",
    "maildir_entries",
    "read_mbox",
    "read_message",
    "read_messages",
    "return_path",
]

FORMATS = ("auto", "eml", "mbox", "maildir")
HEADER_MOST = 1 << 20
PIECE = 1 << 16  # of a line that is longer, pieces are read
EMPTY_LINES = (b"\n", b"\r\n")

Piece = tuple[bytes, bool]
"""Octets of one line, and whether they are its beginning."""


class Lines(Protocol):
    """What messages are read from: a file, or a stream like it."""

    def readline(self, most: int, /) -> bytes:
        """A line with its line feed, or its first octets if it is longer than most."""
        ...


class Found(NamedTuple):
    """A message, or why there is none.

    file     the file it stands in, as it was named or found; "-" is standard input
    number   which message of an mbox it is, from 1; else None
    headers  the octets of its header section
    fields   its fields, as header_fields() gives them
    problem  why it cannot be used; None if it can
    behind   where in the stream the reader was when it knew the message, in octets
    """

    file: str
    number: int | None = None
    headers: bytes = b""
    fields: Sequence[tuple[str, bytes, int, int]] = ()
    problem: str | None = None
    behind: int = 0

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
    entries = maildir_entries(path)
    if entries is None:
        yield Found(file, problem="is a folder without cur and new, so no Maildir")
    for entry in entries or ():
        yield entry_message(entry)


def maildir_entries(path: Path) -> list[Path] | None:
    """The messages in cur and new, in the order of their names; None if it is no Maildir.

    tmp holds unfinished ones. Raises OSError.
    """
    folders = [path / name for name in ("cur", "new") if (path / name).is_dir()]
    if not folders:
        return None
    return [
        entry
        for folder in folders
        for entry in sorted(folder.iterdir())
        if not entry.name.startswith(".")
    ]


def entry_message(entry: Path) -> Found:
    """The message of a file in a Maildir."""
    try:
        if not entry.is_file():  # to open a pipe would wait for somebody to write to it
            return Found(str(entry), problem="is no file")
        with entry.open("rb") as opened:
            return read_message(str(entry), opened)
    except OSError as error:
        return _unreadable(str(entry), error)


def _of_stream(file: str, stream: BinaryIO, kind: str) -> Iterator[Found]:
    first = stream.readline(PIECE)
    if kind == "auto":
        kind = "mbox" if first.startswith(b"From ") else "eml"
    if kind == "mbox":
        yield from read_mbox(file, stream, first)
    else:
        yield read_message(file, stream, first)


def read_message(file: str, stream: Lines, first: bytes | None = None) -> Found:
    """The one message of a file. first is its first line, if that has been read."""
    first = stream.readline(PIECE) if first is None else first
    section = bytearray()
    for piece, begins in _pieces(first, stream):
        if (begins and piece in EMPTY_LINES) or len(section) > HEADER_MOST:
            break
        section += piece
    return _found(file, None, bytes(section), empty=not first)


def _pieces(first: bytes, stream: Lines) -> Iterator[Piece]:
    piece, begins = first, True
    while piece:
        yield piece, begins
        begins = piece.endswith(b"\n")
        piece = stream.readline(PIECE)


def read_mbox(
    file: str, stream: Lines, first: bytes | None = None, behind: int = 0, number: int = 0
) -> Iterator[Found]:
    """The messages of an mbox. A "From " line behind an empty one begins a message (RFC 4155).

    first           the next line, if that has been read
    behind, number  go on behind this message: the Found of it has both
    """
    first = stream.readline(PIECE) if first is None else first
    if behind == 0 and first and not first.startswith(b"From "):
        yield Found(file, problem='does not begin with a "From " line, so it is no mbox')
        return
    section: bytearray | None = None  # None within a body
    after_empty = True
    separator = False
    for piece, begins in _pieces(first, stream):
        behind += len(piece)
        if begins:
            separator = after_empty and piece.startswith(b"From ")
            after_empty = piece in EMPTY_LINES
            if separator:
                number += 1
                section = bytearray()
        if separator or section is None:
            continue
        if after_empty:
            yield _found(file, number, bytes(section))._replace(behind=behind)
            section = None
        elif len(section) <= HEADER_MOST:
            section += piece
    if section is not None:
        yield _found(file, number, bytes(section))._replace(behind=behind)


def return_path(fields: Sequence[tuple[str, bytes]]) -> tuple[bytes | None, int | None]:
    """The reverse-path of the topmost Return-Path (RFC 5321 4.4), and the field's position."""
    for at, (name, body) in enumerate(fields):
        if name.rstrip(" \t").lower() == "return-path":
            path = body.replace(b"\r", b"").replace(b"\n", b"").strip()
            if path.startswith(b"<") and b">" in path:
                path = path[: path.rindex(b">") + 1]  # a comment may follow
            return (path, at) if path else (None, None)
    return None, None


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
