"""A filter at a running Postfix: started, asked for, compared, timed, and ended.

What may live here: what happens to one filter in its turn.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.mail.messages import CONNECTIONS, HELO, RECIPIENT, SENDER, text, verdict
from benchmarks.mail.prepare import Filter, Place, Start
from benchmarks.mail.usage import Pids, Usage, marked, tree
from benchmarks.peers.prepare import ROOT, Unavailable
from benchmarks.peers.turns import Failed
from tests.support.mailservers import end_group
from tests.support.postfix import Postfix
from tests.support.smtp import Client, smtp_source

__all__ = ["Attached", "Figures", "attached"]


@dataclass(frozen=True)
class Figures:
    """One load: messages a second; seconds of CPU a message, of the filter and of Postfix; octets
    of memory of the filter."""

    rate: float
    cpu: float
    postfix_cpu: float
    memory: int


class Attached:
    """A filter that Postfix asks from now on."""

    def __init__(
        self, postfix: Postfix, start: Start, process: subprocess.Popen[bytes] | None
    ) -> None:
        self.postfix = postfix
        self._pids: Pids = set  # none
        if process is not None:
            self._pids = tree(process.pid)
        elif start.mark:
            self._pids = marked(start.mark)

    def verdicts(self) -> list[str]:
        """What the delivered messages of CONNECTIONS say. Raises Failed if one was not accepted."""
        self.postfix.configure(virtual_transport="virtual")
        before = len(self.postfix.delivered())
        with Client(self.postfix.port, HELO) as client:
            for number, connection in enumerate(CONNECTIONS):
                client.xclient(ADDR=connection.ip, NAME="[UNAVAILABLE]")
                message = text(connection.mail_from, number)
                reply = client.send(connection.mail_from, [RECIPIENT], message).last
                if reply.code != 250:
                    raise Failed(self._and_warnings(f"{connection}: {reply}"))
        found = self.postfix.wait_delivered(before + len(CONNECTIONS))[before:]
        self.postfix.configure(virtual_transport="discard")
        by_subject = {message.all("Subject")[0]: verdict(message) for message in found}
        return [by_subject[str(number)] for number in range(len(CONNECTIONS))]

    def load(self, messages: int, sessions: int, options: list[str]) -> Figures:
        """smtp-source from the first message to the last reply, then until the queue is empty."""
        port = self.postfix.port
        postfix = tree(self.postfix.pid)
        with Usage(self._pids) as usage, Usage(lambda: postfix() - self._pids()) as other:
            load = smtp_source(
                port, SENDER, RECIPIENT, messages, "-M", HELO, *options, sessions=sessions
            )
        if load.status or load.said:
            raise Failed(self._and_warnings(f"smtp-source: {load.said.strip() or load.status}"))
        self.postfix.wait_idle(600)
        return Figures(load.rate, usage.cpu / messages, other.cpu / messages, usage.memory)

    def _and_warnings(self, words: str) -> str:
        """With what Postfix has said last of what it does not like."""
        warnings = [line for line in self.postfix.log().splitlines() if "warning: " in line]
        return "\n  ".join([words, *warnings[-3:]])


def listens(place: Place) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(place.socket))
        return True
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", place.port), 1):
        return True
    return False


@contextlib.contextmanager
def attached(postfix: Postfix, each: Filter, start: Start, place: Place) -> Iterator[Attached]:
    """Started, and asked by Postfix, until the end of the block."""
    process: subprocess.Popen[bytes] | None = None
    log = place.folder / "said"
    try:
        if start.command:
            for left in (place.socket, place.folder / "pid"):
                left.unlink(missing_ok=True)
            with log.open("ab") as said:
                process = subprocess.Popen(
                    start.command,
                    cwd=ROOT,
                    env=os.environ | start.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    start_new_session=True,
                    umask=0,  # Postfix connects to sockets as another user
                )
            wait_until_it_listens(process, place, log)
        cleared = {"smtpd_milters": "", "smtpd_recipient_restrictions": ""}
        postfix.configure(**cleared | dict(start.settings))
        yield Attached(postfix, start, process)
    except Failed as error:
        raise Failed(f"{each.name}: {error}") from error
    finally:
        if process is not None:
            end_group(process)


def wait_until_it_listens(process: subprocess.Popen[bytes], place: Place, log: Path) -> None:
    end = time.monotonic() + 30
    while not listens(place):
        if process.poll() is not None or time.monotonic() > end:
            said = log.read_text(errors="replace").strip().splitlines()[-1:] or ["nothing"]
            raise Unavailable(f"it does not listen: {said[0]}")
        time.sleep(0.05)
