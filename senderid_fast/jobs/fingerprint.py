"""What a resumed job knows its inputs by: size, time, and the octets at both ends.

What may live here: how an input is told from another, and the sentence that says what changed.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from senderid_fast.errors import RowsError

__all__ = ["change_of", "fingerprint_of"]

# So much of either end is read: enough for the header of any format, and for the footer of Parquet,
# which tells the place of all else.
END_OCTETS = 64 << 10


def fingerprint_of(name: str) -> dict[str, Any]:
    """What the input is known by, as JSON can hold it. Raises RowsError.

    A folder is known by the names and sizes of all files in it: programs of mail move files between
    the folders of a Maildir, so that the time of a folder says nothing.
    """
    path = Path(name)
    try:
        if path.is_dir():
            return {"path": name, "digest": _folder_digest(path)}
        found = path.stat()
        return {
            "path": name,
            "size": found.st_size,
            "mtime_ns": found.st_mtime_ns,
            "digest": _file_digest(path, found.st_size),
        }
    except OSError as error:
        raise RowsError(name, "", f"cannot be read: {error.strerror or error}") from None


def _file_digest(path: Path, size: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        digest.update(file.read(END_OCTETS))
        if size > END_OCTETS:
            file.seek(max(END_OCTETS, size - END_OCTETS))
            digest.update(file.read(END_OCTETS))
    return digest.hexdigest()


def _folder_digest(path: Path) -> str:
    """Of each file, hashed by itself and summed up: the order of a listing does not matter, and
    nothing has to be kept."""
    total = 0
    for folder, _, files in os.walk(path):
        inside = os.path.relpath(folder, path)
        for file in files:
            size = (Path(folder) / file).stat().st_size
            words = f"{inside}/{file}\0{size}".encode("utf-8", "surrogateescape")
            total += int.from_bytes(hashlib.sha256(words).digest())
    return f"{total % (1 << 256):064x}"


def change_of(then: dict[str, Any], now: dict[str, Any]) -> str | None:
    """What is different, as the end of a sentence; None if it is the same input."""
    if then == now:
        return None
    if then["path"] != now["path"]:
        return f"the job was begun with {then['path']} in its place"
    if then.get("size") != now.get("size"):
        return (
            f"its size was {then.get('size')} octets when the job began, and is {now.get('size')}"
        )
    if then["digest"] != now["digest"]:
        return "what it holds has changed since the job began"
    return "it was written to since the job began"
