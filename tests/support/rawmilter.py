"""An MTA's end of a milter connection, over a socket, without an MTA.

What may live here: sending commands and waiting for the replies to them.
"""

from __future__ import annotations

import socket
from pathlib import Path
from struct import unpack
from typing import Self

from .milter import END, connect, header, helo, macros, mail, offer, packet, rcpt

__all__ = ["RawMilter"]


class RawMilter:
    """A connection. The server is told that it need not reply to headers."""

    def __init__(self, path: Path | str, timeout: float = 60.0) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        self.sock.connect(str(path))
        self._left = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        self.sock.close()

    def send(self, octets: bytes) -> None:
        self.sock.sendall(octets)

    def reply(self) -> tuple[str, bytes]:
        """The next packet. Raises EOFError where the connection ends."""
        while len(self._left) < 4 or len(self._left) < 4 + unpack(">I", self._left[:4])[0]:
            some = self.sock.recv(65_536)
            if not some:
                raise EOFError("the milter has closed the connection")
            self._left += some
        end = 4 + unpack(">I", self._left[:4])[0]
        whole, self._left = self._left[4:end], self._left[end:]
        return chr(whole[0]), whole[1:]

    def negotiate(self) -> bytes:
        """Offer all that there is; what was chosen."""
        self.send(offer())
        code, data = self.reply()
        assert code == "O"
        return data

    def begin(self, client: str, name: str) -> None:
        self.send(connect(client.encode(), name.encode()) + helo(name.encode()))

    def start(self, mail_from: str, recipient: str) -> None:
        """A message, as far as its recipients; no reply is due where no policy refuses there."""
        self.send(mail(f"<{mail_from}>".encode()) + rcpt(f"<{recipient}>".encode()))

    def message(
        self, mail_from: str, recipient: str, fields: list[tuple[bytes, bytes]], queue_id: bytes
    ) -> list[tuple[str, bytes]]:
        """Send a whole message; all replies to its end, the last of which is the verdict."""
        octets = [mail(f"<{mail_from}>".encode()), rcpt(f"<{recipient}>".encode())]
        octets += [header(*field) for field in fields]
        self.send(b"".join([*octets, macros("E", i=queue_id), END]))
        return self.end()

    def end(self) -> list[tuple[str, bytes]]:
        """The replies to the end of a message."""
        found = []
        while not found or found[-1][0] not in "acdrty":
            found.append(self.reply())
        return [each for each in found if each[0] != "p"]

    def quit(self) -> None:
        self.send(packet("Q"))
        self.close()
