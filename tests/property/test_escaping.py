"""What is quick for plain text writes what the rules give for any text."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from senderid_fast.receiver.escaping import (
    _DOMAIN,
    _IN_COMMENT,
    _escaped,
    comment,
    dot_atom_or_quoted,
    mailbox_or_quoted,
    quoted_string,
    value_in_bounds,
    visible,
)

TEXTS = st.text('aZ0.-_@=?!+"\\() \t\r\n\x7f\u00e9\u212a\u202e', max_size=30) | st.text(max_size=20)
LIMITS = st.sampled_from([5, 10, 320])


@given(TEXTS, LIMITS, st.booleans())
@example("=?utf-8?q?a?=", 320, False)
@example("", 5, False)
@example("a.b", 320, True)
def test_values(text: str, limit: int, eai: bool) -> None:
    shown = visible(text, limit, eai=eai)
    assert value_in_bounds(text, limit, eai=eai) == dot_atom_or_quoted(shown)
    octets = text.encode("utf-8", "surrogatepass")
    same = dot_atom_or_quoted(visible(octets, limit, eai=eai))
    assert value_in_bounds(octets, limit, eai=eai) == same
    if shown == text:
        assert eai or re.fullmatch(r"[ -~]*", text)


@given(TEXTS)
@example("a=?b")
def test_comments(text: str) -> None:
    assert comment(text) == f"({_IN_COMMENT.sub(_escaped, text)})"


@given(st.text("aZ0.-_", max_size=30), LIMITS, st.booleans())
def test_domains(text: str, limit: int, eai: bool) -> None:
    shown = visible(text, limit, eai=eai)
    plain = _DOMAIN.fullmatch(shown) and len(text) <= limit
    assert mailbox_or_quoted(text, limit, eai=eai) == (shown if plain else quoted_string(shown))
