"""Folding by searches for spaces gives what folding word by word gives."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from senderid_fast.receiver.escaping import LINE_WANTED, _folded_by_words, fold

WORDS = st.text("abc=;", min_size=1, max_size=100) | st.sampled_from(["a" * 76, "b" * 77, "c" * 78])
BODIES = st.lists(WORDS, max_size=30).map(" ".join) | st.text(" ab\u00e9", max_size=200)
NAMES = st.sampled_from(["X", "Received-SPF", "Authentication-Results", "x" * 90])


@given(NAMES, BODIES)
@example("X", "")
@example("X", "a" * (LINE_WANTED - 3) + " b")
@example("X", "a" * (LINE_WANTED - 2) + " b")
@example("x" * 76, "a b")
def test_both_ways_agree(name: str, body: str) -> None:
    lines = fold(name, body, "\n").split("\n")
    assert lines == _folded_by_words(name, body)
    assert "".join(lines) == body
