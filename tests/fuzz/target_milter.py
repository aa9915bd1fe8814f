"""Target: octets as what an MTA sends to a milter.

The first octet of an input chooses the settings and the form. Either the rest is sent as it is, or
its parts, which \\x1e ends, each become a packet: so that most inputs get past the framing. The
second octet says how what is sent is cut.
"""

from __future__ import annotations

import asyncio

from support import milter as mta
from support.milter import Application, codes, cut, receiver_with, transcript

from senderid_fast import AsyncEngine
from senderid_fast.receiver import SubmitterPolicy

__all__ = ["milter"]

RECEIVERS = (
    receiver_with(),
    receiver_with(
        {"mailfrom": {"fail": "reject"}, "pra": {"fail": "discard"}, "no_pra": "defer"},
        submitter=SubmitterPolicy(),
    ),
)
BEGIN = mta.offer() + mta.connect() + mta.helo()
_LOOP = asyncio.new_event_loop()


def milter(data: bytes) -> None:
    """Nothing breaks, and however the octets are cut, the MTA is told the same."""
    if len(data) < 2:
        return
    choice, step, rest = data[0], data[1] + 1, data[2:]
    octets = rest
    if choice & 1:
        parts = rest.split(b"\x1e")
        octets = b"".join(mta.packet(chr(part[0] & 0x7F), part[1:]) for part in parts if part)
    if choice & 2:
        octets = BEGIN + octets
    receiver = RECEIVERS[choice >> 2 & 1]
    limit = 100 if choice & 8 else 1 << 20

    async def both() -> None:
        found = [
            await transcript(
                Application(receiver, AsyncEngine(mta.Ready()), max_header_octets=limit), parts
            )
            for parts in ([octets], cut(octets, range(0, len(octets), step)))
        ]
        assert found[0] == found[1]
        codes(found[0].said)
        faults = found[0].faults
        assert not any("could not be checked" in fault or "logged" in fault for fault in faults)

    _LOOP.run_until_complete(both())
