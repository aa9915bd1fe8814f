"""The compiled codec for DNS messages, by octets written by hand (RFC 1035 4)."""

from __future__ import annotations

import pytest

from senderid_fast._core.datagrams import Datagrams, wait
from senderid_fast._core.wire import read_answer, write_query
from senderid_fast.questions import Answer, RRType, Status

NAME = b"\x01a\x07example\x00"
HERE = b"\xc0\x0c"  # a pointer to the question's name


def rr(owner: bytes, rrtype: int, data: bytes, ttl: int = 60, rrclass: int = 1) -> bytes:
    return (
        owner
        + rrtype.to_bytes(2, "big")
        + rrclass.to_bytes(2, "big")
        + ttl.to_bytes(4, "big")
        + len(data).to_bytes(2, "big")
        + data
    )


def message(
    rrtype: int,
    *answers: bytes,
    authority: tuple[bytes, ...] = (),
    additional: tuple[bytes, ...] = (),
    flags: bytes = b"\x81\x80",
    name: bytes = NAME,
) -> bytes:
    counts = b"".join(len(some).to_bytes(2, "big") for some in (answers, authority, additional))
    question = name + rrtype.to_bytes(2, "big") + b"\0\1"
    return b"".join(
        [b"\x12\x34", flags, b"\0\1", counts, question, *answers, *authority, *additional]
    )


def read(octets: bytes, rrtype: RRType = RRType.TXT, name: str = "a.example") -> Answer | str:
    return read_answer(octets, name, rrtype, 0x1234)


def txt(text: bytes) -> bytes:
    return bytes([len(text)]) + text


SOA = b"\x02ns\xc0\x0e\xc0\x0e" + b"\0\0\0\1" * 4 + b"\0\0\0\x1e"


def test_query() -> None:
    assert write_query("a.example", RRType.TXT, 0x1234) == (
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01"
        + NAME
        + b"\0\x10\0\1"
        + b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
    )


@pytest.mark.parametrize(
    "name", ["", ".", "a.", ".a", "a..b", "x" * 64, ".".join(["x" * 62] * 5), "\u0100", "\ud800"]
)
def test_no_query_for_what_is_no_name(name: str) -> None:
    assert write_query(name, RRType.TXT, 1) is None
    assert read(message(16), name=name) == "stray"


def test_longest_name() -> None:
    name = ".".join(["x" * 63, "y" * 63, "z" * 63, "w" * 61])
    octets = write_query(name, RRType.A, 1)
    assert octets is not None
    assert octets[12:267].endswith(b"w\0")
    assert write_query(name + "w", RRType.A, 1) is None


@pytest.mark.parametrize(("rrtype", "query_id"), [(0, 1), (65536, 1), (16, -1), (16, 65536)])
def test_numbers_have_16_bits(rrtype: int, query_id: int) -> None:
    with pytest.raises(ValueError, match="16 bits"):
        write_query("a.example", rrtype, query_id)


def test_records_of_each_type() -> None:
    strings = rr(HERE, 16, txt(b"v=spf1 ") + txt(b"") + txt(b"-all"))
    assert read(message(16, strings)) == Answer(Status.OK, (b"v=spf1 -all",), 60)
    assert read(message(1, rr(HERE, 1, b"\xc0\0\2\1")), RRType.A).records == ("192.0.2.1",)  # type: ignore[union-attr]
    for octets, text in (
        (b"\x20\x01\x0d\xb8" + b"\0" * 11 + b"\1", "2001:db8::1"),
        (b"\0" * 10 + b"\xff\xff\xc0\0\2\1", "::ffff:192.0.2.1"),
        (b"\0" * 15 + b"\1", "::1"),
        (b"\0" * 16, "::"),
    ):
        answer = read(message(28, rr(HERE, 28, octets)), RRType.AAAA)
        assert answer == Answer(Status.OK, (text,), 60)
    exchange = rr(HERE, 15, b"\0\x0a\x04MAIL" + HERE)
    null = rr(HERE, 15, b"\0\0\0")
    answer = read(message(15, exchange, null), RRType.MX)
    assert answer == Answer(Status.OK, ((10, "mail.a.example"), (0, "")), 60)
    pointer = rr(HERE, 12, b"\x03a.b\xc0\x0e")
    assert read(message(12, pointer), RRType.PTR) == Answer(Status.OK, ("a.b.example",), 60)


