"""What may stand in a header field, and how: the one place where it is decided.

What may live here: making text of strangers fit for a field (RFC 5322 3.2, RFC 2045 5.1), and
folding. Which fields are written, and what they say, is in fields.py and stamps.py.

HELO names, mailboxes, domains and records are chosen by strangers. Two steps keep them in bounds:
``visible`` leaves nothing but printed characters on one line and bounds the length, then one of the
writers (``quoted_string``, ``comment``, ...) hides the characters with a meaning of their own.
"""

from __future__ import annotations

import re

from senderid_fast.identities import a_labels

__all__ = [
    "LINE_LIMIT",
    "LINE_WANTED",
    "MARK",
    "comment",
    "dot_atom_or_quoted",
    "fold",
    "mailbox_or_quoted",
    "quoted_string",
    "token_or_quoted",
    "unquoted",
    "value_in_bounds",
    "visible",
]

# RFC 5322 2.1.1, without the line end.
LINE_LIMIT = 998
LINE_WANTED = 78
MARK = "..."  # at the end of what was cut off; no domain name ends so

# RFC 5322 3.2.3: dot-atom-text = 1*atext *("." 1*atext), with RFC 6532 3.2 for what is not ASCII.
# Without "?": a value of atoms such as ?utf-8?q?a?= would be an encoded word (RFC 2047 2) with the
# "=" before it, and readers that decode those would find any text that it holds.
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=^_`{|}~\x80-\U0010FFFF-]"
_DOT_ATOM = re.compile(rf"{_ATEXT}++(?:\.{_ATEXT}++)*+")
# RFC 2045 5.1: token = 1*<any CHAR except SPACE, CTLs and tspecials>; RFC 8601 2.5 adds UTF-8.
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~\x80-\U0010FFFF-]++")
# RFC 6376 3.5: domain-name = sub-domain 1*("." sub-domain). "_" is seen in names of hosts.
_DOMAIN = re.compile(r"[A-Za-z0-9_\x80-\U0010FFFF-]++(?:\.[A-Za-z0-9_\x80-\U0010FFFF-]++)*+")
# RFC 5322 3.2.4: quoted-string = DQUOTE *([FWS] qcontent) [FWS] DQUOTE
_QUOTED = re.compile(r'"((?:[^"\\]++|\\.)*+)"', re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
# Both of ASCII alone: what nearly every value is, so that one look tells how it is written.
_PLAIN_DOT_ATOM = re.compile(_DOT_ATOM.pattern.replace(r"\x80-\U0010FFFF", ""))
_PLAIN_DOMAIN = re.compile(_DOMAIN.pattern.replace(r"\x80-\U0010FFFF", ""))
_PLAIN_IN_QUOTES = re.compile(r"[ !#-<>-\[\]-~]*+")  # printed, without '"', "=" and "\"
# In quotes and comments, "=?" would begin an encoded word.
_IN_QUOTES = re.compile(r'["\\]|(?<==)\?')
_IN_COMMENT = re.compile(r"[()\\]|(?<==)\?")
# A line may be broken at a single space only: between two of them it would leave a line that looks
# empty, which some take for the end of the header (RFC 5322 4.2 calls it obsolete).
_BREAK = re.compile(r"(?<=[^ ]) (?=[^ ])")


def visible(value: str | bytes, limit: int, *, eai: bool = False) -> str:
    r"""The value as one line of printed characters, of at most ``limit`` octets.

    Any other octet is written \xNN: controls, line ends and, unless ``eai``, all that is not ASCII.
    With ``eai`` (RFC 6532) printed characters of every script stay, but none that change the
    direction of text or end a line. What is longer than ``limit`` is cut, and ends with "...".
    """
    text = value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    pieces: list[str] = []
    length = kept = kept_length = 0
    # The octets are at least as many as the characters: more of them need not be looked at.
    for character in text[: limit + 1]:
        if " " <= character <= "~" or (eai and character.isprintable()):
            piece = character
        else:
            piece = "".join(f"\\x{octet:02x}" for octet in _octets(character))
        pieces.append(piece)
        length += len(piece.encode("utf-8"))
        if length > limit:
            return "".join(pieces[:kept]) + MARK[: limit - kept_length]
        if length <= limit - len(MARK):
            kept, kept_length = len(pieces), length
    return "".join(pieces)


def _octets(character: str) -> bytes:
    try:
        return character.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a surrogate pair, which no octets stand for
        return character.encode("utf-8", "surrogatepass")


# The writers below take what ``visible`` gave.


def quoted_string(text: str) -> str:
    """RFC 5322 3.2.4: quoted-string = DQUOTE *([FWS] qcontent) [FWS] DQUOTE."""
    return f'"{_IN_QUOTES.sub(_escaped, text)}"'


def comment(text: str) -> str:
    """RFC 5322 3.2.2: comment = "(" *([FWS] ccontent) [FWS] ")"."""
    if "(" in text or ")" in text or "\\" in text or "=?" in text:
        text = _IN_COMMENT.sub(_escaped, text)
    return f"({text})"


def _escaped(found: re.Match[str]) -> str:
    return f"\\{found[0]}"


def dot_atom_or_quoted(text: str) -> str:
    """A value of Received-SPF (RFC 7208 9.1): dot-atom / quoted-string."""
    return text if _DOT_ATOM.fullmatch(text) else quoted_string(text)


def value_in_bounds(value: str | bytes, limit: int, *, eai: bool = False) -> str:
    """What dot_atom_or_quoted() makes of what visible() makes of a value."""
    text = value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")
    if len(text) <= limit:
        if _PLAIN_DOT_ATOM.fullmatch(text):
            return text
        if _PLAIN_IN_QUOTES.fullmatch(text):
            return f'"{text}"'
    return dot_atom_or_quoted(visible(text, limit, eai=eai))


def token_or_quoted(text: str) -> str:
    """A value of Authentication-Results (RFC 8601 2.2; RFC 2045 5.1): token / quoted-string."""
    return text if _TOKEN.fullmatch(text) else quoted_string(text)


def mailbox_or_quoted(value: str | bytes, limit: int, *, eai: bool = False) -> str:
    """A pvalue (RFC 8601 2.2): [ [ local-part ] "@" ] domain-name, else a quoted-string.

    The value is as the stranger gave it, with or without a local part. Unless ``eai``, U-labels
    become A-labels: a name that everybody can look up, rather than escapes.
    """
    text = value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")
    if len(text) <= limit and _PLAIN_DOMAIN.fullmatch(text):
        return text
    local, at, domain = text.rpartition("@")
    if not (eai or domain.isascii()):
        domain = a_labels(domain.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
    shown = visible(domain, limit, eai=eai)
    if not _DOMAIN.fullmatch(shown) or len(text) > limit:
        return quoted_string(visible(text, limit, eai=eai))
    if not at:
        return shown
    return f"{value_in_bounds(unquoted(local), limit, eai=eai)}@{shown}"


def unquoted(text: str) -> str:
    """What a quoted-string stands for; other text as it is."""
    if text[:1] != '"':
        return text
    quoted = _QUOTED.fullmatch(text)
    return _QUOTED_PAIR.sub(r"\1", quoted[1]) if quoted else text


def fold(name: str, body: str, line_end: str) -> str:
    """The body with lines of at most 78 octets where there are spaces to break at (RFC 5322 2.2.3).

    The first line leaves room for "name: ". The space at a break stays as the first character of
    the next line, so that taking the line ends out gives the body again.
    """
    if not body.isascii() or "  " in body or body[:1] == " " or body[-1:] == " ":
        return line_end.join(_folded_by_words(name, body))
    # Each space is a place to break at, and each octet a character: nearly always.
    lines = []
    begin, room = 0, max(LINE_WANTED - len(name) - 2, 0)
    while len(body) - begin > room:
        at = body.rfind(" ", begin + 1, begin + room + 1)
        if at < 0:
            at = body.find(" ", begin + room + 1)
            if at < 0:
                break
        lines.append(body[begin:at])
        begin, room = at, LINE_WANTED
    lines.append(body[begin:])
    return line_end.join(lines)


def _folded_by_words(name: str, body: str) -> list[str]:
    lines: list[str] = []
    line = ""
    used = len(name) + 2
    for word in _BREAK.split(body):
        width = len(word.encode("utf-8"))
        if not line:
            line = word
            used += width
        elif used + 1 + width <= LINE_WANTED:
            line += f" {word}"
            used += 1 + width
        else:
            lines.append(line)
            line = f" {word}"
            used = 1 + width
    lines.append(line)
    return lines
