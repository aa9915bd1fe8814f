"""One service under load for long: does its memory stay as it is, and is each verdict right?

    python -m benchmarks.mail.soak [--service milter] [--messages 200000] [--sessions 16]
        [--seconds 600] [--reload-each 20000]

The service is the command itself, with one worker. Sessions of our own drive it, without a mail
server between, so that many messages fit in a minute. Each verdict is compared with what Engine
says over the zone; one that is not the same ends the run with exit 1, as does memory that grows.

A fifth of the messages come from domains that no message came from before, so that what is kept of
answers reaches its bound (store_octets) and is given up again. Of a hundred messages one is left
in its middle, and one breaks off within a packet; sessions end after fifty messages, as those of
mail servers do. The configuration is read anew now and then.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import resource
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from struct import unpack
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import dns.message

from tests.support import milter as mta
from tests.support.faulty import make_reply
from tests.support.mailzone import AUTHSERV_ID, CLIENT, HELO, RECIPIENT, Mail, tell, truth
from tests.support.policyd import request
from tests.support.services import Service, running

__all__ = ["main"]

PERIOD = 1600  # after so many messages the zone's names are all in turn again
NEW_EACH = 5  # one message of so many is from a domain that is new
SESSION = 50  # messages
LOOK = 1.0  # seconds between two looks at the memory
FLAT = 0.02  # growth in the second half that is still flat; and at least so many octets:
FLAT_OCTETS = 1 << 20
STORE_OCTETS = 1 << 20

CONFIG = """\
[{service}]
listen = "unix:{folder}/echo.sock"
[receiver]
authserv_id = "{name}"
internal = ""
[dns]
servers = ["127.0.0.1:{port}"]
[engine]
store_octets = {store}
[log]
to = "{folder}/log"
"""


class Case(NamedTuple):
    """A message, and what is to be stamped."""

    mail_from: str
    author: str
    spf: str
    pra: str


class Wrong(Exception):
    """A verdict that is not the right one."""


def cases() -> Iterator[Case]:
    """Without end."""
    known = []
    for number in range(PERIOD):
        mail, results = Mail(number), truth(Mail(number))
        known.append(Case(mail.mail_from, mail.author, results["mailfrom"], results["pra"]))
    for number in itertools.count():
        case = known[number % PERIOD]
        if number % NEW_EACH == 0:
            case = case._replace(mail_from=f"user@n{number}.many.example", spf="pass")
        yield case


class Dns(asyncio.DatagramProtocol):
    """Tells the zone, and that each name below many.example has a record that lets all pass."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        query = dns.message.from_wire(data)
        name = query.question[0].name.to_text()
        if name.endswith(".many.example."):
            reply = make_reply(query, ("", "TXT", '"v=spf1 ip4:192.0.2.0/24 -all"'), ttl=3600)
            self._transport.sendto(reply.to_wire(), addr)
        else:
            self._transport.sendto(tell(query), addr)


