"""What the mail servers of the tests share: folders, programs, processes, and delivered messages.

What may live here: nothing that only one of them needs.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, TypeVar

import pytest

__all__ = [
    "CHECKOUT",
    "INSTALL",
    "NOBODY",
    "Delivered",
    "children",
    "end_group",
    "need_root",
    "open_folder",
    "program",
    "wait_for",
    "wait_for_greeting",
]

CHECKOUT = Path(__file__).resolve().parents[2]
INSTALL = "{} is not installed: run scripts/install-test-servers.sh"
NOBODY = 65534  # who owns the delivered files; the servers refuse to deliver as root

Found = TypeVar("Found")


class Delivered(NamedTuple):
    """One message as a server has delivered it to one recipient.

    octets  the file as it is, with the fields that delivery itself puts above all others
    fields  names and values, unfolded, in their order
    """

    recipient: str
    octets: bytes

    @property
    def fields(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        header = self.octets.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
        for line in header.decode("utf-8", "surrogateescape").split("\n"):
            if line[:1] in (" ", "\t") and found:
                name, value = found[-1]
                found[-1] = (name, f"{value} {line.strip()}")
            else:
                name, _, value = line.partition(":")
                found.append((name, value.strip()))
        return found

    @property
    def body(self) -> bytes:
        return self.octets.replace(b"\r\n", b"\n").partition(b"\n\n")[2]

    def all(self, name: str) -> list[str]:
        """The values of the fields of that name, from the top."""
        return [value for each, value in self.fields if each.lower() == name.lower()]


def need_root() -> None:
    """A mail server drops its privileges by itself, and so has to be started with them."""
    if os.geteuid() != 0:
        pytest.skip("mail servers are started as root, and this is not")


def program(name: str, package: str) -> str:
    """The path of a program, also of those that only root has on its PATH."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    found = shutil.which(name, path=path)
    if found is None:
        pytest.fail(INSTALL.format(package))
    return found


@contextlib.contextmanager
def open_folder(prefix: str = "mail-") -> Iterator[Path]:
    """A folder that every user may enter, with a path short enough for sockets.

    pytest's own are closed to all but their owner, and the servers run as other users.
    """
    with TemporaryDirectory(prefix=prefix) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def wait_for(look: Callable[[], Found | None], what: str, seconds: float = 30.0) -> Found:
    """What ``look`` finds, as soon as that is true; the test fails when it takes too long."""
    end = time.monotonic() + seconds
    while True:
        if found := look():
            return found
        if time.monotonic() > end:
            pytest.fail(f"{what}: not within {seconds:g} s")
        time.sleep(0.02)


def wait_for_greeting(port: int, process: subprocess.Popen[bytes], said: Callable[[], str]) -> None:
    """Until the server greets with 220."""

    def greets() -> bool:
        if process.poll() is not None:
            pytest.fail(f"{process.args!r} ended by itself: {said()}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as sock:
            greeting = sock.recv(1000)
            sock.sendall(b"QUIT\r\n")
            return greeting.startswith(b"220")
        return False

    end = time.monotonic() + 30
    while not greets():
        if time.monotonic() > end:
            pytest.fail(f"{process.args!r} does not greet: {said()}")
        time.sleep(0.02)


def stats() -> Iterator[tuple[int, list[str]]]:
    """Each process, with the fields of its /proc/PID/stat behind the name."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            # The name stands in parentheses, and may hold spaces.
            yield int(file.parent.name), file.read_text().rpartition(")")[2].split()


def children(pid: int) -> set[int]:
    """The process ids of the children of a process."""
    return {child for child, stat in stats() if int(stat[1]) == pid}


def lives(group: int) -> bool:
    """Whether a process of the group still runs; one that nobody has waited for yet does not."""
    return any(int(stat[2]) == group and stat[0] not in "ZX" for _, stat in stats())


def end_group(process: subprocess.Popen[bytes], patience: float = 10.0) -> None:
    """End a server and all processes of its session: asked first, then by force."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(patience)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(patience)
    # Its children are not ours to wait for; the folder goes only when they are gone.
    end = time.monotonic() + patience
    while lives(process.pid) and time.monotonic() < end:
        time.sleep(0.01)
