"""DNS messages for tests of the compiled codec: made and changed at random, read by dnspython.

What may live here: what makes such messages, and resolver/messages.py's reading of them, which is
what the compiled one is held to.
"""

from __future__ import annotations

import random

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from senderid_fast.questions import Answer, Question, RRType, Status
from senderid_fast.resolver.failures import Failure
from senderid_fast.resolver.messages import Chain, make_query, read_reply, text_to_name

__all__ = ["agrees", "dnspython_reads", "message", "mutated", "question_of"]

NAMES = [
    dns.name.Name([*labels, b""])
    for labels in (
        [b"a", b"example"], [b"B", b"a", b"example"], [b"c", b"EXAMPLE"], [b"d", b"test"],
        [b"test"], [b"example"], [], [b"x" * 63, b"y" * 63, b"z" * 63, b"w" * 61],
        [b"\xff.\x00", b"example"], [b"_spf", b"a", b"example"], [b"a\xc3\xa9", b"test"],
        [b"a.b", b"test"], [b"a", b"b", b"test"],
    )
]  # fmt: skip
ADDRESSES = (
    "2001:db8::1", "::ffff:192.0.2.1", "::192.0.2.1", "::1", "::", "1:0:0:2:0:0:0:3", "::2:1",
    "0:1::", "::ffff:0:0", "64:ff9b::1.2.3.4",
)  # fmt: skip
RARE = (
    "NS", "SOA", "SRV", "DNAME", "RRSIG", "HINFO", "TYPE999",
)  # fmt: skip
SAMPLES = {
    "SRV": "1 2 3 a.example.", "DNAME": "d.test.", "HINFO": '"a" "b"', "TYPE999": r"\# 2 0102",
    "RRSIG": "TXT 8 2 300 20300101000000 20200101000000 1 example. AAAA",
}  # fmt: skip
TTLS = (0, 1, 60, 300, 0x7FFFFFFF, 0x7FFFFFFE)


def _data(rrtype: str, choose: random.Random) -> str:
    name = choose.choice(NAMES).to_text()
    match rrtype:
        case "A":
            return f"192.0.2.{choose.randrange(4)}"
        case "AAAA":
            return choose.choice(ADDRESSES)
        case "MX":
            return f"{choose.randrange(3)} {name}"
        case "TXT":
            count = choose.choice((1, 1, 1, 2, 3))
            sizes = [choose.choice((0, 1, 5, 255)) for _ in range(count)]
            return " ".join(
                '"' + "".join(f"\\{choose.randrange(256):03}" for _ in range(size)) + '"'
                for size in sizes
            )
        case "SOA":
            return f"{name} a.test. 1 2 3 4 {choose.choice(TTLS)}"
    return SAMPLES.get(rrtype, name)


def _add(
    section: list[dns.rrset.RRset], owner: dns.name.Name, rrtype: str, choose: random.Random
) -> None:
    rdtype = dns.rdatatype.from_text(rrtype)
    rrset = dns.rrset.RRset(owner, dns.rdataclass.IN, rdtype)
    for _ in range(choose.choice((1, 1, 1, 2, 5))):
        data = _data(rrtype, choose)
        rrset.add(dns.rdata.from_text("IN", rrtype, data), choose.choice(TTLS))
    section.append(rrset)


