"""The form of packets, both ways, and what becomes of octets that are none."""

from __future__ import annotations

import sys
from collections.abc import Callable
from struct import pack

import pytest
from support import milter as mta

from senderid_fast.errors import SenderIDError
from senderid_fast.milter import codec
from senderid_fast.milter.codec import Command, Connect, MilterFault, Offer, Packets


def taken(octets: bytes) -> list[tuple[int, bytes]]:
    packets = Packets()
    packets.feed(octets)
    found = list(packets.whole())
    assert packets.held == 0
    return found


# Packets ------------------------------------------------------------------------------------------


def test_packets_are_taken_one_after_another() -> None:
    octets = mta.helo(b"a") + mta.END + mta.mail(b"<>", b"SIZE=1")
    assert taken(octets) == [
        (Command.HELO, b"a\0"),
        (Command.BODYEOB, b""),
        (Command.MAIL, b"<>\0SIZE=1\0"),
    ]


def test_packets_in_single_octets_are_the_same() -> None:
    octets = mta.connect() + mta.helo() + mta.QUIT
    packets, found = Packets(), []
    for at in range(len(octets)):
        packets.feed(octets[at : at + 1])
        found += packets.whole()
    assert found == taken(octets)


def test_nothing_is_taken_before_a_packet_is_whole() -> None:
    packets = Packets()
    octets = mta.helo(b"mail.example.com")
    for end in range(len(octets)):
        packets.feed(octets[max(end - 1, 0) : end])
        assert list(packets.whole()) == []
        assert packets.held == end


def test_a_large_packet_in_small_pieces_is_held_once() -> None:
    octets = mta.packet("B", bytes(codec.PACKET_MOST - 1))
    packets = Packets()
    for at in range(0, len(octets), 1000):
        assert list(packets.whole()) == []
        packets.feed(octets[at : at + 1000])
    assert list(packets.whole()) == [(Command.BODY, bytes(codec.PACKET_MOST - 1))]


@pytest.mark.parametrize("length", [0, codec.PACKET_MOST + 1, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_length_that_cannot_be_ends_it_and_nothing_is_kept(length: int) -> None:
    packets = Packets()
    packets.feed(pack(">I", length))
    with pytest.raises(MilterFault, match=f"a packet of {length} octets"):
        list(packets.whole())
    assert packets.held == 0


def test_the_limit_can_be_another() -> None:
    packets = Packets(most=10)
    packets.feed(mta.packet("B", bytes(9)))
    assert list(packets.whole()) == [(Command.BODY, bytes(9))]
    packets.feed(mta.packet("B", bytes(10)))
    with pytest.raises(MilterFault, match="from 1 to 10 are possible"):
        list(packets.whole())


def test_one_can_stop_between_two_packets() -> None:
    packets = Packets()
    packets.feed(mta.helo(b"a") + mta.helo(b"b") + mta.helo(b"c"))
    assert next(packets.whole()) == (Command.HELO, b"a\0")
    packets.feed(mta.helo(b"d"))
    assert [data for _, data in packets.whole()] == [b"b\0", b"c\0", b"d\0"]
    packets.feed(mta.helo(b"e") * 2)
    packets.drop()
    assert list(packets.whole()) == []


def test_what_has_been_read_is_not_held() -> None:
    packets = Packets()
    octets = mta.packet("B", bytes(100_000))
    packets.feed(octets)
    kept = sys.getrefcount(octets)
    assert len(list(packets.whole())) == 1
    assert sys.getrefcount(octets) == kept - 1


def test_macros_that_nobody_wants_are_passed_over() -> None:
    packets = Packets(macros={Command.MAIL})
    wanted, other = mta.macros("M", i=b"1"), mta.macros("L", i=b"1")
    packets.feed(other * 3 + wanted + other + mta.END + other + mta.packet("D"))
    assert [code for code, _ in packets.whole()] == [
        Command.MACRO,
        Command.BODYEOB,
        Command.MACRO,
    ]
    assert packets.held == 0


def test_a_fault_is_an_error_of_ours() -> None:
    fault = MilterFault("no good")
    assert isinstance(fault, SenderIDError)
    assert (str(fault), fault.problem) == ("no good", "no good")


# Commands -----------------------------------------------------------------------------------------


def data_of(octets: bytes, command: Command) -> bytes:
    ((code, data),) = taken(octets)
    assert code == command
    return data


def test_offer() -> None:
    data = data_of(mta.offer(6, 0x1FF, 0x1FFFFF), Command.OPTNEG)
    assert codec.read_offer(data) == Offer(6, 0x1FF, 0x1FFFFF)
    assert codec.read_offer(data + b"more") == Offer(6, 0x1FF, 0x1FFFFF)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "OPTNEG: 0 octets"),
        (bytes(11), "OPTNEG: 11 octets"),
        (pack(">III", 0, 0, 0), "OPTNEG: version 0"),
        (pack(">III", 1, 0, 0), "OPTNEG: version 1 of the protocol; 2 to 6 are known"),
    ],
)
def test_offers_that_are_none(data: bytes, words: str) -> None:
    with pytest.raises(MilterFault, match=words):
        codec.read_offer(data)


