"""Reception: one message of one session, from MAIL FROM to what is to be done with it.

What may live here: what is checked when, and that there is one answer whatever happens. Waiting is
in checking.py; the rules for a decision and for fields are in judging.py and stamping.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from senderid_fast.messages import MessageVerdict
from senderid_fast.receiver.actions import Action
from senderid_fast.receiver.policy import Decision
from senderid_fast.receiver.relays import Client
from senderid_fast.receiver.submitter import Submitter, SubmitterSyntaxError, parse_submitter
from senderid_fast.reception.checking import Checks
from senderid_fast.reception.envelope import Envelope
from senderid_fast.reception.failing import pra_of, temperror
from senderid_fast.reception.judging import Judged, judge, not_checked, troubled
from senderid_fast.reception.outcome import Outcome
from senderid_fast.reception.receiver import Receiver
from senderid_fast.reception.stamping import (
    fields_of,
    fields_of_unchecked,
    removable,
    suspects,
)
from senderid_fast.results import Reason, Scope

if TYPE_CHECKING:
    from senderid_fast.async_engine import AsyncEngine

__all__ = ["Reception"]

_NOT_YET = Decision(Action.ACCEPT, None, None, None, "decided after the header", Action.ACCEPT)
_SESSION = ("helo", "mailfrom", "submitter")
_MESSAGE = (*_SESSION, "pra")


class Reception:
    """One message. Made when MAIL FROM came; belongs to the task that serves its session.

        reception = Reception(receiver, engine, envelope)
        reception.begin()
        decision = await reception.at_recipient(b"<user@example.com>")    # for each
        outcome = await reception.at_end_of_header(fields, headers)

    receiver  the rules
    engine    an AsyncEngine, which messages share
    envelope  of the session. May be replaced before the header by one with the recipients: if it
              has any, these count, else those that at_recipient() let pass

    No method raises, but for the CancelledError of its own task. What cannot be found out while the
    mail server waits, receiver.seconds in all, is temperror. Each identity is checked once.
    """

    __slots__ = (
        "_broken",
        "_checks",
        "_engine",
        "_of_submitter",
        "_ready",
        "_recipients",
        "_relayed",
        "_skipped",
        "_submitter",
        "_wanted",
        "envelope",
        "receiver",
    )

    def __init__(self, receiver: Receiver, engine: AsyncEngine, envelope: Envelope) -> None:
        self.receiver = receiver
        self.envelope = envelope
        self._engine = engine
        self._checks = Checks(receiver.seconds)
        self._recipients: dict[bytes, None] = {}
        self._skipped: str | None = None
        self._relayed = False
        self._submitter: Submitter | None = None
        self._of_submitter: Decision | None = None
        self._wanted: tuple[str, ...] = ()
        self._ready = False
        self._broken: str | None = None

    def begin(self) -> None:
        """Start the checks of HELO and MAIL FROM, so that DNS is asked while the client goes on.

        They run at once as far as the answers are known. To be called in a running event loop.
        """
        if self._ready:
            return
        self._ready = True
        try:
            self._begin()
        except Exception as error:  # noqa: BLE001 - it must not reach the session
            self._broken = self._fault("the session", error)

    async def at_recipient(self, recipient: bytes) -> Decision:
        """What the results for HELO and MAIL FROM, and SUBMITTER, mean for one recipient.

        Accept, at once, where nothing can be refused before the header. A recipient with the action
        discard is to be accepted: in the end it is one of Outcome.dropped, or the message is
        discarded.
        """
        self.begin()
        decision = _NOT_YET
        try:
            if self._broken is not None:
                decision = troubled(self.receiver, self._broken)
            elif self._skipped is None and not self._relayed and self.receiver.refuses_early():
                if not self._checks.settled:
                    await self._checks.settle(_SESSION, self.envelope)
                decision = cast(Decision, self._judged(None, None, (recipient,)).decision)
        except Exception as error:  # noqa: BLE001 - as above
            decision = troubled(self.receiver, self._fault("a recipient", error))
        if decision.action not in (Action.REJECT, Action.DEFER):
            self._recipients[recipient] = None
        return decision

    async def at_end_of_header(
        self, fields: Sequence[tuple[str, bytes]], headers: bytes
    ) -> Outcome:
        """All that was found out, and what is to be done.

        fields   names and bodies, from the top, as the mail server gave them
        headers  the octets of the header section that they make; may be cut, or empty
        """
        self.begin()
        try:
            if self._broken is None:
                return await self._outcome(fields, headers)
            return self._undecided(self._broken, fields)
        except Exception as error:  # noqa: BLE001 - as above
            return self._undecided(self._fault("the message", error), fields)
        finally:
            self.cancel()

    def without_header(self, decision: Decision) -> Outcome:
        """Of a message that ends before its header, as each recipient was refused by such a
        decision: what its checks gave, for logs and counters."""
        verdict = self._checks.verdict
        return Outcome(
            client=None,
            skipped=None,
            verdicts=MessageVerdict(self.envelope.ip, verdict("helo"), verdict("mailfrom"), None),
            decision=decision,
            trouble=self._checks.trouble,
            seconds=self._checks.waited,
        )

    def cancel(self) -> None:
        """The message ended otherwise: what is still being asked for it is given up."""
        self._checks.cancel()

    def _fault(self, where: str, error: Exception) -> str:
        return self._checks.fault(where, error, self.envelope)

    # What is checked.

    def _begin(self) -> None:
        envelope = self.envelope
        self._skipped = self.receiver.skipped(envelope)
        if self._skipped is not None:
            return
        policy, value = self.receiver.submitter, envelope.submitter
        if policy is not None and value is not None:
            try:
                self._submitter = parse_submitter(value.decode("latin-1"))
            except SubmitterSyntaxError as error:
                self._of_submitter = policy.malformed(error)
        self._relayed = self.receiver.needs_header(envelope.ip)
        if not self._relayed:
            self._start_session(cast(str, envelope.ip), envelope.helo)

    def _start_session(self, ip: str, helo: str | bytes | None) -> None:
        envelope, engine, start = self.envelope, self._engine, self._checks.start
        wanted = self._wanted = self.receiver.identities(ip, authenticated=envelope.authenticated)
        if "helo" in wanted:
            start("helo", engine.check_helo(ip, helo))
        if "mailfrom" in wanted:
            start("mailfrom", engine.check_mail_from(ip, envelope.mail_from, helo))
        if self._submitter is not None:
            domain, mailbox = self._submitter.domain, self._submitter.mailbox
            start("submitter", engine.check_host(ip, domain, mailbox, helo, Scope.PRA))

    def _start_pra(self, ip: str, helo: str | bytes | None, headers: bytes) -> None:
        if "pra" in self._wanted:
            self._checks.start("pra", self._engine.check_pra(ip, headers, helo))

    # What follows.

    async def _outcome(self, fields: Sequence[tuple[str, bytes]], headers: bytes) -> Outcome:
        receiver, envelope = self.receiver, self.envelope
        if self._skipped is not None:
            return self._not_checked(self._skipped, None, fields)
        client = receiver.all_relays.client_of(envelope.ip, fields)
        if client.ip is None:
            return self._not_checked(client.detail, client, fields)
        helo: str | bytes | None = envelope.helo
        if self._relayed:
            helo = client.helo
            exempt = receiver.exempt(client.ip, authenticated=envelope.authenticated)
            if exempt is not None:
                return self._not_checked(exempt, client, fields)
            self._start_session(client.ip, helo)
            # A verdict that stands in for one is of this client, too.
            envelope = envelope._replace(helo=None if helo is None else _octets(helo))
        self._start_pra(client.ip, helo, headers)
        if not self._checks.settled:
            await self._checks.settle(_MESSAGE, envelope, headers)
        verdict = self._checks.verdict
        verdicts = MessageVerdict(
            client.ip, verdict("helo"), verdict("mailfrom"), verdict("pra"), client
        )
        judged = self._judged(client, headers, self._everyone())
        return Outcome(
            client=client,
            skipped=None,
            verdicts=verdicts,
            decision=judged.decision,
            add=fields_of(
                receiver,
                verdicts,
                judged,
                helo=helo,
                mail_from=envelope.mail_from,
                eai=envelope.eai,
            ),
            remove=removable(receiver, fields),
            dropped=tuple(map(_octets, judged.dropped)),
            trouble=self._checks.trouble,
            seconds=self._checks.waited,
        )

    def _everyone(self) -> tuple[bytes, ...]:
        return self.envelope.recipients or tuple(self._recipients)

    def _judged(
        self, client: Client | None, headers: bytes | None, recipients: Sequence[bytes]
    ) -> Judged:
        """The decision by what is settled.

        client, headers  None: before the header
        """
        envelope, checks = self.envelope, self._checks
        ip = envelope.ip if client is None else client.ip
        trouble = checks.trouble
        return judge(
            self.receiver,
            MessageVerdict(ip, checks.sound("helo"), checks.sound("mailfrom"), checks.sound("pra")),
            recipients=tuple(map(_text, recipients)),
            mail_from=envelope.mail_from,
            authenticated=envelope.authenticated,
            trouble=None if trouble is None else troubled(self.receiver, trouble),
            others=self._by_submitter(headers),
            early=headers is None,
        )

    def _by_submitter(self, headers: bytes | None) -> tuple[Decision, ...]:
        policy, submitter = self.receiver.submitter, self._submitter
        if policy is None or submitter is None:
            return () if self._of_submitter is None else (self._of_submitter,)
        found = []
        verdict = self._checks.sound("submitter")
        if verdict is not None:
            found.append(policy.at_mail(verdict))
        if headers is not None and "pra" not in self._checks.failed:
            found.append(policy.after_data(submitter, pra_of(headers)))
        return tuple(found)

    def _not_checked(
        self, why: str, client: Client | None, fields: Sequence[tuple[str, bytes]]
    ) -> Outcome:
        return Outcome(
            client=client,
            skipped=why,
            verdicts=None,
            decision=not_checked(why),
            add=fields_of_unchecked(self.receiver, why, eai=self.envelope.eai),
            remove=removable(self.receiver, fields, why),
            seconds=self._checks.waited,
        )

    def _undecided(self, words: str, fields: Sequence[tuple[str, bytes]]) -> Outcome:
        """What is done when not even a decision could be made."""
        receiver, envelope = self.receiver, self.envelope
        helo, mail_from = envelope.helo, envelope.mail_from
        outcome = Outcome(
            client=None,
            skipped=None,
            verdicts=None,
            decision=troubled(receiver, words),
            remove=suspects(receiver, fields),
            trouble=self._checks.trouble,
            seconds=self._checks.waited,
        )
        try:
            of_helo, of_mail_from = (
                temperror(each, Reason.CHECK_FAILED, words, helo=helo, mail_from=mail_from)
                if each in receiver.checks
                else None
                for each in ("helo", "mailfrom")
            )
            found = MessageVerdict(envelope.ip, of_helo, of_mail_from, None)
            judged = Judged(outcome.decision)
            add = fields_of(receiver, found, judged, helo=helo, mail_from=mail_from)
            return outcome._replace(verdicts=found, add=add, remove=removable(receiver, fields))
        except Exception:  # noqa: BLE001 - what failed first has been told
            return outcome


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


def _octets(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
