"""MessageVerdict: what is known of the three identities of one message.

What may live here: plain values, and the protocol of what finds the client behind one's own relays.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from senderid_fast._core.verdict import Verdict

__all__ = ["Client", "MessageVerdict", "Relays"]


class Client(Protocol):
    """The client of a message, as far as its header tells."""

    @property
    def ip(self) -> str | None:
        """Its address; None if there is none to be believed."""

    @property
    def helo(self) -> str | None:
        """The name it gave, if the header has it."""

    @property
    def detail(self) -> str:
        """One sentence for people."""


class Relays(Protocol):
    """Finds the client of a message behind one's own relays, such as receiver.TrustedRelays."""

    def client_of(self, ip: str | None, fields: Iterable[tuple[str, bytes]]) -> Client:
        """The client, given who connected and the fields of the header from the top."""
        ...


class MessageVerdict(NamedTuple):
    """The verdicts of one message: HELO (RFC 7208 2.3), MAIL FROM (2.4) and PRA (RFC 4406 4).

    ip         the client that was checked, as text; None if the relays' fields gave none
    helo, mail_from, pra   the verdicts; None if there is no client to check, or no mail_from
    client     how the client was found, if relays were given
    """

    ip: str | None
    helo: Verdict | None
    mail_from: Verdict | None
    pra: Verdict | None
    client: Client | None = None
