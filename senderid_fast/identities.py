"""Identities that need more than octets: A-labels (RFC 7208 4.3, RFC 8616 4), and the PRA's face.

What may live here: what the core cannot do by itself. The rest of the way from HELO, MAIL FROM and
header fields to <domain> and <sender> is in src/, since every check takes it.
"""

from __future__ import annotations

from senderid_fast._core.pra import Pra, extract

__all__ = ["a_labels", "extract_pra"]


def extract_pra(headers: bytes | bytearray | memoryview) -> Pra:
    """The Purported Responsible Address of a message (RFC 4407 2).

    headers  octets of the header section; what follows its end is not looked at
    Raises NoPra, which says why there is none, and InputError for other types.
    """
    return extract(headers, a_labels)


def a_labels(text: bytes) -> bytes:
    """The same address or name with the labels of its domain as A-labels.

    text  a mailbox or a domain in UTF-8; the domain is what follows the last "@". What cannot be
          converted (RFC 5891, or no UTF-8) stays as it is: the check then finds no domain name.
    """
    local, at, domain = text.rpartition(b"@")
    closing = b">" if domain.endswith(b">") else b""
    # Four octets of UTF-8 make at most one character of a name of 253: longer ones are refused
    # anyway, and not worth the work.
    if domain.isascii() or len(domain) > 1024:
        return text
    try:
        labels = domain.removesuffix(b">").decode("utf-8").split(".")
        return local + at + b".".join(map(_a_label, labels)) + closing
    except (UnicodeError, ValueError):
        return text


def _a_label(label: str) -> bytes:
    if label.isascii():
        return label.encode("ascii")
    from unicodedata import normalize

    import idna  # large tables: only for the few names that need them

    # RFC 5895 2: lower case, then the composed form; no other mapping, so nothing is guessed.
    return idna.alabel(normalize("NFC", label.lower()))
