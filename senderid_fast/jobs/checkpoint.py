"""The note of how far a job has come, from which it goes on after it was killed.

What may live here: what a note holds, and how it comes to the disk and back. When a note is made is
decided in running.py, what is done with one in job.py.

A note is replaced as a whole: whoever is killed while he writes leaves the note before. It is JSON,
since a person may want to look; nothing in it is believed before it was looked at.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from senderid_fast.errors import RowsError
from senderid_fast.rows.outputs import sync_folder

__all__ = ["VERSION", "Checkpoint", "read_checkpoint", "remove_checkpoint", "state_path"]

VERSION = 1
# A note holds two places and some thousand counters: what is longer is something else.
MOST_OCTETS = 64 << 20
ADVICE = "start afresh with overwrite"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a job has come.

    inputs    fingerprints of the inputs, in their order
    options   the options that change the output, by name
    source    place behind the last block that was written
    sink      place behind the same block
    counters  the summary so far
    replaces  what the file at the output's name was when the job began, or None if there was none
    ending    everything is written; the output has its name, or will have it at the next attempt
    """

    inputs: list[dict[str, Any]]
    options: dict[str, Any]
    source: Mapping[str, object]
    sink: Mapping[str, object]
    counters: dict[str, Any]
    replaces: list[int] | None = None
    ending: bool = False

    def write(self, path: Path) -> None:
        """Put the note to the disk in place of the one before. Raises RowsError."""
        import json

        text = json.dumps({"version": VERSION, **asdict(self)}, separators=(",", ":"))
        new = path.with_name(f"{path.name}.new")
        try:
            with new.open("wb") as file:
                file.write(text.encode("ascii"))
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
            sync_folder(path.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
            raise RowsError(
                str(path), "", f"the job's state cannot be written: {error.strerror or error}"
            ) from None


def state_path(output: str) -> Path:
    """Where the note of a job with this output is kept: beside its partial file. A link is
    followed, so that it is one note by whichever name the output is called."""
    return Path(f"{os.path.realpath(output)}.state")


def read_checkpoint(path: Path) -> Checkpoint | None:
    """The note at a path; None if there is none. Raises RowsError for what is no note."""
    import json

    try:
        size, text = path.stat().st_size, b""
        if size <= MOST_OCTETS:
            text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RowsError(str(path), "", f"cannot be read: {error.strerror or error}") from None
    if size > MOST_OCTETS:
        raise RowsError(str(path), "", f"is no state of a job: it is too long; {ADVICE}")
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        raise RowsError(str(path), "", f"is no state of a job: it is no JSON; {ADVICE}") from None
    version = values.pop("version", None) if isinstance(values, dict) else None
    if version is None:
        raise RowsError(str(path), "", f"is no state of a job; {ADVICE}")
    if version != VERSION:
        raise RowsError(
            str(path), "", f"was written by another version (its form is {version!r}); {ADVICE}"
        )
    kinds: dict[str, Any] = {
        "inputs": list,
        "options": dict,
        "source": dict,
        "sink": dict,
        "counters": dict,
        "replaces": list | None,
        "ending": bool,
    }
    if values.keys() != kinds.keys():
        raise RowsError(str(path), "", f"is no whole state of a job; {ADVICE}")
    for name, kind in kinds.items():
        if not isinstance(values[name], kind):
            raise RowsError(str(path), "", f"is no state of a job: {name} is damaged; {ADVICE}")
    for each in values["inputs"]:
        if not isinstance(each, dict) or not {"path", "digest"} <= each.keys():
            raise RowsError(str(path), "", f"is no state of a job: inputs is damaged; {ADVICE}")
    return Checkpoint(**values)


def remove_checkpoint(path: Path) -> None:
    """The job is done: its note is not needed any more. Raises RowsError."""
    try:
        path.unlink(missing_ok=True)
        path.with_name(f"{path.name}.new").unlink(missing_ok=True)
    except OSError as error:
        raise RowsError(str(path), "", f"cannot be removed: {error.strerror or error}") from None
