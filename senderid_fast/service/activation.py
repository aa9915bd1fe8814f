"""Activation: sockets that systemd has opened and hands over (sd_listen_fds(3)).

What may live here: reading LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES, and nothing else of systemd.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping

from senderid_fast.errors import ServiceError

__all__ = ["Activation"]

FIRST = 3  # SD_LISTEN_FDS_START
MOST = 64
NAMES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


class Activation:
    """The sockets handed over to this process; each can be taken once."""

    def __init__(self, sockets: list[tuple[str, socket.socket]]) -> None:
        self._sockets = sockets

    @classmethod
    def from_environment(
        cls, environ: MutableMapping[str, str] = os.environ, first: int = FIRST
    ) -> Activation:
        """What the environment says; the variables are taken out, as they are not for children.

        first  the number of the first file descriptor
        Raises ServiceError for what cannot be listened at.
        """
        process, count, names = (environ.pop(name, "") for name in NAMES)
        # Without our number they are for another process: a shell that started us, perhaps.
        if process != str(os.getpid()) or not (count.isascii() and count.isdigit()):
            return cls([])
        if not 0 < int(count) <= MOST:
            raise ServiceError("LISTEN_FDS", f"must be from 1 to {MOST}, is {count}")
        named = names.split(":") if names else []
        found = cls([])
        try:
            for position in range(int(count)):
                name = named[position] if position < len(named) else "unknown"
                found._sockets.append((name, _socket(first + position, name)))
        except ServiceError:
            found.close()
            raise
        return found

    def __bool__(self) -> bool:
        return bool(self._sockets)

    @property
    def names(self) -> list[str]:
        """Of those that are left."""
        return [name for name, _ in self._sockets]

    def take(self, name: str = "") -> list[socket.socket]:
        """Those of a name, or all that are left."""
        taken = [sock for each, sock in self._sockets if not name or each == name]
        self._sockets = [pair for pair in self._sockets if name and pair[0] != name]
        return taken

    def close(self) -> None:
        """Close those that nobody took."""
        for sock in self.take():
            sock.close()


def _socket(number: int, name: str) -> socket.socket:
    what = f'socket {number} ("{name}") of systemd'
    try:
        os.set_inheritable(number, False)
        sock = socket.socket(fileno=number)
    except OSError as error:
        raise ServiceError(what, f"cannot be used: {error.strerror or error}") from None
    stream = sock.type == socket.SOCK_STREAM
    listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if not stream or not listens:
        sock.close()
        raise ServiceError(
            what, "must be a stream socket that listens: use ListenStream= with Accept=no"
        )
    return sock
