"""Patterns of domains and addresses, as an administrator writes them.

What may live here: reading a pattern into its one form, and in which order patterns apply to a
domain or an address. What follows from a match is not decided here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from senderid_fast.identities import a_labels

__all__ = ["address_keys", "domain_keys", "domain_of", "parse_address", "parse_domain"]

_DOMAIN = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")
_LOCAL_PART = re.compile(r"[!-?A-~]+|\"[ -~]+\"")  # visible ASCII without "@", or quoted


def domain_of(text: str) -> str:
    """A domain in the form in which it is compared: lower case, A-labels, no final dot."""
    octets = a_labels(text.encode("utf-8", "surrogateescape"))
    return octets.decode("utf-8", "surrogateescape").lower().removesuffix(".")


def parse_domain(pattern: str, *, subdomains: bool = True) -> str:
    """The one form of "example.com" (that domain) or ".example.com" (every domain below it).

    Raises ValueError, which says what is wrong.
    """
    name = domain_of(pattern.removeprefix(".") if subdomains else pattern)
    if not _DOMAIN.fullmatch(name) or len(name) > 253 or max(map(len, name.split("."))) > 63:
        hint = ' (".example.com" is every domain below example.com)' if "*" in pattern else ""
        raise ValueError(f"is no domain name{hint}")
    return "." + name if subdomains and pattern.startswith(".") else name


def parse_address(pattern: str, *, domains: bool = True) -> str:
    """The one form of "user@example.com", or of a pattern of parse_domain.

    Raises ValueError, which says what is wrong.
    """
    local, at, domain = pattern.rpartition("@")
    if not at:
        if domains:
            return parse_domain(pattern)
        raise ValueError("is no address: it has no @")
    if not local:
        raise ValueError("has nothing before its @; write the domain alone")
    if not _LOCAL_PART.fullmatch(local):
        raise ValueError("is no address")
    # RFC 5321 2.4 leaves the case of a local part to its own host. Recipients are of this host, and
    # no receiver tells Postmaster from postmaster.
    return f"{local.lower()}@{parse_domain(domain, subdomains=False)}"


def domain_keys(domain: str) -> Iterator[str]:
    """The patterns that match a domain, the most specific first."""
    name = domain_of(domain)
    if not name:
        return
    yield name
    at = name.find(".")
    while at >= 0:
        yield name[at:]
        at = name.find(".", at + 1)


def address_keys(address: str) -> Iterator[str]:
    """The patterns that match an address, with or without "<" and ">", the most specific first."""
    text = address.strip()
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1]
    local, at, domain = text.rpartition("@")
    if at:
        yield f"{local.lower()}@{domain_of(domain)}"
        yield from domain_keys(domain)
    elif text:
        yield text.lower()  # such as RCPT TO:<postmaster> (RFC 5321 4.1.1.3)
