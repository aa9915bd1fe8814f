"""header_fields(), extract_pra(), Pra and NoPra: their faces, odd arguments, and large inputs."""

from __future__ import annotations

import pickle
import time
from typing import Any

import pytest

import senderid_fast as sf

PLAIN = b"To: bob@two.example\r\nFrom: Ann <ann@one.example>\r\n\r\nbody\r\n"


def test_the_fields_of_a_section() -> None:
    octets = b"To: bob\r\nSubject : a\r\n b\r\nX\xe9:\r\n\r\nFrom: no\r\n"
    assert sf.header_fields(octets) == [
        ("To", b" bob", 0, 9),
        ("Subject", b" a\r\n b", 9, 26),
        ("X\xe9", b"", 26, 31),
    ]


@pytest.mark.parametrize(
    ("octets", "names"),
    [
        (b"", []),
        (b"\r\n", []),
        (b"\n", []),
        (b"junk", []),
        (b":x\r\n", []),
        (b" x: y\r\n", []),
        (b" x: y\r\nTo: z", ["To"]),
        (b"From x\nTo: z", ["To"]),
        (b">From x\nTo: z", ["To"]),
        (b"To: z\nFrom x\nCc: y", ["To"]),
        (b"To: z\n>From x\nCc: y", ["To"]),
        (b"To:\nCc:\n\nX:", ["To", "Cc"]),
        (b"To: a\rX: b\nCc: c", ["To", "Cc"]),
        (b"To: a\n\rX: b\nCc: c", ["To"]),
        (b"To: a\0b\nC\0c: c", ["To"]),
        (b"To: a\n \n\t\nCc: c", ["To", "Cc"]),
        (b"A B: c\n", []),
        (b"A\t \t: c\n", ["A"]),
        (b"A:", ["A"]),
        (b"A", []),
        (
            b"A-very-long-name-of-a-field-that-goes-on-and-on:",
            ["A-very-long-name-of-a-field-that-goes-on-and-on"],
        ),
    ],
    ids=repr,
)
def test_where_fields_begin_and_end(octets: bytes, names: list[str]) -> None:
    """RFC 5322 2.2, 4.5; a line that is no field ends the section."""
    assert [name for name, _, _, _ in sf.header_fields(octets)] == names


@pytest.mark.parametrize("length", range(1, 40))
def test_names_of_every_length(length: int) -> None:
    """The scanner looks at 16 octets at a time; every end of a name is found in each place."""
    name = "n" * length
    for behind in (b":", b" :", b": x\r\n", b":\xff"):
        octets = name.encode() + behind
        assert [field[0] for field in sf.header_fields(octets)] == [name]
    for stop in (b"\0", b"\x7f", b"\x1f", b"\r", b"\n"):
        octets = name.encode() + stop + b"x: y\r\n"
        fields = sf.header_fields(octets)
        assert fields == [], stop


def test_a_pra() -> None:
    pra = sf.extract_pra(PLAIN)
    assert (pra.header, pra.header_index) == ("from", 1)
    assert (pra.mailbox, pra.local_part, pra.domain) == ("ann@one.example", "ann", "one.example")
    assert repr(pra) == "<Pra 'ann@one.example' from from>"
    assert pra == sf.extract_pra(b"From: ann@one.example")
    assert hash(pra) == hash(sf.extract_pra(b"From: ann@one.example"))
    assert pra != sf.extract_pra(b"Sender: ann@one.example")
    assert pra != sf.extract_pra(b"From: ben@one.example")
    assert pra != "ann@one.example"
    with pytest.raises(TypeError):
        sf.Pra()
    for name in ("header", "header_index", "mailbox", "local_part", "domain"):
        with pytest.raises(AttributeError):
            setattr(pra, name, "other")


@pytest.mark.parametrize(
    "octets",
    [
        PLAIN,
        b'Resent-Sender: "a b"@one.example',
        b"X: y\r\n" * 1000 + b"Resent-From: ann@one.example",
        "Sender: 用户@bücher.example".encode(),
        b"From: \xff@one.example",
        b"From: ann..b.@one.example.",
        b'From: ""@one.example',
    ],
    ids=lambda octets: repr(octets[-40:]),
)
def test_a_pra_is_pickled(octets: bytes) -> None:
    pra = sf.extract_pra(octets)
    again = pickle.loads(pickle.dumps(pra))
    assert again == pra
    for name in ("header", "header_index", "mailbox", "local_part", "domain"):
        assert getattr(again, name) == getattr(pra, name)


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview, lambda b: memoryview(b)[:]])
def test_octets_of_every_kind(make: Any) -> None:
    assert sf.extract_pra(make(PLAIN)) == sf.extract_pra(PLAIN)
    assert sf.header_fields(make(PLAIN)) == sf.header_fields(PLAIN)


