"""Target: a resolver whose answers are junk. A check must make a verdict of whatever it is told.

An input is read as a stream of octets from which values are made: the octets choose between kinds
of values, counts and texts. When it is used up, all further choices are 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import senderid_fast as sf
from fuzz.properties import check_questions, check_verdict

__all__ = ["answers"]

RECORDS = (
    b"v=spf1 a mx ptr exists:%{i}.e.example include:b.example redirect=c.example",
    b"v=spf1 mx include:b.example -all exp=text.example",
    b"v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ptr a:%{p}.example -all",
    b"spf2.0/pra,mfrom a mx -all",
)
TEXTS = (
    "192.0.2.1",
    "2001:db8::1",
    "mail.a.example",
    "\udcff",
    "x" * 70 + ".example",
    "",
    ".",
    "\xe9.example",
)
NUMBERS: tuple[Any, ...] = (
    0, -1, 1 << 31, 1 << 63, 1 << 64, 10**400, 0.5, float("inf"), float("-inf"), float("nan"), True,
)  # fmt: skip
ERRORS: tuple[type[Exception], ...] = (
    AttributeError,
    TypeError,
    ValueError,
    KeyError,
    OverflowError,
    RuntimeError,
    RecursionError,
    AssertionError,
    OSError,
    StopIteration,
)
LIMITS = sf.Limits()


class _Stream:
    """Octets, read from the front."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def octet(self) -> int:
        self.at += 1
        return self.data[self.at - 1] if self.at <= len(self.data) else 0

    def take(self, count: int) -> bytes:
        found = self.data[self.at : self.at + count]
        self.at += count
        return found

    def pick(self, values: tuple[Any, ...]) -> Any:
        return values[self.octet() % len(values)]


class _Hostile:
    """Raises whatever is done with it."""

    def __init__(self, error: type[Exception]) -> None:
        object.__setattr__(self, "_error", error)

    def _raise(self, *_: object) -> Any:
        raise object.__getattribute__(self, "_error")("hostile")

    __getattr__ = __str__ = __iter__ = __len__ = __float__ = __index__ = _raise
    __lt__ = __bytes__ = __bool__ = _raise


class _Loose:
    """An answer with any fields, or without some."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


class _Text(str):
    """A str with a class of its own."""

    __slots__ = ()


def _scalar(stream: _Stream) -> Any:
    kinds: tuple[Callable[[], Any], ...] = (
        lambda: stream.pick(TEXTS),
        lambda: stream.pick(RECORDS),
        lambda: stream.take(stream.octet()),
        lambda: stream.take(stream.octet()).decode("latin-1"),
        lambda: stream.take(16),
        lambda: stream.take(4),
        lambda: stream.pick(NUMBERS),
        lambda: None,
        lambda: _Text(stream.pick(TEXTS)),
        lambda: bytearray(stream.take(4)),
        lambda: memoryview(stream.take(16)),
        lambda: _Hostile(stream.pick(ERRORS)),
        lambda: stream.take(2) * 40_000,
        lambda: {"a": 1},
    )
    return kinds[stream.octet() % len(kinds)]()


def _record(stream: _Stream) -> Any:
    if stream.octet() % 3:
        return _scalar(stream)
    return tuple(_scalar(stream) for _ in range(stream.octet() % 4))


def _records(stream: _Stream, question: sf.Question) -> Any:
    kind = stream.octet() % 12
    if kind == 0:
        return _scalar(stream)
    if kind == 1:
        return (_record(stream),) * (stream.octet() * 40)  # many
    if kind == 2:
        return [_record(stream) for _ in range(stream.octet() % 20)]
    if kind == 3:
        return iter([_record(stream)])
    if kind < 6:
        return tuple(_record(stream) for _ in range(stream.octet() % 20))
    return _fitting(stream, question)


def _fitting(stream: _Stream, question: sf.Question) -> tuple[Any, ...]:
    """Records that are right, so that the check goes on to further questions."""
    count = stream.octet() % 12
    match question.rrtype:
        case sf.RRType.TXT:
            return (stream.pick(RECORDS),) if count < 10 else (stream.take(count * 9),)
        case sf.RRType.A:
            return tuple(f"192.0.2.{stream.octet()}" for _ in range(count))
        case sf.RRType.AAAA:
            return tuple(f"2001:db8::{stream.octet():x}" for _ in range(count))
        case sf.RRType.MX:
            return tuple((stream.octet(), f"m{stream.octet()}.a.example") for _ in range(count))
        case sf.RRType.PTR:
            return tuple(f"h{stream.octet()}.a.example" for _ in range(count))


class _Junk:
    """A resolver that makes its answers up from the octets."""

    def __init__(self, data: bytes) -> None:
        self.stream = _Stream(data)
        self.asked: list[sf.Question] = []

    def resolve(self, question: sf.Question, timeout: float) -> Any:
        self.asked.append(question)
        stream = self.stream
        kind = stream.octet() % 16
        if kind == 0:
            return _scalar(stream)
        if kind == 1:
            raise stream.pick(ERRORS)("raised")
        status: Any = sf.Status.OK
        if kind < 5:
            status = _scalar(stream) if kind == 2 else stream.pick(tuple(sf.Status))
        ttl = stream.pick(NUMBERS) if kind < 7 else 300
        detail = _scalar(stream) if kind < 6 else ""
        fields = {
            "status": status,
            "records": _records(stream, question),
            "ttl": ttl,
            "detail": detail,
        }
        if kind == 7:
            del fields[("status", "records", "ttl", "detail")[stream.octet() % 4]]
            return _Loose(**fields)
        return sf.Answer(**fields) if kind != 8 else _Loose(**fields)


def answers(data: bytes) -> None:
    """A verdict comes of it, the same one each time, and all its fields can be read."""
    ip = "192.0.2.1" if len(data) % 2 else "2001:db8::1"
    verdicts = []
    for _ in range(2):
        resolver = _Junk(data)
        engine = sf.Engine(resolver, store_octets=1 << 16)
        verdict = engine.check_mail_from(ip, b"user@a.example", b"mail.a.example")
        check_verdict(verdict, LIMITS)
        check_questions(resolver.asked, LIMITS)
        verdicts.append(verdict)
        counts = engine.statistics()
        assert counts["octets"] <= counts["limit"]
    # All but the words, in which the address of an object may stand.
    fields = [{**verdict.as_dict(), "detail": ""} for verdict in verdicts]
    assert fields[0] == fields[1]
    # The store alone, past any check. What it cannot read it keeps as an error of DNS.
    stream = _Stream(data)
    for rrtype in sf.RRType:
        question = sf.Question("a.example", rrtype)
        engine._store.put(question, sf.Answer(sf.Status.OK, _fitting(stream, question)), 10, 5)
