"""Which fields a message gets, and which of its own have to go.

What may live here: that choice. How a field is written is in receiver/fields.py and stamps.py, how
a forged one is found in receiver/removal.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from senderid_fast.messages import MessageVerdict
from senderid_fast.receiver.escaping import comment, visible
from senderid_fast.receiver.fields import Field, authentication_results, received_spf
from senderid_fast.receiver.removal import can_be_ours, forged_fields
from senderid_fast.receiver.stamps import exchange_fields, sid_fields
from senderid_fast.reception.judging import Judged
from senderid_fast.reception.receiver import INTERNAL, NO_ADDRESS, Receiver
from senderid_fast.results import Reason

__all__ = ["fields_of", "fields_of_unchecked", "ours", "removable", "suspects"]

_WORDS_MOST = 200


def fields_of(
    receiver: Receiver,
    verdicts: MessageVerdict,
    judged: Judged,
    *,
    helo: str | bytes | None,
    mail_from: str | bytes | None,
    eai: bool = False,
) -> tuple[Field, ...]:
    """The fields of a message that was checked, the topmost first.

    verdicts   those to be written, and the client's address
    helo       of that client
    mail_from  None if it is not known
    """
    own, written = receiver.authserv_id, receiver.fields
    fields: list[Field] = []
    # RFC 7208 2.4: the result for MAIL FROM is the one that is shown; that for HELO never hides it.
    of_spf = verdicts.mail_from or verdicts.helo
    if "received-spf" in written and of_spf is not None and verdicts.ip is not None:
        fields.append(
            received_spf(
                of_spf, ip=verdicts.ip, helo=helo, mail_from=mail_from, receiver=own, eai=eai
            )
        )
    of_pra = verdicts.pra
    if "authentication-results" in written:
        known = [each for each in (verdicts.helo, verdicts.mail_from, of_pra) if each is not None]
        fields.append(authentication_results(own, *known, eai=eai))
    if of_pra is not None:
        if "x-sid" in written:
            fields += sid_fields(of_pra, eai=eai)
        agent = judged.exchange
        if agent is None:
            stamped = "exchange" in written
        else:  # a message without a status is one that the agent did not check
            stamped = agent.status is not None or of_pra.reason is Reason.CHECK_FAILED
        if stamped:
            fields += exchange_fields(of_pra, eai=eai)
    return tuple(fields)


def ours(skipped: str | None) -> bool:
    """Whether a message that is not checked is one's own, so that nothing is added or removed: what
    claims to be of this host in it may well be, as when a content filter hands it back."""
    return skipped in (INTERNAL, NO_ADDRESS)


def fields_of_unchecked(receiver: Receiver, why: str, *, eai: bool = False) -> tuple[Field, ...]:
    """The field of a message that was not checked: a result "none" that says why (RFC 8601 2.2)."""
    if "authentication-results" not in receiver.fields or ours(why):
        return ()
    bare = authentication_results(receiver.authserv_id, eai=eai)
    words = visible(f"not checked: {why}", _WORDS_MOST, eai=eai)
    return (Field(bare.name, f"{bare.body} {comment(words)}"),)


def removable(
    receiver: Receiver, fields: Sequence[tuple[str, bytes]], skipped: str | None = None
) -> tuple[int, ...]:
    """The positions of fields that claim to be ours, lowest first."""
    if not receiver.remove_forged or ours(skipped):
        return ()
    names = (receiver.authserv_id, *receiver.own_names)
    return tuple(sorted(forged_fields(fields, names)))


def suspects(receiver: Receiver, fields: Sequence[tuple[str, bytes]]) -> tuple[int, ...]:
    """As removable, where it cannot be told whose they are: all that could be ours."""
    if not receiver.remove_forged:
        return ()
    return tuple(position for position, (name, _) in enumerate(fields) if can_be_ours(name))
