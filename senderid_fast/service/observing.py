"""Observer: the process that answers /metrics, /healthz and /readyz, and does nothing else.

What may live here: what the three say. HTTP is in endpoint.py.

It is a process of its own so that it answers when no worker does, and so that neither a scrape nor
a DNS probe ever delays a message; the supervisor has no event loop and no thread, as it forks.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Sequence
from time import monotonic, time
from typing import TYPE_CHECKING, Any

from senderid_fast import __version__
from senderid_fast.service.accepting import Acceptor
from senderid_fast.service.counters import Board, State
from senderid_fast.service.endpoint import Endpoint, Page
from senderid_fast.service.logs import Bridge, Log
from senderid_fast.service.metrics import CONTENT_TYPE, page
from senderid_fast.service.running import BEAT, run_loop

if TYPE_CHECKING:
    from senderid_fast.config.config import Config
    from senderid_fast.service.listening import Listener

__all__ = ["SILENT", "Observer"]

SILENT = 15.0  # seconds without a sign of life, after which a process is not healthy
PROBE_SECONDS = 2.0
PROBE_KEPT = 1.0  # seconds for which the outcome of a probe is good
TEXT = "text/plain; charset=utf-8"


class Observer:
    """The process.

    board      the counters of all
    config     in force when it was forked
    listeners  for HTTP
    served     where the workers listen; its sockets are not used
    lifeline   as a worker's
    started    when the service began: seconds since 1970
    """

    def __init__(
        self,
        board: Board,
        config: Config,
        listeners: Sequence[Listener],
        served: Sequence[Listener],
        log: Log,
        lifeline: int,
        started: float | None = None,
    ) -> None:
        self._board = board
        self._config = config
        self._listeners = listeners
        self._served = served
        self._lifeline = lifeline
        self._log = log
        self._started = time() if started is None else started
        self._supervisor = os.getppid()
        self._probed: asyncio.Future[str] | None = None
        self._probed_at = 0.0
        self._resolver: Any = None

    def run(self) -> None:
        """Answer until SIGTERM comes or the supervisor is gone."""
        logging.getLogger().addHandler(Bridge(self._log))
        run_loop(self._serve)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        endpoint = Endpoint(
            {"/metrics": self._metrics, "/healthz": self._health, "/readyz": self._readiness}
        )
        sockets = [each.socket for each in self._listeners]
        acceptor = Acceptor(loop, sockets, endpoint.protocol, self._not_accepted)
        loop.add_signal_handler(signal.SIGTERM, stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._log.reopen)
        loop.add_reader(self._lifeline, stopping.set)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGHUP))
        acceptor.start()
        slot = self._board.observer
        slot.state = State.SERVING
        while not stopping.is_set():
            slot.beat()
            try:
                await asyncio.wait_for(stopping.wait(), BEAT)
            except TimeoutError:
                continue
        acceptor.stop()
        loop.remove_reader(self._lifeline)

    def _not_accepted(self, error: OSError) -> None:
        self._log.limited(
            "error", "accept", "metrics: no connection can be accepted", problem=str(error)
        )

    # ---- pages ------------------------------------------------------------------------------

    async def _metrics(self, _: str) -> Page:
        return Page(200, CONTENT_TYPE, page(self._board, __version__, self._started))

    async def _health(self, _: str) -> Page:
        problems = self._problems()
        return _told(problems)

    def _problems(self) -> list[str]:
        problems = []
        if os.getppid() != self._supervisor:
            problems.append("the supervisor has gone")
        elif (silence := self._board.supervisor.silence) > SILENT:
            problems.append(f"the supervisor: no sign of life for {silence:.0f} s")
        for slot in self._board.workers:
            if slot.silence > SILENT:
                problems.append(f"worker {slot.index}: no sign of life for {slot.silence:.0f} s")
        return problems

    async def _readiness(self, query: str) -> Page:
        """With the query "dns", DNS must answer, too."""
        problems = [
            f"worker {slot.index} does not serve"
            for slot in self._board.workers
            if slot.state != State.SERVING
        ]
        problems += [
            f"{each.address}: the socket file is not there any more: start the service again"
            for each in self._served
            if not each.in_place
        ]
        if query == "dns" and (words := await self._probe()):
            problems.append(words)
        return _told(problems)

    async def _probe(self) -> str:
        """What is wrong with DNS, or "". Asked once a second at most, however many ask us."""
        probed = self._probed
        if probed is None or (probed.done() and monotonic() - self._probed_at > PROBE_KEPT):
            probed = self._probed = asyncio.ensure_future(self._ask())
        return await asyncio.shield(probed)

    async def _ask(self) -> str:
        from senderid_fast.questions import Question, RRType, Status

        # To know that arpa has no TXT record a server must have asked the root: its own answer to
        # "localhost" would say nothing of that.
        question = Question("arpa", RRType.TXT)
        try:
            if self._resolver is None:
                self._resolver = self._config.dns.resolver()
            answer = await self._resolver.resolve_async(question, PROBE_SECONDS)
            wrong = Status(answer.status).is_error
            words = f"DNS: {answer.status}: {answer.detail}" if wrong else ""
        except Exception as error:  # noqa: BLE001 - a probe tells what it meets
            words = f"DNS: {type(error).__name__}: {error}"
        self._probed_at = monotonic()
        return words


def _told(problems: list[str]) -> Page:
    if not problems:
        return Page(200, TEXT, "ok\n")
    return Page(503, TEXT, "".join(f"{problem}\n" for problem in problems))
