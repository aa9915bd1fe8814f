"""What a reception is given of a header section, and how much is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from support import milter as mta
from support.milter import (
    BEGIN,
    Application,
    changed,
    codes,
    play,
    reply_text,
)

from senderid_fast.milter import message as message_module


class Fields:
    """A Reception that keeps what it is given."""

    def __init__(self, *_: object) -> None:
        self.envelope: Any = None

    def begin(self) -> None: ...
    def cancel(self) -> None: ...

    seen: list[tuple[list[tuple[str, bytes]], bytes]] = []  # noqa: RUF012 - of one test

    async def at_end_of_header(self, fields: Sequence[tuple[str, bytes]], headers: bytes) -> object:
        self.seen.append(([*fields], headers))
        raise RuntimeError("that is all")


def told(*headers: tuple[bytes, bytes], **settings: int) -> tuple[list[tuple[str, bytes]], bytes]:
    Fields.seen.clear()
    application = Application(**settings)  # type: ignore[arg-type]
    play(application, BEGIN, mta.message(headers=headers), make=Fields)
    return Fields.seen[0]


def test_fields_and_octets_are_the_same() -> None:
    fields, octets = told((b"From", b"a\n\tb"), (b"X", b""), (b"Subject", b" two"))
    assert fields == [("From", b"a\n\tb"), ("X", b""), ("Subject", b" two")]
    assert octets == b"From: a\n\tb\nX: \nSubject:  two\n"


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r", b"\n\n", b"\r\n\r\n"])
def test_a_value_cannot_hold_another_field(line_end: bytes) -> None:
    _, octets = told((b"X", b"a" + line_end + b"From: evil@example.com"), (b"From", b"a@b.c"))
    assert octets == b"X: a\n From: evil@example.com\nFrom: a@b.c\n"


@pytest.mark.parametrize("line_ends", [b"\n\n ", b"\r\n\r\n\t", b"\n\r ", b"\r\r\n\n\n "])
def test_an_empty_line_in_a_value_does_not_end_the_header_section(line_ends: bytes) -> None:
    fields, octets = told((b"X", b"a" + line_ends + b"b"), (b"From", b"a@b.c"))
    assert fields == [("X", b"a" + line_ends + b"b"), ("From", b"a@b.c")]
    assert octets == b"X: a\n%bb\nFrom: a@b.c\n" % line_ends[-1:]


@pytest.mark.parametrize("name", [b"", b"a b", b"a:b", b"\xe9", b"a\n", b"\x7f"])
def test_a_name_that_is_none_does_not_end_the_header_section(name: bytes) -> None:
    fields, octets = told((name, b"x"), (b"From", b"a@b.c"))
    assert [each for each, _ in fields] == [name.decode("latin-1"), "From"]
    assert octets == b"From: a@b.c\n"


def test_the_header_section_is_cut() -> None:
    headers = [(b"X", b"y" * 100)] * 20 + [(b"From", b"a@b.c")]
    fields, octets = told(*headers, max_header_octets=1000)
    assert len(octets) <= 1000
    assert len(fields) == 9


def test_fields_and_recipients_without_number_are_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(message_module, "_FIELDS_MOST", 3)
    monkeypatch.setattr(message_module, "_RECIPIENTS_MOST", 3)
    fields, octets = told(*[(b"X", b"")] * 10)
    assert len(fields) == 3
    assert octets == b"X: \n" * 3
    application = Application()
    (_, said, after) = play(application, BEGIN, mta.mail() + mta.rcpt() * 3, mta.rcpt())
    assert said == after == b""
    assert application.faults == ["RCPT: more than 3 recipients (client mail.pass.example)"]


def test_forged_fields_are_found_beyond_the_cut() -> None:
    forged = (b"Authentication-Results", b"mx.example.org; spf=pass")
    headers = [forged, *[(b"X", b"y" * 100)] * 20, forged, (b"Y", b""), forged]
    application = Application(max_header_octets=1000)
    (_, said) = play(application, BEGIN, mta.message(headers=headers))
    name = b"Authentication-Results"
    assert changed(said) == [(3, name, b""), (2, name, b""), (1, name, b"")]


def test_a_flood_of_fields_that_could_be_forged_is_refused() -> None:
    forged = [(b"Authentication-Results", b"mx.example.org; spf=pass")] * 100
    application = Application(max_header_octets=1000)
    (_, said) = play(application, BEGIN, mta.message(headers=forged))
    assert reply_text(said) == "552 5.3.4 The header section of the message is too long"
    (_, said) = play(application, BEGIN, mta.message(headers=forged) + mta.ABORT + mta.message())
    assert codes(said) == "yiic"
