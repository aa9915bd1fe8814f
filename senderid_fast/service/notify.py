"""Notifier: tells systemd how the service fares (sd_notify(3)).

What may live here: the protocol, which is one datagram with lines of text. The library sdnotify has
had no release since 2017, and those that bind libsystemd need its headers to be installed: thirty
lines are less to keep.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import MutableMapping
from contextlib import suppress

__all__ = ["Notifier"]

STATUS_MOST = 200


class Notifier:
    """Sends to the socket that NOTIFY_SOCKET names; does nothing where there is none.

    watchdog_seconds  how often systemd wants to hear from us (half of WATCHDOG_USEC); None: not

    The variables are taken out of the environment, as they are not for children.
    """

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        path = environ.pop("NOTIFY_SOCKET", "")
        period, process = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        self.watchdog_seconds: float | None = None
        self._socket: socket.socket | None = None
        if not path.startswith(("/", "@")):
            return
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._path = "\0" + path[1:] if path.startswith("@") else path
        if period.isdecimal() and int(period) and process in ("", str(os.getpid())):
            self.watchdog_seconds = int(period) / 2e6

    def ready(self, status: str) -> None:
        """All that starting or reloading needs is done."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """A reload has begun; ready() ends it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1_000}")

    def stopping(self, status: str) -> None:
        """The service has begun to stop."""
        self._send("STOPPING=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        """One line for systemctl status."""
        self._send(f"STATUS={status}")

    def alive(self) -> None:
        """What the watchdog waits for."""
        self._send("WATCHDOG=1")

    def close(self) -> None:
        """Send nothing any more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *lines: str) -> None:
        if self._socket is None:
            return
        text = "\n".join(" ".join(line.split())[:STATUS_MOST] for line in lines)
        with suppress(OSError):  # systemd is busy or gone: that is no reason to stop serving
            self._socket.sendto(text.encode("utf-8", "replace"), self._path)
