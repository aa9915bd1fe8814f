"""Questions and answers as octets in a cache, and back without trust.

What may live here: the form of keys and values, and the bounds. Whoever can write to a cache may
have written anything: what does not decode, is too large, is of another version, or cannot be true
is no answer. It is counted, never raised.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from senderid_fast._core.cidr import parse_address
from senderid_fast.cache.base import CachedAnswer
from senderid_fast.questions import Answer, Question, RRType, Status

__all__ = [
    "FORMAT",
    "MOST_OCTETS",
    "MOST_TTL",
    "SKEW",
    "Codec",
    "key_of",
    "keys_below",
    "question_of",
]

FORMAT = 1
MOST_NAME = 253  # octets of a name as text (RFC 1035 2.3.4)
MOST_OCTETS = 1 << 17  # of a value; a message of DNS has 65,535 at most
MOST_RECORD = 65_535  # RDLENGTH has 16 bits (RFC 1035 3.2.1)
MOST_RECORDS = 8_192
MOST_DETAIL = 4_096  # characters
MOST_TTL = 604_800  # seconds: the most that Settings.max_ttl may be
SKEW = 60.0  # seconds that the clocks of machines may differ

_STATUSES = {str(status): status for status in Status}
_RRTYPES = {int(rrtype): rrtype for rrtype in RRType}


def key_of(question: Question) -> bytes | None:
    """The key of a question: the labels from the root on, then its type. None: it is no name.

    A name and the names below it lie beside each other.
    """
    try:
        octets = question.name.encode("latin-1")
        kind = _RRTYPES[int(question.rrtype)]
    except (AttributeError, TypeError, ValueError, KeyError):
        return None
    if len(octets) > MOST_NAME:
        return None
    return b".".join(octets.split(b".")[::-1]) + bytes((0, kind))


def question_of(key: bytes) -> Question | None:
    """The question of a key; None if it is no key."""
    if not 2 <= len(key) <= MOST_NAME + 2 or key[-2] or key[-1] not in _RRTYPES:
        return None
    name = b".".join(key[:-2].split(b".")[::-1]).decode("latin-1")
    return Question(name, _RRTYPES[key[-1]])


def keys_below(domain: str, below: bool = True) -> tuple[bytes, ...]:
    """What the keys of a name begin with, and those of all names below it. Raises UnicodeError."""
    reversed_name = b".".join(domain.encode("latin-1").split(b".")[::-1])
    return (reversed_name + b"\0", reversed_name + b".")[: 1 + below]


class Codec:
    """Answers to octets and back. ``dropped`` counts what could not be read or written.

    A value is the msgpack of [FORMAT, status, milliseconds of Unix time when it came, ttl, records,
    detail]. TXT records are octets, addresses and names text, MX records [preference, exchange].
    """

    def __init__(self) -> None:
        from msgpack import packb, unpackb

        self.dropped = 0
        self._pack: Callable[..., Any] = packb
        self._unpack: Callable[..., Any] = unpackb

    def encode(self, rrtype: RRType, cached: CachedAnswer) -> bytes | None:
        """The value; None, and counted, for what decode() would not take.

        A ttl above MOST_TTL counts as that.
        """
        try:
            octets = self._encoded(rrtype, cached)
        except Exception:  # noqa: BLE001 - a field of a stranger's object may raise anything
            octets = None
        self.dropped += octets is None
        return octets

    def _encoded(self, rrtype: RRType, cached: CachedAnswer) -> bytes | None:
        (status, records, ttl, detail), fetched_at = cached
        ttl = min(ttl, MOST_TTL)
        milliseconds = round(fetched_at * 1000)
        value = (FORMAT, str(Status(status)), milliseconds, ttl, tuple(records), detail)
        if _answer(rrtype, *value[1:]) is None:
            return None
        octets: bytes = self._pack(value, use_bin_type=True, unicode_errors="surrogatepass")
        return octets if len(octets) <= MOST_OCTETS else None

    def decode(self, rrtype: RRType, octets: object, now: float) -> CachedAnswer | None:
        """The answer of a value; None, and counted, if there is none to be believed.

        now  seconds of Unix time. An answer that is over is one all the same.
        """
        try:
            found = self._decoded(rrtype, octets, now)
        except Exception:  # noqa: BLE001 - msgpack has many errors for octets that are none of its
            found = None
        self.dropped += found is None
        return found

    def _decoded(self, rrtype: RRType, octets: object, now: float) -> CachedAnswer | None:
        if type(octets) is not bytes or len(octets) > MOST_OCTETS:
            return None
        value = self._unpack(
            octets,
            use_list=False,
            raw=False,
            unicode_errors="surrogatepass",
            max_array_len=MOST_RECORDS,
            max_map_len=0,
            max_ext_len=0,
        )
        version, status, milliseconds, ttl, records, detail = value
        if type(version) is not int or version != FORMAT:
            return None
        answer = _answer(rrtype, status, milliseconds, ttl, records, detail)
        if answer is None or milliseconds > (now + SKEW) * 1000:
            return None
        return CachedAnswer(answer, milliseconds / 1000)


def _answer(
    rrtype: RRType, status: Any, milliseconds: Any, ttl: Any, records: Any, detail: Any
) -> Answer | None:
    """The answer of the fields of a value, if each has its type and is within its bounds."""
    if not (
        type(status) is str
        and status in _STATUSES
        and type(milliseconds) is int
        and milliseconds >= 0
        and type(ttl) is int
        and 0 <= ttl <= MOST_TTL
        and type(records) is tuple
        and len(records) <= MOST_RECORDS
        and type(detail) is str
        and len(detail) <= MOST_DETAIL
    ):
        return None
    if records:
        if status != Status.OK:
            return None
        if not all(map(_IS_RECORD[rrtype], records)):
            return None
    return Answer(_STATUSES[status], records, ttl, detail)


def _is_octets(record: Any) -> bool:
    return type(record) is bytes and len(record) <= MOST_RECORD


def _is_name(record: Any) -> bool:
    # One character is one octet. The root is "".
    return type(record) is str and len(record) <= MOST_NAME and (record.isascii() or _latin(record))


def _latin(text: str) -> bool:
    return max(text) <= "\xff"


def _is_exchange(record: Any) -> bool:
    if type(record) is not tuple or len(record) != 2:
        return False
    preference, exchange = record
    return type(preference) is int and 0 <= preference <= 0xFFFF and _is_name(exchange)


def _is_ip4(record: Any) -> bool:
    return _is_address(record) and ":" not in record


def _is_ip6(record: Any) -> bool:
    return _is_address(record) and ":" in record


def _is_address(record: Any) -> bool:
    # A zone after "%" is of an address on a link, never of one in DNS (RFC 4007 11).
    if type(record) is not str or len(record) > 45 or not record.isascii() or "%" in record:
        return False
    return parse_address(record) is not None


_IS_RECORD: dict[RRType, Callable[[Any], bool]] = {
    RRType.TXT: _is_octets,
    RRType.A: _is_ip4,
    RRType.AAAA: _is_ip6,
    RRType.MX: _is_exchange,
    RRType.PTR: _is_name,
}
