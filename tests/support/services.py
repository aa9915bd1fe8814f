"""Services as processes: started with a configuration, told apart by what they tell systemd."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ECHO = [sys.executable, str(ROOT / "tests" / "support" / "echoserver.py")]
SECONDS = 30.0  # that anything may take; what works takes far less

CONFIG = """\
[milter]
listen = "unix:{folder}/echo.sock"
[receiver]
authserv_id = "{name}"
[dns]
servers = ["127.0.0.1:1"]
[process]
grace_seconds = 10
{process}
{more}
"""


def eventually(what: Callable[[], Any]) -> Any:
    """What a function returns, as soon as that is true."""
    end = time.monotonic() + SECONDS
    while not (found := what()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
    return found


class Service:
    """A service in a folder; echo.sock is where it listens, log what it wrote to standard error."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.toml"
        self.path = folder / "echo.sock"
        self.notified: list[str] = []
        self.process: subprocess.Popen[bytes] | None = None
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(folder / "notify"))
        (folder / "notify").chmod(0o777)  # as that of systemd
        self._notify.settimeout(0.5)

    def configure(self, name: str = "one.example", process: str = "", more: str = "") -> None:
        """Write the configuration."""
        text = CONFIG.format(folder=self.folder, name=name, process=process, more=more)
        self.config.write_text(text)

    def start(
        self,
        *listen: str,
        command: list[str] | None = None,
        environ: Mapping[str, str] | None = None,
        ready: bool = True,
        **options: Any,
    ) -> None:
        """Start it, and wait until it says that it is ready."""
        with (self.folder / "stderr").open("ab") as log:
            self.process = subprocess.Popen(
                [*(command or ECHO), str(self.config), *listen],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
                    "NOTIFY_SOCKET": str(self.folder / "notify"),
                    **(environ or {}),
                },
                **options,
            )
        if ready:
            self.wait_for("READY=1")

    def wait_for(self, line: str) -> str:
        """Wait until systemd would be told a line that begins so; all of that message."""
        end = time.monotonic() + SECONDS
        while True:
            try:
                text = self._notify.recv(65_536).decode()
            except TimeoutError:
                ended = self.process is not None and self.process.poll() is not None
                assert not ended, self.log
                assert time.monotonic() < end, f"no {line}"
                continue
            self.notified.append(text)
            if any(each.startswith(line) for each in text.split("\n")):
                return text

    @property
    def log(self) -> str:
        return (self.folder / "stderr").read_text("ascii")

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(SECONDS)

    def stop(self) -> int:
        """End it by SIGTERM; the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def workers(self) -> list[int]:
        """The numbers of the processes that it has started."""
        assert self.process is not None
        task = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(number) for number in task.read_text().split()]

    def connect(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(SECONDS)
        sock.connect(str(self.path))
        return sock

    def check(self, seconds: float = 0, sender: bytes = b"") -> list[str]:
        """Have a message checked over a connection of its own; the words of the answer."""
        with self.connect() as sock:
            return ask(sock, seconds, sender)

    def get(self, page: str, method: str = "GET") -> tuple[int, str]:
        """A page of the metrics; its status and text."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(SECONDS)
            sock.connect(str(self.folder / "metrics.sock"))
            sock.sendall(f"{method} {page} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            head, _, body = received(sock).partition(b"\r\n\r\n")
        found = re.match(rb"HTTP/1\.1 (\d+) ", head)
        assert found, head
        return int(found[1]), body.decode()

    def metric(self, name: str) -> float:
        """One number of the metrics page; 0 if there is none of that name."""
        found = re.search(rf"^senderid_fast_{re.escape(name)} (.*)$", self.get("/metrics")[1], re.M)
        return float(found[1]) if found else 0.0

    def close(self) -> None:
        """Leave nothing behind."""
        self._notify.close()
        process = self.process
        if process is None:
            return
        children: list[int] = []
        with contextlib.suppress(OSError):
            children = self.workers()
        if process.poll() is None:
            process.kill()
        process.wait(SECONDS)
        for number in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)


def ask(sock: socket.socket, seconds: float = 0, sender: bytes = b"") -> list[str]:
    """Have a message checked; the words of the answer."""
    sock.sendall(b"check %r %b\n" % (seconds, sender))
    return answer(sock)


def answer(sock: socket.socket) -> list[str]:
    """The words of one answer; none if the connection has ended."""
    octets = b""
    while not octets.endswith(b"\n"):
        some = sock.recv(65_536)
        if not some:
            break
        octets += some
    return octets.decode().split()


def received(sock: socket.socket) -> bytes:
    """All that comes until the connection ends."""
    octets = b""
    while some := sock.recv(65_536):
        octets += some
    return octets


def running(folder: Path) -> Iterator[Service]:
    """For fixtures: a service that is configured, and ended when the test is over."""
    service = Service(folder)
    service.configure()
    try:
        yield service
    finally:
        service.close()
