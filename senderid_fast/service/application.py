"""ServiceApplication: what a protocol server is given (words.Application): counts and log lines.

What may live here: what is counted and said about one message, connection or fault.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from senderid_fast.results import Result
from senderid_fast.service import families
from senderid_fast.service.counters import Board, Slot
from senderid_fast.service.logs import LOOKED_AT, cut

if TYPE_CHECKING:
    from senderid_fast.async_engine import AsyncEngine
    from senderid_fast.messages import MessageVerdict
    from senderid_fast.reception.envelope import Envelope
    from senderid_fast.reception.outcome import Outcome
    from senderid_fast.reception.receiver import Receiver
    from senderid_fast.service.logs import Log, Value

__all__ = ["Books", "ServiceApplication"]

_UNREMARKABLE = (Result.PASS, Result.NONE, Result.NEUTRAL)


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
        of_service = (service,)
        slot.add(families.MESSAGES, (service, action))
        slot.observe(families.SECONDS, outcome.seconds, of_service)
        if outcome.skipped is not None:
            slot.add(families.SKIPPED, of_service)
        if outcome.trouble is not None:
            slot.add(families.TROUBLE, of_service)
        fields: dict[str, Value] = {
            "service": service,
            "queue_id": envelope.queue_id[:LOOKED_AT] or None,
            "client": envelope.ip,
            "connection": envelope.connection[:LOOKED_AT] or None,
            "helo": None if envelope.helo is None else envelope.helo[:LOOKED_AT],
            "mail_from": envelope.mail_from[:LOOKED_AT],
        }
        if outcome.verdicts is not None:
            _count_verdicts(slot, outcome.verdicts, fields)
        if not books.messages:
            return
        decision = outcome.decision
        fields["action"] = action
        if decision.action != action:
            fields["decided"] = str(decision.action)
        fields["reason"] = decision.reason[:LOOKED_AT]
        if outcome.verdicts is not None:
            fields["detail"] = _detail(outcome.verdicts)
        fields["skipped"] = outcome.skipped
        fields["trouble"] = cut(outcome.trouble)
        client = outcome.client
        if client is not None and client.ip != envelope.ip:
            fields["behind"] = cut(client.ip or "unknown")
        if envelope.authenticated:
            fields["authenticated"] = "yes"
        fields["seconds"] = round(outcome.seconds, 4)
        books.log.line("info" if outcome.trouble is None else "warning", fields)

    def fault(self, service: str, words: str) -> None:
        """Count it, and write a line if there are not too many."""
        self._books.slot.add(families.FAULTS, (service,))
        self._books.log.limited("warning", f"fault {service}", words, service=service)


def _detail(verdicts: MessageVerdict) -> str | None:
    """Why the first of the results is as it is that an administrator may be asked about."""
    for verdict in (verdicts.mail_from, verdicts.pra, verdicts.helo):
        if verdict is not None and verdict.result not in _UNREMARKABLE:
            return verdict.detail[:LOOKED_AT]
    return None


def _count_verdicts(slot: Slot, verdicts: MessageVerdict, fields: dict[str, Value]) -> None:
    """Count the checks, and note their results for the log line."""
    helo, mail_from, pra = verdicts.helo, verdicts.mail_from, verdicts.pra
    if helo is not None:
        fields["helo_result"] = result = str(helo.result)
        slot.add(families.CHECKS, ("helo", result))
    if mail_from is not None:
        fields["mail_from_result"] = result = str(mail_from.result)
        slot.add(families.CHECKS, ("mailfrom", result))
    if pra is not None:
        found = pra.pra
        fields["pra"] = None if found is None else found.mailbox[:LOOKED_AT]
        fields["pra_result"] = result = str(pra.result)
        slot.add(families.CHECKS, ("pra", result))
