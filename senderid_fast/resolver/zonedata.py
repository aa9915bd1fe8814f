"""Zone data in memory: what a ZoneResolver answers from, and how it is put together.

What may live here: the table of names, the rules of a look-up in it, and the readers of a mapping
and of JSON lines. No files are opened here and dnspython is not imported.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from senderid_fast.errors import ZoneError
from senderid_fast.questions import Answer, Question, RRType, Status

__all__ = [
    "TYPES",
    "Builder",
    "Value",
    "Zone",
    "ip_address",
    "normal_name",
    "read_json_lines",
    "read_mapping",
]

Value = bytes | str | tuple[int, str]

CNAME = 5
ANY = 255  # stands for every type that a name has nothing of its own for
TYPES = {"CNAME": CNAME, **{rrtype.name: int(rrtype) for rrtype in RRType}}
SOURCE = "zonedata"
# How many CNAMEs are followed for one question, as of a SystemResolver.
MAX_ALIASES = 16
# Words that stand where data would: the question ends so.
WORDS = {status.name: status for status in Status if status not in (Status.OK, Status.NODATA)}
NO_RECORD = "NONE"
MNEMONIC = re.compile(r"[A-Z][A-Z0-9-]*")
EMPTY: Mapping[int, Answer] = {}


def normal_name(name: str) -> str:
    """``name`` as Question has it. RFC 4343: case is that of ASCII letters alone."""
    name = name.removesuffix(".")
    if name.isascii():
        return name.lower()
    return name.encode("latin-1").lower().decode("latin-1")


@dataclass(frozen=True, slots=True)
class Node:
    """What is at one name."""

    answers: Mapping[int, Answer] = field(default_factory=dict)
    alias: tuple[str, int] | None = None  # target and TTL of its CNAME
    rest: Answer | None = None  # for the types it has nothing for; None: NODATA


@dataclass(frozen=True, slots=True)
class Zone:
    """Names and what is at them.

    ``inner`` and ``soas`` are filled from master files only: the names that exist because longer
    ones do (RFC 4592 2.2.2), and by apex the TTL of negative answers (RFC 2308 5). With ``tree``
    these and the wildcards (RFC 4592) count; without, a name that is not listed does not exist.
    """

    nodes: Mapping[str, Node]
    ttl: int
    tree: bool = False
    inner: frozenset[str] = frozenset()
    soas: Mapping[str, int] = field(default_factory=dict)

    def answer_to(self, question: Question) -> Answer:
        """The answer to a question. UnicodeEncodeError for a name that is none of octets."""
        return self.answer(normal_name(question.name), question.rrtype)

    def answer(self, name: str, rrtype: RRType) -> Answer:
        """The answer for ``name``, which is normal; its CNAMEs are followed."""
        names = [name]
        ttl: int | None = None
        while True:
            node = self._find(name)
            found = None if node is None else node.answers.get(rrtype)
            if found is None and node is not None and node.alias is not None:
                name, alias_ttl = node.alias
                if name in names or len(names) > MAX_ALIASES:
                    # RFC 1034 3.6.2: a loop is an error; a recursive server says SERVFAIL.
                    problem = f"the CNAMEs of {_shown(names[0])} form a loop or are too many"
                    return Answer(Status.SERVFAIL, detail=problem)
                names.append(name)
                ttl = alias_ttl if ttl is None else min(ttl, alias_ttl)
                continue
            if found is None:
                if node is None:
                    found = Answer(Status.NXDOMAIN, ttl=self._negative_ttl(name))
                else:
                    found = node.rest or Answer(Status.NODATA, ttl=self._negative_ttl(name))
            if ttl is None or ttl >= found.ttl:
                return found
            return found._replace(ttl=ttl)

    def missing(self) -> Answer:
        """The answer for a name that cannot be here."""
        return Answer(Status.NXDOMAIN, ttl=self.ttl)

    def _find(self, name: str) -> Node | None:
        node = self.nodes.get(name)
        if node is not None or not self.tree:
            return node
        if name in self.inner:
            return Node()
        # RFC 4592 3.3.1: only the wildcard right below the closest encloser counts.
        for encloser in _parents(name):
            if encloser in self.nodes or encloser in self.inner:
                return self.nodes.get(f"*.{encloser}" if encloser else "*")
        return None

    def _negative_ttl(self, name: str) -> int:
        if self.soas:
            for apex in (name, *_parents(name)):
                if (ttl := self.soas.get(apex)) is not None:
                    return ttl
        return self.ttl


def _parents(name: str) -> Iterable[str]:
    """The names above ``name``, longest first; the root, "", is the last."""
    while name:
        _, _, name = name.partition(".")
        yield name


class Builder:
    """Gathers records, then builds a Zone of them."""

    def __init__(self, ttl: int) -> None:
        self.ttl = ttl
        self.soas: dict[str, int] = {}
        self._records: dict[str, dict[int, list[Value]]] = {}
        self._statuses: dict[str, dict[int, Status]] = {}
        self._ttls: dict[tuple[str, int], int] = {}

    def add_name(self, name: str) -> None:
        """The name exists, whether it gets records or not."""
        self._records.setdefault(name, {})

    def add(self, name: str, rrtype: int, value: Value) -> None:
        self._records.setdefault(name, {}).setdefault(rrtype, []).append(value)

    def add_ttl(self, name: str, rrtype: int, ttl: int) -> None:
        """RFC 2181 5.2: one RRset has one TTL; here the smallest of its records'."""
        key = name, rrtype
        self._ttls[key] = min(ttl, self._ttls.get(key, ttl))

    def add_status(self, name: str, rrtype: int, status: Status) -> None:
        self.add_name(name)
        self._statuses.setdefault(name, {})[rrtype] = status

    def types(self, name: str) -> Mapping[int, Sequence[Value]]:
        """What ``name`` has so far."""
        return self._records.get(name, {})

    def build(self, *, tree: bool) -> Zone:
        nodes = {name: self._node(name, sets, tree) for name, sets in self._records.items()}
        if not tree:
            return Zone(nodes, self.ttl)
        inner: set[str] = set()
        for name in nodes:
            for parent in _parents(name):
                if parent in inner:
                    break  # and so are all above it
                inner.add(parent)
        return Zone(nodes, self.ttl, True, frozenset(inner - nodes.keys()), self.soas)

    def _node(self, name: str, sets: Mapping[int, list[Value]], unique: bool) -> Node:
        statuses = self._statuses.get(name, {})
        answers: dict[int, Answer] = {}
        alias: tuple[str, int] | None = None
        for rrtype, values in sets.items():
            ttl = self._ttls.get((name, rrtype), self.ttl)
            if rrtype == CNAME:
                alias = str(values[0]), ttl
            else:
                # RFC 2181 5: an RRset never has the same record twice. Test data may.
                records = tuple(dict.fromkeys(values)) if unique else tuple(values)
                answers[rrtype] = Answer(Status.OK, records, ttl)  # type: ignore[arg-type]
        for rrtype, status in statuses.items():
            if rrtype != ANY:
                answers[rrtype] = self._word_answer(name, status)
        rest = self._word_answer(name, statuses[ANY]) if ANY in statuses else None
        return Node(answers or EMPTY, alias, rest)

    def _word_answer(self, name: str, status: Status) -> Answer:
        if not status.is_error:
            return Answer(status, ttl=self.ttl)
        return Answer(status, detail=f"the zone data says {status.name} for {_shown(name)}")


