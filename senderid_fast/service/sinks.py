"""Sinks: where log lines go. None of them waits, and none raises.

What may live here: writing a line whole or not at all, and opening. What a line says is in logs.py.

The handlers of the standard library would do, but that they wait: StreamHandler for the reader of a
full pipe, SysLogHandler (which makes its socket blocking whenever it connects again) for a syslog
daemon that stands still. A mail server must not wait for its log.
"""

from __future__ import annotations

import os
import select
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from senderid_fast.errors import ServiceError

__all__ = ["PRIORITIES", "LineSink", "open_sink"]

# RFC 5424 6.2.1; the facility is mail.
PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3}
MAIL = 2 << 3
SYSLOG = "/dev/log"


class LineSink(Protocol):
    """Takes lines.

    has_time  whether it notes the time itself
    """

    has_time: bool

    def write(self, level: str, line: bytes) -> bool:
        """Write a line, which has no line end; False: it is lost."""

    def reopen(self) -> bool:
        """Open anew what may have been moved away; False: it cannot be, and the old one is used."""

    def close(self) -> None:
        """Write nothing any more."""


class _Stream:
    """Standard error: a terminal, a pipe, a file, or the journal of systemd."""

    def __init__(self, number: int = 2) -> None:
        self._number = number
        self._poll: select.poll | None = None
        self.has_time = self._journal = False
        with suppress(OSError):
            state = os.fstat(number)
            if not stat.S_ISREG(state.st_mode):
                self._poll = select.poll()
                self._poll.register(number, select.POLLOUT)
            journal = f"{state.st_dev}:{state.st_ino}"
            self.has_time = self._journal = os.environ.get("JOURNAL_STREAM") == journal

    def write(self, level: str, line: bytes) -> bool:
        if self._journal:  # sd-daemon(3): the priority stands before the line
            line = b"<%d>%b" % (PRIORITIES[level], line)
        try:
            # The descriptor is shared with others, so it cannot be made non-blocking. Linux calls
            # a pipe writable when a page fits in, and no line is longer.
            if self._poll is not None and not _writable(self._poll):
                return False
            return os.write(self._number, line + b"\n") == len(line) + 1
        except OSError:
            return False

    def reopen(self) -> bool:
        return True

    def close(self) -> None:
        pass


def _writable(poll: select.poll) -> bool:
    return any(events & select.POLLOUT for _, events in poll.poll(0))


class _File:
    """A file. Each line is one write at its end, so that several processes can share it."""

    has_time = False

    def __init__(self, path: str) -> None:
        self._path = path
        self._number = self._opened()
        self._torn = False

    def _opened(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        return os.open(self._path, flags, 0o640)

    def write(self, level: str, line: bytes) -> bool:
        octets = (b"\n" if self._torn else b"") + line + b"\n"
        try:
            written = os.write(self._number, octets)
        except OSError:
            return False
        self._torn = written != len(octets)  # the disk is full: what follows begins a line
        return not self._torn

    def reopen(self) -> bool:
        try:
            number = self._opened()
        except OSError:
            return False
        os.close(self._number)
        self._number, self._torn = number, False
        return True

    def close(self) -> None:
        with suppress(OSError):
            os.close(self._number)


class _Syslog:
    """The local syslog daemon, by datagrams (RFC 3164 4.1, without the time: it has a clock)."""

    has_time = True

    def __init__(self, program: str) -> None:
        self._program = program.encode("ascii")
        self._socket: socket.socket | None = None

    def write(self, level: str, line: bytes) -> bool:
        octets = b"<%d>%b[%d]: %b" % (MAIL | PRIORITIES[level], self._program, os.getpid(), line)
        for _ in range(2):  # the daemon may have been started anew
            try:
                if self._socket is None:
                    self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                    self._socket.setblocking(False)
                    self._socket.connect(SYSLOG)
                self._socket.send(octets)
            except BlockingIOError:  # its queue is full
                return False
            except OSError:
                self.close()
            else:
                return True
        return False

    def reopen(self) -> bool:
        self.close()
        return True

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def open_sink(to: str, program: str) -> LineSink:
    """The sink that log.to names: "stderr", "syslog" or "/path". Raises ServiceError."""
    if to == "stderr":
        return _Stream()
    if to == "syslog":
        return _Syslog(program)
    try:
        if not to.startswith("/"):
            raise ServiceError("log.to", f'must be "stderr", "syslog" or "/path", is {to!a}')
        if Path(to).is_dir():
            raise ServiceError("log.to", f"{to} is a folder: name a file in it")
        return _File(to)
    except OSError as error:
        raise ServiceError(
            "log.to",
            f"cannot open {to}: {error.strerror or error}; the service's user must be able to",
        ) from None
