"""What an MTA is told at the end of a message: from an Outcome to packets.

What may live here: that, and the answers for want of an outcome. Nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from senderid_fast.milter.codec import (
    CONTINUE,
    DISCARD,
    REJECT,
    TEMPFAIL,
    Changes,
    change_header,
    delete_recipient,
    insert_fields,
    quarantine,
    reply_code,
)
from senderid_fast.receiver.actions import Action
from senderid_fast.receiver.policy import Decision
from senderid_fast.receiver.removal import can_be_ours
from senderid_fast.receiver.replies import Reply
from senderid_fast.reception.judging import troubled
from senderid_fast.reception.outcome import Outcome

if TYPE_CHECKING:
    from senderid_fast.reception.receiver import Receiver

__all__ = ["at_end", "refusal", "too_long", "trouble"]

# RFC 3463 3.4: "message too big for system"
_TOO_LONG = Reply(552, "5.3.4", ("The header section of the message is too long",))

# Numbers: an operation on flags of an enumeration takes longer than all else that is done here.
_ADD_HEADERS = int(Changes.ADD_HEADERS)
_CHANGE_HEADERS = int(Changes.CHANGE_HEADERS)
_DELETE_RECIPIENTS = int(Changes.DELETE_RECIPIENTS)
_QUARANTINE = int(Changes.QUARANTINE)


def refusal(action: Action, reply: Reply | None) -> bytes:
    """The packet that refuses a recipient or a message, for good or for now."""
    if reply is not None:
        return reply_code(reply.wire())
    return REJECT if action is Action.REJECT else TEMPFAIL


def too_long(octets: int) -> Outcome:
    """For a message with so many fields that could be forged that they cannot all be looked at."""
    reason = f"more than {octets} octets of header fields that could be forged"
    decision = Decision(Action.REJECT, _TOO_LONG, None, None, reason, Action.REJECT, _TOO_LONG)
    return Outcome(None, None, None, decision)


def trouble(receiver: Receiver, words: str, fields: Sequence[tuple[str, bytes]] = ()) -> Outcome:
    """For a message that could not be checked for an error of ours.

    Every field that could be forged goes, as it cannot be told whether it is.
    """
    remove = [at for at, (name, _) in enumerate(fields) if can_be_ours(name)]
    return Outcome(
        client=None,
        skipped=None,
        verdicts=None,
        decision=troubled(receiver, words),
        remove=tuple(remove) if receiver.remove_forged else (),
        trouble=words,
    )


def at_end(
    outcome: Outcome,
    fields: Sequence[tuple[str, bytes]],
    changes: int,
    *,
    quarantined: bool = False,
) -> tuple[bytes, str]:
    """The packets that end a message, and what they do, in one word.

    fields       the header fields that the outcome is about, names in Latin-1
    changes      bits of Changes: those that the MTA lets us make
    quarantined  a message to be discarded is put into the MTA's quarantine, if that may be
    """
    decision = outcome.decision
    action = decision.action
    if action is Action.REJECT or action is Action.DEFER:
        return refusal(action, decision.reply), str(action)
    packets = []
    if action is Action.DISCARD:
        if not (quarantined and _QUARANTINE & changes):
            return DISCARD, str(action)
        packets.append(quarantine(decision.reason.encode("ascii", "replace")))
    if outcome.remove and _CHANGE_HEADERS & changes:
        packets += _removed(outcome.remove, fields)
    if outcome.dropped and _DELETE_RECIPIENTS & changes:
        packets += [delete_recipient(path) for path in outcome.dropped]
    if outcome.add and _ADD_HEADERS & changes:
        packets.append(insert_fields(outcome.add))
    packets.append(CONTINUE)
    return b"".join(packets), "quarantine" if action is Action.DISCARD else str(action)


def _removed(positions: Sequence[int], fields: Sequence[tuple[str, bytes]]) -> list[bytes]:
    """Fields taken away, from the lowest up, so that those still to go keep their numbers."""
    wanted = set(positions)
    counts: dict[str, int] = {}
    packets = []
    for position, (name, _) in enumerate(fields):
        key = name.lower()
        counts[key] = count = counts.get(key, 0) + 1
        if position in wanted:
            packets.append(change_header(count, name.encode("latin-1"), b""))
    return packets[::-1]
