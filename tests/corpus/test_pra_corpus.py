"""The PRA of real header sections: beside an oracle, and beside what a large provider computed.

The oracle (support/rfc4407.py) is RFC 4407 2 over Python's email package. Each difference belongs
to a class that is known; the counts are those of November 2026, 4,592 sections:

  same               4,511  field, local part and domain, or none and the same reason
  other-reason          50  no PRA, for another reason: "<>" is malformed here and no domain there,
                            a field with several faults is named by the first
  address-as-name       10  "a@b <c@d>": two addresses here; the package drops the first with a
                            defect
  repaired               8  two words and an "@", words behind an address: malformed here; the
                            package joins or drops words with a defect
  misread-by-oracle     10  the same here; the package notes a defect of an encoded word in a name
  name-with-space        3  "From : a@b", RFC 5322 4.5: the package ends the section at such a field

What a provider that checked Sender ID stamped as X-SID-PRA on 268 of the messages:

  same                 170
  several-elements      59  an unquoted "," or ";" in the field: more than one element, no PRA (RFC
                            4407 2 step 5); the provider takes the only one with an address
  from-instead          18   a Sender or Resent-Sender stands in the message and decides (steps 1
                            and 3), the stamp has the address of From: the field was added after
                            the check, or the provider passes over it
  not-comparable         8  X-SID-PRA is an encoded word
  redacted               6  "phishing@pot <phishing@pot>": the collector's stand-in for an address
  malformed              5  stray quotes, colons and the like; the provider finds the address
  pseudonym              2  one host name was replaced in two ways
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter, defaultdict
from itertools import pairwise

import pytest
from support.rfc4407 import oracle_pra
from support.shared import gzip_lines, shared_file

import senderid_fast as sf

SECTIONS = 4_592
SHOWN = 10

# The most that each class may have: half as many again. "same" has a least instead.
SAME_AS_ORACLE = 4_480
ORACLE_CLASSES = {
    "other-reason": 78,
    "address-as-name": 15,
    "repaired": 12,
    "misread-by-oracle": 15,
    "name-with-space": 5,
}
STAMPED = 268
SAME_AS_STAMP = 168
STAMP_CLASSES = {
    "several-elements": 88,
    "from-instead": 27,
    "not-comparable": 12,
    "redacted": 9,
    "malformed": 7,
    "pseudonym": 3,
}

NAME_WITH_SPACE = re.compile(rb"^[^\s:]+[ \t]+:", re.M)
ADDRESS = re.compile(rb'[^\s<>,;:"()]+@[^\s<>,;:"()]+')


@pytest.fixture(scope="module")
def sections() -> list[bytes]:
    lines = gzip_lines(shared_file("corpus/headers.jsonl.gz"))
    return [base64.b64decode(json.loads(line)["raw"]) for line in lines]


def _outcome(section: bytes) -> sf.Pra | sf.NoPra:
    try:
        return sf.extract_pra(section)
    except sf.NoPra as error:
        return error


def test_all_are_there(sections: list[bytes]) -> None:
    assert len(sections) == SECTIONS


def test_every_section_is_read(sections: list[bytes]) -> None:
    """Whole, and cut off anywhere, as a message is that a client gave up: fields or their end."""
    kinds: Counter[str] = Counter()
    for number, section in enumerate(sections):
        cut = section[: len(section) * (number % 97) // 97]
        for octets in (section, cut):
            kinds[type(_outcome(octets)).__name__] += 1
            fields = sf.header_fields(octets)
            for name, body, start, end in fields:
                field = octets[start:end]
                assert field.startswith(name.encode("latin-1"))
                assert field.rstrip(b"\r\n").endswith(body.rstrip(b"\r\n"))
            assert all(before[3] == after[2] for before, after in pairwise(fields))
    assert kinds.keys() == {"Pra", "NoPra"}
    assert kinds["Pra"] > SECTIONS


def _of_oracle(section: bytes) -> str:
    """The class of the difference from the oracle."""
    wanted = oracle_pra(section)
    found = _outcome(section)
    repaired = wanted.problem.startswith("repaired")
    if found.header != wanted.header or found.header_index != wanted.position:
        return "name-with-space" if NAME_WITH_SPACE.search(section) else "unexplained"
    if isinstance(found, sf.Pra):
        if (found.local_part, found.domain) != (wanted.local_part, wanted.domain):
            return "unexplained"
        return "misread-by-oracle" if repaired else "same"
    if wanted.domain is None:
        return "same" if str(found.reason) == wanted.problem else "other-reason"
    if not repaired:
        return "unexplained"
    several = found.reason is sf.PraFailure.MULTIPLE_MAILBOXES
    return "address-as-name" if several else "repaired"


def _fields(section: bytes, name: str) -> list[bytes]:
    return [body for of, body, _, _ in sf.header_fields(section) if of.lower() == name]


def _addresses(bodies: list[bytes]) -> set[bytes]:
    return {address.lower() for body in bodies for address in ADDRESS.findall(body)}


def _of_stamp(section: bytes) -> str:
    """The class of the difference from the provider's X-SID-PRA."""
    (stamp,) = (body.strip().lower() for body in _fields(section, "x-sid-pra"))
    found = _outcome(section)
    if isinstance(found, sf.Pra) and found.mailbox.lower().encode() == stamp:
        return "same"
    if stamp.startswith(b"=?"):
        return "not-comparable"
    if found.header is None or found.header_index is None:
        return "unexplained"
    body = sf.header_fields(section)[found.header_index][1]
    if isinstance(found, sf.NoPra) and stamp in _addresses([body]):
        several = found.reason is sf.PraFailure.MULTIPLE_MAILBOXES
        return "several-elements" if several and re.search(rb"[,;]", body) else "malformed"
    if found.header != "from" and stamp in _addresses(_fields(section, "from")):
        return "from-instead"
    if b"phishing@pot" in body:
        return "redacted"
    # The same local part and first label, another parent domain.
    if isinstance(found, sf.Pra):
        host = f"{found.local_part}@{found.domain.partition('.')[0]}.".lower()
        return "pseudonym" if stamp.startswith(host.encode()) else "unexplained"
    return "unexplained"


def _hold(found: dict[str, list[bytes]], least_same: int, most: dict[str, int], total: int) -> None:
    counts = {kind: len(sections) for kind, sections in found.items()}
    assert sum(counts.values()) == total
    shown = "\n".join(repr(section[:2000]) for section in found.get("unexplained", [])[:SHOWN])
    assert counts.keys() == {"same", *most}, f"{counts}\n{shown}"
    assert counts["same"] >= least_same, counts
    assert all(counts[kind] <= limit for kind, limit in most.items()), counts


def test_beside_the_oracle(sections: list[bytes]) -> None:
    found = defaultdict(list)
    for section in sections:
        found[_of_oracle(section)].append(section)
    _hold(found, SAME_AS_ORACLE, ORACLE_CLASSES, SECTIONS)


def test_beside_the_stamps_of_a_provider(sections: list[bytes]) -> None:
    found = defaultdict(list)
    for section in sections:
        if _fields(section, "x-sid-pra"):
            found[_of_stamp(section)].append(section)
    _hold(found, SAME_AS_STAMP, STAMP_CLASSES, STAMPED)