def test_a_buffer_may_change_behind_our_back() -> None:
    buffer = bytearray(PLAIN)
    pra = sf.extract_pra(buffer)
    buffer[:] = b"\0" * len(buffer)
    assert (pra.mailbox, pra.header_index) == ("ann@one.example", 1)


@pytest.mark.parametrize(
    "headers", [None, "From: ann@one.example", 3, [], [b"From: a@b"], {}, object(), ("From", "a@b")]
)
def test_what_is_no_octets(headers: Any) -> None:
    engine = sf.Engine(sf.ZoneResolver({}))
    calls: list[Any] = [
        sf.extract_pra,
        sf.header_fields,
        lambda octets: engine.check_pra("192.0.2.1", octets),
        lambda octets: engine.trace_pra("192.0.2.1", octets),
        lambda octets: engine.check_message("192.0.2.1", None, "", octets),
    ]
    for call in calls:
        with pytest.raises(sf.InputError, match=r"\Aheaders: ") as caught:
            call(headers)
        assert caught.value.field == "headers"


@pytest.mark.parametrize(
    ("octets", "reason", "header", "index", "text"),
    [
        (b"", "no-header", None, None, "no-header"),
        (b"From: a@b\nFrom: c@d", "multiple-from", None, None, "multiple-from"),
        (b"Sender: a@b\nSender: c@d", "multiple-sender", None, None, "multiple-sender"),
        (
            b"X: y\nFrom: a, b",
            "multiple-mailboxes",
            "from",
            1,
            "multiple-mailboxes in from (field 1)",
        ),
        (b"Resent-From: a", "no-domain", "resent-from", 0, "no-domain in resent-from (field 0)"),
        (b"Sender: a:;", "group", "sender", 0, "group in sender (field 0)"),
        (
            b"Resent-Sender: <",
            "malformed",
            "resent-sender",
            0,
            "malformed in resent-sender (field 0)",
        ),
    ],
)
def test_why_there_is_none(
    octets: bytes, reason: str, header: str | None, index: int | None, text: str
) -> None:
    """RFC 4407 2 step 6; each sf.PraFailure has its case here."""
    assert issubclass(sf.NoPra, sf.SenderIDError)
    assert issubclass(sf.NoPra, ValueError)
    with pytest.raises(sf.NoPra) as caught:
        sf.extract_pra(octets)
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):
        assert type(error) is sf.NoPra
        assert isinstance(error.reason, sf.PraFailure)
        assert (error.reason, error.header, error.header_index) == (reason, header, index)
        assert str(error) == f"no Purported Responsible Address: {text}"


# RFC 5322 4.1: neither obs-qtext nor obs-ctext has CR. It is no fold, and nothing may be left out
# of an address.
@pytest.mark.parametrize(
    "body",
    [
        b'"a\rb"@one.example',
        b'"a\rb" <ann@one.example>',
        b"ann@one.example (a\rb)",
        b'"\r"@one.example',
    ],
    ids=repr,
)
def test_a_cr_by_itself_is_malformed_everywhere(body: bytes) -> None:
    with pytest.raises(sf.NoPra) as caught:
        sf.extract_pra(b"From: " + body + b"\r\n\r\n")
    assert caught.value.reason is sf.PraFailure.MALFORMED


