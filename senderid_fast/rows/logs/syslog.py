"""What logs share: the head of a syslog line, addresses, and the table of what is not complete yet.

What may live here: patterns and helpers that more than one log needs.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from senderid_fast._core.cidr import parse_address
from senderid_fast.rows.logs.source import Unfit

__all__ = [
    "HEAD",
    "HELO_MOST",
    "LITERAL",
    "LOCAL_PART",
    "TIME",
    "Known",
    "Pending",
    "address_of",
    "unreadable",
]

# RFC 3164 4.1.2 (some write one blank before a day of one digit), with fractions of a second; or
# ISO 8601, as rsyslog, journalctl and RFC 5424 have it.
TIME = (
    rb"(?:[A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d(?:\.\d{1,9})?"
    rb"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[\d.,:+Z-]{0,20})"
)
#: Groups: the time and the host. "<22>" before it is the priority as it is sent (RFC 3164 4.1.1).
HEAD = rb"(?:<\d{1,3}>)?(" + TIME + rb") ([^\s]{1,255}) "
#: What stands between brackets if it is an address.
LITERAL = rb"([^\]\s]{1,64})"
#: An address outside of angle brackets, which ends at a blank that is not quoted (RFC 5321 4.1.2).
LOCAL_PART = rb'(?:[^\s"\\<>]|\\.|"(?:[^"\\]|\\.)*+")*+'
#: No name in DNS is longer; of a HELO that is, no more is remembered.
HELO_MOST = 1_024
#: How many may be remembered. The oldest goes first.
PENDING_MOST = 100_000


def address_of(octets: bytes) -> str | None:
    """The address in its shortest form, or None. "IPv6:" may stand before it (RFC 5321 4.1.3)."""
    text = octets.decode("latin-1")
    return parse_address(text[5:] if text[:5].lower() == "ipv6:" else text)


def unreadable(number: int, column: int | str, octets: bytes) -> str:
    """The reason of a row whose address is none. number and column are from 1, or it has a name."""
    shown = ascii(octets[:64].decode("utf-8", "replace"))
    return f"line {number}, column {column}: {shown} is no IP address"


class Known(NamedTuple):
    """What is known of a client before its row is complete; None and "" for what is not.

    reason  why its row is at fault
    """

    ip: str | None = None
    helo: bytes | None = None
    reason: str = ""


class Pending:
    """What is known of clients whose rows later lines complete, by a key. Bounded.

    pushed_out  how many were dropped to make room
    """

    def __init__(self) -> None:
        self._of: OrderedDict[bytes, Known] = OrderedDict()
        self.get = self._of.get
        self.pushed_out = 0

    def put(self, key: bytes, known: Known) -> None:
        """Remember something, as the newest."""
        self._of[key] = known
        self._of.move_to_end(key)
        if len(self._of) > PENDING_MOST:
            self._of.popitem(last=False)
            self.pushed_out += 1

    def pop(self, key: bytes) -> Known | None:
        """What is known, and forget it."""
        return self._of.pop(key, None)

    def state(self) -> str:
        """Everything as text, the oldest first."""
        import json

        entries = [
            (key.decode("latin-1"), ip, None if helo is None else helo.decode("latin-1"), reason)
            for key, (ip, helo, reason) in self._of.items()
        ]
        return json.dumps(entries, separators=(",", ":"))

    def restore(self, state: str) -> None:
        """Take up what state() gave. Raises Unfit."""
        import json

        try:
            for key, ip, helo, reason in json.loads(state):
                if not (ip is None or isinstance(ip, str)) or not isinstance(reason, str):
                    raise Unfit
                octets = None if helo is None else helo.encode("latin-1")
                self._of[key.encode("latin-1")] = Known(ip, octets, reason)
        except (ValueError, TypeError, AttributeError, RecursionError):
            raise Unfit from None
        if len(self._of) > PENDING_MOST:
            raise Unfit