def test_the_same_record_twice_counts_once_with_the_least_ttl() -> None:
    one, again = rr(HERE, 16, txt(b"x"), 300), rr(HERE, 16, txt(b"x"), 20)
    split = rr(HERE, 16, txt(b"x") + txt(b""), 400)
    assert read(message(16, one, again, split)) == Answer(Status.OK, (b"x", b"x"), 20)


def test_ttl_with_the_top_bit_is_zero() -> None:
    assert read(message(16, rr(HERE, 16, txt(b"x"), 1 << 31))) == Answer(Status.OK, (b"x",), 0)


def test_aliases() -> None:
    alias = rr(HERE, 5, b"\x01b\xc0\x0e", 30)
    target = rr(b"\x01B\x07EXAMPLE\0", 16, txt(b"x"), 90)
    other = rr(b"\x01c\xc0\x0e", 16, txt(b"v=spf1 +all"), 5)
    for answers in ((alias, target, other), (other, target, alias)):
        assert read(message(16, *answers)) == Answer(Status.OK, (b"x",), 30)
    loop = rr(HERE, 5, HERE)
    for answers in ((alias,), (alias, alias, target), (loop,), (alias, other)):
        assert read(message(16, *answers)) == "odd"
    chain = [
        rr(bytes([1, 97 + n]) + b"\xc0\x0e", 5, bytes([1, 98 + n]) + b"\xc0\x0e") for n in range(17)
    ]
    last = [rr(bytes([1, 97 + n]) + b"\xc0\x0e", 16, txt(b"x")) for n in (16, 17)]
    assert read(message(16, *chain[:16], last[0])) == Answer(Status.OK, (b"x",), 60)
    assert read(message(16, *chain, last[1])) == "odd"


def test_negative_answers() -> None:
    zone = b"\xc0\x0e"
    soa, low = rr(zone, 6, SOA, 300), rr(zone, 6, SOA, 7)
    alias = rr(HERE, 5, b"\x01b\xc0\x0e", 20)
    foreign = rr(b"\x05other\0", 6, SOA, 300)
    for flags, status in ((b"\x81\x80", Status.NODATA), (b"\x81\x83", Status.NXDOMAIN)):
        assert read(message(16, authority=(soa,), flags=flags)) == Answer(status, (), 30)
        assert read(message(16, authority=(low,), flags=flags)) == Answer(status, (), 7)
        assert read(message(16, alias, authority=(soa,), flags=flags)) == Answer(status, (), 20)
        assert read(message(16, authority=(foreign,), flags=flags)) == Answer(status, (), 0)
        assert read(message(16, flags=flags)) == Answer(status, (), 0)
        assert read(message(16, authority=(soa, low), flags=flags)) == "odd"
    referral = rr(zone, 2, b"\x02ns\xc0\x0e")
    assert read(message(16, authority=(referral,))) == "odd"
    assert read(message(16, authority=(referral,), flags=b"\x85\x80")) == Answer(Status.NODATA)


def test_only_the_answer_section_answers() -> None:
    lie = rr(HERE, 16, txt(b"v=spf1 +all"))
    assert read(message(16, authority=(lie,), additional=(lie,))) == Answer(Status.NODATA)


GOOD = message(16, rr(HERE, 16, txt(b"x")))


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        GOOD[:11],
        GOOD[:20],
        b"\x12\x35" + GOOD[2:],
        GOOD[:2] + b"\x01" + GOOD[3:],  # a query
        GOOD[:2] + b"\xa9" + GOOD[3:],  # another opcode
        GOOD.replace(NAME, b"\x01b\x07example\x00"),
        GOOD[:23] + b"\x00\x01" + GOOD[25:],  # another type
        GOOD[:23] + b"\x00\x10\x00\x03" + GOOD[27:],  # another class
        GOOD[:4] + b"\0\2" + GOOD[6:],
        b"\x12\x34\x81\x80\0\0\0\0\0\0\0\0",
    ],
)
def test_strays(octets: bytes) -> None:
    assert read(octets) == "stray"