class Load:
    """All sessions."""

    def __init__(self, service: str, path: Path, messages: int, seconds: float) -> None:
        self.service, self.path = service, path
        self.done = self.broken = 0
        self._cases = cases()
        self._numbers = iter(range(messages))
        self._end = time.monotonic() + seconds

    async def run(self, sessions: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(sessions):
                group.create_task(self._sessions())

    async def _sessions(self) -> None:
        session = self._milter if self.service == "milter" else self._policy
        while time.monotonic() < self._end:
            reader, writer = await asyncio.open_unix_connection(str(self.path))
            try:
                if not await session(reader, writer):
                    return
            finally:
                writer.close()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()

    async def _milter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(mta.offer() + mta.connect(CLIENT.encode(), HELO.encode()))
        writer.write(mta.helo(HELO.encode()))
        await packet(reader)
        for _ in range(SESSION):
            if (number := next(self._numbers, None)) is None:
                return False
            case = next(self._cases)
            octets = milter_message(case, number)
            self.done += 1
            if number % 100 == 7:  # a client that goes away
                writer.write(octets[: octets.index(b"Subject\0") - 5] + mta.ABORT)
                self.broken += 1
            elif number % 100 == 57:
                writer.write(octets[:-3])
                self.broken += 1
                return True
            else:
                writer.write(octets)
                await self._verdict(reader, case)
        writer.write(mta.QUIT)
        return True

    @staticmethod
    async def _verdict(reader: asyncio.StreamReader, case: Case) -> None:
        stamped = b""
        while (found := await packet(reader))[:1] not in (b"a", b"c"):
            if found[:1] not in (b"i", b"m", b"p"):
                raise Wrong(f"{case}: {found!r}")
            if found[:1] == b"i" and found[5:28] == b"Authentication-Results\0":
                stamped = b" ".join(found.split())
        spf, pra = f"; spf={case.spf} ".encode(), f" sender-id={case.pra} ".encode()
        if spf not in stamped or pra not in stamped:
            raise Wrong(f"{case}: {stamped!r}")

    async def _policy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        for _ in range(SESSION):
            if (number := next(self._numbers, None)) is None:
                return False
            case = next(self._cases)
            octets = request(
                client_address=CLIENT,
                helo_name=HELO,
                sender=case.mail_from,
                recipient=RECIPIENT,
                instance=f"{number:x}.0",
            )
            self.done += 1
            if number % 50 == 7:
                writer.write(octets[:-3])
                self.broken += 1
                return True
            writer.write(octets)
            found = await reader.readuntil(b"\n\n")
            if not found.startswith(f"action=PREPEND Received-SPF: {case.spf} (".encode()):
                raise Wrong(f"{case}: {found!r}")
        return True


def milter_message(case: Case, number: int) -> bytes:
    fields = (
        (b"From", f"<{case.author}>".encode()),
        (b"To", f"<{RECIPIENT}>".encode()),
        (b"Authentication-Results", f"{AUTHSERV_ID}; spf=pass".encode() * (number % 3)),
        (b"X-Text", b"words\n\t" * (number % 50)),
        (b"Subject", b"%d" % number),
    )
    sender, recipient = f"<{case.mail_from}>".encode(), f"<{RECIPIENT}>".encode()
    return mta.message(sender, [recipient], fields).replace(b"4XyZ1abc", b"%08x" % number)


async def packet(reader: asyncio.StreamReader) -> bytes:
    (length,) = unpack(">I", await reader.readexactly(4))
    return await reader.readexactly(length)


# ---- memory --------------------------------------------------------------------------------------


def memory(process: int) -> int:
    """Octets that a process has in memory."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize()


class Look(NamedTuple):
    """What was seen after so many messages: the worker's and the supervisor's memory."""

    messages: int
    worker: int
    supervisor: int
    files: int


async def watch(load: Load, service: Service, reload_each: int, looks: list[Look]) -> None:
    assert service.process is not None
    (worker,), supervisor = service.workers(), service.process.pid
    begun, told, reloads = time.monotonic(), -1, 0
    while True:
        files = sum(1 for _ in Path(f"/proc/{worker}/fd").iterdir())
        looks.append(Look(load.done, memory(worker), memory(supervisor), files))
        if int(time.monotonic() - begun) // 15 != told:
            told = int(time.monotonic() - begun) // 15
            show(looks[-1], time.monotonic() - begun)
        if reload_each and load.done // reload_each > reloads:
            reloads = load.done // reload_each
            service.signal(signal.SIGHUP)
        await asyncio.sleep(LOOK)
        if service.workers() != [worker]:
            raise Wrong("the worker has ended")


def show(look: Look, seconds: float) -> None:
    print(
        f"{look.messages:>10,}  {seconds:>6.0f} s  {look.messages / max(seconds, 1):>7,.0f} /s  "
        f"worker {look.worker / (1 << 20):>7.1f} MiB  "
        f"supervisor {look.supervisor / (1 << 20):>5.1f} MiB  files {look.files}",
        flush=True,
    )


def flat(looks: list[Look]) -> bool:
    """Whether the second half of the messages has made no difference."""
    most = looks[-1].messages
    third = [each.worker for each in looks if most * 0.5 <= each.messages < most * 0.75]
    last = [each.worker for each in looks if each.messages >= most * 0.75]
    if not third or not last:
        print("too short to tell whether the memory is flat")
        return True
    growth = max(last) - max(third)
    bound = max(FLAT * max(third), FLAT_OCTETS)
    word = "flat" if growth <= bound else "not flat"
    print(
        f"memory of the worker: {word}; at most {max(third) / (1 << 20):.2f} MiB in the third "
        f"quarter of the messages, {max(last) / (1 << 20):.2f} MiB in the last"
    )
    return growth <= bound


# ---- the run -------------------------------------------------------------------------------------


async def soak(service: Service, folder: Path, options: argparse.Namespace) -> bool:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Dns, local_addr=("127.0.0.1", 0))
    service.config.write_text(
        CONFIG.format(
            service=options.service,
            folder=folder,
            name=AUTHSERV_ID,
            port=transport.get_extra_info("sockname")[1],
            store=STORE_OCTETS,
        )
    )
    command = [sys.executable, "-m", "senderid_fast", options.service, "--config"]
    await asyncio.to_thread(service.start, command=command)
    load = Load(options.service, service.path, options.messages, options.seconds)
    looks: list[Look] = []
    begun = time.monotonic()
    watching = asyncio.create_task(watch(load, service, options.reload_each, looks))
    driving = asyncio.create_task(load.run(options.sessions))
    await asyncio.wait([watching, driving], return_when=asyncio.FIRST_COMPLETED)
    if watching.done():
        driving.cancel()
        await watching
    watching.cancel()
    await driving
    show(looks[-1]._replace(messages=load.done), time.monotonic() - begun)
    print(f"{load.done - load.broken:,} verdicts, all right; {load.broken:,} messages broken off")
    status = await asyncio.to_thread(service.stop)
    if status:
        print(f"the service ended with status {status}")
    transport.close()
    return flat(looks) and status == 0


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mail.soak", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--service", choices=("milter", "policyd"), default="milter")
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--sessions", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3600.0, help="no longer than that")
    parser.add_argument("--reload-each", type=int, default=20_000, help="messages; 0: never")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    options = arguments(argv)
    with TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        with contextlib.contextmanager(running)(folder) as service:
            try:
                return 0 if asyncio.run(soak(service, folder, options)) else 1
            except* Wrong as group:
                for error in group.exceptions:
                    print(f"wrong: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
