"""DNS messages by dnspython: a Question becomes a query, a reply becomes an Answer.

What may live here: pure functions over messages and names. No sockets, no clock, no choice of
servers. It imports dnspython, so nothing may import it before a question is asked.
"""

from __future__ import annotations

import secrets
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from senderid_fast.questions import Answer, RRType, Status
from senderid_fast.resolver.failures import Failure

__all__ = ["Chain", "make_query", "name_to_text", "read_reply", "text_to_name"]

# How many CNAMEs are followed for one question; recursive servers allow 8 to 16.
MAX_ALIASES = 16
# RFC 2181 8: a TTL has 31 bits, and one with the top bit set counts as 0.
MAX_TTL = 0x7FFFFFFF


class Chain:
    """The names from the one asked to the last alias, and the smallest TTL on the way."""

    __slots__ = ("names", "ttl")

    def __init__(self, name: dns.name.Name) -> None:
        self.names = [name]
        self.ttl = MAX_TTL

    @property
    def name(self) -> dns.name.Name:
        return self.names[-1]

    def follow(self, target: dns.name.Name, ttl: int) -> str:
        """Goes on to ``target``. Returns "", or a sentence that says why not."""
        first = self.names[0].to_text(omit_final_dot=True)
        if target in self.names:
            # RFC 1034 3.6.2: "CNAME loops should be signalled as an error".
            return f"the CNAMEs of {first} form a loop"
        if len(self.names) > MAX_ALIASES:
            return f"more than {MAX_ALIASES} CNAMEs follow each other from {first}"
        self.names.append(target)
        self.ttl = min(self.ttl, _ttl(ttl))
        return ""


def text_to_name(text: str) -> dns.name.Name:
    """The absolute name whose octets are the characters of ``text``; raises ValueError.

    The labels are built from octets: an escape, an IDNA conversion or a search list
    (dns.name.from_text, RFC 1535) would ask for another name than the one meant.
    """
    try:
        labels = text.encode("latin-1").split(b".")
        return dns.name.Name([*labels, b""])
    except UnicodeEncodeError:
        problem = "it has a character above U+00FF"
    except dns.name.EmptyLabel:
        problem = "it has an empty label"
    except dns.name.LabelTooLong:
        problem = "it has a label of more than 63 octets"
    except dns.name.NameTooLong:
        problem = "it has more than 255 octets"
    raise ValueError(f"the question's name cannot be a DNS name: {problem}")


def name_to_text(name: dns.name.Name) -> str:
    """``name`` as Question has it: lower case (RFC 4343: ASCII only), no final dot, no escapes.

    The root is "". A dot inside a label cannot be told from one between labels.
    """
    labels = name.labels[:-1] if name.is_absolute() else name.labels
    return b".".join(labels).lower().decode("latin-1")


def make_query(name: dns.name.Name, rrtype: RRType, payload: int) -> dns.message.QueryMessage:
    """A query with recursion desired and an unguessable id (RFC 5452 9.2).

    ``payload`` is the size that EDNS announces (RFC 6891 6.2.3); 0: no EDNS.
    """
    return dns.message.make_query(
        name,
        dns.rdatatype.RdataType(rrtype),
        use_edns=0 if payload else False,
        payload=payload or None,
        id=secrets.randbelow(0x10000),
    )


def read_reply(reply: dns.message.Message, chain: Chain, rrtype: RRType) -> Answer | Failure | None:
    """What ``reply`` says to the question for ``chain.name``; follows its CNAMEs in ``chain``.

    Failure: another server may do better. None: the last CNAME's target is not in it, so
    ``chain.name`` is to be asked for. Only the answer section is read for records, and of it only
    what stands at the names of the chain (RFC 2181 5.4.1, RFC 5452 6).
    """
    rcode = reply.rcode()
    if rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return _rcode_failure(rcode)
    rdclass = dns.rdataclass.IN
    rrsets = {(s.name, s.rdtype): s for s in reply.answer if s.rdclass == rdclass and len(s)}
    wanted = dns.rdatatype.RdataType(rrtype)
    asked = chain.name
    while (found := rrsets.get((chain.name, wanted))) is None:
        alias = rrsets.get((chain.name, dns.rdatatype.CNAME))
        if alias is None:
            break
        if problem := chain.follow(_target(alias), alias.ttl):
            return Answer(Status.SERVFAIL, detail=problem)
    # RFC 6604 3: the RCODE speaks of the last name of the chain.
    if rcode == dns.rcode.NXDOMAIN:
        return Answer(Status.NXDOMAIN, ttl=_negative_ttl(reply, chain))
    if found is not None:
        return Answer(Status.OK, _records(found, rrtype), min(chain.ttl, _ttl(found.ttl)))
    if _soa(reply, chain.name) is None:
        if chain.name != asked:
            return None
        # RFC 2308 2.2: NS without SOA is a referral, which says nothing about the name.
        if not reply.flags & dns.flags.AA and _has_ns(reply):
            return Failure(Status.ERROR, "answered with a referral: it does not resolve this name")
    return Answer(Status.NODATA, ttl=_negative_ttl(reply, chain))


def _rcode_failure(rcode: dns.rcode.Rcode) -> Failure:
    if rcode == dns.rcode.SERVFAIL:
        return Failure(Status.SERVFAIL, "answered SERVFAIL")
    if rcode == dns.rcode.REFUSED:
        return Failure(Status.REFUSED, "answered REFUSED")
    return Failure(Status.ERROR, f"answered {dns.rcode.to_text(rcode)}")


def _records(
    rrset: dns.rrset.RRset, rrtype: RRType
) -> tuple[bytes, ...] | tuple[str, ...] | tuple[tuple[int, str], ...]:
    rdatas: list[Any] = list(rrset)  # dnspython types no field of an RDATA by its RR type
    match rrtype:
        case RRType.TXT:  # RFC 7208 3.3: joined with nothing between
            return tuple(b"".join(rdata.strings) for rdata in rdatas)
        case RRType.MX:
            return tuple((int(r.preference), name_to_text(r.exchange)) for r in rdatas)
        case RRType.PTR:
            return tuple(name_to_text(rdata.target) for rdata in rdatas)
        case RRType.A | RRType.AAAA:
            return tuple(str(rdata.address) for rdata in rdatas)


def _target(alias: dns.rrset.RRset) -> dns.name.Name:
    rdata: Any = alias[0]
    target: dns.name.Name = rdata.target
    return target


def _ttl(ttl: int) -> int:
    return ttl if 0 <= ttl <= MAX_TTL else 0


def _soa(reply: dns.message.Message, name: dns.name.Name) -> dns.rrset.RRset | None:
    """The SOA of a zone that ``name`` can be in: another's says nothing about it."""
    for rrset in reply.authority:
        if (
            rrset.rdtype == dns.rdatatype.SOA
            and rrset.rdclass == dns.rdataclass.IN
            and len(rrset)
            and name.is_subdomain(rrset.name)
        ):
            return rrset
    return None


def _has_ns(reply: dns.message.Message) -> bool:
    return any(rrset.rdtype == dns.rdatatype.NS for rrset in reply.authority)


def _negative_ttl(reply: dns.message.Message, chain: Chain) -> int:
    """RFC 2308 5: the smaller of the SOA's TTL and its MINIMUM; without SOA it is not kept."""
    soa = _soa(reply, chain.name)
    if soa is None:
        return 0
    rdata: Any = soa[0]
    return min(chain.ttl, _ttl(soa.ttl), _ttl(rdata.minimum))
