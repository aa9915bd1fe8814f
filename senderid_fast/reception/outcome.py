"""Outcome: all that was found out about one message, and what is to be done with it.

What may live here: plain values.
"""

from __future__ import annotations

from typing import NamedTuple

from senderid_fast.messages import MessageVerdict
from senderid_fast.receiver.exchange import ExchangeDecision
from senderid_fast.receiver.fields import Field
from senderid_fast.receiver.policy import Decision
from senderid_fast.receiver.relays import Client

__all__ = ["Outcome"]


class Outcome(NamedTuple):
    """What a mail server is to do with a message, and why.

    client    how the client was found; None if it was not looked for
    skipped   why nothing was checked; None if something was
    verdicts  of HELO, MAIL FROM and PRA, each None if it was not checked; None if nothing was
    decision  its action, reply and reason
    add       fields to be inserted at the top, the first one topmost
    remove    positions of the fields that claim to be ours, lowest first
    dropped   recipients to be taken away, as the envelope has them
    trouble   why a check could not be made; None if all could
    seconds   for how long the mail server waited for all this
    """

    client: Client | None
    skipped: str | None
    verdicts: MessageVerdict | None
    decision: Decision | ExchangeDecision
    add: tuple[Field, ...] = ()
    remove: tuple[int, ...] = ()
    dropped: tuple[bytes, ...] = ()
    trouble: str | None = None
    seconds: float = 0.0