def read_mapping(zonedata: object, builder: Builder) -> None:
    """Reads the mapping of the OpenSPF test suites, with their convention for SPF records."""
    if not isinstance(zonedata, Mapping):
        raise ZoneError(SOURCE, "", f"must be a mapping of names, is {type(zonedata).__name__}")
    for name, entries in zonedata.items():
        place = _shown(name) if isinstance(name, (str, bytes)) else repr(name)
        try:
            _read_entries(_name(name), entries, builder)
        except ValueError as error:
            raise ZoneError(SOURCE, place, str(error)) from None


def _read_entries(name: str, entries: object, builder: Builder) -> None:
    builder.add_name(name)
    if isinstance(entries, (str, Mapping)):
        entries = [entries]
    if not isinstance(entries, Sequence) or isinstance(entries, bytes):
        raise ValueError("must have a list of {TYPE: data}")  # noqa: TRY004 - becomes ZoneError
    spf: list[object] = []
    has_txt = False
    for entry in entries:
        if isinstance(entry, str):
            builder.add_status(name, ANY, _word(entry))
            continue
        if not isinstance(entry, Mapping):
            raise ValueError(f"an entry must be {{TYPE: data}} or a word, is {entry!r}")  # noqa: TRY004
        for label, data in entry.items():
            rrtype = label.upper() if isinstance(label, str) else ""
            if rrtype in WORDS:
                if data is not True:
                    raise ValueError(f"{rrtype} takes no data but true, has {data!r}")
                builder.add_status(name, ANY, WORDS[rrtype])
            elif rrtype == "SPF":
                spf.append(data)
            elif rrtype in TYPES:
                has_txt = has_txt or rrtype == "TXT"
                add_data(builder, name, rrtype, data)
            else:
                raise ValueError(f"{label!r} is none of {', '.join(TYPES)}, SPF")
    # The suites date from the days of type 99: a record there stands for the TXT record that RFC
    # 7208 3.1 wants, unless the name says what its TXT is.
    for data in () if has_txt else spf:
        add_data(builder, name, "TXT", data)