def test_case_of_the_question_does_not_matter() -> None:
    assert (
        read(GOOD.replace(b"example", b"eXaMPLE")) == read(GOOD) == Answer(Status.OK, (b"x",), 60)
    )
    assert read(GOOD, name="A.Example") == read(GOOD)


@pytest.mark.parametrize(
    ("octets", "word"),
    [
        (message(16, flags=b"\x83\x80"), "truncated"),
        (message(16, flags=b"\x81\x82"), "servfail"),
        (message(16, flags=b"\x81\x85"), "refused"),
        (message(16, flags=b"\x81\x84"), "odd"),
        (b"\x12\x34\x81\x81\0\0\0\0\0\0\0\0", "odd"),  # FORMERR without a question
        (GOOD + b"\0", "odd"),
        (GOOD[:-1], "odd"),
        (message(16, rr(HERE, 16, b"")), "odd"),
        (message(16, rr(HERE, 16, b"\x05x")), "odd"),
        (message(16, rr(HERE, 16, txt(b"x"), rrclass=3)), "odd"),
        (message(16, rr(b"\xc0\x1b", 16, txt(b"x"))), "odd"),  # points to itself
        (message(16, rr(b"\xc0\xff", 16, txt(b"x"))), "odd"),
        (message(16, rr(b"\x80a\0", 16, txt(b"x"))), "odd"),
        (message(16, rr(b"\x3f" + b"x" * 63, 16, txt(b"x"))), "odd"),
        (message(16, rr((b"\x3f" + b"x" * 63) * 4 + b"\0", 16, txt(b"x"))), "odd"),
        (message(16, rr(HERE, 39, b"\xc0\x0e")), "odd"),  # DNAME
        (message(16, rr(HERE, 99, b"x")), "odd"),
        (message(16, additional=(rr(b"\0", 41, b""), rr(b"\0", 41, b""))), "odd"),
        (message(16, additional=(rr(NAME, 41, b""),)), "odd"),
        (message(16, additional=(rr(b"\0", 41, b"", 1 << 24),)), "odd"),  # BADVERS
        (message(16, additional=(rr(b"\0", 41, b"\0\x0f\0\x09\0\1"),)), "odd"),
        (message(16, *[rr(HERE, 16, txt(b"x"))] * 513), "odd"),
    ],
)
def test_what_is_no_answer(octets: bytes, word: str) -> None:
    assert read(octets) == word


def test_extended_error_is_no_obstacle() -> None:
    option = rr(b"\0", 41, b"\0\x0f\0\x06\0\3text", rrclass=1232)
    assert read(message(16, rr(HERE, 16, txt(b"x")), additional=(option,))) == read(GOOD)


@pytest.mark.parametrize("plain", [False, True])
def test_datagrams_there_and_back(plain: bool) -> None:
    import socket

    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with left, right:
        out, into = Datagrams(plain), Datagrams(plain)
        assert into.receive(right.fileno()) == 0
        assert wait([right.fileno()], 0) == []
        sizes = [1, 0, 512, 4096]
        for size in sizes:
            assert out.put(bytes([size % 251]) * size)
        assert not out.put(b"x" * 4097)
        assert out.send(left.fileno()) == 4
        assert out.send(left.fileno(), 4) == 0
        left.send(b"y" * 5000)
        assert wait([left.fileno(), right.fileno()], 1000) == [1]
        assert into.receive(right.fileno()) == 5
        assert [into.get(number) for number in range(5)] == [
            bytes([size % 251]) * size for size in sizes
        ] + [b""]  # the last was too long
        with pytest.raises(IndexError):
            into.get(5)
        with pytest.raises(IndexError):
            out.send(left.fileno(), 5)
        right.close()
        with pytest.raises(ConnectionRefusedError):
            out.send(left.fileno())


def test_a_batch_has_room_for_64() -> None:
    batch = Datagrams()
    assert [batch.put(b"x") for _ in range(65)] == [True] * 64 + [False]
    batch.clear()
    assert batch.count == 0
