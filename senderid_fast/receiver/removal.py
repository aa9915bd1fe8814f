"""Which fields of an incoming message claim to be this receiver's own.

What may live here: that question. Removing the fields is the caller's. A field that cannot be read
is judged by the words in it, since other readers may see in it what ours does not.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import lru_cache

from senderid_fast.errors import InputError
from senderid_fast.identities import a_labels
from senderid_fast.receiver.reading import read_authentication_results, read_received_spf

__all__ = ["can_be_ours", "forged_fields"]

# Exchange's header firewall takes the first away; the second were Hotmail's.
_PREFIXES = ("x-ms-exchange-organization-", "x-sid-")
_OURS = ("authentication-results", "received-spf")
# White space, controls and what quotes or comments are made of: all that can stand within a name
# and be dropped by a lax reader.
_LAX = re.compile(r'[\x00-\x20\x7f"\\()]+')
_COMMENT = re.compile(r"\((?:[^()\\]++|\\.)*+\)", re.DOTALL)
_NAME_CHARACTER = re.compile(r"[a-z0-9._-]")


def forged_fields(
    fields: Iterable[tuple[str, str | bytes]],
    authserv_id: str | Collection[str],
    *,
    receiver: str | Collection[str] | None = None,
    all_received_spf: bool = False,
) -> list[int]:
    """The positions of the fields that must go, highest first, so that each can go at once.

    For a message from outside, before own fields are added (RFC 8601 5, RFC 7208 9.1).

    fields            names and bodies from the top of the header
    authserv_id       of this service, or all of its trust boundary, those of the past as well
    receiver          names of this host in Received-SPF; None: the authserv-ids
    all_received_spf  take away every Received-SPF, not only those with ``receiver``

    What goes: Authentication-Results with an authserv-id of ours or with a version that is not
    known, Received-SPF with a receiver of ours, X-MS-Exchange-Organization-*, X-SID-*.
    """
    ours = _names("authserv_id", authserv_id)
    hosts = ours if receiver is None else _names("receiver", receiver)
    forged: list[int] = []
    for position, (name, body) in enumerate(fields):
        lower = _bare(name)
        if (
            lower.startswith(_PREFIXES)
            or (lower == "authentication-results" and _claims_results(body, ours))
            or (lower == "received-spf" and (all_received_spf or _claims_spf(body, hosts)))
        ):
            forged.append(position)
    return forged[::-1]


def can_be_ours(name: str) -> bool:
    """Whether a field of this name can be one that forged_fields() has an eye on."""
    lower = _bare(name)
    return lower in _OURS or lower.startswith(_PREFIXES)


def _bare(name: str) -> str:
    # RFC 5322 4.5 lets white space stand before the colon.
    return name.strip(" \t\r\n\0").lower()


def _names(field: str, value: str | Collection[str]) -> frozenset[str]:
    names = _normals((value,) if isinstance(value, str) else tuple(value))
    if not names or "" in names:
        raise InputError(field, "must be a name, or names")
    return names


@lru_cache(maxsize=64)  # they are the operator's, and the same for every message
def _normals(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(_normal, names))


def _normal(name: str) -> str:
    """A name in the form in which names are compared: A-labels, lower case, without a last dot.

    RFC 8601 5 compares U-labels; of names that can be converted it is the same.
    """
    octets = a_labels(name.encode("utf-8", "surrogatepass"))
    return octets.decode("utf-8", "replace").lower().rstrip(".")


def _claims_results(body: str | bytes, ours: frozenset[str]) -> bool:
    try:
        found = read_authentication_results(body)
    except InputError:
        return _mentions(body, ours)
    if found.version != 1:
        return True  # RFC 8601 5: of a version that is not supported
    if found.authserv_id:
        return _normal(found.authserv_id) in ours
    # It begins with a result. A lax reader may still take the method for the identifier.
    text = _lax(body)
    return any(
        text.startswith(name) and not _NAME_CHARACTER.match(text, len(name)) for name in ours
    )


def _claims_spf(body: str | bytes, hosts: frozenset[str]) -> bool:
    try:
        found = read_received_spf(body)
    except InputError:
        return _mentions(body, hosts)
    claimed = [value for key, value in found.pairs if key == "receiver"]
    # Where there is no such key, it is the habit to begin the comment so.
    claimed.append((found.comment or "").partition(":")[0].strip())
    return any(_normal(name) in hosts for name in claimed)


def _mentions(body: str | bytes, names: frozenset[str]) -> bool:
    """Whether a name of ours is anywhere in a body that cannot be read.

    An encoded word (RFC 2047) can hold any name, and has no place where an identifier is.
    """
    text = _lax(body)
    bare = _lax(_COMMENT.sub("", _text(body)))
    return "=?" in text or any(name in text or name in bare for name in names)


def _lax(body: str | bytes) -> str:
    return _LAX.sub("", _text(body)).lower()


def _text(body: str | bytes) -> str:
    return body if isinstance(body, str) else body.decode("utf-8", "surrogateescape")
