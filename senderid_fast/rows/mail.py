"""Messages as rows: mbox files, Maildir folders, single messages.

What may live here: the columns of mail, the client of a message as far as its own header tells, and
places. How messages are found in files is in mailfiles.py.

The client is read from the Received fields as senderid-fast verify does without --ip: the topmost
is believed, so it has to be of one's own host (docs/trusted-relays.md). A message without a client
is a row at fault: there is nothing that could be checked.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from senderid_fast.errors import RowsError
from senderid_fast.receiver.relays import TrustedRelays
from senderid_fast.rows.base import Block, Fault, Place, RowSource
from senderid_fast.rows.mailfiles import (
    Found,
    entry_message,
    maildir_entries,
    read_mbox,
    read_message,
    return_path,
)
from senderid_fast.rows.streams import InputStream, arrow
from senderid_fast.rows.waiting import InputStopped

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["open_eml", "open_maildir", "open_mbox"]

#: Octets of header sections in one block.
BLOCK_OCTETS = 1 << 26


def open_mbox(
    path: str,
    *,
    place: Place | None = None,
    batch_rows: int = 65_536,
    trusted: TrustedRelays | None = None,
) -> RowSource:
    """The messages of an mbox file, plain or compressed; "-" is standard input.

    place       where to go on, of a block; None: at the top
    batch_rows  rows of a block at most
    trusted     one's own relays; None: the topmost Received field has the client

    Raises RowsError and MissingExtraError.
    """
    return _MboxSource(path, place, batch_rows, trusted)


def open_maildir(
    path: str,
    *,
    place: Place | None = None,
    batch_rows: int = 65_536,
    trusted: TrustedRelays | None = None,
) -> RowSource:
    """The messages in cur and then in new of a Maildir, by name. As open_mbox."""
    return _MaildirSource(path, place, batch_rows, trusted)


def open_eml(
    path: str,
    *,
    place: Place | None = None,
    batch_rows: int = 65_536,
    trusted: TrustedRelays | None = None,
) -> RowSource:
    """The one message of a file, plain or compressed. As open_mbox."""
    return _EmlSource(path, place, batch_rows, trusted)


class _Row(NamedTuple):
    file: str
    number: int
    ip: str | None
    helo: str | None
    mail_from: str | None
    headers: bytes | None
    reason: str | None


class _MailSource(ABC):
    """What all mail has in common. A RowSource."""

    format = ""
    may_fault = True
    rows: int | None = None
    octets: int | None = None

    def __init__(
        self, path: str, place: Place | None, batch_rows: int, trusted: TrustedRelays | None
    ) -> None:
        pyarrow = arrow()
        self.schema: pa.Schema = pyarrow.schema(
            [
                ("file", pyarrow.utf8()),
                ("index", pyarrow.int64()),
                ("ip", pyarrow.utf8()),
                ("helo", pyarrow.utf8()),
                ("mail_from", pyarrow.utf8()),
                ("headers", pyarrow.binary()),
            ]
        )
        self._path, self._most = path, max(batch_rows, 1)
        self._relays = trusted if trusted is not None else TrustedRelays()
        self._start(place)

    @abstractmethod
    def _start(self, place: Place | None) -> None:
        """Open the mail at a place."""

    @abstractmethod
    def _messages(self) -> Iterator[tuple[int, Found]]:
        """The messages from there on, with their numbers from 1."""

    @abstractmethod
    def _place(self, number: int, found: Found) -> Place:
        """Where it is behind a message."""

    def _read(self) -> int:
        """How much of the input has been read."""
        return 0

    def blocks(self) -> Iterator[Block]:
        """The rows. Raises RowsError if the mail as a whole cannot be read."""
        rows: list[_Row] = []
        octets = 0
        last: Place = {}
        stopped: InputStopped | None = None
        try:
            for number, found in self._messages():
                rows.append(self._row(number, found))
                octets += len(found.headers)
                last = self._place(number, found)
                if len(rows) >= self._most or octets >= BLOCK_OCTETS:
                    yield self._block(rows, last)
                    rows, octets = [], 0
        except InputStopped as error:
            stopped = error  # the header sections that came are whole
        if rows:
            yield self._block(rows, last)
        if stopped is not None:
            raise stopped

    def _row(self, number: int, found: Found) -> _Row:
        file = _visible(found.file)
        if found.problem is not None:
            return _Row(file, number, None, None, None, None, f"message {number}: {found.problem}")
        fields = [(name, body) for name, body, _, _ in found.fields]
        client = self._relays.client_of(None, fields)
        path, _ = return_path(fields)
        # Of the null reverse-path "<>" nothing is left.
        mail_from = None if path is None else path.decode("utf-8", "replace")
        if mail_from is not None and mail_from.startswith("<") and mail_from.endswith(">"):
            mail_from = mail_from[1:-1]
        reason = None if client.ip is not None else f"message {number}: {client.detail}"
        return _Row(file, number, client.ip, client.helo, mail_from, found.headers, reason)

    def _block(self, rows: list[_Row], place: Place) -> Block:
        columns = list(map(list, zip(*rows, strict=True)))
        reasons = columns.pop()
        pairs = zip(columns, self.schema.types, strict=True)
        arrays = [arrow().array(column, kind) for column, kind in pairs]
        batch = arrow().RecordBatch.from_arrays(arrays, schema=self.schema)
        faults = tuple(Fault(row, reason) for row, reason in enumerate(reasons) if reason)
        return Block(batch, faults, {"format": self.format, **place}, self._read())

    def _unfit(self) -> RowsError:
        problem = f"the place to go on from is none of format {self.format}"
        return RowsError(self._path, "", problem)

    def close(self) -> None:  # noqa: B027 - a folder has nothing open
        """Let go of files."""


class _MboxSource(_MailSource):
    format = "mbox"

    def _start(self, place: Place | None) -> None:
        offset, number = (0, 0) if place is None else (place.get("offset"), place.get("message"))
        known = place is None or place.get("format") == self.format
        if not (known and isinstance(offset, int) and isinstance(number, int)):
            raise self._unfit()
        if offset < 0 or number < 0:
            raise self._unfit()
        self._offset, self._number = offset, number
        self._stream = InputStream(self._path, offset)
        self.octets = self._stream.size

    def _messages(self) -> Iterator[tuple[int, Found]]:
        stream = self._stream
        for found in read_mbox(self._path, stream, None, self._offset, self._number):
            if found.number is None:  # it is no mbox
                raise RowsError(self._path, "line 1", found.problem or "")
            yield found.number, found

    def _place(self, number: int, found: Found) -> Place:
        return {"offset": found.behind, "message": number}

    def _read(self) -> int:
        return self._stream.tell()

    def close(self) -> None:
        self._stream.close()


class _EmlSource(_MailSource):
    format = "eml"
    rows: int | None = 1

    def _start(self, place: Place | None) -> None:
        if place is not None and place.get("format") != self.format:
            raise self._unfit()
        self._done = place is not None
        self._stream = InputStream(self._path)
        self.octets = self._stream.size

    def _messages(self) -> Iterator[tuple[int, Found]]:
        if not self._done:
            yield 1, read_message(self._path, self._stream)

    def _place(self, number: int, found: Found) -> Place:
        return {"message": number}

    def _read(self) -> int:
        return self._stream.tell()

    def close(self) -> None:
        self._stream.close()


class _MaildirSource(_MailSource):
    """The names are held in memory, since they are sorted; the messages are not."""

    format = "maildir"

    def _start(self, place: Place | None) -> None:
        try:
            entries = maildir_entries(Path(self._path))
        except (OSError, ValueError) as error:
            words = getattr(error, "strerror", None) or error
            raise RowsError(self._path, "", f"cannot be read: {words}") from None
        if entries is None:
            raise RowsError(self._path, "", "has no folders cur and new, so it is no Maildir")
        self._passed = self._octets = 0
        if place is not None:
            after, passed = place.get("after"), place.get("message")
            known = place.get("format") == self.format
            if not (known and isinstance(after, str) and isinstance(passed, int) and passed >= 0):
                raise self._unfit()
            # Messages may have come or gone since; those that sort behind the last one are left.
            entries = [entry for entry in entries if _key(entry) > after]
            self._passed = passed
        self._entries = entries
        self.rows = self._passed + len(entries)

    def _messages(self) -> Iterator[tuple[int, Found]]:
        for number, entry in enumerate(self._entries, self._passed + 1):
            found = entry_message(entry)
            self._octets += len(found.headers)
            self._after = _key(entry)
            yield number, found

    def _place(self, number: int, found: Found) -> Place:
        return {"after": self._after, "message": number}

    def _read(self) -> int:
        return self._octets


def _key(entry: Path) -> str:
    """Folder and name, as text that JSON can hold and that sorts as the names do."""
    return os.fsencode(f"{entry.parent.name}/{entry.name}").decode("latin-1")


def _visible(name: str) -> str:
    """A file's name as text; octets that are not UTF-8 become U+FFFD."""
    return os.fsencode(name).decode("utf-8", "replace")
