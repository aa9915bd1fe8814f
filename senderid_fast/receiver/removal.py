"""Which fields of an incoming message claim to be this receiver's own.

What may live here: that question. Removing the fields is the caller's. A field that cannot be read
is judged by the words in it, since other readers may see in it what ours does not.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import AnyStr

from senderid_fast._core.fields import of_kinds
from senderid_fast.errors import InputError
from senderid_fast.identities import a_labels
from senderid_fast.receiver.reading import read_authentication_results, read_received_spf

__all__ = ["can_be_ours", "forged_fields"]

# Exchange's header firewall takes the first away; the second were Hotmail's.
_PREFIXES = ("x-ms-exchange-organization-", "x-sid-")
# White space, controls and what quotes or comments are made of: all that can stand within a name
# and be dropped by a lax reader.
_LAX = re.compile(r'[\x00-\x20\x7f"\\()]+')
# A comment in no other one, or what begins like one and comes to no end: what is in it is looked at
# once, not once more from each "(" in there, which would take hours for a field of "(\(\(\(...".
_COMMENT = re.compile(r"\((?:[^()\\]++|\\.)*+(\)?)", re.DOTALL)
# The same of octets that are ASCII, where one pass does what _LAX and lower() do.
_LAX_OCTETS = bytes(octet for octet in range(128) if _LAX.match(chr(octet)))
_LOWER = bytes(range(256)).lower()
_COMMENT_OCTETS = re.compile(_COMMENT.pattern.encode("ascii"), re.DOTALL)
# An authserv-id in its plainest form, without a version.
_PLAIN_IDENTIFIER = re.compile(rb"[ \t]*+[A-Za-z0-9._-]++[ \t]*+;")
_KEPT_NAME = 64  # characters; longer names are not worth keeping
_KEPT_NAMES = 1_024
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
    forged = [
        position
        for position, kind, body in of_kinds(fields, _kinds, _note)
        if kind == _ALWAYS
        or (kind == _RESULTS and _claims_results(body, ours))
        or (kind == _SPF and (all_received_spf or _claims_spf(body, hosts)))
    ]
    return forged[::-1]


def can_be_ours(name: str) -> bool:
    """Whether a field of this name can be one that forged_fields() has an eye on."""
    return _kind(name) != _OTHER


_OTHER, _ALWAYS, _RESULTS, _SPF = range(4)


def _kind(name: str) -> int:
    """What kind of field has this name: one of the four."""
    lower = _bare(name)
    if lower.startswith(_PREFIXES):
        return _ALWAYS
    return _OF_NAME.get(lower, _OTHER)


_OF_NAME = {"authentication-results": _RESULTS, "received-spf": _SPF}
_kinds: dict[str, int] = {}  # most fields of all messages have the same few names


def _note(name: str) -> int:
    kind = _kind(name)
    if len(name) <= _KEPT_NAME:
        if len(_kinds) >= _KEPT_NAMES:
            _kinds.clear()
        _kinds[name] = kind
    return kind


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
    # Of a version that is known, as none is written, and of an identifier that is not ours; or it
    # cannot be read.
    if type(body) is bytes and _PLAIN_IDENTIFIER.match(body) and _silent(body, ours):
        return False
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
    if type(body) is bytes and _silent(body, hosts):
        return False
    try:
        found = read_received_spf(body)
    except InputError:
        return _mentions(body, hosts)
    claimed = [value for key, value in found.pairs if key == "receiver"]
    # Where there is no such key, it is the habit to begin the comment so.
    claimed.append((found.comment or "").partition(":")[0].strip())
    return any(_normal(name) in hosts for name in claimed)


def _silent(body: bytes, names: frozenset[str]) -> bool:
    """Whether no reader can find one of the names in a body. False: it may be that one can.

    Most fields that others wrote are told by this from forged ones, without being read: whatever
    reading takes away from a value, _LAX takes away, too.
    """
    if not body.isascii() or not _plain(names):
        return False
    text = body.translate(_LOWER, _LAX_OCTETS).decode("ascii")
    if "=?" in text:
        return False
    for name in names:
        if name in text:
            return False
    if b"(" in body:
        bare = without_comments(body).translate(_LOWER, _LAX_OCTETS).decode("ascii")
        return not any(name in bare for name in names)
    return True


@lru_cache(maxsize=64)  # as _normals
def _plain(names: frozenset[str]) -> bool:
    """Whether _LAX takes nothing away from the names."""
    return not any(map(_LAX.search, names))


def _mentions(body: str | bytes, names: frozenset[str]) -> bool:
    """Whether a name of ours is anywhere in a body that cannot be read.

    An encoded word (RFC 2047) can hold any name, and has no place where an identifier is.
    """
    text = _lax(body)
    bare = _lax(without_comments(_text(body)))
    return "=?" in text or any(name in text or name in bare for name in names)


def without_comments(body: AnyStr) -> AnyStr:
    """A body without its comments, but for those that have others within."""
    if isinstance(body, str):
        return _COMMENT.sub(_unless_whole, body)
    return _COMMENT_OCTETS.sub(_unless_whole, body)


def _unless_whole(found: re.Match[AnyStr]) -> AnyStr:
    return found[0][:0] if found[1] else found[0]


def _lax(body: str | bytes) -> str:
    return _LAX.sub("", _text(body)).lower()


def _text(body: str | bytes) -> str:
    return body if isinstance(body, str) else body.decode("utf-8", "surrogateescape")
