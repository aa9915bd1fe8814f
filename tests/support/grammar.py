"""An oracle for the syntax of records: the collected ABNF of RFC 7208 12, transcribed, and the
version section of RFC 4406 3.1.

Plain regular expressions over octets, built from parts with the ABNF's names. It knows nothing of
the tokenizer it is compared with, gives no place and is slow: it only says yes or no.

Literals of ABNF are case-insensitive. "$" is never used: it also matches before a final LF.
"""

from __future__ import annotations

import re

__all__ = ["is_record", "term_kind"]

ALPHA = rb"[A-Za-z]"
DIGIT = rb"[0-9]"
ALPHANUM = rb"[A-Za-z0-9]"
HEXDIG = rb"[0-9A-Fa-f]"

# macro-literal = %x21-24 / %x26-7E
MACRO_LITERAL = rb"[\x21-\x24\x26-\x7e]"
# macro-letter = "s" / "l" / "o" / "d" / "i" / "p" / "h" / "c" / "r" / "t" / "v"
MACRO_LETTER = rb"[SsLlOoDdIiPpHhCcRrTtVv]"
# 7.2: "c", "r" and "t" are for explanations. Where a name is made, they are an error; the value of
# an unknown modifier, of which nothing is made, need only be of the grammar.
NAME_LETTER = rb"[SsLlOoDdIiPpHhVv]"
# transformers = *DIGIT [ "r" ]; 7.3: the value, if there is one, must be nonzero.
TRANSFORMERS = rb"(?:0*[1-9][0-9]*)?[Rr]?"
DELIMITER = rb"[.\-+,/_=]"


def _macro_expand(letter: bytes) -> bytes:
    return rb"(?:%\{" + letter + TRANSFORMERS + DELIMITER + rb"*\}|%%|%_|%-)"


def _macro_string(letter: bytes) -> bytes:
    return rb"(?:" + _macro_expand(letter) + rb"|" + MACRO_LITERAL + rb")*"


# toplabel = ( *alphanum ALPHA *alphanum ) / ( 1*alphanum "-" *( alphanum / "-" ) alphanum )
TOPLABEL = (
    rb"(?:" + ALPHANUM + rb"*" + ALPHA + ALPHANUM + rb"*"
    rb"|" + ALPHANUM + rb"+-[A-Za-z0-9-]*" + ALPHANUM + rb")"
)
DOMAIN_END = rb"(?:\." + TOPLABEL + rb"\.?|" + _macro_expand(NAME_LETTER) + rb")"
DOMAIN_SPEC = _macro_string(NAME_LETTER) + DOMAIN_END

# The value ranges of the comments are written out: 0-32 and 0-128.
IP4_CIDR_LENGTH = rb"/(?:3[0-2]|[12][0-9]|[0-9])"
IP6_CIDR_LENGTH = rb"/(?:12[0-8]|1[01][0-9]|[1-9][0-9]|[0-9])"
DUAL_CIDR_LENGTH = rb"(?:" + IP4_CIDR_LENGTH + rb")?(?:/" + IP6_CIDR_LENGTH + rb")?"

QNUM = rb"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9][0-9]|[0-9])"
IP4_NETWORK = rb"(?:" + rb"\.".join([QNUM] * 4) + rb")"


def _ip6_network() -> bytes:
    """The text forms of RFC 4291 2.2: eight groups, the last two perhaps as IPv4, one "::".

    "::" stands for one or more groups, so at most seven others are written.
    """
    group = HEXDIG + rb"{1,4}"
    forms = []
    for tail, width in ((group, 1), (IP4_NETWORK, 2)):
        forms.append(rb"(?:" + group + rb":){%d}" % (8 - width) + tail)
        for before in range(8 - width):
            left = rb"" if before == 0 else rb"(?:" + group + rb":){%d}" % (before - 1) + group
            most = 7 - width - before
            forms.append(left + rb"::(?:" + group + rb":){0,%d}" % most + tail)
    for before in range(8):
        left = rb"" if before == 0 else rb"(?:" + group + rb":){%d}" % (before - 1) + group
        forms.append(left + rb"::")
    return rb"(?:" + rb"|".join(forms) + rb")"


IP6_NETWORK = _ip6_network()


def _name(name: bytes) -> bytes:
    return rb"(?i:" + name + rb")"


MECHANISMS = {
    "all": _name(b"all"),
    "include": _name(b"include") + rb":" + DOMAIN_SPEC,
    "a": _name(b"a") + rb"(?::" + DOMAIN_SPEC + rb")?" + DUAL_CIDR_LENGTH,
    "mx": _name(b"mx") + rb"(?::" + DOMAIN_SPEC + rb")?" + DUAL_CIDR_LENGTH,
    "ptr": _name(b"ptr") + rb"(?::" + DOMAIN_SPEC + rb")?",
    "ip4": _name(b"ip4") + rb":" + IP4_NETWORK + rb"(?:" + IP4_CIDR_LENGTH + rb")?",
    "ip6": _name(b"ip6") + rb":" + IP6_NETWORK + rb"(?:" + IP6_CIDR_LENGTH + rb")?",
    "exists": _name(b"exists") + rb":" + DOMAIN_SPEC,
}
NAME = ALPHA + rb"[A-Za-z0-9\-_.]*"
KNOWN_MODIFIER = rb"(?i:redirect|exp)"
MODIFIERS = {
    "redirect": _name(b"redirect") + rb"=" + DOMAIN_SPEC,
    "explanation": _name(b"exp") + rb"=" + DOMAIN_SPEC,
    "unknown-modifier": rb"(?!"
    + KNOWN_MODIFIER
    + rb"=)"
    + NAME
    + rb"="
    + _macro_string(MACRO_LETTER),
}
TERMS = {
    **{kind: re.compile(rb"[+\-?~]?" + text + rb"\Z") for kind, text in MECHANISMS.items()},
    **{kind: re.compile(text + rb"\Z") for kind, text in MODIFIERS.items()},
}
# version = "v=spf1"; RFC 4406 3.1: / "spf2." 1*DIGIT "/" scope-id *( "," scope-id )
SCOPE_ID = NAME  # scope-id = "mfrom" / "pra" / name
VERSION = (
    rb"(?:"
    + _name(b"v=spf1")
    + rb"|"
    + _name(b"spf2")
    + rb"\.[0-9]+/"
    + SCOPE_ID
    + rb"(?:,"
    + SCOPE_ID
    + rb")*)"
)
# record = version terms *SP; terms = *( 1*SP ( directive / modifier ) )
RECORD = re.compile(VERSION + rb"(?: +[^ ]+)* *\Z", re.DOTALL)


def term_kind(term: bytes) -> str | None:
    """The production that a term is of, such as "ip4" or "redirect"; None if it is of none."""
    return next((kind for kind, pattern in TERMS.items() if pattern.match(term)), None)


def is_record(octets: bytes) -> bool:
    """Whether the octets are a record (12) in which redirect and exp stand at most once (6)."""
    if not RECORD.match(octets):
        return False
    kinds = [term_kind(term) for term in octets.split(b" ")[1:] if term]
    return None not in kinds and kinds.count("redirect") <= 1 and kinds.count("explanation") <= 1
