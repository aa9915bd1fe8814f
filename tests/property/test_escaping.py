"""The core makes text fit for a field as plain Python does."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import plainfields as plain

from senderid_fast.receiver import escaping

TEXTS = (
    st.text('aZ0.-_@=?!+"\\() \t\r\n\x7f\u00e9\u212a\u202e\ud800\udc80\U0001f600', max_size=30)
    | st.text(max_size=20)
    | st.binary(max_size=30)
    | st.sampled_from(["a", "\x00", "\u00e9", "\u4f8b", "\U0001f600"]).map(lambda c: 200 * c)
)
LIMITS = st.sampled_from([0, 1, 4, 5, 10, 320])
BOUNDED = ("visible", "value_in_bounds", "mailbox_or_quoted")
FORMS = ("quoted_string", "comment", "dot_atom_or_quoted", "token_or_quoted", "unquoted")


@pytest.mark.parametrize("name", BOUNDED)
@given(TEXTS, LIMITS, st.booleans())
@example("=?utf-8?q?a?=", 320, False)
@example("", 5, False)
@example("a.b", 320, True)
@example('"a\\"b"@c.d', 320, False)
@example('"a"b"@c.d', 320, False)
@example("@b\u00fccher.example", 320, False)
@example(b"\xff\xf0\x9f" * 100, 5, True)
@example("x" * 4_000, 2_000, False)
@example("\u4f8b" * 4_000 + "@" + "\u4f8b" * 400, 3_000, True)
def test_text_in_bounds(name: str, text: str | bytes, limit: int, eai: bool) -> None:
    expected = getattr(plain, name)(text, limit, eai=eai)
    assert getattr(escaping, name)(text, limit, eai=eai) == expected
    assert eai or re.fullmatch(r"[ -~]*", expected)


@pytest.mark.parametrize("name", FORMS)
@given(TEXTS.filter(lambda text: isinstance(text, str)))
@example("a=?b")
@example("=" * 2_000 + "?" * 2_000)
@example('"' * 3_000)
@example('"a\\"')
@example('"a\\\\"')
@example('"')
@example("a.b")
@example(".a")
def test_forms(name: str, text: str) -> None:
    assert getattr(escaping, name)(text) == getattr(plain, name)(text)


@pytest.mark.parametrize("character", [chr(octet) for octet in range(0x100)])
def test_each_octet(character: str) -> None:
    for name in FORMS:
        for text in (character, f"a{character}b", f"={character}"):
            assert getattr(escaping, name)(text) == getattr(plain, name)(text)
    for name in BOUNDED:
        for value in (character, f"a{character}b", character.encode("latin-1")):
            expected = getattr(plain, name)(value, 10)
            assert getattr(escaping, name)(value, 10) == expected


class Text(str):
    __slots__ = ()


def test_kinds_of_text() -> None:
    for name in BOUNDED:
        write = getattr(escaping, name)
        assert write(Text("a b\n\u00e9"), 20) == write("a b\n\u00e9", 20)
        assert write(bytearray(b"a b\n"), 20) == write(b"a b\n", 20)
    for name in FORMS:
        write = getattr(escaping, name)
        assert write(Text("a (b)\u00e9")) == write("a (b)\u00e9")
        with pytest.raises(TypeError):
            write(b"a")