@pytest.mark.parametrize(
    ("octets", "client"),
    [
        (mta.connect(), Connect(b"mail.pass.example", b"4", 25, b"192.0.2.1")),
        (
            mta.connect(b"IPv6:2001:db8::1", b"[IPv6:2001:db8::1]", b"6"),
            Connect(b"[IPv6:2001:db8::1]", b"6", 25, b"IPv6:2001:db8::1"),
        ),
        (
            mta.connect(b"/run/smtp", b"localhost", b"L"),
            Connect(b"localhost", b"L", 25, b"/run/smtp"),
        ),
        (mta.connect(b"", b"unknown", b"U"), Connect(b"unknown", b"U", 0, b"")),
    ],
)
def test_connect(octets: bytes, client: Connect) -> None:
    assert codec.read_connect(data_of(octets, Command.CONNECT)) == client


@pytest.mark.parametrize(
    "data",
    [b"", b"name", b"name\0", b"name\x005", b"name\x004", b"name\x004\0", b"name\x004\0\x19",
     b"name\x004\0\x19192.0.2.1", b"name\x004\0\x19192.0.2.1\0more\0"],
)  # fmt: skip
def test_connects_that_are_none(data: bytes) -> None:
    with pytest.raises(MilterFault, match="CONNECT: "):
        codec.read_connect(data)


def test_macros_lose_their_braces() -> None:
    data = data_of(mta.macros("M", i=b"4Xyz", auth_type=b"PLAIN", auth_authen=b""), Command.MACRO)
    assert data[:1] == b"M"
    assert codec.read_macros(data) == {b"i": b"4Xyz", b"auth_type": b"PLAIN", b"auth_authen": b""}


def test_a_command_can_have_no_macros() -> None:
    assert codec.read_macros(b"") == codec.read_macros(b"H") == {}


@pytest.mark.parametrize("data", [b"Mi", b"Mi\0", b"Mi\0value", b"Mi\0value\0j\0"])
def test_macros_that_are_none(data: bytes) -> None:
    with pytest.raises(MilterFault, match="MACRO: "):
        codec.read_macros(data)


def test_helo_mail_and_rcpt() -> None:
    helo = data_of(mta.helo(b"mail.example.com"), Command.HELO)
    assert codec.read_text("HELO", helo) == b"mail.example.com"
    mail = data_of(mta.mail(b"<a@example.com>", b"SIZE=1", b"SMTPUTF8"), Command.MAIL)
    assert codec.read_strings("MAIL", mail) == [b"<a@example.com>", b"SIZE=1", b"SMTPUTF8"]
    rcpt = data_of(mta.rcpt(b"<b@example.org>"), Command.RCPT)
    assert codec.read_strings("RCPT", rcpt) == [b"<b@example.org>"]