def message(choose: random.Random, *, rare: bool = True) -> tuple[Question, int, bytes]:
    """A question, the id of its query, and a reply: mostly a sensible one.

    rare  types and codes that the compiled codec leaves to dnspython occur too
    """
    rrtype = choose.choice(list(RRType))
    asked = choose.choice(
        [name for name in NAMES if len(name.labels) > 1 and b"\x00" not in b"".join(name.labels)]
    )
    if any(b"." in label for label in asked.labels):
        asked = NAMES[0]
    text = b".".join(asked.labels[:-1]).lower().decode("latin-1")
    query = make_query(asked, rrtype, choose.choice((0, 1232, 1232)))
    reply = dns.message.make_response(query, recursion_available=True)
    if choose.random() < 0.1:
        reply.flags |= dns.flags.AA
    codes = [0] * 12 + [3, 3, 2, 5]
    if rare:
        codes += [1, 4, 16]
    code = choose.choice(codes)
    if code < 16 or query.edns >= 0:
        reply.set_rcode(dns.rcode.Rcode(code))
    owner = asked
    for _ in range(choose.choice((0, 0, 0, 1, 2, 4))):
        target = choose.choice(NAMES)
        rrset = dns.rrset.from_text(owner, choose.choice(TTLS), "IN", "CNAME", target.to_text())
        reply.answer.append(rrset)
        owner = target
    for _ in range(choose.choice((0, 1, 1, 1, 2))):
        _add(reply.answer, owner, rrtype.name, choose)
        owner = choose.choice((owner, choose.choice(NAMES)))
    if rare and choose.random() < 0.1:
        _add(reply.answer, owner, choose.choice(RARE), choose)
    for _ in range(choose.choice((0, 0, 1, 2))):
        kind = choose.choice(("SOA", "NS", "SOA", choose.choice(RARE) if rare else "NS"))
        _add(reply.authority, choose.choice(NAMES), kind, choose)
    for _ in range(choose.choice((0, 0, 1))):
        _add(reply.additional, choose.choice(NAMES), choose.choice(("A", "AAAA", "TXT")), choose)
    if choose.random() < 0.2:
        choose.shuffle(reply.answer)
    if rare and choose.random() < 0.05:
        reply.flags |= dns.flags.TC
    return Question(text, rrtype), query.id, reply.to_wire(max_size=65535)


def mutated(octets: bytes, choose: random.Random) -> bytes:
    """Octets with a few changes."""
    data = bytearray(octets)
    for _ in range(choose.choice((1, 1, 2, 4))):
        at = choose.randrange(len(data) + 1)
        match choose.randrange(7):
            case 0:
                data[at : at + 1] = bytes([choose.randrange(256)])
            case 1:
                data[at : at + 1] = bytes([choose.choice((0, 1, 2, 5, 0xC0, 0x3F, 0x40, 0xFF, 12))])
            case 2:
                data[at : at + 2] = bytes([0xC0, choose.randrange(min(len(data) + 1, 256))])
            case 3:
                del data[at : at + choose.randrange(1, 5)]
            case 4:
                data[at:at] = data[: choose.randrange(20)]
            case 5 if at < len(data):
                data[at] ^= 1 << choose.randrange(8)
            case _:
                count = choose.randrange(2, 12)  # one of the counts, the flags or the RCODE
                data[count : count + 1] = bytes([choose.choice((0, 1, 2, 3, 0x80, 0x81, 0x84))])
    return bytes(data)


def question_of(octets: bytes) -> Question | None:
    """The question that stands in octets, if they have a plain one."""
    labels, at = [], 12
    while at < len(octets) and 0 < octets[at] < 64:
        labels.append(octets[at + 1 : at + 1 + octets[at]])
        at += octets[at] + 1
    types = {int(rrtype): rrtype for rrtype in RRType}
    number = int.from_bytes(octets[at + 1 : at + 3], "big")
    if not labels or at >= len(octets) or number not in types:
        return None
    return Question(b".".join(labels).lower().decode("latin-1"), types[number])


def dnspython_reads(octets: bytes, question: Question, query_id: int) -> Answer | Failure | str:
    """As resolver/lookup.py and messages.py read a datagram; a word for what is no reading."""
    try:
        chain = Chain(text_to_name(question.name))
    except ValueError:
        return "no name"
    if len(octets) < 12 or octets[:2] != query_id.to_bytes(2, "big") or not octets[2] & 0x80:
        return "stray"
    if octets[2] & 0x02:
        return "truncated"
    query = make_query(chain.name, question.rrtype, 1232)
    query.id = query_id
    try:
        reply = dns.message.from_wire(octets)
    except Exception:  # noqa: BLE001 - dnspython raises many kinds on odd octets
        return "unreadable"
    if not query.is_response(reply):
        return "stray"
    found = read_reply(reply, chain, question.rrtype)
    return "target missing" if found is None else found


def agrees(ours: Answer | str, theirs: Answer | Failure | str) -> bool:
    """Whether the compiled reading is dnspython's, or none."""
    match ours:
        case Answer():
            return ours == theirs
        case "servfail":
            return isinstance(theirs, Failure) and theirs.status is Status.SERVFAIL
        case "refused":
            return isinstance(theirs, Failure) and theirs.status is Status.REFUSED
        case "truncated":
            return theirs == "truncated"
    return ours in ("odd", "stray")