def read_json_lines(lines: Iterable[bytes], source: str, builder: Builder) -> None:
    """Reads lines of [name, type, data]; further items are ignored, and so are other types."""
    import json  # not at the top: only these files need it

    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if not isinstance(row, list) or len(row) < 3 or not isinstance(row[1], str):
                raise ValueError("must be [name, type, data]")  # noqa: TRY301
            name, rrtype = _name(_narrow(row[0])), row[1].upper()
            if rrtype in TYPES:
                add_data(builder, name, rrtype, _narrow(row[2]))
            elif MNEMONIC.fullmatch(rrtype):
                builder.add_name(name)
            else:
                raise ValueError(f"{row[1]!r} is no record type")  # noqa: TRY301
        except (ValueError, RecursionError) as error:
            raise ZoneError(source, f"line {number}", str(error)) from None


def _narrow(data: object) -> object:
    """Text of JSON lines with a character above U+00FF can only have been UTF-8: its octets."""
    if isinstance(data, str):
        if not data.isascii() and max(data) > "\u00ff":
            return data.encode().decode("latin-1")
        return data
    return [_narrow(part) for part in data] if isinstance(data, list) else data


def add_data(builder: Builder, name: str, rrtype: str, data: object) -> None:
    """Adds data of a type of TYPES; raises ValueError."""
    number = TYPES[rrtype]
    if isinstance(data, str):
        if data == NO_RECORD:
            builder.add_name(name)
            return
        if data in WORDS:
            builder.add_status(name, number, WORDS[data])
            return
    match rrtype:
        case "TXT":
            value: Value = _strings(data)
        case "A" | "AAAA":
            value = ip_address(rrtype, data)
        case "MX":
            value = _exchange(data)
        case _:  # PTR, CNAME
            value = _name(data)
            if number == CNAME and builder.types(name).get(CNAME, [value])[0] != value:
                raise ValueError("has more than one CNAME")
    builder.add(name, number, value)


def _word(text: str) -> Status:
    if text not in WORDS:
        raise ValueError(f"the word must be one of {', '.join(WORDS)}, is {text!r}")
    return WORDS[text]


def _name(name: object) -> str:
    if isinstance(name, bytes):
        name = name.decode("latin-1")
    if not isinstance(name, str):
        raise ValueError(f"a name must be text, is {name!r}")  # noqa: TRY004
    try:
        return normal_name(name)
    except UnicodeEncodeError:
        raise ValueError(f"a character stands for an octet; above U+00FF: {name!a}") from None


def _strings(data: object) -> bytes:
    """RFC 7208 3.3: the strings of one record, joined with nothing between."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, str):
        try:
            return data.encode("latin-1")
        except UnicodeEncodeError:
            raise ValueError(f"a character stands for an octet; above U+00FF: {data!a}") from None
    if isinstance(data, Sequence) and all(isinstance(part, (str, bytes)) for part in data):
        return b"".join(_strings(part) for part in data)
    raise ValueError(f"TXT data must be text, octets or a list of them, is {data!r}")


def ip_address(rrtype: str, data: object) -> str:
    """The address of an A or AAAA record as text; raises ValueError."""
    kind = ipaddress.IPv4Address if rrtype == "A" else ipaddress.IPv6Address
    if isinstance(data, str) and "%" not in data:
        try:
            return str(kind(data))
        except ValueError:
            pass
    raise ValueError(f"{rrtype} data must be such an address, is {data!r}")


def _exchange(data: object) -> tuple[int, str]:
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)) and len(data) == 2:
        preference, exchange = data
        if type(preference) is int and 0 <= preference <= 65535:
            return preference, _name(exchange)
    raise ValueError(f"MX data must be [preference, exchange], is {data!r}")


def _shown(name: str | bytes) -> str:
    """A name for people: whatever octets it has, no control characters reach a terminal."""
    text = name.decode("latin-1") if isinstance(name, bytes) else name
    return text.encode("unicode_escape").decode("ascii")
