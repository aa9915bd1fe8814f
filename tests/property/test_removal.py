"""Telling a forged field without reading it gives what reading it gives."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from senderid_fast.receiver.removal import forged_fields, without_comments

NAMES = st.sampled_from(["Authentication-Results", "RECEIVED-SPF ", "received-spf"])
OURS = st.sampled_from(["mx.example", "a", "1", "m x", "mx.example(a)", "b\u00fccher.example"])
PIECES = st.sampled_from(
    [
        *'mxaA.;:=?()"\\ \t\n\r1\x00\x7f\u00e9\u212a',
        *("mx.example", "MX", "example", "other.example", "xn--bcher-kva.example", "m x"),
        *("spf=pass", "pass", "receiver=", "none", "; ", "(c)", "\r\n ", "=?", "mx.example(a)"),
    ]
)
BODIES = st.lists(PIECES, max_size=20).map("".join)


@given(NAMES, BODIES, OURS)
@example("Authentication-Results", "other.example; spf=pass (mx.example)", "mx.example")
@example("Authentication-Results", "other.example; spf=pass mx.(c)example", "mx.example")
@example("Authentication-Results", "other.example; a=b = ?x?q?y?=", "mx.example")
@example("Authentication-Results", "other.example 2; spf=pass", "mx.example")
@example("Received-SPF", "pass (m\\x.example: ok)", "mx.example")
@example("Received-SPF", 'pass receiver="m\\x\r\n .example."', "mx.example")
def test_octets_are_as_text(name: str, body: str, ours: str) -> None:
    # Text is always read.
    octets = [(name, body.encode("utf-8"))]
    assert forged_fields(octets, ours) == forged_fields([(name, body)], ours)


INNERMOST = re.compile(r"\((?:[^()\\]|\\.)*\)", re.DOTALL)


@given(st.text("()\\a\n", max_size=40))
@example("(\\(\\(a)")
@example("(\\(a(b)\\)c)")
@example("(a\\")
def test_comments_go_as_if_each_place_were_tried(text: str) -> None:
    assert without_comments(text) == INNERMOST.sub("", text)
    assert without_comments(text.encode()) == INNERMOST.sub("", text).encode()
