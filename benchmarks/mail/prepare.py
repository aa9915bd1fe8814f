"""The filters that are measured, and how each is had and started.

What may live here: one entry a filter, its configuration, and how Debian's packages are unpacked
into build/, where they run from: nothing of them is installed, and no service is started.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peers.prepare import ROOT, Unavailable, is_stale, run

__all__ = ["FILTERS", "HOSTNAME", "Filter", "Place", "Start", "unpacked"]

BUILD = Path(__file__).parent / "build"
DEBIAN = BUILD / "debian"
PACKAGES = (
    "pyspf-milter",
    "postfix-policyd-spf-python",
    "python3-spf-engine",
    "python3-spf",
    "python3-milter",
    "python3-authres",
    "python3-dns",
    "libmilter1.0.1",
)
HOSTNAME = "mx.example.org"
PYTHON = "/usr/bin/python3"  # Debian's packages are for Debian's Python

# Nothing is refused, every message is stamped, and no client is skipped: what ours does as well.
SPF_ENGINE = """
debugLevel = 0
TestOnly = 1
HELO_reject = False
Mail_From_reject = False
PermError_reject = False
TempError_Defer = False
skip_addresses = 192.0.2.255
InternalHosts = 192.0.2.255
Socket = {socket}
PidFile = {folder}/pid
UserID = nobody:nogroup
UMask = 000
Authserv_Id = {hostname}
"""

OURS = """
[milter]
listen = ["{listen}"]
[policyd]
listen = ["{listen}"]
[process]
socket_mode = "0666"
workers = {workers}
[receiver]
authserv_id = "{hostname}"
internal = []
checks = {checks}
fields = {fields}
[dns]
servers = ["{dns}"]
[log]
to = "{folder}/log"
"""


@dataclass(frozen=True)
class Place:
    """Where a filter is to run: a folder of its own, a free port, and the DNS server."""

    folder: Path
    port: int
    dns: str

    @property
    def socket(self) -> Path:
        return self.folder / "socket"


@dataclass(frozen=True)
class Start:
    """How a filter is started, and the lines of main.cf that make Postfix ask it.

    command   () if Postfix starts it itself, by ``services``
    settings  of main.cf
    services  lines of master.cf
    mark      what stands in the command line of its processes, if Postfix starts them
    """

    command: tuple[str, ...]
    settings: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    services: tuple[str, ...] = ()
    mark: str = ""


@dataclass(frozen=True)
class Filter:
    """One that is measured.

    kind     "none", "milter", "policy", or "ready": a milter that says pass to every message
    prepare  gets what is missing; raises Unavailable
    start    what starts it
    """

    name: str
    kind: str
    prepare: Callable[[], None]
    start: Callable[[Place], Start]


def unpacked() -> None:
    """Debian's packages, downloaded and unpacked once."""
    ready = DEBIAN / "ready"
    if ready.exists():
        return
    if not shutil.which("apt-get") or not Path(PYTHON).exists():
        raise Unavailable("it is unpacked from Debian's packages, and this is not Debian")
    shutil.rmtree(DEBIAN, ignore_errors=True)
    DEBIAN.mkdir(parents=True)
    if os.geteuid() == 0:
        run(["apt-get", "update", "-qq"])
    user = "APT::Sandbox::User=root"  # who may write here
    run(["apt-get", "download", "-qq", "-o", user, *PACKAGES], DEBIAN)
    for package in DEBIAN.glob("*.deb"):
        run(["dpkg", "-x", str(package), str(DEBIAN)])
        package.unlink()
    ready.touch()


def debian_environment(*paths: Path) -> dict[str, str]:
    libraries = [str(folder) for folder in (DEBIAN / "usr/lib").glob("*-linux-*")]
    modules = [str(DEBIAN / "usr/lib/python3/dist-packages"), *map(str, paths)]
    return {"PYTHONPATH": ":".join(modules), "LD_LIBRARY_PATH": ":".join(libraries)}


def milter_settings(place: Place, tcp: bool) -> dict[str, str]:
    milter = f"inet:127.0.0.1:{place.port}" if tcp else f"unix:{place.socket}"
    return {"smtpd_milters": milter}


def policy_settings(service: str) -> dict[str, str]:
    return {"smtpd_recipient_restrictions": f"check_policy_service {service}"}


# ---- ours --------------------------------------------------------------------------------------


def prepare_ours(command: str) -> Callable[[], None]:
    def prepare() -> None:
        run([sys.executable, "-m", "senderid_fast", command, "--help"])

    return prepare


