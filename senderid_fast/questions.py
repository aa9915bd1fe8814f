"""Question and Answer: the only words that the core, the resolvers and the caches share about DNS.

What may live here: plain values. Nothing of ours is imported, nothing here asks or keeps anything.

Names are text in which one character stands for one octet (U+0000 to U+00FF): a name that a macro
made from a HELO string may hold any octet. They are lower case and have no final dot.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import NamedTuple

__all__ = ["Answer", "Question", "RRType", "StaleAnswer", "Status"]


class RRType(IntEnum):
    """The record types that SPF asks for (RFC 7208 4.4, 5), by their number in DNS."""

    A = 1
    PTR = 12
    MX = 15
    TXT = 16
    AAAA = 28

    __hash__ = int.__hash__  # that of Enum is written in Python, and questions are keys

    def __str__(self) -> str:
        return self.name


class Status(StrEnum):
    """How a question ended, as far as RFC 7208 tells the ends apart.

    OK, NODATA and NXDOMAIN are answers (RCODE 0 and 3). All others are errors, which become
    temperror (RFC 7208 4.4, 5); they differ in what a person is told.
    """

    OK = "ok"
    NODATA = "nodata"
    NXDOMAIN = "nxdomain"
    SERVFAIL = "servfail"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    MALFORMED = "malformed"
    ERROR = "error"

    __hash__ = str.__hash__  # that of Enum is written in Python

    @property
    def is_error(self) -> bool:
        """Whether the question is still open: neither records nor a sure "there are none"."""
        return self not in _ANSWERS


_ANSWERS = (Status.OK, Status.NODATA, Status.NXDOMAIN)


class Question(NamedTuple):
    """One DNS question. ``name`` is lower case, without a final dot, one character an octet."""

    name: str
    rrtype: RRType

    def __str__(self) -> str:
        return f"{self.name} {self.rrtype.name}"


class Answer(NamedTuple):
    """What a resolver says to a question.

    status   how it ended; records may be there only when it is ``Status.OK``
    records  by type. TXT: ``bytes``, the strings of one record joined with nothing between
             (RFC 7208 3.3). A, AAAA: text such as "192.0.2.1". MX: ``(preference, exchange)``.
             PTR: the name. Records of a CNAME's target stand as those of the name asked.
    ttl      seconds for which it may be kept; the smallest along a CNAME chain, and for a negative
             answer that of RFC 2308 5 (0 if the answer had no SOA: then it is not kept)
    detail   for errors: one sentence for people, such as "192.0.2.53:53 did not answer within 2 s"
    """

    status: Status
    records: tuple[bytes, ...] | tuple[str, ...] | tuple[tuple[int, str], ...] = ()
    ttl: int = 0
    detail: str = ""


class StaleAnswer(Answer):
    """An answer whose time to live is over, in place of an error of DNS (RFC 8767 4)."""

    __slots__ = ()
