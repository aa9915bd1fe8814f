"""The codec of caches: what is dropped, and that it is counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack
import pytest

import senderid_fast as sf
from senderid_fast.cache.base import CachedAnswer
from senderid_fast.cache.codec import (
    FORMAT,
    MOST_OCTETS,
    MOST_TTL,
    SKEW,
    Codec,
    key_of,
    question_of,
)

NOW = 1_800_000_000.0
TXT = b"v=spf1 -all"
GOOD: list[Any] = [FORMAT, "ok", int(NOW * 1000), 300, [TXT], ""]


def octets(*changes: tuple[int, Any]) -> bytes:
    value = list(GOOD)
    for at, new in changes:
        value[at] = new
    return bytes(msgpack.packb(value, use_bin_type=True))


def test_the_form_is_the_one_that_other_versions_read() -> None:
    codec = Codec()
    answer = CachedAnswer(sf.Answer(sf.Status.OK, (TXT,), 300), NOW)
    assert codec.encode(sf.RRType.TXT, answer) == octets()
    assert codec.decode(sf.RRType.TXT, octets(), NOW) == answer
    assert key_of(sf.Question("a.example", sf.RRType.TXT)) == b"example.a\0\x10"


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, FORMAT + 1),
        (0, True),
        (0, str(FORMAT)),
        (1, "OK"),
        (1, "great"),
        (1, 0),
        (1, b"ok"),
        (2, -1),
        (2, NOW * 1000),
        (2, int((NOW + SKEW) * 1000) + 1),
        (3, -1),
        (3, MOST_TTL + 1),
        (3, 1 << 63),
        (3, 300.0),
        (3, True),
        (3, None),
        (4, TXT),
        (4, {}),
        (4, {"a": TXT}),
        (4, [TXT.decode()]),
        (4, [[TXT]]),
        (4, [TXT] * 8_193),
        (4, [b"x" * 65_536]),
        (4, [b"x" * 60_000] * 3),
        (5, None),
        (5, b""),
        (5, "x" * 4_097),
    ],
)
def test_a_field_that_is_wrong_drops_the_whole(at: int, value: Any) -> None:
    codec = Codec()
    assert codec.decode(sf.RRType.TXT, octets((at, value)), NOW) is None
    assert codec.dropped == 1


@pytest.mark.parametrize(
    ("rrtype", "record"),
    [
        ("A", b"\xc0\0\2\1"),
        ("A", "2001:db8::1"),
        ("A", "192.0.2.256"),
        ("A", "192.0.2.1/32"),
        ("A", ""),
        ("AAAA", "192.0.2.1"),
        ("AAAA", ":" * 46),
        ("AAAA", "fe80::1%eth0"),
        ("MX", "mail.example"),
        ("MX", [10]),
        ("MX", [65_536, "mail.example"]),
        ("MX", [-1, "mail.example"]),
        ("MX", [True, "mail.example"]),
        ("MX", ["10", "mail.example"]),
        ("MX", [10, "x" * 254]),
        ("PTR", b"mail.example"),
        ("PTR", "\u0100.example"),
        ("TXT", "v=spf1"),
    ],
)
def test_a_record_that_is_none_of_its_type(rrtype: str, record: Any) -> None:
    codec = Codec()
    assert codec.decode(sf.RRType[rrtype], octets((4, [record])), NOW) is None
    assert codec.dropped == 1


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xc1",
        octets()[:-1],
        octets() + b"\0",
        octets() * 2,
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 5_000,
        b"x" * (MOST_OCTETS + 1),
        msgpack.packb(GOOD[:5]),
        msgpack.packb([*GOOD, 1]),
        msgpack.packb(msgpack.ExtType(1, b"x" * 10)),
        msgpack.packb(msgpack.Timestamp(1)),
        "text",
        None,
        7,
    ],
    ids=repr,
)
def test_what_is_no_value(value: Any) -> None:
    codec = Codec()
    assert codec.decode(sf.RRType.TXT, value, NOW) is None
    assert codec.dropped == 1


def test_only_ok_has_records() -> None:
    codec = Codec()
    assert codec.decode(sf.RRType.TXT, octets((1, "nxdomain")), NOW) is None
    assert codec.decode(sf.RRType.TXT, octets((1, "nxdomain"), (4, [])), NOW) is not None
    assert codec.dropped == 1


def test_a_long_ttl_is_written_as_the_longest() -> None:
    codec = Codec()
    answer = sf.Answer(sf.Status.OK, (TXT,), (1 << 31) - 1)
    written = codec.encode(sf.RRType.TXT, CachedAnswer(answer, NOW))
    found = codec.decode(sf.RRType.TXT, written, NOW)
    assert found is not None
    assert found.answer == answer._replace(ttl=MOST_TTL)
    assert found.expires == NOW + MOST_TTL


class _Hostile:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


@pytest.mark.parametrize(
    "make",
    [
        lambda: sf.Answer("great", (TXT,), 1),  # type: ignore[arg-type]
        lambda: sf.Answer(sf.Status.OK, ("text",), 1),
        lambda: sf.Answer(sf.Status.OK, (TXT,), -1),
        lambda: sf.Answer(sf.Status.SERVFAIL, (TXT,), 1),
        lambda: sf.Answer(sf.Status.OK, (b"x" * 65_535,) * 2, 1),
        lambda: sf.Answer(sf.Status.OK, _Hostile(), 1),  # type: ignore[arg-type]
        _Hostile,
    ],
)
def test_what_could_not_be_read_is_not_written(make: Callable[[], Any]) -> None:
    codec = Codec()
    assert codec.encode(sf.RRType.TXT, CachedAnswer(make(), NOW)) is None
    assert codec.dropped == 1


@pytest.mark.parametrize("name", ["x" * 254, "\u0100.example", None, 7])
def test_what_is_no_name_has_no_key(name: Any) -> None:
    assert key_of(sf.Question(name, sf.RRType.TXT)) is None


@pytest.mark.parametrize("key", [b"", b"\0", b"a\0\x02", b"a\x01\x10", b"x" * 254 + b"\0\x10"])
def test_what_is_no_key_has_no_question(key: bytes) -> None:
    assert question_of(key) is None
