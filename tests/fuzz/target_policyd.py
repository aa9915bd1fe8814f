"""Target: any octets as a policy client's half of a connection, in pieces of any size.

The first octet of an input is the size of the pieces.
"""

from __future__ import annotations

import asyncio

from support.policyd import ZONE, Recorded, answered, recorded

__all__ = ["policyd"]

LOOP = asyncio.new_event_loop()
_APPLICATIONS: list[Recorded] = []


def _application() -> Recorded:
    """One that refuses, defers, discards and passes, and knows all answers of its zone by now."""
    if not _APPLICATIONS:
        policy = {
            "mailfrom": {"fail": "reject", "softfail": "discard", "permerror": "defer"},
            "helo": {"fail": "reject"},
            "override": [{"recipient": "example.net", "mailfrom": {"softfail": "accept"}}],
        }
        _APPLICATIONS.append(recorded(ZONE, policy=policy))
    return _APPLICATIONS[0]


def policyd(data: bytes) -> None:
    """Each request has one answer of one line; pieces make no difference; nothing raises."""
    if not data:
        return
    application, size, octets = _application(), data[0] + 1, data[1:]
    pieces = [octets[at : at + size] for at in range(0, len(octets), size)]
    found = []
    for parts in ([octets], pieces):
        application.lines.clear()
        application.faults.clear()
        wire = LOOP.run_until_complete(answered(application, parts))
        written = bytes(wire.written)
        assert written.isascii()
        for answer in written.split(b"\n\n")[:-1]:
            word = answer.removeprefix(b"action=").partition(b" ")[0]
            assert word in (b"DUNNO", b"PREPEND", b"DISCARD", b"550", b"451"), answer
            assert b"\n" not in answer
            assert len(answer) < 1_100
        assert application.connections == 0
        assert all(line.outcome.trouble is None for line in application.lines)
        found.append((written, wire.closed, len(application.lines)))
    assert found[0] == found[1]
