"""The core folds as plain Python does, and its packets hold what is folded."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import plainfields as plain

from senderid_fast.milter.codec import insert_fields, insert_header
from senderid_fast.receiver.escaping import fold

WORDS = st.text("abc=;", min_size=1, max_size=100) | st.sampled_from(["a" * 76, "b" * 77, "c" * 78])
BODIES = st.lists(WORDS, max_size=30).map(" ".join) | st.text(" ab\u00e9\0", max_size=200)
NAMES = st.sampled_from(["X", "Received-SPF", "Authentication-Results", "x" * 90])


@given(NAMES, BODIES, st.sampled_from(["\n", "\r\n"]))
@example("X", "", "\n")
@example("X", " ", "\n")
@example("X", "a" * 75 + " b", "\n")
@example("X", "a" * 76 + " b", "\n")
@example("x" * 76, "a b", "\n")
@example("X", "a " * 3_000, "\r\n")
@example("X", "\u4f8b " * 3_000 + "z", "\n")
def test_lines(name: str, body: str, line_end: str) -> None:
    folded = fold(name, body, line_end)
    assert folded == plain.fold(name, body, line_end)
    assert folded.replace(line_end, "") == body


@given(st.lists(st.tuples(NAMES, BODIES), max_size=4))
@example([("X", "a\0b"), ("Y", "a " * 70_000)])
def test_packets(fields: list[tuple[str, str]]) -> None:
    assert insert_fields(fields) == b"".join(
        insert_header(0, name.encode("ascii"), plain.fold(name, body, "\n").encode("utf-8"))
        for name, body in reversed(fields)
    )


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\0", "a\nb", "\u00e9"])
def test_a_name_that_is_none(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a field"):
        insert_fields([("X", "a"), (name, "b")])