def start_ours(command: str, tcp: bool = False, workers: int = 1) -> Callable[[Place], Start]:
    def start(place: Place) -> Start:
        listen = f"inet:127.0.0.1:{place.port}" if tcp else f"unix:{place.socket}"
        milter = command == "milter"
        fields = ["received-spf", "authentication-results"] if milter else ["received-spf"]
        text = OURS.format(
            listen=listen,
            workers=workers,
            hostname=HOSTNAME,
            checks=json.dumps(["helo", "mailfrom", "pra"] if milter else ["helo", "mailfrom"]),
            fields=json.dumps(fields),
            dns=place.dns,
            folder=place.folder,
        )
        (place.folder / "config.toml").write_text(text)
        settings = milter_settings(place, tcp) if milter else policy_settings(listen)
        words = [sys.executable, "-m", "senderid_fast", command]
        return Start((*words, "--config", str(place.folder / "config.toml")), settings)

    return start


# ---- one that has its answer ready -------------------------------------------------------------

READY = BUILD / "ready"


def prepare_ready() -> None:
    source = Path(__file__).parent / "drivers" / "ready.c"
    if is_stale(READY, source):
        BUILD.mkdir(exist_ok=True)
        run(["gcc", "-O2", "-Wall", "-Wextra", "-o", str(READY), str(source)])


def start_ready(place: Place) -> Start:
    return Start((str(READY), str(place.socket)), milter_settings(place, False))


# ---- pymilter with our decisions ---------------------------------------------------------------


def prepare_pymilter() -> None:
    unpacked()
    version = run([PYTHON, "-c", "import platform; print(platform.python_version())"]).strip()
    if version.split(".")[:2] != list(platform.python_version_tuple()[:2]):
        raise Unavailable(f"Debian's pymilter is for Python {version}, this is another")


def start_pymilter(tcp: bool) -> Callable[[Place], Start]:
    def start(place: Place) -> Start:
        listen = f"inet:{place.port}@127.0.0.1" if tcp else f"unix:{place.socket}"
        module = "benchmarks.mail.drivers.with_pymilter"
        return Start(
            (sys.executable, "-m", module, listen, place.dns, HOSTNAME),
            milter_settings(place, tcp),
            debian_environment(ROOT),
        )

    return start


# ---- spf-engine --------------------------------------------------------------------------------


def spf_engine_file(place: Place, socket: str) -> Path:
    file = place.folder / "spf-engine.conf"
    file.write_text(SPF_ENGINE.format(socket=socket, folder=place.folder, hostname=HOSTNAME))
    return file


def start_pyspf_milter(place: Place) -> Start:
    os.chmod(place.folder, 0o777)  # noqa: PTH101 - it makes its socket as another user
    file = spf_engine_file(place, f"local:{place.socket}")
    program = "import spf_engine.milter_spf as it; it.main()"
    return Start(
        (PYTHON, "-c", program, str(file)), milter_settings(place, False), debian_environment()
    )


def start_policyd_spf(place: Place) -> Start:
    file = spf_engine_file(place, "local:/unused")
    env = " ".join(f"{name}={value}" for name, value in debian_environment().items())
    program = f"/usr/bin/env {env} {PYTHON} {DEBIAN}/usr/bin/policyd-spf {file}"
    service = f"policyd-spf unix - n n - 0 spawn user=nobody argv={program}"
    settings = policy_settings("unix:private/policyd-spf") | {"policyd-spf_time_limit": "3600"}
    return Start((), settings, services=(service,), mark=f"policyd-spf {file}")


MILTER, POLICY = prepare_ours("milter"), prepare_ours("policyd")
TWO = start_ours("milter", workers=2)

FILTERS = (
    Filter("no filter", "none", lambda: None, lambda place: Start((), {})),
    Filter("ready answer, unix", "ready", prepare_ready, start_ready),
    Filter("senderid-fast milter, unix", "milter", MILTER, start_ours("milter")),
    Filter("senderid-fast milter, unix, 2 workers", "milter", MILTER, TWO),
    Filter("pymilter, unix", "milter", prepare_pymilter, start_pymilter(False)),
    Filter("pyspf-milter, unix", "milter", unpacked, start_pyspf_milter),
    Filter("senderid-fast milter, TCP", "milter", MILTER, start_ours("milter", True)),
    Filter("pymilter, TCP", "milter", prepare_pymilter, start_pymilter(True)),
    Filter("senderid-fast policyd, unix", "policy", POLICY, start_ours("policyd")),
    Filter("policyd-spf", "policy", unpacked, start_policyd_spf),
)
