"""Rules: what of a receiver's settings a policy service can follow.

What may live here: that choice. Postfix tells a policy service no header, so that there is no PRA,
no SUBMITTER, no forged field to be removed, and no client behind a relay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from senderid_fast.reception.receiver import Receiver

__all__ = ["SECONDS_MOST", "Rules"]

# Postfix gives up after smtpd_policy_service_timeout, 100 s, and then defers the message with
# "Server configuration problem".
SECONDS_MOST = 90.0
_FIELDS = ("received-spf", "authentication-results")


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings for each of the times at which Postfix may ask.

    message    from MAIL on; None: neither HELO nor MAIL FROM is to be checked
    only_helo  before MAIL; None: HELO is not to be checked
    apart      recipients may be treated apart, so that what is done for one is not for all
    """

    message: Receiver | None
    only_helo: Receiver | None
    apart: bool

    @classmethod
    def of(cls, receiver: Receiver) -> Self:
        """The rules of a receiver. Its decisions about the PRA are left out, Exchange's too."""
        checks = tuple(check for check in receiver.checks if check != "pra")
        if not checks:
            return cls(None, None, apart=False)
        message = replace(
            receiver,
            checks=checks,
            exchange=None,
            submitter=None,
            relays=receiver.all_relays,
            fields=tuple(field for field in receiver.fields if field in _FIELDS),
            remove_forged=False,
            seconds=min(receiver.seconds, SECONDS_MOST),
        )
        only_helo = replace(message, checks=("helo",), fields=()) if "helo" in checks else None
        apart = any(override.recipient for override in receiver.policy.overrides)
        return cls(message, only_helo, apart)
