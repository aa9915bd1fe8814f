"""Real and faulty DNS servers on the loopback address.

What may live here: fixtures that start servers and end them. The ways in which one fails are in
support/faulty.py.

knot            an authoritative server with the zones below: host, port, "127.0.0.1:port"
faulty_server   a factory: faulty_server({"name": "behaviour"}); "*" is for all other names
ask             sync and async: ask(resolver, question, timeout) -> Answer
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rrset
import pytest
from support.faulty import BEHAVIOURS, Behaviour, FaultyServer, free_port, run_faulty_server

from senderid_fast.questions import Answer, Question
from senderid_fast.resolver import SystemResolver, UdpResolver

Ask = Callable[..., Answer]
INSTALL = "the DNS server knot is not installed: run scripts/install-test-servers.sh"


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    def ask_sync(
        resolver: SystemResolver | UdpResolver, question: Question, timeout: float = 5.0
    ) -> Answer:
        return resolver.resolve(question, timeout)

    def ask_async(
        resolver: SystemResolver | UdpResolver, question: Question, timeout: float = 5.0
    ) -> Answer:
        return asyncio.run(resolver.resolve_async(question, timeout))

    return ask_sync if request.param == "sync" else ask_async


@dataclass(frozen=True)
class DnsServer:
    host: str
    port: int

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


# ---- knot: zones as they are published --------------------------------------------------------

MANY_ADDRESSES = 1500

SPF_TEST = r"""
$ORIGIN spf.test.
$TTL 300
@           SOA   ns host 1 3600 600 86400 120
            NS    ns
            TXT   "v=spf1 mx -all"
            MX    10 mail
            MX    20 Mail2.Spf.Test.
ns          A     127.0.0.1
mail        A     192.0.2.10
            A     192.0.2.11
            AAAA  2001:db8::10
strings     TXT   "v=spf1 " "ip4:192.0.2.1" "" " -all"
empty       TXT   ""
octets      TXT   "v=spf1 \233\000\255 \"x\" -all"
null-mx     MX    0 .
alias       60    CNAME alias2
alias2      CNAME target
target      900   TXT "v=spf1 ip4:192.0.2.77 -all"
away        CNAME target.other.test.
away-empty  CNAME empty.other.test.
nowhere     CNAME no-such-name
no-data     CNAME mail
loop-a      CNAME loop-b
loop-b      CNAME loop-a
10.reverse  PTR   Mail.Spf.Test.
            PTR   a\.dot.spf.test.
\195\169\\x TXT   "odd name"
*.wild      A     192.0.2.99
"""

OTHER_TEST = """
$ORIGIN other.test.
$TTL 300
@           SOA   ns host 1 3600 600 86400 30
            NS    ns
ns          A     127.0.0.1
target      30    TXT "v=spf1 include:other.test -all"
empty       A     192.0.2.5
"""


def _zone_text() -> str:
    big = "".join(f'big TXT "v=spf1 record {number:02} {"x" * 100}"\n' for number in range(20))
    many = "".join(
        f"many A 10.0.{number // 250}.{number % 250}\n" for number in range(MANY_ADDRESSES)
    )
    return SPF_TEST + big + many


KNOT_CONF = """
server:
    listen: 127.0.0.1@{port}
    rundir: "{folder}"
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: warning
database:
    storage: "{folder}"
template:
  - id: default
    storage: "{folder}"
    zonefile-sync: -1
    journal-content: none
zone:
  - domain: spf.test
    file: spf.test.zone
  - domain: other.test
    file: other.test.zone
"""


@pytest.fixture(scope="session")
def knot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DnsServer]:
    """knot on a free port, with spf.test and other.test."""
    program = shutil.which("knotd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.fail(INSTALL)
    folder = tmp_path_factory.mktemp("knot")
    server = DnsServer("127.0.0.1", free_port())
    (folder / "spf.test.zone").write_text(_zone_text())
    (folder / "other.test.zone").write_text(OTHER_TEST)
    conf = folder / "knot.conf"
    conf.write_text(KNOT_CONF.format(port=server.port, folder=folder))
    log = folder / "knot.log"
    with (
        log.open("wb") as output,
        subprocess.Popen([program, "-c", conf], stdout=output, stderr=output) as process,
    ):
        try:
            _wait_for(server, process, log)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for(server: DnsServer, process: subprocess.Popen[bytes], log: Path) -> None:
    query = dns.message.make_query("other.test.", "SOA")
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError, dns.exception.DNSException):
            reply = dns.query.udp(query, server.host, 0.2, server.port)
            if reply.rcode() == dns.rcode.NOERROR:
                return
        time.sleep(0.02)
    pytest.fail(f"knot did not start: {log.read_text(errors='replace')}")


StartFaulty = Callable[[Mapping[str, str | Behaviour]], FaultyServer]


@pytest.fixture
def faulty_server() -> Iterator[StartFaulty]:
    """Starts a server whose behaviour, a word of BEHAVIOURS or a function, depends on the name."""
    with contextlib.ExitStack() as stack:

        def start(behaviours: Mapping[str, str | Behaviour]) -> FaultyServer:
            functions = {
                name: BEHAVIOURS[behaviour] if isinstance(behaviour, str) else behaviour
                for name, behaviour in behaviours.items()
            }
            return stack.enter_context(run_faulty_server(functions))

        yield start


@pytest.fixture
def dead_server() -> Iterator[DnsServer]:
    """An address where datagrams arrive and nobody reads them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield DnsServer("127.0.0.1", sock.getsockname()[1])
