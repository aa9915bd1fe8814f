"""ServiceApplication: what a protocol server is given (words.Application): counts and log lines.

What may live here: what is counted and said about one message, connection or fault.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from senderid_fast.results import Result
from senderid_fast.service import families
from senderid_fast.service.counters import Board, Slot

if TYPE_CHECKING:
    from senderid_fast._core.verdict import Verdict
    from senderid_fast.async_engine import AsyncEngine
    from senderid_fast.reception.envelope import Envelope
    from senderid_fast.reception.outcome import Outcome
    from senderid_fast.reception.receiver import Receiver
    from senderid_fast.service.logs import Log

__all__ = ["Books", "ServiceApplication"]

_UNREMARKABLE = (Result.PASS, Result.NONE, Result.NEUTRAL)
# What is counted for each message is added by its place at once.
_CHECKS = families.CHECKS.places
_MESSAGES = families.MESSAGES.places
_SECONDS = families.SECONDS.places
_BOUNDS = families.SECONDS.bounds


class Books:
    """Where a worker counts and logs. It outlives reloads; applications do not.

    service          "milter" or "policyd"
    slot             the worker's own numbers
    board            those of all workers, for what they share
    max_connections  of all workers together
    """

    __slots__ = ("board", "log", "max_connections", "messages", "service", "slot")

    def __init__(
        self, service: str, board: Board, slot: Slot, log: Log, max_connections: int
    ) -> None:
        self.service = service
        self.board = board
        self.slot = slot
        self.log = log
        self.max_connections = max_connections
        self.messages = True  # whether a line is written for each message

    def open_connections(self) -> int:
        """Of all workers, as far as they have told."""
        return int(self.board.sum(families.CONNECTIONS))


class ServiceApplication:
    """One set of settings in use. See words.Application for what each name means."""

    __slots__ = ("__weakref__", "_books", "engine", "idle_seconds", "max_header_octets", "receiver")

    def __init__(
        self,
        books: Books,
        receiver: Receiver,
        engine: AsyncEngine,
        max_header_octets: int,
        idle_seconds: float,
    ) -> None:
        self._books = books
        self.receiver = receiver
        self.engine = engine
        self.max_header_octets = max_header_octets
        self.idle_seconds = idle_seconds

    def opened(self) -> bool:
        """Count a connection, if there may be one more."""
        books = self._books
        slot = books.slot
        if books.open_connections() >= books.max_connections:
            slot.add(families.REFUSED)
            books.log.limited(
                "warning",
                "connections",
                "a connection was closed: process.max_connections are open",
                service=books.service,
                max_connections=books.max_connections,
            )
            return False
        slot.add(families.OPENED)
        slot.add(families.CONNECTIONS)
        return True

    def closed(self) -> None:
        """One connection less."""
        self._books.slot.add(families.CONNECTIONS, amount=-1)

    def done(self, service: str, envelope: Envelope, outcome: Outcome, action: str) -> None:
        """Count the message, and write its line."""
        books = self._books
        slot = books.slot
        numbers = slot.numbers
        skipped, trouble, seconds = outcome.skipped, outcome.trouble, outcome.seconds
        numbers.add(_MESSAGES[service, action])
        numbers.observe(_SECONDS[(service,)], _BOUNDS, seconds)
        if skipped is not None:
            slot.add(families.SKIPPED, (service,))
        if trouble is not None:
            slot.add(families.TROUBLE, (service,))
        helo = mail_from = pra = helo_result = mail_from_result = pra_result = found = None
        if (verdicts := outcome.verdicts) is not None:
            helo, mail_from, pra = verdicts.helo, verdicts.mail_from, verdicts.pra
        if helo is not None:
            helo_result = helo.result
            numbers.add(_CHECKS["helo", helo_result])
        if mail_from is not None:
            mail_from_result = mail_from.result
            numbers.add(_CHECKS["mailfrom", mail_from_result])
        if pra is not None:
            pra_result, found = pra.result, pra.pra
            numbers.add(_CHECKS["pra", pra_result])
        if not books.messages:
            return
        decision, client, ip = outcome.decision, outcome.client, envelope.ip
        behind = None if client is None or client.ip == ip else client.ip or "unknown"
        books.log.line(
            "info" if trouble is None else "warning",
            {
                "service": service,
                "queue_id": envelope.queue_id or None,
                "client": ip,
                "connection": envelope.connection or None,
                "helo": envelope.helo,
                "mail_from": envelope.mail_from,
                "helo_result": helo_result,
                "mail_from_result": mail_from_result,
                "pra": None if found is None else found.mailbox,
                "pra_result": pra_result,
                "action": action,
                "decided": None if decision.action == action else decision.action,
                "reason": decision.reason,
                "detail": _detail(mail_from, pra, helo),
                "skipped": skipped,
                "trouble": trouble,
                "behind": behind,
                "authenticated": "yes" if envelope.authenticated else None,
                "seconds": round(seconds, 4),
            },
        )

    def fault(self, service: str, words: str) -> None:
        """Count it, and write a line if there are not too many."""
        self._books.slot.add(families.FAULTS, (service,))
        self._books.log.limited("warning", f"fault {service}", words, service=service)


def _detail(*verdicts: Verdict | None) -> str | None:
    """Why the first of the results is as it is that an administrator may be asked about."""
    for verdict in verdicts:
        if verdict is not None and verdict.result not in _UNREMARKABLE:
            return verdict.detail
    return None
