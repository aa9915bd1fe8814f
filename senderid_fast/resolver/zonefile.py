"""Zone files: master files of RFC 1035 5 and JSON lines, plain or gzip, into a Zone.

What may live here: opening and reading such files. The rules of a look-up are in zonedata.py.

Master files are read by a small lexer of our own. dnspython's reader wants one zone with one
origin, takes names through IDNA, stops at types it does not know, and needs more than twice the
time.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

from senderid_fast.errors import ZoneError
from senderid_fast.resolver.zonedata import (
    CNAME,
    MNEMONIC,
    TYPES,
    Builder,
    Value,
    Zone,
    ip_address,
    normal_name,
    read_json_lines,
)

__all__ = ["read_zone_file", "read_zone_text"]

# A small .gz file can hold any number of octets. Some millions of records fit in this.
MAX_OCTETS = 256 * 1024 * 1024
MAX_TTL = 0x7FFFFFFF  # RFC 2181 8
# RFC 1035 5.1. Text is read as Latin-1, so that a character is an octet.
TOKEN = re.compile(
    r"""(?P<space>[ \t\r\f]++)
      | (?P<newline>\n)
      | (?P<comment>;[^\n]*+)
      | (?P<parenthesis>[()])
      | "(?P<quoted>[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+)"
      | (?P<word>(?:[^ \t\r\f\n;()"\\]++|\\[^\n])++)""",
    re.VERBOSE,
)
ESCAPE = re.compile(r"\\(?:([0-9]{3})|(.))", re.DOTALL)
# A label: to the next dot that no backslash stands before.
LABEL = re.compile(r"((?:[^.\\]++|\\.)*+)(\.?)", re.DOTALL)
# In seconds, or with the units that BIND knows.
TTL = re.compile(r"(?:[0-9]{1,10}[SMHDW])+|[0-9]{1,10}")
UNITS = {"S": 1, "M": 60, "H": 3600, "D": 86400, "W": 604800}
OTHER_CLASSES = ("CH", "CS", "HS", "ANY", "NONE")


def read_zone_file(path: Path, origin: str, ttl: int) -> Zone:
    """The zone in the file at ``path``; raises ZoneError."""
    builder = Builder(ttl)
    suffixes = path.suffixes[-2:]
    packed = suffixes[-1:] == [".gz"]
    if packed:
        suffixes.pop()
    try:
        if suffixes[-1:] == [".jsonl"]:
            read_json_lines(_lines(path, packed), str(path), builder)
            return builder.build(tree=False)
        octets = b"".join(_lines(path, packed))
    except (OSError, EOFError, zlib.error) as error:
        raise ZoneError(str(path), "", f"cannot be read: {error}") from error
    _MasterFile(str(path), origin, builder).read(octets.decode("latin-1"))
    return builder.build(tree=True)


def read_zone_text(text: str, source: str, builder: Builder) -> None:
    """Gather the records of a master file's text, whose names are absolute; raises ZoneError."""
    _MasterFile(source, ".", builder).read(text)


def _lines(path: Path, packed: bool) -> Iterator[bytes]:
    total = 0
    with gzip.open(path) if packed else path.open("rb") as file:
        while line := file.readline(MAX_OCTETS):
            total += len(line)
            if total >= MAX_OCTETS:
                raise ZoneError(str(path), "", f"has more than {MAX_OCTETS} octets")
            yield line


class _Token(NamedTuple):
    text: str  # with its escapes
    quoted: bool


class _Entry(NamedTuple):
    """What stands on one line, or on several within parentheses."""

    line: int
    owned: bool  # it begins with a name, not with a blank
    tokens: list[_Token]


class _MasterFile:
    """One pass over a master file, which may hold several zones."""

    def __init__(self, source: str, origin: str, builder: Builder) -> None:
        self.source = source
        self.builder = builder
        self.line = 1
        self.owner: str | None = None
        self.default_ttl: int | None = None  # RFC 2308 4
        self.last_ttl = builder.ttl
        self.origin = ""
        try:
            self.origin = self._name(origin)
        except ValueError as error:
            raise ZoneError(source, "origin", str(error)) from None

    def read(self, text: str) -> None:
        try:
            for entry in self._entries(text):
                self.line = entry.line
                self._entry(entry)
        except ValueError as error:
            raise ZoneError(self.source, f"line {self.line}", str(error)) from None

    def _entries(self, text: str) -> Iterator[_Entry]:
        tokens: list[_Token] = []
        owned, depth, position = True, 0, 0
        line = start = 1
        while position < len(text):
            match = TOKEN.match(text, position)
            if match is None:
                self.line = line
                quote = text[position] == '"'
                _wrong("a quoted string has no end" if quote else "a backslash ends the line")
            position = match.end()
            match match.lastgroup:
                case "word":
                    tokens.append(_Token(match[0], False))
                case "quoted":
                    tokens.append(_Token(match["quoted"], True))
                case "space" if not tokens and depth == 0 and _begins_line(text, match.start()):
                    owned = False
                case "parenthesis":
                    depth += 1 if match[0] == "(" else -1
                    if depth not in (0, 1):
                        self.line = line
                        _wrong("the parentheses do not match")
                case "newline":
                    line += 1
                    if depth == 0:
                        if tokens:
                            yield _Entry(start, owned, tokens)
                        tokens, owned, start = [], True, line
        if depth:
            self.line = start
            _wrong("a parenthesis is not closed")
        if tokens:
            yield _Entry(start, owned, tokens)

    def _entry(self, entry: _Entry) -> None:
        tokens = entry.tokens
        first = tokens[0]
        if entry.owned and first.text.startswith("$") and not first.quoted:
            self._directive(first.text.upper(), tokens[1:])
            return
        if entry.owned:
            if first.quoted:
                _wrong("a name is not quoted")
            self.owner = self._name(first.text)
            tokens = tokens[1:]
        if self.owner is None:
            _wrong("the first record has no name")
        self._record(self.owner, tokens)

    def _directive(self, word: str, tokens: list[_Token]) -> None:
        if word not in ("$ORIGIN", "$TTL"):
            _wrong(f"{word} is not read here: write the records into this file")
        if len(tokens) != 1:
            _wrong(f"{word} takes one word")
        if word == "$ORIGIN":
            self.origin = self._name(tokens[0].text)
        else:
            self.default_ttl = _ttl(tokens[0].text.upper())

    def _record(self, owner: str, tokens: list[_Token]) -> None:
        ttl: int | None = None
        # RFC 1035 5.1: [TTL] [class] type, the first two in any order.
        rest = iter(tokens)
        for word, quoted in rest:
            if quoted:
                _wrong("the record has no type")
            upper = word.upper()
            if upper in OTHER_CLASSES:
                _wrong(f"class {upper} is not that of the Internet, IN")
            if upper[0].isdigit() and ttl is None:
                ttl = self.last_ttl = _ttl(upper)
            elif upper != "IN":
                break
        else:
            _wrong("the record has no type")
        if ttl is None:
            # RFC 2308 4: that of $TTL; without it RFC 1035 5.1: the last one stated.
            ttl = self.last_ttl if self.default_ttl is None else self.default_ttl
        rdata = list(rest)
        self.builder.add_name(owner)
        if upper == "SOA":
            self._soa(owner, ttl, rdata)
        elif upper in TYPES:
            self._add(owner, TYPES[upper], self._value(upper, rdata), ttl)
        elif not MNEMONIC.fullmatch(upper):
            _wrong(f"{word!r} is no record type")
        elif upper.startswith("TYPE") and upper[4:] in {str(number) for number in TYPES.values()}:
            _wrong(f"{upper} is written with its name")  # RFC 3597 5 is not read

    def _soa(self, owner: str, ttl: int, rdata: list[_Token]) -> None:
        if len(rdata) != 7:
            _wrong("SOA takes two names and five numbers")
        # RFC 2308 5: how long a negative answer may be kept.
        self.builder.soas[owner] = min(ttl, _ttl(rdata[6].text.upper()))

    def _value(self, rrtype: str, rdata: list[_Token]) -> Value:
        if rdata and rdata[0] == ("\\#", False):
            _wrong("data in the form of RFC 3597 is not read")
        if rrtype == "TXT":
            strings = [_octets(token.text) for token in rdata]
            if not strings or max(map(len, strings)) > 255:
                _wrong("TXT takes strings of at most 255 octets")
            return "".join(strings).encode("latin-1")  # RFC 7208 3.3
        words = [token.text for token in rdata]
        if rrtype == "MX":
            if len(words) != 2 or not (words[0].isascii() and words[0].isdigit()):
                _wrong("MX takes a preference and a name")
            preference = int(words[0]) if len(words[0]) <= 5 else 65536
            if preference > 65535:
                _wrong("the preference of an MX is at most 65535")
            return preference, self._name(words[1])
        if len(words) != 1:
            _wrong(f"{rrtype} takes one word")
        if rrtype in ("A", "AAAA"):
            return ip_address(rrtype, words[0])
        return self._name(words[0])  # PTR, CNAME

    def _add(self, name: str, rrtype: int, value: Value, ttl: int) -> None:
        # RFC 1034 3.6.2: a name with a CNAME has no other data.
        others = self.builder.types(name)
        if (rrtype == CNAME and others) or CNAME in others:
            _wrong("a CNAME stands next to other data, or to another CNAME")
        self.builder.add(name, rrtype, value)
        self.builder.add_ttl(name, rrtype, ttl)

    def _name(self, text: str) -> str:
        """The name that ``text`` stands for, absolute and normal (RFC 1035 5.1)."""
        if text == "@":
            return self.origin
        if text == ".":
            return ""
        labels = text.split(".")
        if "\\" in text:
            pairs = LABEL.findall(text)
            # findall() matches once more at the end: that is a label only behind a dot.
            if pairs[-2][1] == "":
                pairs.pop()
            labels = [_octets(label) for label, _ in pairs]
        absolute = labels[-1] == ""
        if absolute:
            labels.pop()
        fits = all(0 < len(label) <= 63 for label in labels)
        if self.origin and not absolute:
            labels.append(self.origin)
        name = ".".join(labels)
        if not fits or len(name) > 253:
            _wrong(f"{text!a} is no DNS name")
        return normal_name(name)


def _begins_line(text: str, position: int) -> bool:
    return position == 0 or text[position - 1] == "\n"


def _octets(text: str) -> str:
    """``text`` without its escapes: \\X is X, \\DDD the octet of that decimal number."""
    if "\\" not in text:
        return text
    return ESCAPE.sub(_unescape, text)


def _unescape(match: re.Match[str]) -> str:
    number, character = match.groups()
    if number is None:
        return str(character)
    if int(number) > 255:
        _wrong(f"the escape \\{number} is above 255")
    return chr(int(number))


def _ttl(text: str) -> int:
    if not TTL.fullmatch(text):
        _wrong(f"{text!a} is no TTL")
    if text.isdigit():
        return min(int(text), MAX_TTL)
    parts = re.findall(r"([0-9]+)([SMHDW])", text)
    return min(sum(int(number) * UNITS[unit] for number, unit in parts), MAX_TTL)


def _wrong(problem: str) -> NoReturn:
    raise ValueError(problem)
