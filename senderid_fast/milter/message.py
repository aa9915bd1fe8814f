"""Message: what a session has told of one message so far, within bounds.

What may live here: its fields, in the two forms that a reception takes, and how much of them is
kept. What is said about it is in session.py.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from senderid_fast.milter.codec import MilterFault, read_header
from senderid_fast.receiver.removal import can_be_ours
from senderid_fast.reception.envelope import Envelope

if TYPE_CHECKING:
    from senderid_fast.receiver.policy import Decision
    from senderid_fast.reception.reception import Reception
    from senderid_fast.service.words import Application

__all__ = ["Message"]

# A field takes memory even if there is next to nothing in it.
_FIELDS_MOST = 20_000
# Postfix lets 1,000 be in a message (smtpd_recipient_limit), Sendmail any number.
_RECIPIENTS_MOST = 100_000
# A line that does not go on with white space would be a field of its own, an empty one would end
# the section.
_NEW_LINE = re.compile(rb"[\r\n]+[ \t]?")


class Message:
    """One message of one SMTP session.

    envelope    as MAIL had it; complete() brings it up to date
    recipients  those that were not refused
    fields      names (in Latin-1) and bodies, from the top
    refused     the last decision by which a recipient was refused
    trouble     what went wrong, if the message cannot be checked any more
    flooded     there are so many fields that could be ours that not all of them are kept
    """

    __slots__ = (
        "_late",
        "_left",
        "_octets",
        "application",
        "envelope",
        "fields",
        "flooded",
        "queue_id",
        "reception",
        "recipients",
        "refused",
        "trouble",
    )

    def __init__(self, application: Application, envelope: Envelope) -> None:
        self.application = application
        self.envelope = envelope
        self.queue_id = envelope.queue_id
        self.reception: Reception | None = None
        self.recipients: list[bytes] = []
        self.fields: list[tuple[str, bytes]] = []
        self._octets: list[bytes] = []
        self.refused: Decision | None = None
        self.trouble: str | None = None
        self.flooded = False
        self._left = application.max_header_octets
        self._late = application.max_header_octets

    def add_recipient(self, path: bytes) -> None:
        """A recipient. Raises MilterFault if there are too many to be true."""
        if len(self.recipients) >= _RECIPIENTS_MOST:
            raise MilterFault(f"RCPT: more than {_RECIPIENTS_MOST} recipients")
        self.recipients.append(path)

    def add(self, data: bytes) -> None:
        """The next field: the data of HEADER. The MTA took one space off its value, if there was
        one. Raises MilterFault."""
        name, value, octets = read_header(data)
        fields = self.fields
        self._left = left = self._left - len(data) - 1
        if left < 0 or len(fields) >= _FIELDS_MOST:
            self._add_late(name, value, len(data))
            return
        fields.append((name, value))
        if octets is None:
            octets = b"%b: %b\n" % (name.encode("latin-1"), _NEW_LINE.sub(b"\n ", value))
        self._octets.append(octets)

    def _add_late(self, name: str, value: bytes, size: int) -> None:
        """Beyond what is read for the checks, forged fields are looked for all the same."""
        self._left = 0  # what fits no more ends the section: nothing below it counts
        if can_be_ours(name):
            self._late -= size
            if self._late < 0:
                self.flooded = True
                self.fields.clear()
                self._octets.clear()
            if not self.flooded:
                self.fields.append((name, value))

    def header(self) -> bytes:
        """The octets of the header section that the fields make, as far as it is read."""
        return b"".join(self._octets)

    def complete(self) -> Envelope:
        """The envelope, with what came after MAIL."""
        known = self.envelope
        recipients = tuple(self.recipients)
        if recipients != known.recipients or self.queue_id != known.queue_id:
            self.envelope = known._replace(recipients=recipients, queue_id=self.queue_id)
        return self.envelope
