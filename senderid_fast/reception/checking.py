"""Checks: the checks of one message, under way and done, within one budget of time.

What may live here: waiting for checks, and what stands in for one that gave nothing. What is
checked is said by reception.py, what follows from it is not known here.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Coroutine, Iterable
from time import monotonic
from typing import Any

from senderid_fast._core.verdict import Verdict
from senderid_fast.receiver.escaping import visible
from senderid_fast.reception.begun import Begun
from senderid_fast.reception.envelope import Envelope
from senderid_fast.reception.failing import pra_of, temperror
from senderid_fast.results import Reason

__all__ = ["Checks", "OutOfTime"]

_log = logging.getLogger("senderid_fast.reception")
_WORDS_MOST = 300
_TROUBLES_MOST = 8  # a message may have any number of recipients


class OutOfTime(Exception):
    """Raised by a check that is not begun because the time is over."""


class Checks:
    """Checks by name. Each is made once, however often its verdict is asked for. One that need not
    wait is settled at once.

    seconds  for which may be waited in all
    failed   names of those that raised
    waited   seconds that have been waited
    """

    __slots__ = ("_begun", "_logged", "_seconds", "_verdicts", "_words", "failed", "waited")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._begun: dict[str, Begun[Verdict]] = {}
        self._verdicts: dict[str, Verdict] = {}
        self._words: list[str] = []
        self._logged = False
        self.failed: set[str] = set()
        self.waited = 0.0

    @property
    def settled(self) -> bool:
        """Whether there is nothing to settle."""
        return not self._begun

    @property
    def trouble(self) -> str | None:
        """Why a check could not be made; None: all could."""
        return "; ".join(self._words) or None

    def start(self, name: str, check: Coroutine[Any, Any, Verdict]) -> None:
        """Begin a check."""
        begun = Begun(check)
        if begun.at_once:
            self._verdicts[name] = begun.result
        else:
            self._begun[name] = begun

    def verdict(self, name: str) -> Verdict | None:
        """The verdict, once it is settled; None if there is no such check."""
        return self._verdicts.get(name)

    def sound(self, name: str) -> Verdict | None:
        """As verdict(), but None for one that stands in for an error: that tells nothing."""
        return None if name in self.failed else self._verdicts.get(name)

    async def settle(self, names: Iterable[str], envelope: Envelope, headers: bytes = b"") -> None:
        """Have a verdict for each of the names that was started: what comes too late is temperror,
        and so is what raises."""
        left = [name for name in names if name in self._begun and name not in self._verdicts]
        tasks = [task for name in left if (task := self._begun[name].task) and not task.done()]
        if tasks:
            import asyncio

            began = monotonic()
            try:
                await asyncio.wait(tasks, timeout=max(self._seconds - self.waited, 0.0))
            finally:
                self.waited += monotonic() - began
        for name in left:
            self._verdicts[name] = self._settled(name, envelope, headers)

    def _settled(self, name: str, envelope: Envelope, headers: bytes) -> Verdict:
        begun = self._begun[name]
        error = begun.error if begun.done else OutOfTime()
        if error is None:
            return begun.result
        if not isinstance(error, OutOfTime):
            self.failed.add(name)
            reason, words = Reason.CHECK_FAILED, self.fault(name, error, envelope)
        else:
            begun.cancel()
            reason, words = Reason.TIME_LIMIT, f"no result within {self._seconds:g} s"
            self._words.append(f"{name}: {words}")
        return temperror(
            name,
            reason,
            words,
            helo=envelope.helo,
            mail_from=envelope.mail_from,
            pra=pra_of(headers) if name == "pra" else None,
        )

    def fault(self, where: str, error: BaseException, envelope: Envelope) -> str:
        """Note an error that should not be; the first of a message is logged, with its trace."""
        try:
            words = f"{type(error).__name__}: {visible(str(error), _WORDS_MOST)}"
        except Exception:  # noqa: BLE001 - its text may raise, too
            words = type(error).__name__
        words = f"{words} [{secrets.token_hex(4)}]"  # to find the log line by
        if not self._logged:
            self._logged = True
            message = visible(envelope.queue_id, 100) or "a message"
            _log.error("%s: %s: %s", message, where, words, exc_info=error)
        if len(self._words) < _TROUBLES_MOST:
            self._words.append(f"{where}: {words}")
        return words

    def cancel(self) -> None:
        """Give up what is still under way; whatever it still gives is for nobody."""
        for begun in self._begun.values():
            begun.cancel()
