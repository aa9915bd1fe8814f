"""An oracle for the Purported Responsible Address: RFC 4407 2, transcribed step by step.

Where fields begin and end, and what mailboxes a field holds, is what Python's email package says;
nothing is known here of the scanner and the reader it is compared with. That package is more
lenient in some places (it repairs addresses) and stricter in others (it splits at a bare CR, and
raises on a few addresses), so differences are to be explained, not expected to be none.
"""

from __future__ import annotations

import re
from email.errors import (
    InvalidHeaderDefect,
    MessageDefect,
    ObsoleteHeaderDefect,
    UndecodableBytesDefect,
)
from email.headerregistry import HeaderRegistry
from email.parser import BytesHeaderParser
from email.policy import compat32
from typing import Any, NamedTuple, cast

__all__ = ["Field", "OraclePra", "oracle_fields", "oracle_mailbox", "oracle_pra", "select"]

TRACE = ("received", "return-path")


class Field(NamedTuple):
    """A header field, its name in lower case, its body as octets decoded by UTF-8."""

    name: str
    body: str


class OraclePra(NamedTuple):
    """What the oracle says: the field that was selected, the mailbox in it, or why there is none.

    position    of the field among all fields; None if steps 1 to 4 select none
    local_part  unquoted; domain  in lower case, as A-labels; both None if there is no mailbox
    problem     why there is none, or what the parser repaired; "" if nothing is to be said
    """

    position: int | None
    header: str | None
    local_part: str | None
    domain: str | None
    problem: str


def oracle_fields(section: bytes) -> list[Field]:
    """The fields from the top, as email.parser splits them."""
    message = BytesHeaderParser(policy=compat32).parsebytes(section)
    return [
        Field(name.lower(), value.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
        for name, value in message.raw_items()
    ]


def _is_empty(field: Field) -> bool:
    """'A header field is "non-empty" if and only if it contains any non-whitespace characters.'"""
    return not field.body.strip(" \t\r\n")


def select(fields: list[Field]) -> int | str:
    """Steps 1 to 4: the position of the field that is selected, or why there is none."""
    full = [(index, field) for index, field in enumerate(fields) if not _is_empty(field)]

    def named(name: str) -> list[int]:
        return [index for index, field in full if field.name == name]

    # 1. "Select the first non-empty Resent-Sender header in the message. [...] If it is preceded by
    # a non-empty Resent-From header and one or more Received or Return-Path headers occur after
    # said Resent-From header and before the Resent-Sender header, continue with step 2."
    for resent_sender in named("resent-sender")[:1]:
        other_block = any(
            any(field.name in TRACE for field in fields[resent_from + 1 : resent_sender])
            for resent_from in named("resent-from")
            if resent_from < resent_sender
        )
        if not other_block:
            return resent_sender
    # 2. "Select the first non-empty Resent-From header in the message."
    for resent_from in named("resent-from")[:1]:
        return resent_from
    # 3. "Select all the non-empty Sender headers in the message. [...] exactly one"
    senders = named("sender")
    if senders:
        return senders[0] if len(senders) == 1 else "multiple-sender"
    # 4. "Select all the non-empty From headers in the message. If there is exactly one [...]"
    authors = named("from")
    if len(authors) == 1:
        return authors[0]
    return "multiple-from" if authors else "no-header"


# What of the parser's defects leaves the address as it was written.
_HARMLESS = (ObsoleteHeaderDefect, UndecodableBytesDefect)


def _repairs(defects: tuple[MessageDefect, ...]) -> list[str]:
    return [
        str(defect)
        for defect in defects
        if isinstance(defect, InvalidHeaderDefect) and not isinstance(defect, _HARMLESS)
    ]


_registry = HeaderRegistry()


def _a_labels(domain: str) -> str:
    """By the codec of Python's library (IDNA2003), which is enough for what mail holds."""
    name = domain.lower().removesuffix(".")
    try:
        return name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError:
        return name


def oracle_mailbox(body: str) -> tuple[str | None, str | None, str]:
    """Step 5: (local part, domain, problem) of the one mailbox that the body holds."""
    try:
        header = cast("Any", _registry("from", re.sub(r"\r?\n", "", body)))
        addresses, groups = header.addresses, header.groups
        defects = _repairs(header.defects)
    except Exception as error:  # noqa: BLE001 - the parser raises what comes up on some addresses
        return None, None, f"raises {type(error).__name__}"
    if any(group.display_name is not None for group in groups):
        return None, None, "group"
    if len(addresses) != 1:
        return None, None, "multiple-mailboxes" if addresses else "no mailbox"
    (address,) = addresses
    if not address.domain:
        return None, None, "no-domain"
    problem = f"repaired: {'; '.join(defects)}" if defects else ""
    return address.username, _a_labels(address.domain), problem


def oracle_pra(section: bytes) -> OraclePra:
    """The Purported Responsible Address of a header section."""
    fields = oracle_fields(section)
    selected = select(fields)
    if isinstance(selected, str):
        return OraclePra(None, None, None, None, selected)
    return OraclePra(selected, fields[selected].name, *oracle_mailbox(fields[selected].body))