@pytest.mark.parametrize("data", [b"", b"name", b"one\0two"])
def test_texts_need_their_nul(data: bytes) -> None:
    with pytest.raises(MilterFault, match="MAIL: a text without the NUL"):
        codec.read_strings("MAIL", data)


def test_helo_is_one_text() -> None:
    with pytest.raises(MilterFault, match="HELO: 2 texts, where one is expected"):
        codec.read_text("HELO", b"one\0two\0")


def test_header() -> None:
    data = data_of(mta.header(b"X-Folded", b"one\n\ttwo: three"), Command.HEADER)
    assert codec.read_header(data) == ("X-Folded", b"one\n\ttwo: three")
    assert codec.read_header(b"Subject\0\0") == ("Subject", b"")


@pytest.mark.parametrize("data", [b"", b"name", b"name\0", b"name\0value", b"name\0va\0lue\0"])
def test_headers_that_are_none(data: bytes) -> None:
    with pytest.raises(MilterFault, match="HEADER: "):
        codec.read_header(data)


def test_every_command_has_its_code() -> None:
    codes = "".join(sorted(chr(command) for command in Command))
    assert codes == "ABCDEHKLMNOQRTU"


# Replies ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (codec.CONTINUE, "c"),
        (codec.ACCEPT, "a"),
        (codec.REJECT, "r"),
        (codec.TEMPFAIL, "t"),
        (codec.DISCARD, "d"),
        (codec.SKIP, "s"),
        (codec.PROGRESS, "p"),
        (codec.SHUTDOWN, "4"),
        (codec.CONNECTION_FAIL, "f"),
    ],
)
def test_replies_without_data(reply: bytes, code: str) -> None:
    assert reply == mta.packet(code)


@pytest.mark.parametrize(
    ("reply", "octets"),
    [
        (codec.negotiated(6, 0x11, 0x7F), mta.packet("O", pack(">III", 6, 0x11, 0x7F))),
        (
            codec.negotiated(6, 0x111, 0, [(2, b"i {auth_type}"), (5, b"i")]),
            mta.packet("O", pack(">III", 6, 0x111, 0), pack(">I", 2), b"i {auth_type}\0",
                       pack(">I", 5), b"i\0"),
        ),
        (codec.quarantine(b"why"), mta.packet("q", b"why\0")),
        (codec.add_header(b"X", b"a\n b"), mta.packet("h", b"X\0a\n b\0")),
        (codec.insert_header(7, b"X", b"a"), mta.packet("i", pack(">I", 7), b"X\0a\0")),
        (codec.change_header(2, b"X", b""), mta.packet("m", pack(">I", 2), b"X\0\0")),
        (codec.add_recipient(b"<a@b.c>"), mta.packet("+", b"<a@b.c>\0")),
        (codec.delete_recipient(b"<a@b.c>"), mta.packet("-", b"<a@b.c>\0")),
    ],
)  # fmt: skip
def test_replies_with_data(reply: bytes, octets: bytes) -> None:
    assert reply == octets


def test_reply_code_has_several_lines_and_doubles_the_percent_sign() -> None:
    wire = b"550-5.7.23 100% no\r\n550 5.7.23 %s\r\n"
    expected = mta.packet("y", b"550-5.7.23 100%% no\r\n550 5.7.23 %%s\0")
    assert codec.reply_code(wire) == expected


@pytest.mark.parametrize(
    "write",
    [
        codec.reply_code,
        codec.quarantine,
        codec.delete_recipient,
        codec.add_recipient,
        lambda text: codec.add_header(text, b"value"),
        lambda text: codec.insert_header(0, b"name", text),
        lambda text: codec.change_header(1, text, b""),
    ],
)
def test_a_nul_ends_a_text_as_the_mta_would_see_it(write: Callable[[bytes], bytes]) -> None:
    assert write(b"one\0two") == write(b"one")
