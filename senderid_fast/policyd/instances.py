"""Instances: what is known of messages that Postfix asks about more than once.

What may live here: keeping them, within bounds. What is answered is in answering.py.

Postfix asks for each recipient, and gives each message a name, its instance. It asks over one
connection as a rule, but may close it and go on over another.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from senderid_fast.policyd.protocol import Request

if TYPE_CHECKING:
    from senderid_fast.policyd.rules import Rules
    from senderid_fast.receiver.fields import Field
    from senderid_fast.reception.begun import Begun
    from senderid_fast.reception.envelope import Envelope
    from senderid_fast.reception.outcome import Outcome
    from senderid_fast.reception.reception import Reception
    from senderid_fast.service.words import Application

__all__ = ["Instance", "Instances", "Key", "key_of"]

INSTANCES_MOST = 4_096
SECONDS_MOST = 1_000.0  # since it was last asked about; smtpd_policy_service_max_ttl


class Key(NamedTuple):
    """Which message a request is about. The name that Postfix gives is not believed alone: two
    servers may give the same, and a verdict must not serve for another sender."""

    instance: bytes
    client_address: bytes
    helo_name: bytes
    sender: bytes
    sasl_username: bytes
    only_helo: bool


def key_of(request: Request, *, only_helo: bool) -> Key:
    """The key of a request; only_helo: it came before MAIL."""
    return Key(
        request.instance,
        request.client_address,
        request.helo_name,
        request.sender,
        request.sasl_username,
        only_helo,
    )


class Instance:
    """One message.

    application  whom it began with; a reload does not change it
    rules        those of that application
    envelope     of the request that came first
    begun        its checks
    waiting      requests that wait for them
    fields       those that are to be prepended yet
    stated       protocol states in which one was
    told         whether the application knows of it
    recipients   how many were asked about and may get it
    kept         how many of them are to get it in any event
    used         the time when it was last asked about
    """

    __slots__ = (
        "application",
        "begun",
        "envelope",
        "fields",
        "kept",
        "key",
        "reception",
        "recipients",
        "rules",
        "stated",
        "told",
        "used",
        "waiting",
    )

    def __init__(
        self, key: Key, application: Application, rules: Rules, reception: Reception
    ) -> None:
        self.key = key
        self.application = application
        self.rules = rules
        self.reception = reception
        self.envelope: Envelope = reception.envelope
        self.begun: Begun[Outcome] | None = None
        self.waiting = 0
        self.fields: list[Field] | None = None
        self.stated: set[bytes] = set()
        self.told = False
        self.recipients = 0
        self.kept = 0
        self.used = 0.0


class Instances:
    """The messages that were last asked about, at most so many, for so long."""

    __slots__ = ("_by_key", "_most", "_seconds")

    def __init__(self, most: int = INSTANCES_MOST, seconds: float = SECONDS_MOST) -> None:
        self._by_key: OrderedDict[Key, Instance] = OrderedDict()
        self._most = most
        self._seconds = seconds

    def __len__(self) -> int:
        return len(self._by_key)

    def find(self, key: Key, now: float) -> Instance | None:
        """The message, if it is known still."""
        instance = self._by_key.get(key)
        if instance is None:
            return None
        if now - instance.used > self._seconds:
            del self._by_key[key]
            return None
        instance.used = now
        self._by_key.move_to_end(key)
        return instance

    def add(self, instance: Instance, now: float) -> None:
        """Keep one more, and forget those that are over, or too many."""
        instance.used = now
        by_key = self._by_key
        by_key[instance.key] = instance
        while by_key:
            oldest = next(iter(by_key.values()))
            if len(by_key) <= self._most and now - oldest.used <= self._seconds:
                break
            del by_key[oldest.key]

    def forget(self, instance: Instance) -> None:
        """Its checks came to no end: whoever asks again begins anew."""
        if self._by_key.get(instance.key) is instance:
            del self._by_key[instance.key]
