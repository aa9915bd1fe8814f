"""Decision, and what it is made of: what is to be done with a message, and why.

What may live here: plain values, and the protocol of what is decided about. How a decision is made
is in policy.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from senderid_fast._core.verdict import Verdict
from senderid_fast.receiver.actions import Action
from senderid_fast.receiver.replies import Reply
from senderid_fast.results import Result

__all__ = ["Decision", "Judgement", "MessageLike"]


class MessageLike(Protocol):
    """The verdicts of a message; what check_message() of an engine returns is one."""

    @property
    def helo(self) -> Verdict | None: ...
    @property
    def mail_from(self) -> Verdict | None: ...
    @property
    def pra(self) -> Verdict | None: ...


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one verdict asks for.

    identity  "helo", "mailfrom" or "pra"
    result    its result
    action    what the policy has for it
    rule      the setting, such as "mailfrom.fail = reject (override 'partners')"
    """

    identity: str
    result: Result
    action: Action
    rule: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done with a message.

    action      Action
    reply       Reply for reject and defer, else None
    identity    of the verdict that decided; None if there is none
    result      its result
    reason      one sentence for people
    would_be    the action without test_only
    would_reply the reply without test_only
    marks       a Judgement for each verdict whose action is not accept
    skipped     the name of what exempts the message from its policy, or None
    dropped     recipients that are not to get a message which others get (action discard)
    """

    action: Action
    reply: Reply | None
    identity: str | None
    result: Result | None
    reason: str
    would_be: Action
    would_reply: Reply | None = None
    marks: tuple[Judgement, ...] = ()
    skipped: str | None = None
    dropped: tuple[str, ...] = ()
