"""A protocol server of the tests' own, and a program that runs it as a service.

    python tests/support/echoserver.py CONFIG [ADDRESS ...]

It runs on uvloop if the environment has ECHO_LOOP=uvloop.

A connection sends lines: "check SECONDS SENDER" is a message that takes so long and is answered by
"AUTHSERV_ID PROCESS ACTION"; "hang" blocks the worker; anything else is a fault, and the end.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import cast

from senderid_fast.config import Config, load
from senderid_fast.messages import MessageVerdict
from senderid_fast.receiver import ReceiverPolicy, decide
from senderid_fast.reception.envelope import Envelope
from senderid_fast.reception.outcome import Outcome
from senderid_fast.service.words import Current


class EchoServer:
    """As words.ProtocolServer."""

    def __init__(self, current: Current, config: Config) -> None:
        self.current = current
        self.connections: set[EchoConnection] = set()

    def protocol(self) -> asyncio.Protocol:
        return EchoConnection(self)

    @property
    def busy(self) -> int:
        return sum(each.busy for each in self.connections)

    async def drain(self, seconds: float) -> int:
        end = asyncio.get_running_loop().time() + seconds
        while self.busy and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.01)
        cut = self.busy
        for each in list(self.connections):
            each.transport.close()
        await asyncio.sleep(0)
        return cut


class EchoConnection(asyncio.Protocol):
    def __init__(self, server: EchoServer) -> None:
        self.server = server
        self.left = b""
        self.busy = 0
        self.counted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.application = self.server.current()
        self.counted = self.application.opened()
        if self.counted:
            self.server.connections.add(self)
        else:
            self.transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        if self.counted:
            self.server.connections.discard(self)
            self.application.closed()

    def data_received(self, data: bytes) -> None:
        *lines, self.left = (self.left + data).split(b"\n")
        for line in lines:
            words = line.split(b" ", 2)
            if words[0] == b"check" and len(words) == 3:
                self.busy += 1
                self.task = asyncio.ensure_future(self.check(float(words[1]), words[2]))
            elif words[0] == b"hang":
                time.sleep(600)
            else:
                self.server.current().fault("milter", f"no command: {line!r}")
                self.transport.close()

    async def check(self, seconds: float, sender: bytes) -> None:
        application = self.server.current()
        verdict = await application.engine.check_mail_from("192.0.2.1", sender, b"localhost")
        await asyncio.sleep(seconds)
        decision = decide(ReceiverPolicy(), MessageVerdict("192.0.2.1", None, verdict, None))
        outcome = Outcome(
            None, None, MessageVerdict("192.0.2.1", None, verdict, None), decision, seconds=seconds
        )
        envelope = Envelope("192.0.2.1", b"localhost", sender, queue_id="4XyZ")
        application.done("milter", envelope, outcome, str(decision.action))
        words = f"{application.receiver.authserv_id} {os.getpid()} {decision.action}\n"
        self.transport.write(words.encode())
        self.busy -= 1


def main(config: str, *listen: str) -> int:
    from senderid_fast.errors import SenderIDError
    from senderid_fast.service.serving import serve

    if os.environ.get("ECHO_LOOP") != "uvloop":
        sys.modules["uvloop"] = None  # type: ignore[assignment] # as if it were not installed
    try:
        return serve("milter", EchoServer, lambda: load(config, os.environ), listen)
    except SenderIDError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
