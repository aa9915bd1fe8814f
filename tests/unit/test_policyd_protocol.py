"""Requests of Postfix, read from octets; answers, written."""

from __future__ import annotations

import pytest
from support.policyd import request

from senderid_fast.policyd import Request, RequestFault, RequestReader
from senderid_fast.policyd.protocol import (
    LINE_OCTETS,
    LINES_MOST,
    REQUEST_OCTETS,
    discard,
    prepend,
    refuse,
)
from senderid_fast.receiver import Field, Reply

KIND = b"request=smtpd_access_policy\n"


def read(octets: bytes) -> list[Request]:
    reader = RequestReader()
    reader.feed(octets)
    found = []
    while (one := reader.next_request()) is not None:
        found.append(one)
    return found


def test_what_postfix_sends_is_read() -> None:
    (found,) = read(request(sasl_username="grace", queue_id="4Sd8"))
    assert found == Request(
        state=b"RCPT",
        instance=b"2bd1.6565a1e3.1f2b4.0",
        client_address=b"203.0.113.9",
        client_name=b"unknown",
        helo_name=b"mail.elsewhere.example",
        sender=b"grace@strict.example",
        recipient=b"bob@example.net",
        sasl_username=b"grace",
        queue_id=b"4Sd8",
    )


def test_several_requests_and_half_of_one() -> None:
    reader = RequestReader()
    reader.feed(request(sender="a@example.com") + request(sender="b@example.com") + KIND)
    assert [reader.next_request().sender for _ in range(2)] == [  # type: ignore[union-attr]
        b"a@example.com",
        b"b@example.com",
    ]
    assert reader.next_request() is None
    assert reader.pending == len(KIND)
    reader.feed(b"sender=c@example.com\n\n")
    assert reader.next_request() == Request(sender=b"c@example.com")
    assert reader.pending == 0


def test_line_ends_may_be_those_of_smtp() -> None:
    assert read(request().replace(b"\n", b"\r\n")) == read(request())
    assert read(KIND + b"sender=a\r\n\r\n") == [Request(sender=b"a")]


def test_a_value_may_hold_equals_signs_and_any_octets() -> None:
    sender = bytes(set(range(1, 256)) - {10, 13}) + b"=x"
    assert read(request(sender=sender))[0].sender == sender


def test_of_a_name_that_comes_twice_the_first_counts() -> None:
    assert read(KIND + b"sender=first\nsender=second\n\n")[0].sender == b"first"


def test_unknown_names_do_not_matter() -> None:
    assert read(KIND + b"a_later_version=has more\n=nothing\n\n") == [Request()]


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (KIND + b"sender\n\n", 'without "=": sender'),
        (KIND + b"sender=a\0b\n\n", "NUL"),
        (b"\n", "without"),
        (b"\r\n", "without"),
        (b"sender=a\n\n", "kind ''"),
        (b"request=junk\n\n", "kind 'junk'"),
        (b"GET / HTTP/1.1\r\nHost: mx\r\n\r\n", 'without "=": GET / HTTP/1.1'),
        (KIND + b"x=" + bytes(LINE_OCTETS).replace(b"\0", b"x") + b"\n\n", "line of more"),
        (KIND + b"x=1\n" * LINES_MOST + b"\n", "lines"),
        (b"x" * (1 << 20), "octets"),
        (KIND + b"x=" + b"x" * REQUEST_OCTETS + b"\n\n", "octets"),
    ],
)
def test_what_is_no_request(octets: bytes, words: str) -> None:
    with pytest.raises(RequestFault, match=words):
        read(octets)


def test_the_longest_request_is_read() -> None:
    tail = b"\n\n"
    line = b"x=" + b"y" * 9_997 + b"\n"
    octets = KIND + line * 6
    octets += b"z=" + b"y" * (REQUEST_OCTETS - len(octets) - 2 - len(tail)) + tail
    assert len(octets) == REQUEST_OCTETS
    assert read(octets) == [Request()]
    with pytest.raises(RequestFault):
        read(octets.replace(b"z=", b"z=y"))


def test_a_field_is_one_line() -> None:
    assert prepend(Field("Received-SPF", "pass (a b) c=d")) == (
        b"action=PREPEND Received-SPF: pass (a b) c=d\n\n"
    )
    evil = prepend(Field("X", "a\nb\r\n\r\n\0\xe9"))
    assert evil == b"action=PREPEND X: a\\x0ab\\x0d\\x0a\\x0d\\x0a\\x00\\xc3\\xa9\n\n"


def test_a_refusal_has_the_codes_of_its_reply() -> None:
    reply = Reply(550, "5.7.23", ("SPF check failed", "100%% sure: $recipient"))
    assert refuse(reply, Request()) == (
        b"action=550 5.7.23 SPF check failed 100%% sure: $recipient\n\n"
    )


@pytest.mark.parametrize("length", [10, 254, 2_000])
def test_a_refusal_leaves_room_for_what_postfix_puts_before_it(length: int) -> None:
    reply = Reply(451, "4.7.24", ("word " * 1_000,))
    recipient = b"r" * length
    answer = refuse(reply, Request(recipient=recipient))
    text = answer.removeprefix(b"action=451 4.7.24 ").rstrip()
    assert text.endswith(b"...")
    line = b"451 4.7.24 <%b>: Recipient address rejected: %b\r\n" % (recipient, text)
    assert len(line) <= 512 or len(text) == 160
    assert len(text) >= 100


def test_a_discarded_message_tells_why_in_one_line() -> None:
    assert discard("mailfrom.fail = discard\n") == (
        b"action=DISCARD mailfrom.fail = discard\\x0a\n\n"
    )
