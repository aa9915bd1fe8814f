"""Comparing the addresses found, message by message, before anything is timed.

A difference is fine only if KNOWN has its kind, which says who is right. Where it is not known, or
where ours is not what a section was made to give, the run fails.

Step 5 of RFC 4407 leaves to local policy what is "hopelessly malformed": there one program may
find an address and another none. Two addresses for one message are never right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import senderid_fast as sf
from benchmarks.headers.drivers.harness import Answer
from benchmarks.headers.sections import Section

__all__ = ["Kind", "compare", "made_otherwise", "read_answer"]

MAIL_PARSER = frozenset({"mail-parser", "mail-parser-lean"})
GMIME, PYTHON = frozenset({"gmime"}), frozenset({"python-email"})
ALL = MAIL_PARSER | GMIME | PYTHON

# Who is right by the RFCs.
OURS, NONE, POLICY = "senderid_fast", "none, as senderid_fast", "either (local policy)"


class Case(NamedTuple):
    """One message on which a peer differs from us. Mailboxes are octets, None if there is none."""

    section: bytes
    body: bytes
    our_field: str | None
    ours: bytes | None
    field: str | None
    theirs: bytes | None


def read_answer(line: str) -> Answer:
    name, mailbox = line.split()
    return None if name == "-" else name, None if mailbox == "-" else bytes.fromhex(mailbox)


def made_otherwise(sections: Sequence[Section], answers: Sequence[Answer]) -> Iterator[int]:
    """The sections for which an answer is not what they were made to give."""
    for row, (section, (name, mailbox)) in enumerate(zip(sections, answers, strict=True)):
        made = section.mailbox and section.mailbox.encode()
        if section.kind != "corpus" and (section.field, made) != (name, mailbox):
            yield row


def unquoted(body: bytes) -> bytes:
    """The body without quoted strings and comments: what is left should be atoms."""
    body = re.sub(rb'"(?:[^"\\]|\\.)*"', b"", body, flags=re.DOTALL)
    return re.sub(rb"\([^()]*\)", b"", body)


def solid(text: bytes | None) -> bytes:
    return b"".join((text or b"").split())


def ends_early(case: Case) -> bool:
    """Whether the section has lines behind the end that we see."""
    fields = sf.header_fields(case.section)
    rest = case.section[fields[-1][3] if fields else 0 :]
    return case.our_field is None and rest.strip() != b"" and rest[:1] not in b"\r\n"


def blank_before_colon(case: Case) -> bool:
    return case.field is None and bool(re.search(rb"(?m)^[!-9;-~]+[ \t]+:", case.section))


def quoted_as_a_whole(case: Case) -> bool:
    return case.ours is None and bool(re.fullmatch(rb'"[^"]*@[^"]*"', case.theirs or b""))


def words_in_angles(case: Case) -> bool:
    return case.ours is None and bool(re.search(rb'<[^<>"\s]+@[^<>"\s]+\s[^<>"]+>', case.body))


def words_before_address(case: Case) -> bool:
    words = unquoted(case.body).split()
    return case.ours is None and b"<" not in case.body and len(words) > 1 and b"@" in words[-1]


def two_ats(case: Case) -> bool:
    bare = rb"\s*[^\s<>@]+@[^\s<>@]+@[^\s<>@]+\s*"
    return case.ours is None and bool(re.fullmatch(bare, case.body))


def in_angles(case: Case) -> bool:
    """Whether theirs is what the last angle brackets of the field hold."""
    inside = case.body.rpartition(b"<")[2].partition(b">")[0].strip()
    return case.ours is None and case.theirs is not None and inside.endswith(case.theirs)


def address_as_name(case: Case) -> bool:
    return in_angles(case) and bool(re.match(rb'\s*[^\s<>"(),:;]+@[^\s<>,]+\s*<', case.body))


def comma_in_name(case: Case) -> bool:
    name = unquoted(case.body).rpartition(b"<")[0]
    return in_angles(case) and b"," in name and not re.search(rb"[][<>:;\\\"]", name)


def specials_in_name(case: Case) -> bool:
    name = unquoted(case.body).rpartition(b"<")[0]
    return in_angles(case) and bool(re.search(rb"[][<>@:;\\\",()]", name))


def comma_in_angles(case: Case) -> bool:
    return case.ours is None and bool(re.search(rb"<\s*,[^<>@]*@[^<>@]*>", case.body))


def blanks_kept(case: Case) -> bool:
    return case.ours is not None and case.ours != case.theirs and solid(case.theirs) == case.ours


def local_part_lost(case: Case) -> bool:
    at = (case.ours or b"").rfind(b"@")
    return case.ours is not None and solid(case.theirs) == case.ours[at:]


def backslash_lost(case: Case) -> bool:
    ours = case.ours or b""
    return b"\\" in ours and case.theirs == ours.replace(b"\\", b"")


def route(case: Case) -> bool:
    found = re.search(rb"<\s*@[^<>:]*:([^<>]*)>", case.body)
    return found is not None and solid(found[1]) == case.ours and case.theirs != case.ours


@dataclass(frozen=True)
class Known:
    """A kind of difference that is understood, for these peers."""

    name: str
    peers: frozenset[str]
    applies: Callable[[Case], bool]
    right: str
    reason: str


# The first that applies is the kind.
KNOWN = (
    Known(
        "a line that is no field",
        MAIL_PARSER | GMIME,
        ends_early,
        POLICY,
        "for us the section ends at a line that is no field; they read on behind it. RFC 5322 has "
        "no such line",
    ),
    Known(
        "blank before a colon",
        PYTHON,
        blank_before_colon,
        OURS,
        "for Python the section ends at a field name with a blank before its colon, which RFC 5322 "
        "4.5 wants accepted",
    ),
    Known(
        '<"a@b">',
        ALL,
        quoted_as_a_whole,
        NONE,
        "what is quoted is a local part (RFC 5322 3.4.1), so there is no domain; theirs ends in "
        'the quote: b"',
    ),
    Known(
        "<a@b more words>",
        ALL,
        words_in_angles,
        NONE,
        "no addr-spec (RFC 5322 3.4.1). Their addresses differ: with the words, with the words and "
        "no blanks, and without the words",
    ),
    Known(
        "a@b@c",
        ALL,
        two_ats,
        NONE,
        "no addr-spec; GMime finds a@b, mail-parser the whole, so taking any of them would be a "
        "guess",
    ),
    Known(
        "words a@b",
        ALL,
        words_before_address,
        NONE,
        "a name needs angle brackets (RFC 5322 3.4); theirs has the name, or a second address, in "
        "its local part",
    ),
    Known(
        "a@b <c@d>",
        ALL,
        address_as_name,
        NONE,
        "the field appears to contain multiple mailboxes (RFC 4407 2, step 5); they take the last",
    ),
    Known(
        "name, name <a@b>",
        GMIME,
        comma_in_name,
        POLICY,
        "a comma that is not quoted ends a mailbox (RFC 5322 3.4), and what stands before it is "
        "none; GMime lets it be part of a name",
    ),
    Known(
        "special characters in a name",
        ALL,
        specials_in_name,
        POLICY,
        "the name before the angle brackets is no phrase (RFC 5322 3.2.5); they pass over it",
    ),
    Known(
        "<,a@b>",
        ALL,
        comma_in_angles,
        POLICY,
        "no addr-spec (RFC 5322 3.4.1); GMime passes over the comma. The mailbox with the comma in "
        "it, as mail-parser gives it, is wrong",
    ),
    Known(
        "blanks in an address",
        MAIL_PARSER,
        blanks_kept,
        OURS,
        "comments and blanks between the parts of an address are not of it (RFC 5322 3.4.1, 4.4)",
    ),
    Known(
        "local part lost",
        MAIL_PARSER,
        local_part_lost,
        OURS,
        "a local part that is quoted, or has a comment behind it, is taken for a name",
    ),
    Known(
        "backslash lost",
        MAIL_PARSER,
        backslash_lost,
        OURS,
        "the quote in the local part would end it without its backslash (RFC 5322 3.2.4)",
    ),
    Known(
        "source route",
        MAIL_PARSER | PYTHON,
        route,
        OURS,
        "a route must be accepted and ignored (RFC 5322 4.4); mail-parser has it in the address, "
        "Python finds none behind two hops",
    ),
)


@dataclass
class Kind:
    """All messages that differ in the same way. `known` is None if nobody can explain it."""

    known: Known | None
    body: bytes
    ours: Answer
    rows: dict[str, list[int]] = field(default_factory=dict)
    theirs: dict[str, Answer] = field(default_factory=dict)

    def messages(self) -> int:
        return len({row for rows in self.rows.values() for row in rows})

    def figures(self) -> dict[str, object]:
        return {
            "kind": self.known and self.known.name,
            "messages": {peer: len(rows) for peer, rows in self.rows.items()},
            "first": min(min(rows) for rows in self.rows.values()),
            "sample": repr(self.body),
            "senderid_fast": repr(self.ours),
            "theirs": {peer: repr(answer) for peer, answer in self.theirs.items()},
            "right": self.known and self.known.right,
            "reason": self.known and self.known.reason,
        }


def body_of(section: bytes, name: str | None) -> bytes:
    """The body of the first field of this name that is not empty, or the line where we ended."""
    end = 0
    for written, body, _, end in sf.header_fields(section):  # noqa: B007 - end is used behind it
        if written.lower() == name and body.strip():
            return body
    return section[end:].partition(b"\n")[0]


def compare(
    sections: Sequence[Section], ours: Sequence[Answer], peers: Mapping[str, Sequence[Answer]]
) -> list[Kind]:
    """The kinds of difference, the most frequent first."""
    kinds: dict[object, Kind] = {}
    for peer, answers in peers.items():
        for row, (section, our, their) in enumerate(zip(sections, ours, answers, strict=True)):
            if our == their:
                continue
            body = body_of(section.octets, our[0] or their[0])
            case = Case(section.octets, body, *our, *their)
            known = next((k for k in KNOWN if peer in k.peers and k.applies(case)), None)
            # Each of those that are not understood is told by itself, up to the first ten a peer.
            key = known.name if known else (peer, min(row, 10))
            kind = kinds.setdefault(key, Kind(known, body, our))
            kind.rows.setdefault(peer, []).append(row)
            kind.theirs.setdefault(peer, their)
    return sorted(kinds.values(), key=lambda kind: (kind.known is not None, -kind.messages()))
