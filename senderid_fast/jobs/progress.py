"""How far a job is: one line that is drawn again on a terminal, or a line now and then elsewhere.

What may live here: the figures of a moment, and how they are written. Who asks for them, and when,
is not decided here; no clock is read.
"""

from __future__ import annotations

import os
from collections import deque
from typing import NamedTuple, TextIO

__all__ = ["Figures", "LineProgress", "Progress", "TerminalProgress", "progress_for"]

# "Recent" is as far back as this: long enough for a steady figure, short enough to follow DNS.
RECENT_SECONDS = 10.0
TERMINAL_SECONDS = 0.1
LINE_SECONDS = 10.0
COLUMNS = 80


class Figures(NamedTuple):
    """How far a job is.

    rows, all_rows      rows done, and in all (None: not known)
    octets, all_octets  octets of the input that were read, and in all (None: not known)
    asked, open         questions asked, and those without an answer yet
    """

    rows: int = 0
    all_rows: int | None = None
    octets: int = 0
    all_octets: int | None = None
    asked: int = 0
    open: int = 0

    @property
    def part(self) -> float | None:
        """How much is done, from 0 to 1; None: not known."""
        done, whole = (
            (self.octets, self.all_octets) if self.all_rows is None else (self.rows, self.all_rows)
        )
        return min(done / whole, 1.0) if whole else None


class Progress:
    """No progress is shown; the base of those that show it."""

    period: float = 1.0  #: seconds between two calls of show()

    def show(self, figures: Figures, now: float) -> None:
        """Show the figures. now: seconds of a clock that never goes back."""

    def show_last(self, figures: Figures, now: float) -> None:
        """Show the figures of the end, if those before are still seen."""

    def end(self) -> None:
        """Nothing more comes: what follows begins on a line of its own."""


class _Text(Progress):
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._past: deque[tuple[float, Figures]] = deque()

    def text(self, figures: Figures, now: float) -> str:
        """The line: percent, rows, recent rows/s, time left, questions."""
        self._past.append((now, figures))
        while len(self._past) > 2 and self._past[1][0] <= now - RECENT_SECONDS:
            self._past.popleft()
        then, before = self._past[0]
        parts = [f"{figures.rows:,} rows"]
        part = figures.part
        if part is not None:
            # Whole numbers, rounded down: 100 % is said when it is true.
            parts.insert(0, f"{int(part * 100)} %")
        if now > then:
            parts.append(f"{(figures.rows - before.rows) / (now - then):,.0f} rows/s")
            gain = (part or 0.0) - (before.part or 0.0)
            if part is not None and gain > 0 and part < 1:
                parts.append(f"{_duration((1 - part) * (now - then) / gain)} left")
        parts.append(f"{figures.asked:,} questions asked, {figures.open:,} open")
        return "  ".join(parts)

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            pass  # a terminal that was closed is no reason to stop a job


class LineProgress(_Text):
    """A line each ten seconds, for logs."""

    period = LINE_SECONDS

    def show(self, figures: Figures, now: float) -> None:
        self._write(f"{self.text(figures, now)}\n")


class TerminalProgress(_Text):
    """One line that is drawn again, at most ten times a second."""

    period = TERMINAL_SECONDS

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._drawn = 0

    def show(self, figures: Figures, now: float) -> None:
        # A line that reaches the last column would wrap, and the next one begin below it.
        text = self.text(figures, now)[: self._columns() - 1]
        self._write("\r" + text.ljust(self._drawn))
        self._drawn = len(text)

    def show_last(self, figures: Figures, now: float) -> None:
        if self._drawn:
            self.show(figures, now)

    def end(self) -> None:
        if self._drawn:
            self._write("\n")
        self._drawn = 0

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or COLUMNS
        except (OSError, ValueError):
            return COLUMNS


def progress_for(stream: TextIO, quiet: bool = False) -> Progress:
    """What suits the stream."""
    if quiet:
        return Progress()
    try:
        is_terminal = stream.isatty()
    except ValueError:  # it was closed
        return Progress()
    return TerminalProgress(stream) if is_terminal else LineProgress(stream)


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole >= 86_400:
        return f"{whole // 86_400} d {whole % 86_400 // 3_600} h"
    hours, minutes = whole // 3_600, whole % 3_600 // 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
