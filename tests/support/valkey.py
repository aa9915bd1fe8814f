"""A server of Valkey or Redis on the loopback address, and a proxy before it that misbehaves.

What may live here: starting and ending them, and the ways in which the proxy fails.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Self

import pytest

__all__ = ["Pause", "Proxy", "Server", "free_port"]

INSTALL = "redis-server is not installed: run scripts/install-test-servers.sh"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Pause:
    """The clock of breakers, which moves when it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def end(self) -> None:
        self.now += 100


class Server:
    """A server on a free port; it can be stopped and started again."""

    def __init__(self, folder: Path, *options: str, tls: bool = False) -> None:
        program = shutil.which("valkey-server") or shutil.which("redis-server")
        if program is None:
            pytest.fail(INSTALL)
        self.port = free_port()
        ports = ("--port", "0", "--tls-port") if tls else ("--port",)
        self._command = [program, *ports, str(self.port), "--bind", "127.0.0.1", "--dir"]
        self._command += [str(folder), "--save", "", "--appendonly", "no", *options]
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: list[Any] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + 20
        while time.monotonic() < end and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.02)
        pytest.fail(f"{self._command[0]} does not listen")

    def stop(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
            self._process = None
        for client in self._clients:
            client.close()

    def client(self, **options: Any) -> Any:
        """A connection of the test's own."""
        import redis

        self._clients.append(redis.Redis(port=self.port, protocol=2, **options))
        return self._clients[-1]


class Proxy:
    """Hands octets on between clients and a server, after ``delay`` seconds.

    reply  octets that stand in for whatever the server says, or None
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self.delay = 0.0
        self.reply: bytes | None = None
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        with self._lock:
            self._ended.set()
        for each in (self._listening, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            if not self._keep(client):
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _keep(self, sock: socket.socket) -> bool:
        """Have it closed at the end; False: that has come."""
        with self._lock:
            if self._ended.is_set():
                sock.close()
                return False
            self._sockets.append(sock)
            return True

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._to))
        except OSError:
            client.close()
            return
        if not self._keep(server):
            return
        threading.Thread(target=self._hand_on, args=(server, client, True), daemon=True).start()
        self._hand_on(client, server, False)

    def _hand_on(self, source: socket.socket, target: socket.socket, replies: bool) -> None:
        with contextlib.suppress(OSError):
            while octets := source.recv(1 << 16):
                if replies and self.delay:
                    self._ended.wait(self.delay)
                if replies and self.reply is not None:
                    octets = self.reply
                target.sendall(octets)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
