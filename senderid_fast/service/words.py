"""The words between a protocol server and the service that runs it.

What may live here: protocols only. Servers (milter, policyd) know nothing else of the service, and
the service knows nothing else of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio

    from senderid_fast.async_engine import AsyncEngine
    from senderid_fast.reception.envelope import Envelope
    from senderid_fast.reception.outcome import Outcome
    from senderid_fast.reception.receiver import Receiver

__all__ = ["Application", "Current", "ProtocolServer"]


class Application(Protocol):
    """What a protocol server is given. It is looked up anew for each message, so that a reload
    takes effect; a message keeps the one it began with."""

    @property
    def receiver(self) -> Receiver:
        """What is the same for all messages."""

    @property
    def engine(self) -> AsyncEngine:
        """What checks."""

    @property
    def max_header_octets(self) -> int:
        """Beyond it the header is cut for the checks (the first octets count), never buffered."""

    @property
    def idle_seconds(self) -> float:
        """Half a command and then silence of so many seconds: the connection is closed."""

    def opened(self) -> bool:
        """A connection came. False: there are too many; close it at once, without closed()."""

    def closed(self) -> None:
        """A connection for which opened() was True has ended."""

    def done(self, service: str, envelope: Envelope, outcome: Outcome, action: str) -> None:
        """A message was answered: its log line, its metrics.

        service  "milter" or "policyd"
        action   what was really answered
        """

    def fault(self, service: str, words: str) -> None:
        """Garbage from a peer, a broken connection: counted, and logged with a limit of the rate.

        words  one sentence; may hold any characters
        """


Current = Callable[[], Application]


class ProtocolServer(Protocol):
    """What milter and policyd export: a class that is made with Current."""

    def protocol(self) -> asyncio.Protocol:
        """A new protocol; the factory of loop.create_server and loop.create_unix_server."""

    @property
    def busy(self) -> int:
        """Messages (requests) in hand."""

    async def drain(self, seconds: float) -> int:
        """Take no new message, close idle connections, let those in hand finish for so many
        seconds at most; return how many were cut off."""
