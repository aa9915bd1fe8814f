"""Output: text that is safe for a terminal, verdicts as lines, JSON.

What may live here: how values are written. What is written is chosen by the commands.

HELO names, mailboxes, records and explanations come from strangers. All of them pass through
visible() or octets_shown(), so that no control character of theirs reaches a terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from senderid_fast import Limits, Pra, Verdict

__all__ = [
    "IDENTITIES",
    "PROGRAM",
    "complain",
    "identity_of",
    "json_text",
    "octets_shown",
    "pra_field",
    "shortened",
    "verdict_lines",
    "visible",
    "warn",
    "write",
    "write_remarks",
]

PROGRAM = "senderid-fast"
# How RFC 7208 2.3, 2.4 and 4, and RFC 4407, name what is checked.
IDENTITIES = {"helo": "HELO", "mailfrom": "MAIL FROM", "host": "check_host()", "pra": "PRA"}


def visible(text: str) -> str:
    r"""``text`` with every character that does not print as \xNN or \uNNNN.

    That takes control characters, changes of direction, and octets that were no text (surrogates
    U+DC80 to U+DCFF, which stand for the octets 80 to FF).
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escape(ord(each)) for each in text)


def _escape(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def octets_shown(octets: bytes | str) -> list[str]:
    r"""Each octet as it is shown: itself if it is visible ASCII or a space, else \xNN.

    In text one character stands for one octet, as in Question and Step.
    """
    codes = octets if isinstance(octets, bytes) else map(ord, octets)
    return [chr(code) if 0x20 <= code <= 0x7E else _escape(code) for code in codes]


def shortened(text: str, columns: int) -> str:
    """``text`` in at most so many columns; what is left out is told."""
    if len(text) <= columns:
        return text
    more = f"... ({len(text)} characters)"
    return text[: columns - len(more)] + more


def write(lines: Iterable[str]) -> None:
    """Lines to standard output, whatever its encoding can hold."""
    _write(sys.stdout, "".join(f"{line}\n" for line in lines))


def write_remarks(lines: Iterable[str]) -> None:
    """Lines to standard error: what a person may want to know of output that goes elsewhere."""
    with suppress(OSError):
        sys.stdout.flush()
    _write(sys.stderr, "".join(f"{line}\n" for line in lines))


def complain(problem: str) -> None:
    """An error as one line to standard error, after all that was printed before."""
    _remark("error", problem)


def warn(problem: str) -> None:
    """As complain(), of what may be meant."""
    _remark("warning", problem)


def _remark(kind: str, problem: str) -> None:
    with suppress(OSError):
        sys.stdout.flush()
    _write(sys.stderr, f"{PROGRAM}: {kind}: {visible(problem)}\n")


def _write(stream: TextIO, text: str) -> None:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


def json_text(value: Any, *, indent: int | None = 2) -> str:
    """``value`` as JSON in ASCII. DEL is the one control character that json leaves as it is."""
    import json

    return json.dumps(value, indent=indent).replace("\x7f", "\\u007f")


def identity_of(verdict: Verdict) -> str:
    """What was checked, such as "MAIL FROM user@example.com"."""
    name = IDENTITIES[verdict.identity]
    who = verdict.domain if verdict.identity == "helo" else verdict.sender
    of_scope = f" (scope {verdict.scope})" if _under_scope(verdict) else ""
    return visible(f"{name} {who}".rstrip(" ")) + of_scope


def _under_scope(verdict: Verdict) -> bool:
    """Whether its scope is worth a word: those of SPF and of a PRA go without saying."""
    return verdict.identity == "host" and verdict.scope != "spf"


def pra_field(pra: Pra) -> str:
    """The field that a PRA was taken from, such as "Resent-From, field 2"."""
    return f"{pra.header.title()}, field {pra.header_index}"


def verdict_lines(verdict: Verdict, limits: Limits) -> list[str]:
    """The result, and below it why."""
    name = IDENTITIES[verdict.identity]
    if verdict.identity == "pra" and verdict.pra is None:
        return [f"{verdict.result} ({name})", f"    why           {visible(verdict.detail)}"]
    lines = [
        f"{verdict.result} ({name}, domain {visible(verdict.domain)})",
        f"    why           {visible(verdict.detail)}",
        f"    sender        {visible(verdict.sender)}",
    ]
    if verdict.pra is not None:
        lines.append(f"    taken from    {pra_field(verdict.pra)}")
    if _under_scope(verdict):
        lines.append(f"    scope         {verdict.scope}")
    if verdict.mechanism is not None:
        lines.append(f"    mechanism     {visible(verdict.mechanism)}")
    lines.append(f"    lookups       {verdict.lookups} of {limits.lookups}")
    lines.append(f"    void lookups  {verdict.void_lookups} of {limits.void_lookups}")
    if verdict.explanation is not None:
        # RFC 7208 6.2: the text is that of the domain, and must be told apart from our own.
        text = f"the domain {verdict.domain} explains: {verdict.explanation}"
        lines.append(f"    explanation   {visible(text)}")
    return lines
