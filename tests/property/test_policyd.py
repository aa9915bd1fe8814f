"""Octets of a policy client in any pieces: equal answers, no exception, bounded memory."""

from __future__ import annotations

import asyncio
import itertools

from hypothesis import given, settings
from hypothesis import strategies as st
from support.policyd import Recorded, answered, recorded, request

from senderid_fast.policyd import Request, RequestFault, RequestReader
from senderid_fast.policyd.protocol import REQUEST_OCTETS

VALUES = st.sampled_from(
    [b"", b"x@strict.example", b"x@soft.example", b"@", b"\xff", b"a=b", b"1.0", b"2.0"]
) | st.binary(max_size=20).map(lambda octets: octets.replace(b"\n", b"").replace(b"\0", b""))
NAMES = st.sampled_from(["sender", "recipient", "helo_name", "client_address", "instance"])
STATES = st.sampled_from(["CONNECT", "EHLO", "HELO", "MAIL", "RCPT", "DATA", "END-OF-MESSAGE"])
REQUESTS = st.builds(
    lambda values, state, crlf: (
        request(state=state, **values).replace(b"\n", b"\r\n")
        if crlf
        else request(state=state, **values)
    ),
    st.dictionaries(NAMES, VALUES),
    STATES,
    st.booleans(),
)
GARBAGE = (
    st.binary(max_size=60)
    | st.sampled_from([b"\n", b"\r\n", b"request=\n\n", b"x\n\n", b"a=\0\n\n", b"z=z\n" * 300])
    | st.integers(REQUEST_OCTETS - 700, REQUEST_OCTETS + 700).map(lambda size: b"x" * size)
)
STREAMS = st.lists(REQUESTS | GARBAGE, max_size=6).map(b"".join)
CUTS = st.lists(st.integers(0, 5_000), max_size=12)


def pieces(octets: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(min(cut, len(octets)) for cut in cuts), len(octets)]
    return [octets[begin:end] for begin, end in itertools.pairwise(places)]


def read(parts: list[bytes]) -> tuple[list[Request], bool]:
    """The requests in them, and whether something that is none came after."""
    reader, found = RequestReader(), []
    for part in parts:
        reader.feed(part)
        try:
            while (one := reader.next_request()) is not None:
                found.append(one)
        except RequestFault:
            return found, True
        assert reader.pending <= REQUEST_OCTETS, "what is no request by then never is one"
    return found, False


@given(STREAMS, CUTS)
def test_requests_do_not_depend_on_pieces(octets: bytes, cuts: list[int]) -> None:
    assert read(pieces(octets, cuts)) == read([octets])


@given(st.lists(REQUESTS, max_size=4), GARBAGE)
def test_what_comes_before_garbage_is_read(requests: list[bytes], garbage: bytes) -> None:
    whole, _ = read([b"".join(requests)])
    assert len(whole) == len(requests)
    assert read([b"".join(requests) + garbage])[0][: len(requests)] == whole


@settings(max_examples=40)
@given(STREAMS, CUTS)
def test_answers_do_not_depend_on_pieces(octets: bytes, cuts: list[int]) -> None:
    async def run(parts: list[bytes]) -> tuple[bytes, bool, Recorded]:
        application = recorded()
        wire = await answered(application, parts)
        return bytes(wire.written), wire.closed, application

    one, closed, application = asyncio.run(run([octets]))
    assert (one, closed) == asyncio.run(run(pieces(octets, cuts)))[:2]
    assert one.isascii()
    assert one.count(b"\n\n") * 2 == one.count(b"\n"), "an answer is one line and an empty one"
    assert one.count(b"action=") >= one.count(b"\n\n") >= len(application.lines)
    assert application.connections == 0
