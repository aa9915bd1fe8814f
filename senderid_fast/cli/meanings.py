"""What each term of a record means, in a plain sentence, with its section and its defaults.

What may live here: words about terms of a record that was parsed. Nothing is evaluated.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from senderid_fast import Record, Term

__all__ = ["LOOKUP_TERMS", "Meaning", "hints", "lookup_terms", "meanings"]

# RFC 7208 4.6.4: the terms that cause DNS queries, and how many a check may have.
LOOKUP_TERMS = ("include", "a", "mx", "ptr", "exists", "redirect")
LOOKUP_LIMIT = 10

SECTIONS = {
    "all": "RFC 7208 5.1",
    "include": "RFC 7208 5.2",
    "a": "RFC 7208 5.3",
    "mx": "RFC 7208 5.4",
    "ptr": "RFC 7208 5.5",
    "ip4": "RFC 7208 5.6",
    "ip6": "RFC 7208 5.6",
    "exists": "RFC 7208 5.7",
    "redirect": "RFC 7208 6.1",
    "exp": "RFC 7208 6.2",
}
WHOLE = {"ip4": 32, "ip6": 128}  # the length of a network of one address
UNKNOWN_SECTION = "RFC 7208 6"
RESULTS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
# RFC 7208 7.2
MACROS = {
    "s": "the sender",
    "l": "the sender's local part",
    "o": "the sender's domain",
    "d": "the domain being checked",
    "i": "the client's address",
    "p": "the client's validated name",
    "v": '"in-addr" or "ip6"',
    "h": "the HELO name",
}
MACRO = re.compile(r"%\{([A-Za-z])[^}]*\}")
THIS_DOMAIN = "the domain being checked"


class Meaning(NamedTuple):
    """A term in words.

    sentence  what it does
    section   where the RFC says so
    defaults  what holds because nothing else is written
    lookup    whether it counts as a DNS lookup (RFC 7208 4.6.4)
    """

    sentence: str
    section: str
    defaults: tuple[str, ...]
    lookup: bool


def lookup_terms(record: Record) -> int:
    """How many terms of the record ask DNS (RFC 7208 4.6.4), those of other records not counted."""
    return sum(meaning.lookup for meaning in meanings(record))


def hints(record: Record) -> list[str]:
    """What is allowed, but makes trouble."""
    found = []
    if (count := lookup_terms(record)) > LOOKUP_LIMIT:
        found.append(
            f"{count} terms of this record alone ask DNS; a check that comes to the "
            f"{LOOKUP_LIMIT + 1}th is permerror (RFC 7208 4.6.4)"
        )
    if any(term.name == "ptr" for term in record.terms):
        found.append("ptr is slow and unreliable and should not be published (RFC 7208 5.5)")
    macros = (MACRO.findall(term.domain_spec or "") for term in record.terms)
    if any("p" in "".join(letters).lower() for letters in macros):
        found.append("%{p} is slow and unreliable and should not be published (RFC 7208 7.3)")
    return found


def meanings(record: Record) -> list[Meaning]:
    """The meaning of each term of the record, in their order."""
    has_all = any(term.name == "all" for term in record.terms)
    found = []
    ended = False
    for term in record.terms:
        found.append(_meaning(term, ended, has_all))
        ended = ended or term.name == "all"
    return found


def _meaning(term: Term, ended: bool, has_all: bool) -> Meaning:
    section = SECTIONS.get(term.name, UNKNOWN_SECTION)
    if term.qualifier is None:
        ignored = term.name == "redirect" and has_all
        sentence = (
            f"ignored, because the record has {_quoted('all')}" if ignored else _modifier(term)
        )
        return Meaning(sentence, section, (), term.name == "redirect" and not ignored)
    if ended:
        sentence = f"never reached, because {_quoted('all')} stands before it"
        return Meaning(sentence, section, (), False)
    sentence = f"{RESULTS[term.qualifier]} {_mechanism(term)}"
    return Meaning(sentence, section, _defaults(term), term.name in LOOKUP_TERMS)


def _modifier(term: Term) -> str:
    match term.name:
        case "redirect":
            return f"if nothing matches, the record of {_name(term)} decides in place of this one"
        case "exp":
            return f"after fail, a text at {_name(term)} explains it to the sender"
    return "an unknown modifier, which is ignored"


def _mechanism(term: Term) -> str:
    if term.network is not None:
        address, slash, length = term.network.partition("/")
        if not slash or int(length) == WHOLE[term.name]:
            return f"if the client's address is {address}"
        return f"if the client's address is in the network {term.network}"
    name = _name(term)
    match term.name:
        case "all":
            return "for every address that comes this far"
        case "include":
            return f"if the record of {name} gives pass; fail, softfail and neutral are no match"
        case "a":
            return f"if the client's address is {_near(term)}an address of {name}"
        case "mx":
            return f"if the client's address is {_near(term)}an address of a mail server of {name}"
        case "ptr":
            return f"if a validated host name of the client is {name} or below it"
    return f"if the name {name} has an A record, whatever its address"  # exists


def _near(term: Term) -> str:
    """How a dual-cidr-length widens a and mx (RFC 7208 5.6)."""
    lengths = []
    if term.prefix4 != 32:
        lengths.append(f"/{term.prefix4} (IPv4)")
    if term.prefix6 != 128:
        lengths.append(f"/{term.prefix6} (IPv6)")
    return f"in the same {' or '.join(lengths)} network as " if lengths else ""


def _defaults(term: Term) -> tuple[str, ...]:
    found = []
    if term.text[0] != term.qualifier:
        found.append('qualifier "+"')
    if term.name in ("a", "mx", "ptr") and term.domain_spec is None:
        found.append(THIS_DOMAIN)
    if term.name in ("a", "mx"):
        if term.prefix4 == 32 and not re.search(r"/32(//\d+)?$", term.text):
            found.append("/32 for IPv4")
        if term.prefix6 == 128 and not term.text.endswith("//128"):
            found.append("/128 for IPv6")
    elif term.network is not None and "/" not in term.network:
        found.append(f"/{WHOLE[term.name]}")
    return tuple(found)


def _name(term: Term) -> str:
    """The domain of a term, with the macros in it told."""
    if term.domain_spec is None:
        return THIS_DOMAIN
    letters = dict.fromkeys(letter.lower() for letter in MACRO.findall(term.domain_spec))
    if not letters:
        return str(term.domain_spec)
    told = ", ".join(f"{letter} is {MACROS[letter]}" for letter in letters)
    return f"{term.domain_spec} ({told})"


def _quoted(text: str) -> str:
    return f'"{text}"'
