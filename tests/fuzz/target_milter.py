"""Target: octets as what an MTA sends to a milter.

The form of an input is in packeted.py. Its packets are read by src/packets.pyx, whose own target is
packets; what they mean is the matter of this one.
"""

from __future__ import annotations

import asyncio

from support import milter as mta
from support.milter import Application, codes, cut, receiver_with, transcript

from fuzz.packeted import read_input
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
    found = read_input(data)
    if found is None:
        return
    choice, step, octets = found
    if choice & 2:
        octets = BEGIN + octets
    receiver = RECEIVERS[choice >> 2 & 1]
    limit = 100 if choice & 8 else 1 << 20

    async def both() -> None:
        told = [
            await transcript(
                Application(receiver, AsyncEngine(mta.Ready()), max_header_octets=limit), parts
            )
            for parts in ([octets], cut(octets, range(0, len(octets), step)))
        ]
        assert told[0] == told[1]
        codes(told[0].said)
        faults = told[0].faults
        assert not any("could not be checked" in fault or "logged" in fault for fault in faults)

    _LOOP.run_until_complete(both())
