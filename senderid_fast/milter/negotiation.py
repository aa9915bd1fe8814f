"""What a milter chooses of what an MTA offers.

What may live here: that choice, made from the receiver's settings. It saves round trips: an MTA
that agrees waits for one answer a message, at its end (and for one a recipient, if the policy can
refuse at RCPT).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from senderid_fast.milter.codec import (
    CONTINUE,
    SKIP,
    VERSION,
    Changes,
    Command,
    Offer,
    Protocol,
    Stage,
    negotiated,
)
from senderid_fast.receiver.actions import Action
from senderid_fast.receiver.overrides import Tables, cells_of

if TYPE_CHECKING:
    from senderid_fast.reception.receiver import Receiver

__all__ = ["Agreed", "Negotiator"]

_OFFERS_MOST = 64

_P = Protocol
# Commands that no reply is needed for, and the bit by which an MTA agrees to that.
_QUIET = {
    Command.CONNECT: _P.QUIET_CONNECT,
    Command.HELO: _P.QUIET_HELO,
    Command.MAIL: _P.QUIET_MAIL,
    Command.RCPT: _P.QUIET_RCPT,
    Command.DATA: _P.QUIET_DATA,
    Command.UNKNOWN: _P.QUIET_UNKNOWN,
    Command.HEADER: _P.QUIET_HEADER,
    Command.EOH: _P.QUIET_EOH,
    Command.BODY: _P.QUIET_BODY,
}
# Commands that are not needed at all. What there is to know is known at BODYEOB.
_UNNEEDED = {
    Command.BODY: _P.NO_BODY,
    Command.UNKNOWN: _P.NO_UNKNOWN,
    Command.DATA: _P.NO_DATA,
    Command.EOH: _P.NO_EOH,
}
# As client.py reads them.
_MACROS = ((Stage.MAIL, b"{auth_type} {auth_authen} i"), (Stage.BODYEOB, b"i"))


class Agreed(NamedTuple):
    """What holds for a connection.

    packet   the reply to OPTNEG
    changes  those that may be asked for
    refused  those that are wanted and that the MTA does not let a milter make
    replies  what is said to a command that asks for nothing: b"" where no reply is due
    """

    packet: bytes
    changes: Changes
    refused: Changes
    replies: dict[int, bytes]


class Negotiator:
    """Makes the choice for connections, whose offers and receiver are nearly always the same.

    quarantine  messages to be discarded go there
    """

    __slots__ = ("_agreed", "_needed", "_quarantine", "_receiver")

    def __init__(self, *, quarantine: bool) -> None:
        self._quarantine = quarantine
        self._receiver: Receiver | None = None
        self._needed = Changes(0)
        self._agreed: dict[Offer, Agreed] = {}

    def agree(self, offer: Offer, receiver: Receiver) -> Agreed:
        """The choice for one connection."""
        if receiver is not self._receiver:
            self._agreed.clear()
            self._receiver = receiver
            self._needed = _changes(receiver, self._quarantine)
        found = self._agreed.get(offer)
        if found is None:
            if len(self._agreed) >= _OFFERS_MOST:
                self._agreed.clear()
            found = _agree(offer, self._needed, early=receiver.refuses_early())
            self._agreed[offer] = found
        return found


def _agree(offer: Offer, needed: Changes, *, early: bool) -> Agreed:
    # Values of header fields are left without their leading space, as all versions have it: the MTA
    # takes one away and puts one in.
    offered = Protocol(offer.protocol)
    wanted = _P.QUIET_CONNECT | _P.QUIET_HELO | _P.QUIET_MAIL | _P.QUIET_HEADER
    for command, bit in _UNNEEDED.items():
        wanted |= bit if bit & offered else _QUIET[command]
    if not early:
        wanted |= _P.QUIET_RCPT
    if _P.SKIP & offered and not _P.NO_BODY & offered:
        wanted |= _P.SKIP
        wanted &= ~_P.QUIET_BODY
    protocol = wanted & offered
    replies = {int(code): b"" if bit & protocol else CONTINUE for code, bit in _QUIET.items()}
    if _P.SKIP & protocol:
        replies[Command.BODY] = SKIP
    changes = (needed | Changes.SET_MACROS) & Changes(offer.changes)
    macros = _MACROS if Changes.SET_MACROS & changes else ()
    packet = negotiated(min(offer.version, VERSION), changes, protocol, macros)
    return Agreed(packet, changes, needed & ~changes, replies)


def _changes(receiver: Receiver, quarantine: bool) -> Changes:
    changes = Changes(0)
    if receiver.fields:
        changes |= Changes.ADD_HEADERS
    if receiver.remove_forged:
        changes |= Changes.CHANGE_HEADERS
    policy = receiver.policy
    tables: tuple[Tables, ...] = (policy, *policy.overrides)
    if not policy.test_only and any(Action.DISCARD in cells_of(each).values() for each in tables):
        changes |= Changes.DELETE_RECIPIENTS
    if quarantine:
        changes |= Changes.QUARANTINE
    return changes