LOCAL = b"a" * 1000
LARGE: dict[str, tuple[bytes, str]] = {
    # name -> (octets, the mailbox or why there is none)
    "fields": (b"X-Y: z\r\n" * 100_000 + b"From: ann@one.example\r\n", "ann@one.example"),
    "from-fields": (b"From: ann@one.example\r\n" * 100_000, "multiple-from"),
    "empty-senders": (b"Sender:\r\n" * 100_000 + b"From: ann@one.example", "ann@one.example"),
    "resent-blocks": (
        b"Resent-From: ann@one.example\r\nReceived: x\r\nResent-Sender: b@two.example\r\n" * 50_000,
        "ann@one.example",
    ),
    "continuation-lines": (b"From: ann@one.example" + b"\r\n " * 100_000, "ann@one.example"),
    "orphan-lines": (b" x: y\r\n" * 100_000 + b"From: ann@one.example", "ann@one.example"),
    "other-field": (b"X: " + b"x" * 10_000_000 + b"\r\nFrom: ann@one.example", "ann@one.example"),
    "other-field-folded": (
        b"X: " + b"x\r\n " * 3_000_000 + b"\r\nFrom: ann@one.example",
        "ann@one.example",
    ),
    "name-of-a-field": (b"X" * 10_000_000 + b": y\r\nFrom: ann@one.example", "ann@one.example"),
    "blanks-before-a-colon": (
        b"X" + b" " * 10_000_000 + b": y\r\nFrom: ann@one.example",
        "ann@one.example",
    ),
    "body": (b"From: ann@one.example\r\n\r\n" + b"From: x\r\n" * 1_000_000, "ann@one.example"),
    # Fields that count, of 10 MiB each: longer than any mailbox has to be, and so malformed.
    "word": (b"From: " + b"a" * (10 << 20) + b"@one.example", "malformed"),
    "addresses": (b"From: " + b"a@b.example," * 870_000, "malformed"),
    "commas": (b"From: " + b"," * (10 << 20), "malformed"),
    "open-comments": (b"From: " + b"(" * (10 << 20), "malformed"),
    "open-quote": (b'From: "' + b"\\" * (10 << 20), "malformed"),
    "brackets": (b"From: " + b"<" * (10 << 20), "malformed"),
    "ats": (b"From: " + b"@" * (10 << 20), "malformed"),
    "blanks": (b"From: " + b" " * (10 << 20), "no-header"),
    "zeros": (b"\0" * (10 << 20), "no-header"),
    "ones": (b"\xff" * (10 << 20), "no-header"),
    # Within what is read: passed over in one go, however deep.
    "comments": (b"From: ann@one.example " + b"(" * 400_000 + b")" * 400_000, "ann@one.example"),
    "name": (b"From: " + b"a " * 400_000 + b"<ann@one.example>", "ann@one.example"),
    "quoted-name": (b'From: "' + b"\\a" * 400_000 + b'" <ann@one.example>', "ann@one.example"),
    "route": (b"From: <" + b"@a.example," * 50_000 + b":ann@one.example>", "ann@one.example"),
    "empty-elements": (b"From: " + b"," * 800_000 + b"ann@one.example", "ann@one.example"),
    "dots": (b"From: a" + b"." * 800_000 + b"@one.example", "malformed"),
    "labels": (b"From: a@" + b"a." * 400_000 + b"example", "malformed"),
    "local-part": (b"From: " + LOCAL + b"@one.example", (LOCAL + b"@one.example").decode()),
    "local-part-of-2000": (b"From: " + LOCAL * 2 + b"@one.example", "malformed"),
    "quoted-local-part-of-2000": (b'From: "' + LOCAL * 2 + b'"@one.example', "malformed"),
    "folded-local-part": (b'From: "a' + b"\r\n " * 2000 + b'"@one.example', "malformed"),
    "label-of-64": (b"From: ann@" + b"a" * 64 + b".example", "malformed"),
    "name-of-255": (b"From: ann@" + b"a." * 123 + b"a.example", "malformed"),
    "name-of-253": (b"From: ann@" + b"a." * 122 + b"a.example", f"ann@{'a.' * 122}a.example"),
}


@pytest.mark.parametrize("name", LARGE)
def test_large_sections(name: str) -> None:
    """Time is linear in the octets: a second is far more than 10 MiB take in one pass."""
    octets, wanted = LARGE[name]
    began = time.perf_counter()
    try:
        found = sf.extract_pra(octets).mailbox
    except sf.NoPra as error:
        found = str(error.reason)
    took = time.perf_counter() - began
    assert found == wanted
    assert took < 1
    fields = sf.header_fields(octets)
    assert all(end <= len(octets) for _, _, _, end in fields)


def test_many_fields_are_counted() -> None:
    octets = b"X: y\r\n" * 100_000 + b"From: ann@one.example"
    assert sf.extract_pra(octets).header_index == 100_000
    fields = sf.header_fields(octets)
    assert len(fields) == 100_001
    assert fields[-1] == ("From", b" ann@one.example", 600_000, 600_021)
