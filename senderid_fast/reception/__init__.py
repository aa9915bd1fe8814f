"""What a receiver does with one message of a session: check, decide, stamp. No socket, no protocol.

What may live here: nothing but the public names, which are imported when they are asked for.
"""

from typing import TYPE_CHECKING

from senderid_fast.lazily import importer

if TYPE_CHECKING:
    from senderid_fast.reception.blocking import BlockingReception
    from senderid_fast.reception.envelope import Envelope
    from senderid_fast.reception.outcome import Outcome
    from senderid_fast.reception.receiver import Receiver
    from senderid_fast.reception.reception import Reception

__all__ = ["BlockingReception", "Envelope", "Outcome", "Receiver", "Reception"]

if not TYPE_CHECKING:
    __getattr__ = importer(
        globals(),
        {
            "BlockingReception": "senderid_fast.reception.blocking",
            "Envelope": "senderid_fast.reception.envelope",
            "Outcome": "senderid_fast.reception.outcome",
            "Receiver": "senderid_fast.reception.receiver",
            "Reception": "senderid_fast.reception.reception",
        },
    )
