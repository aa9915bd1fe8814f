"""What a service needs is imported before root is given up: its user may not be able to read where
Python lies. No octets that a mail server hands on may make a worker look for a module then."""

from __future__ import annotations

import json
import subprocess
import sys

from support import milter as mta

NAMES = (
    b"mail.example",
    "mäil.example".encode(),
    "mäil.example".encode("latin-1"),
    b"xn--mil-pla.example",
    b"xn--\xff\xfe.example",
    "straße.example".encode(),
    b"[IPv6:2001:db8::1]",
    b"\x80\x81" * 200,
    b"",
)
CHILD = """
import asyncio, json, os, socket, sys
from senderid_fast.cli import services
from senderid_fast.config import load
from senderid_fast.milter.server import MilterServer
from senderid_fast.policyd.server import PolicyServer
from senderid_fast.service.application import Books, ServiceApplication
from senderid_fast.service.counters import Board
from senderid_fast.service.logs import Log
from senderid_fast.service.running import Worker
from senderid_fast.service.serving import _preload
from senderid_fast.service.sinks import open_sink

variables = {
    "SENDERID_FAST_DNS_SERVERS": "127.0.0.1:1",
    "SENDERID_FAST_DNS_TRIES": "1",
    "SENDERID_FAST_RECEIVER_INTERNAL": "",
    "SENDERID_FAST_POLICY_MAILFROM_FAIL": "reject",
    "SENDERID_FAST_POLICY_PRA_TEMPERROR": "defer",
    "SENDERID_FAST_RECEIVER_FIELDS": "received-spf, authentication-results, x-sid, exchange",
}
asked = []

class Finder:
    def find_spec(self, name, path=None, target=None):
        asked.append(name)

async def said(server, octets):
    ours, theirs = socket.socketpair()
    await asyncio.get_running_loop().create_connection(server.protocol, sock=ours)
    reader, writer = await asyncio.open_connection(sock=theirs)
    writer.write(octets)
    writer.write_eof()
    async with asyncio.timeout(30):
        found = await reader.read()
    writer.close()
    return len(found)

async def main(milter, policyd):
    config = load(None, variables)
    board = Board(1)
    log = Log(open_sink(os.devnull, "test"))
    books = Books("milter", board, board.workers[0], log, 100)
    from senderid_fast.async_engine import AsyncEngine
    async with AsyncEngine.from_settings(config.settings()) as engine:
        application = ServiceApplication(books, config.receiver(), engine, 1 << 20, 60.0)
        sys.meta_path.insert(0, Finder())
        return [
            await said(MilterServer(lambda: application), octets) for octets in milter
        ] + [
            await said(PolicyServer(lambda: application), octets) for octets in policyd
        ]

milter, policyd = ([bytes.fromhex(each) for each in part] for part in json.load(sys.stdin))
_preload(load(None, variables))
answers = asyncio.run(main(milter, policyd))
print(json.dumps([asked, answers]))
"""


def by_milter(name: bytes) -> bytes:
    return b"".join(
        (
            mta.offer(),
            mta.connect(name=name),
            mta.helo(name),
            mta.macros("M", i=b"4XyZ1", auth_type=b""),
            mta.mail(b"<us\xc3\xa9r@" + name + b">", b"SMTPUTF8"),
            mta.rcpt(b"<b\xc3\xb6b@" + name + b">"),
            mta.header(b"From", b"=?iso-2022-jp?B?GyRCJUYbKEI=?= <user@" + name + b">"),
            mta.header(
                b"Received", b"from x (y [192.0.2.9])\n\tby z; Thu, 1 Jan 2026 0:00:00 +0000"
            ),
            mta.header(b"Authentication-Results", name + b"; spf=pass"),
            mta.END,
            mta.QUIT,
        )
    )


def by_policyd(name: bytes) -> bytes:
    return (
        b"request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=192.0.2.1\n"
        b"instance=1\nhelo_name=%b\nsender=us\xc3\xa9r@%b\nrecipient=b\xc3\xb6b@%b\n\n"
    ) % (name, name, name)


def test_no_message_makes_a_worker_look_for_a_module() -> None:
    given = [[make(name).hex() for name in NAMES] for make in (by_milter, by_policyd)]
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    asked, answers = json.loads(done.stdout)
    assert len(answers) == 2 * len(NAMES)
    assert min(answers) > 0
    assert asked == []
