"""Reading the pieces that structured header fields are made of (RFC 5322 3.2).

What may live here: white space, comments, quoted strings and runs of characters. What a field
consists of is in reading.py. Every octet is looked at once: a field costs time in proportion to its
length, and it may have 64 KiB.
"""

from __future__ import annotations

import re

from senderid_fast.errors import InputError

__all__ = ["MAX_OCTETS", "Scanner", "as_text"]

MAX_OCTETS = 65_536
# A body is one field: a line end is followed by white space (RFC 5322 2.2.3). Of the controls, only
# TAB has a place in it; a CR or LF alone is read differently by different programs.
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

_SPACE = re.compile(r"[ \t]*+")
_COMMENT_PART = re.compile(r"((?:[^()\\]++|\\.)*+)([()])", re.DOTALL)
# RFC 5322 3.2.4: quoted-string = DQUOTE *([FWS] qcontent) [FWS] DQUOTE
_QUOTED = re.compile(r'"((?:[^"\\]++|\\.)*+)"', re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


def as_text(body: str | bytes) -> str:
    """The body of one field on one line; raises InputError."""
    if not isinstance(body, (str, bytes)):
        raise InputError("body", "must be text or octets")
    if len(body) > MAX_OCTETS:
        raise InputError("body", f"is longer than {MAX_OCTETS} octets")
    text = body if isinstance(body, str) else body.decode("utf-8", "surrogateescape")
    text = _FOLD.sub("", text.removesuffix("\n").removesuffix("\r"))
    control = _CONTROL.search(text)
    if control:
        raise InputError("body", f"holds the control character {ord(control[0]):#04x}")
    return text


class Scanner:
    """A place in the body of a field, moved on by what is read."""

    __slots__ = ("at", "comments", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.comments: list[str] = []  # that were passed, without their outer parentheses

    # CFWS = (1*([FWS] comment) [FWS]) / FWS
    def cfws(self) -> bool:
        """Pass white space and comments; whether there were any."""
        start = self.at
        self._spaces()
        while self.next_is("("):
            self._comment()
            self._spaces()
        return self.at > start

    def _spaces(self) -> None:
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at

    # comment = "(" *([FWS] ccontent) [FWS] ")"; ccontent = ctext / quoted-pair / comment
    def _comment(self) -> None:
        self.at += 1
        start, depth = self.at, 1
        while depth:
            part = _COMMENT_PART.match(self.text, self.at)
            if part is None:
                raise self.wrong("a comment does not end")
            depth += 1 if part[2] == "(" else -1
            self.at = part.end()
        self.comments.append(_QUOTED_PAIR.sub(r"\1", self.text[start : self.at - 1]))

    def next_is(self, character: str) -> bool:
        """Whether this character comes next."""
        return self.text.startswith(character, self.at)

    def take(self, character: str) -> bool:
        """Pass the character if it comes next; whether it did."""
        if not self.next_is(character):
            return False
        self.at += 1
        return True

    def run(self, pattern: re.Pattern[str]) -> str:
        """Pass what the pattern finds here; "" if it finds nothing."""
        found = pattern.match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found[0]

    def quoted(self) -> tuple[str, str] | None:
        """Pass a quoted-string: what it stands for, and as it is written. None if none is here."""
        if not self.next_is('"'):
            return None
        found = _QUOTED.match(self.text, self.at)
        if found is None:
            raise self.wrong("a quoted string does not end")
        self.at = found.end()
        return _QUOTED_PAIR.sub(r"\1", found[1]), found[0]

    def value(self, bare: re.Pattern[str]) -> str:
        """Pass a value: a quoted-string gives what it stands for, all else is as it is written.

        Quoted strings and bare pieces without anything between are one value, such as
        "a b"@example.com; its quotes stay.
        """
        written: list[str] = []
        whole = ""
        while True:
            quoted = self.quoted()
            if quoted is not None:
                whole = quoted[0]
                written.append(quoted[1])
                continue
            piece = self.run(bare)
            if not piece:
                break
            whole = piece
            written.append(piece)
        return whole if len(written) == 1 else "".join(written)

    @property
    def ended(self) -> bool:
        """Whether everything has been read."""
        return self.at >= len(self.text)

    def wrong(self, problem: str) -> InputError:
        """The error to raise, with the place where reading stands."""
        return InputError("body", f"{problem}, at character {self.at}")
