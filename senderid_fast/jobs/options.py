"""JobOptions: what a job reads, checks and writes.

What may live here: frozen options, checked when they are made. Nothing is opened.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from senderid_fast.errors import InputError

if TYPE_CHECKING:
    from senderid_fast.receiver.relays import TrustedRelays
    from senderid_fast.settings import Settings

__all__ = ["BATCH_ROWS", "COLUMNS", "STANDARD", "JobOptions"]

STANDARD = "-"  # standard input, or standard output
COLUMNS = ("ip", "helo", "mail_from")
MAIL_FORMATS = ("mbox", "maildir", "eml")
# Enough rows for every core and for a good row group of Parquet, some MiB of memory.
BATCH_ROWS = 131_072
MOST_BATCH_ROWS = 1 << 20
MOST_WORKERS = 256
NO_COLUMNS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class JobOptions:
    """Options of a Job.

    inputs         files with the same columns, read in this order; "-" is standard input
    output         a file; None or "-": standard output
    format         of the inputs; None: by their names
    output_format  None: by the output's name, else that of the inputs if it can be written
    columns        what the columns ip, helo and mail_from are called in the inputs, where they are
                   called otherwise
    headers        the column with header sections: the PRA is checked, too
    trusted        mail: own relays, behind which the client is looked for
    helo_result    check HELO in its own right, for every row
    counts         add columns of lookups and void lookups
    stale          add the columns that say whether stale answers took part (RFC 8767)
    explanations   add the column of explanations (RFC 7208 6.2)
    workers        threads that check; None: one for each core but one, which reads and writes
    batch_rows     rows of a block
    answers_from   what the engine's answers come from, in words, for the notes: a job is not
                   resumed with another source of answers. None: not told

    Raises InputError, which names the field.
    """

    inputs: tuple[str, ...] = ()
    output: str | None = None
    format: str | None = None
    output_format: str | None = None
    columns: Mapping[str, str] = field(default_factory=lambda: NO_COLUMNS)
    headers: str | None = None
    trusted: TrustedRelays | None = None
    helo_result: bool = False
    counts: bool = False
    stale: bool = False
    explanations: bool = False
    workers: int | None = None
    batch_rows: int = BATCH_ROWS
    answers_from: str | None = None

    def __post_init__(self) -> None:
        if not self.inputs or not all(isinstance(name, str) for name in self.inputs):
            raise InputError("inputs", "at least one name of a file is needed")
        if self.inputs.count(STANDARD) > 1:
            raise InputError("inputs", "standard input can be read once")
        if self.output == STANDARD:
            object.__setattr__(self, "output", None)
        for name in self.columns:
            if name not in COLUMNS:
                raise InputError(
                    "columns", f"{name!r} is none of {', '.join(COLUMNS)}: write ip=NAME"
                )
        called = [self.columns.get(name, name) for name in COLUMNS]
        if len(set(called)) < len(called):
            raise InputError("columns", "one column cannot be two of ip, helo and mail_from")
        if self.trusted is not None and self.format not in MAIL_FORMATS:
            raise InputError("trusted", f"is for the formats {', '.join(MAIL_FORMATS)}")
        self._check_number("workers", self.workers, MOST_WORKERS)
        self._check_number("batch_rows", self.batch_rows, MOST_BATCH_ROWS)
        for name in self.inputs:
            if self.output is not None and name != STANDARD and _same(name, self.output):
                raise InputError("output", f"{self.output} is an input")

    @property
    def address(self) -> str:
        """The column of the client's address."""
        return self.columns.get("ip", "ip")

    @property
    def needed(self) -> list[tuple[str, str]]:
        """The columns that inputs must have, each with the option that names it."""
        called = [("columns", self.columns.get(name, name)) for name in ("ip", "mail_from")]
        called += [("columns", self.columns["helo"])] if "helo" in self.columns else []
        return called + ([("headers", self.headers)] if self.headers is not None else [])

    @property
    def wanted(self) -> tuple[str, ...]:
        """The columns that are checked, for formats whose rows need not have the same ones."""
        called = [self.columns.get(name, name) for name in COLUMNS]
        return (*called, *([self.headers] if self.headers is not None else []))

    @staticmethod
    def _check_number(name: str, value: int | None, most: int) -> None:
        if value is not None and (type(value) is not int or not 1 <= value <= most):
            raise InputError(name, f"must be a whole number from 1 to {most}, is {value!r}")

    @property
    def threads(self) -> int:
        """Threads that check."""
        if self.workers is not None:
            return self.workers
        if hasattr(os, "sched_getaffinity"):
            cores = len(os.sched_getaffinity(0))
        else:
            cores = os.cpu_count() or 1
        return max(1, cores - 1)  # to read and to write takes one

    @property
    def is_resumable(self) -> bool:
        """Whether a job with these options can go on after it was stopped."""
        return self._output_is_file() and self.passing is None

    @property
    def passing(self) -> str | None:
        """The first input that can be read once, such as a pipe, or None."""
        for name in self.inputs:
            path = Path(name)
            if name == STANDARD or (path.exists() and not path.is_file() and not path.is_dir()):
                return name
        return None

    def _output_is_file(self) -> bool:
        if self.output is None:
            return False
        path = Path(self.output)
        return path.is_file() or not path.exists()

    def check_resumable(self) -> None:
        """Raise InputError, with the reason, for a job that cannot be resumed."""
        if self.output is None:
            raise InputError(
                "resume",
                "needs a file as output: what went to standard output cannot be taken back, so "
                "rows would be doubled",
            )
        if not self._output_is_file():
            raise InputError("resume", f"needs a file as output, and {self.output} is none")
        passing = self.passing
        if passing is not None:
            called = "standard input" if passing == STANDARD else passing
            raise InputError(
                "resume",
                f"needs files as inputs: what was read from {called} is gone, so rows would be "
                "lost",
            )

    def of_output(self, settings: Settings) -> dict[str, Any]:
        """The options and settings that change what is written, as JSON can hold them."""
        limits = settings.limits
        return {
            "format": self.format,
            "output_format": self.output_format,
            "columns": dict(self.columns),
            "headers": self.headers,
            "trusted": None if self.trusted is None else repr(self.trusted),
            "helo_result": self.helo_result,
            "counts": self.counts,
            "stale": self.stale,
            "stale_seconds": settings.stale_seconds,
            "explanations": self.explanations,
            "answers_from": self.answers_from,
            "lookups": limits.lookups,
            "void_lookups": limits.void_lookups,
            "mx_names": limits.mx_names,
            "ptr_names": limits.ptr_names,
            "seconds": limits.seconds,
            "receiver": settings.receiver,
            "plain_for_pra": settings.plain_for_pra,
        }


def _same(one: str, other: str) -> bool:
    try:
        return Path(one).samefile(other)
    except OSError:
        return False
