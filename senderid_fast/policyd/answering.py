"""Answering: from a request of Postfix to the one answer it gets.

What may live here: what is answered when. What is checked and decided is the matter of reception,
connections are that of server.py.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, cast

from senderid_fast.policyd.instances import Instance, Instances, key_of
from senderid_fast.policyd.protocol import DUNNO, Request, discard, prepend, refuse
from senderid_fast.policyd.rules import Rules
from senderid_fast.receiver.actions import Action
from senderid_fast.receiver.escaping import visible
from senderid_fast.reception.begun import Begun
from senderid_fast.reception.envelope import Envelope
from senderid_fast.reception.judging import troubled
from senderid_fast.reception.reception import Reception

if TYPE_CHECKING:
    from senderid_fast.receiver.policy import Decision
    from senderid_fast.receiver.replies import Reply
    from senderid_fast.reception.outcome import Outcome
    from senderid_fast.reception.receiver import Receiver
    from senderid_fast.service.words import Current

__all__ = ["SERVICE", "Answering", "Conversation"]

SERVICE = "policyd"
_log = logging.getLogger("senderid_fast.policyd")

_GREETING = (b"HELO", b"EHLO")
_AFTER_RECIPIENTS = (b"DATA", b"BDAT", b"END-OF-MESSAGE")
# Postfix cannot take a field any more at END-OF-MESSAGE (access(5)).
_WITH_FIELD = (b"MAIL", b"RCPT", b"DATA", b"BDAT")
_STATES = (*_GREETING, b"MAIL", b"RCPT", *_AFTER_RECIPIENTS)


class Conversation:
    """What a connection remembers: the message it asked about last, however many others there are
    meanwhile."""

    __slots__ = ("last",)

    def __init__(self) -> None:
        self.last: Instance | None = None


class Answering:
    """Answers requests, for all connections."""

    __slots__ = ("_current", "_instances", "_rules")

    def __init__(self, current: Current) -> None:
        self._current = current
        self._instances = Instances()
        self._rules: tuple[Receiver, Rules] | None = None

    async def answer(self, request: Request, conversation: Conversation) -> bytes:
        """The answer, within the receiver's seconds. Raises nothing, but for the CancelledError of
        its own task; does not wait if all that must be known is.
        """
        try:
            return await self._answer(request, conversation)
        except Exception as error:  # noqa: BLE001 - one answer to each request, whatever happens
            return self._failed(request, error)

    async def _answer(self, request: Request, conversation: Conversation) -> bytes:
        if request.state not in _STATES:  # CONNECT, VRFY, ETRN: no identity is known
            return DUNNO
        instance, new = self._instance_of(request, conversation)
        if instance is None:
            return DUNNO
        outcome = await self._outcome_of(instance)
        if instance.recipients and request.state in _AFTER_RECIPIENTS:
            return self._after_recipients(instance, outcome, request)
        decision = await _decision_for(request, instance, outcome, new=new)
        action = decision.action
        if decision.reply is not None and action in (Action.REJECT, Action.DEFER):
            self._tell(instance, outcome, request, decision, action)
            return refuse(decision.reply, request)
        if action is Action.DISCARD and not _may_discard(instance, request):
            action = Action.ACCEPT
        self._tell(instance, outcome, request, decision, action)
        if request.state == b"RCPT":
            instance.recipients += 1
            instance.kept += decision.action is not Action.DISCARD
        if action is Action.DISCARD:
            return discard(decision.reason)
        return _field_for(request, instance, outcome)

    def _instance_of(
        self, request: Request, conversation: Conversation
    ) -> tuple[Instance | None, bool]:
        """The message of a request, its checks begun, and whether it is a new one. None if there is
        nothing to check."""
        only_helo = request.state in _GREETING
        key = key_of(request, only_helo=only_helo)
        now = monotonic()
        last = conversation.last
        if request.instance:
            if last is not None and last.key == key:
                last.used = now
                return last, False
            # Postfix names a message from RCPT on; this one began with MAIL.
            if last is not None and last.key == key._replace(instance=b""):
                last.key = key
                self._instances.add(last, now)
                return last, False
            known = self._instances.find(key, now)
            if known is not None:
                conversation.last = known
                return known, False
        application = self._current()
        rules = self._rules_of(application.receiver)
        receiver = rules.only_helo if only_helo else rules.message
        if receiver is None or (only_helo and not request.helo_name):
            return None, False
        reception = Reception(receiver, application.engine, _envelope(request))
        instance = Instance(key, application, rules, reception)
        instance.begun = Begun(reception.at_end_of_header((), b""))
        if request.instance:
            self._instances.add(instance, now)
        if request.instance or request.state == b"MAIL":
            conversation.last = instance
        return instance, True

    def _rules_of(self, receiver: Receiver) -> Rules:
        if self._rules is None or self._rules[0] is not receiver:
            self._rules = receiver, Rules.of(receiver)
        return self._rules[1]

    async def _outcome_of(self, instance: Instance) -> Outcome:
        """What was found out. Two connections may wait for it; it is given up when none does."""
        begun = instance.begun
        assert begun is not None
        if begun.task is not None and not begun.done:
            import asyncio

            instance.waiting += 1
            try:
                await asyncio.wait((begun.task,))
            finally:
                instance.waiting -= 1
                if not begun.done and not instance.waiting:
                    begun.cancel()
                    self._instances.forget(instance)
        if begun.error is not None:
            self._instances.forget(instance)
            raise RuntimeError(f"the message was not received: {begun.error!r}")
        return begun.result

    def _after_recipients(self, instance: Instance, outcome: Outcome, request: Request) -> bytes:
        """After DATA: each recipient has had its answer. What none of them is to get is dropped."""
        if instance.kept:
            return _field_for(request, instance, outcome)
        action, reason = Action.DISCARD, "discard for every recipient"
        decision = replace(cast("Decision", outcome.decision), action=action, reason=reason)
        self._tell(instance, outcome, request, decision, action)
        return discard(reason)

    def _tell(
        self,
        instance: Instance,
        outcome: Outcome,
        request: Request,
        decision: Decision,
        action: Action,
    ) -> None:
        """Tell the application: of each message once, and of what is refused."""
        refused = action not in (Action.ACCEPT, Action.MARK)
        if not refused and (instance.told or request.state in _GREETING):
            return
        if instance.told:  # its checks have been counted
            outcome = outcome._replace(verdicts=None, decision=decision, seconds=0.0)
        elif outcome.decision is not decision:
            outcome = outcome._replace(decision=decision)
        instance.told = True
        envelope = instance.envelope
        recipients, queue_id = _recipients(request), _text(request.queue_id)
        if envelope.recipients != recipients or envelope.queue_id != queue_id:
            envelope = envelope._replace(recipients=recipients, queue_id=queue_id)
        try:
            instance.application.done(SERVICE, envelope, outcome, str(action))
        except Exception:  # noqa: BLE001 - Postfix waits for the answer
            _log.exception("a message was answered, but could not be counted or logged")

    def _failed(self, request: Request, error: Exception) -> bytes:
        """The answer if not even a decision could be made (Receiver.on_trouble)."""
        words = f"{type(error).__name__} [{secrets.token_hex(4)}]"
        named = visible(request.queue_id or request.instance, 100) or "a message"
        _log.error("%s: no decision: %s", named, words, exc_info=error)
        reply: Reply | None = None
        try:
            reply = troubled(self._current().receiver, words).reply
        except Exception:  # noqa: BLE001 - as above
            _log.exception("no settings")
        return DUNNO if reply is None else refuse(reply, request)


async def _decision_for(
    request: Request, instance: Instance, outcome: Outcome, *, new: bool
) -> Decision:
    reception = instance.reception
    if new or not reception.receiver.refuses_early():
        return cast("Decision", outcome.decision)  # the agent of Exchange is not asked here
    return await reception.at_recipient(request.recipient)


def _may_discard(instance: Instance, request: Request) -> bool:
    """Whether the message may be dropped now: Postfix drops it for all its recipients."""
    if request.state in _GREETING:
        return False
    if not instance.rules.apart:
        return True
    # Another recipient, who is to get it, may follow, or be among those that are not told.
    return request.state in _AFTER_RECIPIENTS and bool(request.recipient)


def _field_for(request: Request, instance: Instance, outcome: Outcome) -> bytes:
    """The next field, if this state has had none: an answer holds one field at most."""
    fields, state = instance.fields, request.state
    if fields is None:
        fields = instance.fields = list(outcome.add)
    if not fields or state not in _WITH_FIELD or state in instance.stated:
        return DUNNO
    instance.stated.add(state)
    return prepend(fields.pop(0))


def _envelope(request: Request) -> Envelope:
    return Envelope(
        ip=_text(request.client_address) or None,
        helo=request.helo_name or None,
        mail_from=b"<%b>" % request.sender,
        recipients=_recipients(request),
        authenticated=bool(request.sasl_username),
        queue_id=_text(request.queue_id),
        connection=_text(request.client_name),
    )


def _recipients(request: Request) -> tuple[bytes, ...]:
    return (request.recipient,) if request.recipient else ()


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")
