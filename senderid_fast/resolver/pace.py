"""Pace: how many questions may be sent now, if there is a limit to their rate.

What may live here: a token bucket. No clock: every time is an argument.
"""

from __future__ import annotations

import threading

__all__ = ["Pace"]

SECOND = 1_000_000_000
BURST = 20  # parts of a second that may be sent at once


class Pace:
    """At most ``rate`` questions a second, a twentieth of them at once; shared by threads."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._most = max(rate / BURST, 1.0)
        self._there = self._most
        self._then = 0
        self._lock = threading.Lock()

    def take(self, most: int, now: int) -> int:
        """How many of ``most`` may be sent at ``now`` (nanoseconds)."""
        with self._lock:
            passed = max(now - self._then, 0)
            self._there = min(self._there + passed * self._rate / SECOND, self._most)
            self._then = max(now, self._then)
            taken = min(most, int(self._there))
            self._there -= taken
        return taken

    def wait(self) -> int:
        """Nanoseconds until the next one may be sent, about."""
        return int(max(1.0 - self._there, 0.0) / self._rate * SECOND) + 1
