"""One decision from the verdicts of a message: of policy, Exchange's agent and SUBMITTER.

What may live here: which of several decisions counts. Each is made in senderid_fast.receiver, by
the rules of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from senderid_fast.messages import MessageVerdict
from senderid_fast.receiver.actions import Action
from senderid_fast.receiver.exchange import ExchangeDecision
from senderid_fast.receiver.policy import Decision, decide
from senderid_fast.receiver.replies import Reply
from senderid_fast.reception.receiver import Receiver

__all__ = ["Judged", "judge", "not_checked", "troubled"]

_SEVERITY = {action: number for number, action in enumerate(Action)}  # the mildest first
_PASSING = (Action.ACCEPT, Action.MARK)
# RFC 3463 3.4: other or undefined mail system status.
NOT_NOW = Reply(451, "4.3.0", ("The sender could not be checked, try again later",))


class Judged(NamedTuple):
    """What is to be done with a message.

    decision  the one that counts
    dropped   recipients that are not to get it, though others do
    exchange  what Exchange's agent says; None if there is none
    """

    decision: Decision | ExchangeDecision
    dropped: tuple[str, ...] = ()
    exchange: ExchangeDecision | None = None


def judge(
    receiver: Receiver,
    verdicts: MessageVerdict,
    *,
    recipients: Sequence[str] = (),
    mail_from: str | bytes | None = None,
    authenticated: bool = False,
    trouble: Decision | None = None,
    others: Iterable[Decision] = (),
    early: bool = False,
) -> Judged:
    """The strictest of all that is said; of equals, that of trouble, the agent, the policy, others.

    verdicts   with the client's address; those that are None are not judged
    mail_from  None if it is not known
    trouble    what is done because a check could not be made
    others     such as what is said of SUBMITTER
    early      there is no header yet: the agent has no say
    """
    found: list[Decision | ExchangeDecision] = [] if trouble is None else [trouble]
    ip, by_agent = verdicts.ip, None
    if receiver.exchange is not None and not early:
        by_agent = receiver.exchange.decide(verdicts.pra, recipients, ip, internal=authenticated)
        found.append(by_agent)
        verdicts = verdicts._replace(pra=None)
    by_policy = decide(
        receiver.policy,
        verdicts,
        recipients,
        ip,
        mail_from=mail_from,
        authenticated=authenticated,
    )
    found += (by_policy, *others)
    decision = max(found, key=_severity) if len(found) > 1 else by_policy  # the first of equals
    dropped = by_policy.dropped if decision.action in _PASSING else ()
    return Judged(decision, dropped, by_agent)


def _severity(decision: Decision | ExchangeDecision) -> tuple[int, int]:
    would_be = decision.would_be if isinstance(decision, Decision) else decision.action
    return _SEVERITY[decision.action], _SEVERITY[would_be]


def troubled(receiver: Receiver, words: str) -> Decision:
    """What is done because a check could not be made (Receiver.on_trouble)."""
    action, test_only = receiver.on_trouble, receiver.policy.test_only
    reply = NOT_NOW if action is Action.DEFER else None
    return Decision(
        action=Action.ACCEPT if test_only else action,
        reply=None if test_only else reply,
        identity=None,
        result=None,
        reason=f"{'test only: ' if test_only else ''}on_trouble = {action}: {words}",
        would_be=action,
        would_reply=reply,
    )


def not_checked(why: str) -> Decision:
    """What is done with a message of which nothing is checked."""
    reason = f"not checked: {why}"
    return Decision(Action.ACCEPT, None, None, None, reason, Action.ACCEPT, skipped=why)
