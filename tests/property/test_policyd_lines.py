"""The lines of a request are read at once as they are read one by one."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from senderid_fast.policyd.protocol import RequestFault, RequestReader

LINES = st.text("ab=\r \x0b\x1c\x85", max_size=6).map(lambda text: text.encode("latin-1"))
NAMED = st.builds(
    lambda name, value: name + b"=" + value, st.sampled_from([b"sender", b"a"]), LINES
)
KIND = b"request=smtpd_access_policy"


@given(st.lists(LINES | NAMED, max_size=8))
@example([b"sender=a\r", b"sender=b", b"=\r"])
@example([b"\ra=b\r\r"])
@example([b"=", b"a"])
def test_lines(lines: list[bytes]) -> None:
    whole = [line for line in [KIND, *lines] if line not in (b"", b"\r")]
    reader = RequestReader()
    reader.feed(b"\n".join(whole) + b"\n\n")
    senders, sound = [], True
    for line in whole:
        name, equals, value = line.removesuffix(b"\r").partition(b"=")
        sound = sound and bool(equals)
        if name == b"sender":
            senders.append(value)
    if sound:
        request = reader.next_request()
        assert request is not None
        assert request.sender == (senders[0] if senders else b"")
    else:
        with pytest.raises(RequestFault, match='a line without "="'):
            reader.next_request()
