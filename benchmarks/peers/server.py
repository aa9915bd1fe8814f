"""The DNS server of the cold runs: knot with the zone of the run, on the loopback address.

What may live here: what starts it, asks it how many queries it had, and ends it, by its own process
id. Nothing of knot's own settings under /etc is read or changed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.peers.prepare import ROOT, Unavailable, run
from benchmarks.peers.zone import Resource

__all__ = ["Knot", "knot", "version"]

ZONES = ("example", "test")  # the names of zone.py are all below these
STRING = 255  # octets in one string of a TXT record (RFC 1035 3.3)

CONFIGURATION = """
server:
    rundir: "{folder}"
    listen: [ {listen} ]
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
control:
    listen: "{control}"
log:
  - target: stderr
    any: warning
database:
    storage: "{folder}"
mod-stats:
  - id: default
    request-protocol: on
template:
  - id: default
    storage: "{folder}"
    global-module: mod-stats/default
    zonefile-sync: -1
    journal-content: none
zone:
"""


def program(name: str) -> str:
    """The path of a program of knot, which is installed if it is missing and we may."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    if not shutil.which(name, path=path):
        run(["sh", str(ROOT / "scripts" / "install-test-servers.sh")])
    found = shutil.which(name, path=path)
    if not found:
        raise Unavailable(f"no {name}: install knot")
    return found


def version() -> str:
    return run([program("knotd"), "--version"]).strip()


def line_of(resource: Resource) -> str:
    """One line of a master file (RFC 1035 5.1)."""
    value = resource.value
    if resource.rrtype == "TXT":
        strings = (value[at : at + STRING] for at in range(0, len(value), STRING))
        value = " ".join(f'"{string}"' for string in strings)
    elif resource.rrtype == "MX":
        value += "."
    return f"{resource.name}. {resource.rrtype} {value}\n"


def write_zones(resources: Sequence[Resource], folder: Path) -> None:
    for zone in ZONES:
        head = f"$TTL 3600\n{zone}. SOA ns.{zone}. hostmaster.{zone}. 1 3600 600 86400 3600\n"
        head += f"{zone}. NS ns.{zone}.\nns.{zone}. A 127.0.0.1\n"
        lines = (line_of(one) for one in resources if one.name.endswith(f".{zone}"))
        (folder / f"{zone}.zone").write_text(head + "".join(lines), encoding="ascii")


def free_port() -> int:
    """A port of the loopback address that is free over UDP and TCP."""
    for _ in range(50):
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        ):
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            with contextlib.suppress(OSError):
                udp.bind(("127.0.0.1", port))
                return port
    raise Unavailable("no port is free over both UDP and TCP")


class Knot:
    """A running server."""

    def __init__(self, port: int, control: Path) -> None:
        self.port = port
        self.control = control
        self.program = program("knotc")

    def queries(self) -> int:
        """How many queries it had since its start, over UDP and TCP, by its own statistics."""
        command = [self.program, "-s", str(self.control), "stats", "mod-stats.request-protocol"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode:
            raise Unavailable(f"knotc: {(done.stderr or done.stdout).strip()}")
        return sum(map(int, re.findall(r"= (\d+)$", done.stdout, re.MULTILINE)))


@contextlib.contextmanager
def knot(resources: Sequence[Resource], core: int, *also: str) -> Iterator[Knot]:
    """Runs from here to the end of the block, pinned to the core, in a folder that goes with it.

    also  where it listens besides 127.0.0.1 and a free port: "127.0.0.2@53"
    """
    # Not below the checkout: the path of a socket has at most 107 octets.
    with TemporaryDirectory(prefix="knot-") as name:
        folder = Path(name)
        write_zones(resources, folder)
        with running(folder, core, also) as server:
            yield server


@contextlib.contextmanager
def running(folder: Path, core: int, also: Sequence[str] = ()) -> Iterator[Knot]:
    control = folder / "control.sock"
    port = free_port()
    listen = ", ".join([f"127.0.0.1@{port}", *also])
    text = CONFIGURATION.format(folder=folder, listen=listen, control=control)
    text += "".join(f"  - domain: {zone}\n    file: {zone}.zone\n" for zone in ZONES)
    configuration = folder / "knot.conf"
    configuration.write_text(text, encoding="utf-8")
    command = ["taskset", "-c", str(core), program("knotd"), "-c", str(configuration)]
    log = folder / "knot.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder)
        try:
            server = Knot(port, control)
            wait_for(server, process, log)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(server: Knot, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until each zone is answered for. Raises Unavailable with the last line of the log."""
    end = time.monotonic() + 60
    waiting = set(ZONES)
    while waiting and time.monotonic() < end and process.poll() is None:
        waiting -= {zone for zone in waiting if is_served(zone, server.port)}
        time.sleep(0.05)
    if waiting:
        said = log.read_text(errors="replace").strip().splitlines()[-1:] or ["nothing"]
        raise Unavailable(f"knot did not start: {said[0]}")


def is_served(zone: str, port: int) -> bool:
    """Whether a query for the zone's SOA has an answer with RCODE 0 and one record."""
    name = bytes([len(zone)]) + zone.encode("ascii") + b"\0"
    query = b"\x53\x46\0\0\0\1\0\0\0\0\0\0" + name + b"\0\6\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.2)
        try:
            sock.connect(("127.0.0.1", port))
            sock.send(query)
            reply = sock.recv(1232)
        except OSError:
            return False
    return reply[:2] == query[:2] and reply[3] & 15 == 0 and reply[7] == 1
