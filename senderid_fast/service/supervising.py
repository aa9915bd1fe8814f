"""Supervisor: the process that started the others, starts them anew, and passes signals on.

What may live here: when processes are started and ended, and what is told to systemd. What they do
is in running.py and observing.py.

It has no event loop and no thread, since it forks; it opens nothing but sockets and its log. All it
waits for are signals, which are blocked and taken one by one, so that none can come between.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING

from senderid_fast.service import families
from senderid_fast.service.counters import Board, Slot, State
from senderid_fast.service.logs import Log, place_of

if TYPE_CHECKING:
    from senderid_fast.service.notify import Notifier

__all__ = ["Role", "Supervisor"]

SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
STEADY = 30.0  # seconds after which a process is thought to have begun well
FIRST_PAUSE = 0.1  # before a process that ended early is started again; doubled each time
LONGEST_PAUSE = 10.0
HOPELESS = 5  # ends before the service was ever ready
HUNG = 60.0  # seconds without a sign of life, after which a process is killed
STARTING = 60.0  # the same of one that has yet to begin: it may wait for files of the cache
LOOK = 2.0  # seconds between two looks when nothing happens
OVERTIME = 5.0  # seconds that workers have beyond their grace
RELOAD_SECONDS = 15.0  # that workers have for a reload before it is told to be done


class Role:
    """What a process of the service does.

    name    for the log
    slot    its numbers
    run     does it, in the child; given the end of the lifeline to read from
    serves  False: it is for people alone, and is started anew to take new settings
    """

    def __init__(
        self, name: str, slot: Slot, run: Callable[[int], None], *, serves: bool = True
    ) -> None:
        self.name = name
        self.slot = slot
        self.run = run
        self.serves = serves
        self.process = 0
        self.failures = 0
        self.due = 0.0  # when it is started, if it does not run
        self.expected = False  # we have asked it to end


class Supervisor:
    """Runs roles until it is told to stop.

    reload   reads and checks the settings; the words of what is wrong, or None
    closing  called when it begins to stop: closes the listening sockets
    grace    seconds that messages in hand have when the service stops; asked when it does
    """

    def __init__(
        self,
        board: Board,
        roles: Sequence[Role],
        log: Log,
        notifier: Notifier,
        reload: Callable[[], str | None],
        closing: Callable[[], None],
        grace: Callable[[], float],
    ) -> None:
        self._board = board
        self._roles = roles
        self._log = log
        self._notifier = notifier
        self._read_settings = reload
        self._closing = closing
        self._grace = grace
        self._ready = False
        self._awaited: float | None = monotonic() + STARTING  # until when all are to be ready
        self._stops_at: float | None = None
        self._status = 0
        self._pinged = 0.0
        self._read_end, self._write_end = os.pipe()

    def run(self) -> int:
        """Run; the exit status."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        self._board.supervisor.begin(os.getpid(), 1)
        self._board.supervisor.state = State.SERVING
        try:
            while True:
                self._look()
                if self._stops_at is not None and not any(role.process for role in self._roles):
                    break
                came = signal.sigtimedwait(SIGNALS, self._until_next())
                if came is not None:
                    self._take(came.si_signo)
        finally:
            self._kill_all()
            os.close(self._write_end)
            os.close(self._read_end)
            while signal.sigtimedwait(SIGNALS, 0) is not None:
                pass  # a worker's last word, or one signal more: it would end us before our time
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return self._status

    # ---- signals ----------------------------------------------------------------------------

    def _take(self, number: int) -> None:
        if number == signal.SIGHUP:
            self._reload()
        elif number in (signal.SIGTERM, signal.SIGINT):
            if self._stops_at is None:
                self._stop(signal.Signals(number).name)
            else:
                self._log.event("warning", "told to stop again: what is in hand is cut off")
                self._status = 128 + number
                self._kill_all()

    def _stop(self, why: str, status: int = 0) -> None:
        self._status = status
        grace = self._grace()
        self._stops_at = monotonic() + grace + OVERTIME
        self._log.event("info", "service stops", why=why, grace_seconds=grace)
        self._notifier.stopping(f"stopping: messages in hand have {grace:g} s")
        self._closing()
        for role in self._roles:
            role.due = 0.0
            self._end(role)

    def _end(self, role: Role) -> None:
        """Ask it to end what it has in hand, and then itself."""
        role.expected = True
        self._signal(role, signal.SIGTERM)

    def _reload(self) -> None:
        self._log.reopen()
        if self._stops_at is not None:
            return
        self._notifier.reloading()
        supervisor = self._board.supervisor
        problem = self._read_settings()
        outcome = "done" if problem is None else "refused"
        supervisor.add(families.RELOADS, (outcome,))
        if problem is None:
            supervisor.generation += 1
            self._awaited = monotonic() + RELOAD_SECONDS
        else:
            for line in problem.splitlines():
                self._log.event("error", "reload refused: the old settings stay", problem=line)
            self._notifier.ready(f"serving; reload refused: {problem.partition(chr(10))[0]}")
        for role in self._roles:
            if role.serves or problem is not None:
                self._signal(role, signal.SIGHUP)  # also to open the log anew
            else:
                self._end(role)

    @staticmethod
    def _signal(role: Role, number: int) -> None:
        if role.process:
            with contextlib.suppress(ProcessLookupError):
                os.kill(role.process, number)

    # ---- processes --------------------------------------------------------------------------

    def _look(self) -> None:
        """See who has ended, who is due, who is hung, and what is to be told."""
        now = monotonic()
        self._board.supervisor.beat()
        for role in self._roles:
            self._reap(role)
            if role.process:
                self._check(role)
            elif self._stops_at is None and now >= role.due:
                self._start(role)
        if self._stops_at is not None and now >= self._stops_at:
            self._log.event("warning", "the grace is over: what is in hand is cut off")
            self._kill_all()
        self._see_readiness(now)
        period = self._notifier.watchdog_seconds
        if period is not None and now - self._pinged >= min(period, LOOK):
            self._pinged = now
            self._notifier.alive()

    def _until_next(self) -> float:
        now = monotonic()
        moments = [now + LOOK]
        if self._stops_at is not None:
            moments.append(self._stops_at)
        else:
            moments += [role.due for role in self._roles if not role.process]
        if self._notifier.watchdog_seconds is not None:
            moments.append(self._pinged + self._notifier.watchdog_seconds)
        return max(min(moments) - now, 0.01)

    def _start(self, role: Role) -> None:
        # Of the settings that the child is forked with; there may be newer ones when it looks.
        generation = self._board.supervisor.generation
        role.slot.begin(0, generation)
        role.slot.state = State.STARTING
        try:
            process = os.fork()
        except OSError as error:  # no memory, or too many processes
            self._failed(role, f"cannot be started: {error.strerror or error}")
            return
        if process == 0:
            self._be(role, generation)
        role.process = process
        role.expected = False

    def _be(self, role: Role, generation: int) -> None:
        """In the child: do what the role is, and end; nothing of the supervisor goes on here."""
        status = 1
        try:
            os.close(self._write_end)
            self._notifier.close()
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the supervisor tells us
            role.slot.begin(os.getpid(), generation)
            role.run(self._read_end)
            status = 0
        except BaseException as error:  # noqa: BLE001 - the boundary of the process
            self._log.event(
                "error",
                f"{role.name} failed",
                problem=f"{type(error).__name__}: {error}",
                place=place_of(error),
            )
        finally:
            os._exit(status)

    def _reap(self, role: Role) -> None:
        if not role.process:
            return
        try:
            process, wait_status = os.waitpid(role.process, os.WNOHANG)
        except ChildProcessError:  # somebody else has reaped it
            process, wait_status = role.process, 0
        if process == 0:
            return
        status = os.waitstatus_to_exitcode(wait_status)
        how = f"signal {-status}" if status < 0 else f"status {status}"
        age = role.slot.age
        role.process = 0
        role.slot.begin(0, self._board.supervisor.generation)
        if role.expected and (status == 0 or self._stops_at is not None):
            role.due = 0.0
            return
        if age > STEADY:
            role.failures = 0
        self._failed(role, f"has ended: {how}")

    def _failed(self, role: Role, how: str) -> None:
        """It is started again: at once if it had begun well, later each time if not."""
        pause = min(FIRST_PAUSE * 2 ** (role.failures - 1), LONGEST_PAUSE) if role.failures else 0.0
        role.failures += 1
        role.due = monotonic() + pause
        self._board.supervisor.add(families.RESTARTS)
        if not self._ready and role.serves and role.failures >= HOPELESS:
            self._log.event("error", f"{role.name} {how}: it cannot be started")
            if self._stops_at is None:
                self._stop(f"{role.name} cannot be started", status=1)
            return
        self._log.event("error", f"{role.name} {how}: another one is started", pause=pause)

    def _check(self, role: Role) -> None:
        slot = role.slot
        limit = STARTING if slot.state == State.STARTING else HUNG
        if slot.state != State.ENDING and slot.process and slot.silence > limit:
            self._log.event("error", f"{role.name} gives no sign of life: it is killed")
            self._signal(role, signal.SIGKILL)
            slot.beat()  # one signal is enough

    def _see_readiness(self, now: float) -> None:
        """Tell systemd once all workers serve with the settings in force."""
        if self._awaited is None or self._stops_at is not None:
            return
        generation = self._board.supervisor.generation
        slots = [role.slot for role in self._roles if role.serves]
        served = [
            slot for slot in slots if slot.state == State.SERVING and slot.generation == generation
        ]
        if len(served) < len(slots) and (not self._ready or now < self._awaited):
            return
        if not self._ready:
            self._log.event("info", "service is ready", workers=len(slots))
        else:
            self._log.event(
                "info", "reload is done", workers=len(slots), late=len(slots) - len(served) or None
            )
        self._ready = True
        self._awaited = None
        self._notifier.ready(f"serving with {len(slots)} worker{'s' * (len(slots) != 1)}")

    def _kill_all(self) -> None:
        for role in self._roles:
            if role.process:
                role.expected = True
                self._signal(role, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(role.process, 0)
                role.process = 0
                role.slot.begin(0, 0)
