"""Reading Received-SPF and Authentication-Results as others, and earlier ones of ours, wrote them.

What may live here: the grammars of these two fields (RFC 7208 9.1; RFC 8601 2.2) with what is
tolerated beyond them, which docs/trace-fields.md lists. Whether a field may be believed is not
decided here. What cannot be read raises InputError, never anything else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from senderid_fast.receiver.scanning import Scanner, as_text
from senderid_fast.results import Result

__all__ = [
    "AuthenticationResults",
    "Property",
    "ReceivedSPF",
    "ResInfo",
    "read_authentication_results",
    "read_received_spf",
]

_RESULTS = frozenset(Result)
_RESULT_WORD = re.compile(r"[A-Za-z]++")
# RFC 5322 3.6.8, 2.2: a key, without what has a meaning in the list.
_KEY = re.compile(r"[A-Za-z0-9._-]++")
# Up to white space, ";", or the start of a comment or of quotes: more than a dot-atom, since
# addresses and mechanisms are often written without quotes, in an example of RFC 7208 as well.
_BARE = re.compile(r'[^ \t;()"]++')
# RFC 5321 4.1.2: Keyword = Ldh-str. "_" is seen in extensions.
_KEYWORD = re.compile(r"[A-Za-z0-9_-]++")
_PROPERTY = re.compile(r"[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]++)*+")
_DIGITS = re.compile(r"[0-9]++")
# An authserv-id is a token or quoted (RFC 2045 5.1); "@", "/" and ":" are seen in it.
_IDENTIFIER = re.compile(r'[^ \t;()"=,<>\\?\[\]]++')


@dataclass(frozen=True, slots=True)
class ReceivedSPF:
    """What a Received-SPF field says (RFC 7208 9.1).

    result   the result, whatever the case it is written in
    comment  the text of the comment after the result, None if there is none
    pairs    keys in lower case with their values, in order
    """

    result: Result
    comment: str | None
    pairs: tuple[tuple[str, str], ...]

    def value(self, key: str) -> str | None:
        """The value of a key; None if it is not there, and if it is there with different values.

        A field that says two things may hold what a sender put into it.
        """
        found = {value for name, value in self.pairs if name == key.lower()}
        return found.pop() if len(found) == 1 else None


class Property(NamedTuple):
    """A propspec (RFC 8601 2.2). ``ptype`` is "" where the writer gave none."""

    ptype: str
    property: str
    value: str


class ResInfo(NamedTuple):
    """A resinfo (RFC 8601 2.2): what one method found."""

    method: str
    method_version: int
    result: str
    reason: str | None
    properties: tuple[Property, ...]

    def value(self, ptype: str, name: str) -> str | None:
        """The value of a property; None if it is not there, or there with different values."""
        found = {value for kind, prop, value in self.properties if (kind, prop) == (ptype, name)}
        return found.pop() if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class AuthenticationResults:
    """What an Authentication-Results field says (RFC 8601 2.2).

    authserv_id  as it is written, without quotes; "" where the writer gave none
    version      1 if none is written
    results      in order; none if the field says "none", and of a version that is not known
    """

    authserv_id: str
    version: int
    results: tuple[ResInfo, ...]

    def of(self, method: str) -> tuple[ResInfo, ...]:
        """The results of a method in its version 1, the only one there is (RFC 8601 2.6)."""
        return tuple(
            info for info in self.results if info.method == method and info.method_version == 1
        )


def read_received_spf(body: str | bytes) -> ReceivedSPF:
    """What the body of a Received-SPF field says; raises InputError."""
    scanner = Scanner(as_text(body))
    # header-field   = "Received-SPF:" [CFWS] result FWS [comment FWS] [ key-value-list ] CRLF
    scanner.cfws()
    scanner.comments.clear()
    word = scanner.run(_RESULT_WORD).lower()
    between = scanner.cfws()
    if word not in _RESULTS or not (between or scanner.ended or scanner.next_is(";")):
        raise scanner.wrong("does not begin with a result of SPF")
    comment = scanner.comments[0] if scanner.comments else None
    pairs: list[tuple[str, str]] = []
    # key-value-list = key-value-pair *( ";" [CFWS] key-value-pair ) [";"]
    while not scanner.ended:
        if scanner.take(";"):
            scanner.cfws()
            continue
        pairs.append(_pair(scanner))
        scanner.cfws()
        if not (scanner.ended or scanner.next_is(";")):
            raise scanner.wrong("something other than ';' stands after a value")
    return ReceivedSPF(Result(word), comment, tuple(pairs))


# key-value-pair = key [CFWS] "=" ( dot-atom / quoted-string )
def _pair(scanner: Scanner) -> tuple[str, str]:
    key = scanner.run(_KEY).lower()
    scanner.cfws()
    if not key or not scanner.take("="):
        raise scanner.wrong("a key and '=' are expected")
    scanner.cfws()
    return key, scanner.value(_BARE)


def read_authentication_results(body: str | bytes) -> AuthenticationResults:
    """What the body of an Authentication-Results field says; raises InputError."""
    scanner = Scanner(as_text(body))
    # authres-payload = [CFWS] authserv-id [ CFWS authres-version ]
    #                   ( no-result / 1*resinfo ) [CFWS] CRLF
    scanner.cfws()
    start = scanner.at
    identifier = scanner.value(_IDENTIFIER)
    if not identifier:
        raise scanner.wrong("an authserv-id is expected")
    scanner.cfws()
    if scanner.next_is("="):
        # The field begins with a result; some services leave their identifier out.
        scanner.at = start
        return AuthenticationResults("", 1, _results(scanner, first=True))
    version = _number(scanner, absent=1)
    scanner.cfws()
    if not (scanner.ended or scanner.next_is(";")):
        raise scanner.wrong("something other than ';' stands after the authserv-id")
    if version != 1:
        # RFC 8601 2.6: what follows need not be in this format.
        return AuthenticationResults(identifier, version, ())
    return AuthenticationResults(identifier, version, _results(scanner, first=False))


# no-result = [CFWS] ";" [CFWS] "none"
def _results(scanner: Scanner, *, first: bool) -> tuple[ResInfo, ...]:
    results: list[ResInfo] = []
    none = False
    while not scanner.ended:
        if scanner.take(";") or first:
            first = False
            scanner.cfws()
            continue
        info = _resinfo(scanner)
        if info is None:
            none = True
        else:
            results.append(info)
    if none and results:
        raise scanner.wrong("'none' stands beside results")
    return tuple(results)


# resinfo    = [CFWS] ";" methodspec [ CFWS reasonspec ] [ CFWS 1*propspec ]
# methodspec = [CFWS] method [CFWS] "=" [CFWS] result
# method     = Keyword [ [CFWS] "/" [CFWS] method-version ]
def _resinfo(scanner: Scanner) -> ResInfo | None:
    method = scanner.run(_KEYWORD).lower()
    scanner.cfws()
    if method == "none" and (scanner.ended or scanner.next_is(";")):
        return None
    version = 1
    if scanner.take("/"):
        scanner.cfws()
        version = _number(scanner, absent=None)
        scanner.cfws()
    if not method or not scanner.take("="):
        raise scanner.wrong("a method and '=' are expected")
    scanner.cfws()
    result = scanner.run(_KEYWORD).lower()
    between = scanner.cfws()
    if not result or not (between or scanner.ended or scanner.next_is(";")):
        raise scanner.wrong("a result is expected")
    if result == "hardfail" and method in ("spf", "sender-id"):
        result = "fail"  # RFC 6577 3
    reason: str | None = None
    properties: list[Property] = []
    while not (scanner.ended or scanner.next_is(";")):
        found = _propspec(scanner)
        # reasonspec = "reason" [CFWS] "=" [CFWS] value
        if found[:2] == ("", "reason") and reason is None:
            reason = found.value
        else:
            properties.append(found)
        between = scanner.cfws()
        if not (between or scanner.ended or scanner.next_is(";")):
            raise scanner.wrong("something stands close to a value")
    return ResInfo(method, version, result, reason, tuple(properties))


# propspec = ptype [CFWS] "." [CFWS] property [CFWS] "=" pvalue
# pvalue   = [CFWS] ( value / [ [ local-part ] "@" ] domain-name ) [CFWS]
def _propspec(scanner: Scanner) -> Property:
    ptype, name = scanner.run(_KEYWORD).lower(), ""
    scanner.cfws()
    if ptype and scanner.take("."):
        scanner.cfws()
        name = scanner.run(_PROPERTY).lower()
        scanner.cfws()
    else:
        ptype, name = "", ptype
    if not name or not scanner.take("="):
        raise scanner.wrong("a property and '=' are expected")
    scanner.cfws()
    return Property(ptype, name, scanner.value(_BARE))


# authres-version = 1*DIGIT [CFWS]; method-version likewise
def _number(scanner: Scanner, *, absent: int | None) -> int:
    digits = scanner.run(_DIGITS)
    if not digits and absent is not None:
        return absent
    if not 1 <= len(digits) <= 9:
        raise scanner.wrong("a version is expected, of at most 9 digits")
    return int(digits)
