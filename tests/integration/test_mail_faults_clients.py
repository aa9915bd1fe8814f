"""The services beside a real Postfix while other clients misuse their sockets.

What may live here: faults of whoever connects: too many, silent, slow, endless, nonsense. Postfix's
messages go on meanwhile, each delivered once with the right stamp.
"""

from __future__ import annotations

import contextlib
import random
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.mailsite import Kind, Site, site
from support.mailzone import AUTHSERV_ID, CLIENT, HELO, RECIPIENT, Mail, truth
from support.milter import END, header, macros, offer
from support.rawmilter import RawMilter
from support.services import eventually

KINDS = ["milter", "policyd"]
IDLE = 1000
MEBI = 1 << 20


def memory(process: int) -> int:
    """Octets that a process has in memory."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize()


@contextlib.contextmanager
def connections(here: Site, count: int) -> Iterator[list[socket.socket]]:
    """Connections of our own; those to a milter have negotiated."""
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(count):
            raw = stack.enter_context(RawMilter(here.socket))
            if here.kind == "milter":
                raw.negotiate()
            found.append(raw.sock)
        yield found


@pytest.mark.parametrize("kind", KINDS)
def test_a_thousand_idle_connections(kind: Kind) -> None:
    with site(kind) as here:
        here.configure(process=f"max_connections = {IDLE + 50}")
        here.start()
        worker = here.service.workers()[0]  # the other one tells metrics
        with connections(here, IDLE) as idle:
            assert eventually(lambda: here.service.metric("connections") >= IDLE)
            sending = here.send(40)
            assert len(sending.accepted) == 40
            assert not any(closed(each) for each in idle)
            assert here.check(sending) == 0
            assert memory(worker) < 200 * MEBI
        eventually(lambda: here.service.metric("connections") < 50)
        assert here.service.metric("connections_refused_total") == 0
        assert here.service.stop() == 0


def closed(sock: socket.socket) -> bool:
    """Whether the other end has closed a connection over which nothing is to come."""
    sock.setblocking(False)
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


HALVES = {
    "milter": [b"", b"\x00\x00", offer()[:-3], offer() + b"\x00\x00\x00\x20C"],
    "policyd": [b"", b"request", b"request=smtpd_access_policy\nsender=", b"request=x\n" * 3],
}


@pytest.mark.parametrize("kind", KINDS)
def test_half_a_command_and_then_silence(kind: Kind) -> None:
    """Also octet by octet: what does not come to its end is closed, whole commands are not."""
    with site(kind) as here:
        here.configure(process="idle_seconds = 2")
        here.start()
        with contextlib.ExitStack() as stack:
            silent = []
            for _ in range(5):
                for octets in HALVES[kind]:
                    raw = stack.enter_context(RawMilter(here.socket))
                    raw.send(octets)
                    silent.append(raw.sock)
            slow = [stack.enter_context(RawMilter(here.socket)) for _ in range(5)]
            sending = here.sending(40, clients=2)
            octets = b"request=smtpd_access_policy\n"
            if kind == "milter":
                octets = b"\x00\x00\x04\x00L" + b"x" * 600
            gone: set[int] = set()
            begun = time.monotonic()
            for octet in octets * 4:
                for number, raw in enumerate(slow):
                    if number not in gone:
                        with contextlib.suppress(ConnectionError):
                            raw.send(bytes([octet]))
                        if closed(raw.sock):
                            gone.add(number)
                if len(gone) == len(slow) or time.monotonic() > begun + 20:
                    break
                time.sleep(0.1)
            assert len(gone) == len(slow)
            for sock in silent:
                sock.settimeout(20)
                while sock.recv(1000):  # what was negotiated, then the end
                    pass
            sending.join()
        assert here.check(sending) == 0
        assert eventually(lambda: here.service.metric(f'faults_total{{service="{kind}"}}')) >= 15


@pytest.mark.parametrize("kind", KINDS)
def test_garbage(kind: Kind) -> None:
    draw = random.Random(7)
    with site(kind) as here:
        here.start()
        sending = here.sending(60, clients=2)
        count = 0
        for _ in range(20):
            for octets in (
                draw.randbytes(draw.randrange(1, 5000)),
                b"\xff" * 5000,
                b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + draw.randbytes(500),
                b"\r\n\r\n\n\n",
                offer() + draw.randbytes(3000) if kind == "milter" else b"a=\0\n\n" * 100,
                offer() * 3,
            ):
                with RawMilter(here.socket) as raw, contextlib.suppress(ConnectionError):
                    raw.send(octets)
                    raw.sock.shutdown(socket.SHUT_WR)
                    while raw.sock.recv(65_536):
                        pass
                count += 1
        sending.join()
        assert here.check(sending) == 0
        assert eventually(lambda: here.service.metric(f'faults_total{{service="{kind}"}}')) > 60
        assert here.service.log.count("fault") + here.service.log.count("level=warning") < 300
        assert not here.count("another one is started")
        assert here.service.stop() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_no_file_descriptors_left(kind: Kind) -> None:
    """Nobody can connect, and DNS has no new sockets: what is stamped then says so."""
    with site(kind) as here:
        here.start()
        troubled = set()
        sendings = [here.send(8)]
        worker = here.service.workers()[0]  # the other one tells metrics
        used = len(list(Path(f"/proc/{worker}/fd").iterdir()))
        before = resource.prlimit(worker, resource.RLIMIT_NOFILE)
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (used + 4, before[1]))
        hogs = [RawMilter(here.socket) for _ in range(20)]
        assert eventually(lambda: here.service.metric("accept_errors_total"))
        sending = here.sending(24)
        time.sleep(1.0)  # Postfix waits in the queue of the socket, behind them
        for hog in hogs:
            hog.close()
        sending.join()
        troubled.update(sending.accepted)
        sendings.append(sending)
        resource.prlimit(worker, resource.RLIMIT_NOFILE, before)
        sendings.append(here.send(16))
        here.check(*sendings, troubled=troubled.__contains__)
        assert here.count("Too many open files")
        assert not here.count("another one is started")
        assert here.service.stop() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_few_file_descriptors_from_the_start(kind: Kind) -> None:
    """There are no more connections than descriptors for them: one too many is closed at once."""
    with site(kind) as here:
        limit = (300, 300)
        here.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit))
        assert here.count("process.max_connections is lowered") == 1
        hogs = [RawMilter(here.socket) for _ in range(60)]
        eventually(lambda: here.service.metric("connections_refused_total") >= 16)
        sending = here.sending(24)
        eventually(lambda: sending.put_off >= 4)
        assert not sending.accepted
        for hog in hogs:
            hog.close()
        sending.join()
        assert here.check(sending) == 0
        assert not here.count("Too many open files")
        assert here.service.stop() == 0


@pytest.mark.parametrize("size", [400, 60_000])
def test_a_hundred_megabytes_of_headers(size: int) -> None:
    """The checks see the first of them, and no more than those is kept."""
    with site("milter") as here:
        here.start()
        mail = Mail(8)
        sendings = [here.send(16)]
        workers = here.service.workers()
        before = {each: memory(each) for each in workers}
        many = header(b"X-Large", b"x" * size)
        many *= MEBI // len(many)
        sending = here.sending(40, clients=2)
        with RawMilter(here.socket) as raw:
            raw.negotiate()
            raw.begin(CLIENT, HELO)
            raw.start(mail.mail_from, RECIPIENT)
            raw.send(header(b"From", f"<{mail.author}>".encode()))
            for _ in range(100):
                raw.send(many)
            raw.send(header(b"From", b"<other@example.net>"))
            raw.send(macros("E", i=b"4Large") + END)
            replies = raw.end()
        sending.join()
        assert replies[-1][0] in "ac"
        (field,) = [data for code, data in replies if b"Authentication-Results\0" in data]
        assert f"{AUTHSERV_ID}; spf={truth(mail)['mailfrom']}".encode() in field
        assert f"sender-id={truth(mail)['pra']}".encode() in field
        for each in workers:
            assert memory(each) - before[each] < 48 * MEBI
        assert here.check(*sendings, sending) == 0
        assert here.service.stop() == 0
