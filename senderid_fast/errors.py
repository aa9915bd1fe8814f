"""The errors of senderid_fast: one root, a class for each kind, the place named in each.

What may live here: exception classes that every layer shares. Nothing of ours is imported.
An error of this module means that the *caller* has something to mend (an argument, a record given
to parse, a zone file). What a stranger publishes or sends never raises: it becomes a verdict.
"""

from __future__ import annotations

__all__ = [
    "CacheError",
    "ConfigError",
    "FileError",
    "InputError",
    "MissingExtraError",
    "NoPra",
    "RecordSelectionError",
    "RecordSyntaxError",
    "RowsError",
    "SenderIDError",
    "ServiceError",
    "ZoneError",
]


class SenderIDError(Exception):
    """The root of every error that senderid_fast raises."""


class InputError(SenderIDError, ValueError):
    """An argument or setting cannot be used.

    ``field`` is the name of the argument, as the caller wrote it.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem

    def __reduce__(self) -> tuple[type[InputError], tuple[str, str]]:
        return type(self), (self.field, self.problem)


class RecordSyntaxError(SenderIDError, ValueError):
    """A record breaks the grammar (RFC 7208 4.6, 12; RFC 4406 3).

    record   the octets of the whole record
    offset   where the error is, in octets from the start of the record
    term     the text of the term it is in ("" if it is in no term)
    section  the section that is broken, such as "RFC 7208 5.6"
    problem  one sentence that says what is wrong
    """

    def __init__(self, record: bytes, offset: int, term: str, section: str, problem: str) -> None:
        where = f' in "{term}"' if term else ""
        super().__init__(f"{problem}{where}, at octet {offset} ({section})")
        self.record = record
        self.offset = offset
        self.term = term
        self.section = section
        self.problem = problem

    def __reduce__(self) -> tuple[type[RecordSyntaxError], tuple[bytes, int, str, str, str]]:
        return type(self), (self.record, self.offset, self.term, self.section, self.problem)


class RecordSelectionError(SenderIDError, ValueError):
    """More than one record of a TXT RRset applies (RFC 7208 4.5, RFC 4406 4.4)."""

    def __init__(self, records: tuple[bytes, ...], section: str) -> None:
        super().__init__(f"{len(records)} records apply where one may ({section})")
        self.records = records
        self.section = section

    def __reduce__(self) -> tuple[type[RecordSelectionError], tuple[tuple[bytes, ...], str]]:
        return type(self), (self.records, self.section)


class NoPra(SenderIDError, ValueError):
    """A message has no Purported Responsible Address (RFC 4407 2, step 6).

    reason        the results.PraFailure
    header        the name of the field that was taken and cannot be used, in lower case, or None
    header_index  its position among the fields, from 0, or None
    """

    def __init__(
        self, reason: str, header: str | None = None, header_index: int | None = None
    ) -> None:
        where = f" in {header} (field {header_index})" if header else ""
        super().__init__(f"no Purported Responsible Address: {reason}{where}")
        self.reason = reason
        self.header = header
        self.header_index = header_index

    def __reduce__(self) -> tuple[type[NoPra], tuple[str, str | None, int | None]]:
        return type(self), (self.reason, self.header, self.header_index)


class FileError(SenderIDError, ValueError):
    """A file cannot be read.

    source   the file's name
    place    where in it: "line 3", "line 3, column 7"; "" if it is of no one place
    problem  one sentence that says what is wrong
    """

    def __init__(self, source: str, place: str, problem: str) -> None:
        super().__init__(f"{source}: {place}: {problem}" if place else f"{source}: {problem}")
        self.source = source
        self.place = place
        self.problem = problem

    def __reduce__(self) -> tuple[type[FileError], tuple[str, str, str]]:
        return type(self), (self.source, self.place, self.problem)


class ZoneError(FileError):
    """Zone data cannot be read.

    source  the file's name, or "zonedata" for a mapping
    place   the line of the file, or the name in the mapping
    """


class RowsError(FileError):
    """A file of rows, of answers, or a log cannot be read, written or resumed."""


class ConfigError(SenderIDError, ValueError):
    """A configuration cannot be used.

    problems  one sentence each, with where it is: "FILE:LINE: section.key: words that tell what to
              do". All that were found, in the order of the file; the text of the error has a line
              for each
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems

    def __reduce__(self) -> tuple[type[ConfigError], tuple[tuple[str, ...]]]:
        return type(self), (self.problems,)


class CacheError(SenderIDError):
    """A shared cache cannot be reached or used. Checks never raise it: they ask DNS.

    cache    its path, or its address without the password
    problem  one sentence that says what is wrong
    """

    def __init__(self, cache: str, problem: str) -> None:
        super().__init__(f"{cache}: {problem}")
        self.cache = cache
        self.problem = problem

    def __reduce__(self) -> tuple[type[CacheError], tuple[str, str]]:
        return type(self), (self.cache, self.problem)


class ServiceError(SenderIDError):
    """A service cannot start: an address, an account or a file of its own cannot be used.

    what     the address, the account or the file
    problem  one sentence that says what is wrong, and what to do
    """

    def __init__(self, what: str, problem: str) -> None:
        super().__init__(f"{what}: {problem}")
        self.what = what
        self.problem = problem

    def __reduce__(self) -> tuple[type[ServiceError], tuple[str, str]]:
        return type(self), (self.what, self.problem)


class MissingExtraError(SenderIDError, ImportError):
    """An optional package is needed and not installed; the message names the extra."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"this needs the package {package}: pip install 'senderid-fast[{extra}]'", name=package
        )
        self.package = package
        self.extra = extra

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        return type(self), (self.package, self.extra)
