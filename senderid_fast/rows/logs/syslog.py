"""What logs share: the head of a syslog line, addresses, and the table of what is not complete yet.

What may live here: patterns and helpers that more than one log needs.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache

from senderid_fast._core.cidr import parse_address
from senderid_fast.rows.logs.source import Known, Unfit

__all__ = [
    "HEAD",
    "HELO_MOST",
    "LITERAL",
    "LOCAL_PART",
    "TIME",
    "Pending",
    "client_of",
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
LITERAL_MOST = 64
LITERAL = rb"([^\]\s]{1,64})"
#: An address outside of angle brackets, which ends at a blank that is not quoted (RFC 5321 4.1.2).
LOCAL_PART = rb'(?:[^\s"\\<>]|\\.|"(?:[^"\\]|\\.)*+")*+'
#: No name in DNS is longer; of a HELO that is, no more is remembered.
HELO_MOST = 1_024
#: How many may be remembered. The oldest goes first.
PENDING_MOST = 100_000


@lru_cache(maxsize=1 << 16)
def _known(octets: bytes) -> Known | None:
    """The client of an address; "IPv6:" may stand before it (RFC 5321 4.1.3)."""
    text = octets.decode("latin-1")
    ip = parse_address(text[5:] if text[:5].lower() == "ipv6:" else text)
    return None if ip is None else Known(ip)


def client_of(octets: bytes, helo: bytes | None, number: int, column: int | str) -> Known:
    """A client of which the log tells an address. number and column (or its name) are from 1."""
    known = _known(octets) if len(octets) <= LITERAL_MOST else None
    if known is not None:
        return known if helo is None else Known(known.ip, helo)
    shown = ascii(octets[:LITERAL_MOST].decode("utf-8", "replace"))
    return Known(None, helo, f"line {number}, column {column}: {shown} is no IP address")


class Pending:
    """What is known of clients whose rows later lines complete, by a key. Bounded.

    pushed_out  how many were dropped to make room
    """

    def __init__(self) -> None:
        self._of: OrderedDict[bytes, Known] = OrderedDict()
        self.get, self.pop = self._of.get, self._of.pop
        self.pushed_out = 0

    def put(self, key: bytes, known: Known) -> None:
        """Remember something, as the newest."""
        self._of[key] = known
        self._of.move_to_end(key)
        if len(self._of) > PENDING_MOST:
            self._of.popitem(last=False)
            self.pushed_out += 1

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
