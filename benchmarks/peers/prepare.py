"""Building the peers: what is missing is installed or compiled into build/, what is there is kept.

A peer that cannot be had raises Unavailable with the reason; the caller names it as skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BUILD", "NOT_RUN", "PEERS", "ROOT", "Peer", "Unavailable"]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILD = HERE / "build"
DRIVERS = HERE / "drivers"

PYSPF = ("pyspf==2.0.14", "dnspython==2.9.2")


class Unavailable(Exception):
    """The peer cannot be run here."""


def run(command: list[str], **environment: str) -> str:
    """Low priority, as building must not disturb others; its output counts only when it fails."""
    try:
        done = subprocess.run(
            ["nice", "-n", "10", *command],
            cwd=ROOT,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=3600,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(str(error)) from error
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        errors = [line.strip() for line in lines if "rror" in line] or lines
        # The first error is the cause, but in a traceback it is the last line.
        tail = errors[-1 if lines[-1:] == errors[-1:] else 0] if errors else "no message"
        raise Unavailable(f"{Path(command[0]).name}, exit {done.returncode}: {tail}")
    return done.stdout


def is_stale(product: Path, source: Path) -> bool:
    return not product.exists() or product.stat().st_mtime < source.stat().st_mtime


def driver_module(name: str) -> list[str]:
    return ["-m", f"benchmarks.peers.drivers.{name}"]


def prepare_ours() -> list[str]:
    run([sys.executable, "-c", "import senderid_fast as sf; sf.Engine, sf.ZoneResolver"])
    return [sys.executable, *driver_module("ours")]


def prepare_pyspf() -> list[str]:
    python = BUILD / "venv" / "bin" / "python"
    if not python.exists():
        run([sys.executable, "-m", "venv", str(python.parents[1])])
    try:
        pins = dict(pin.split("==") for pin in PYSPF)
        run(
            [
                str(python),
                "-c",
                f"from importlib.metadata import version; pins = {pins!r}; "
                "assert all(version(name) == pin for name, pin in pins.items())",
            ]
        )
    except Unavailable:
        run([str(python), "-m", "pip", "install", "--quiet", *PYSPF])
    return [str(python), *driver_module("pyspf")]


def prepare_libspf2() -> list[str]:
    source, binary = DRIVERS / "libspf2.c", BUILD / "libspf2"
    if not Path("/usr/include/spf2/spf.h").exists():
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            raise Unavailable("no <spf2/spf.h>: install libspf2-dev")
        run(["apt-get", "update"])
        run(["apt-get", "install", "--yes", "--no-install-recommends", "libspf2-dev"])
    if is_stale(binary, source):
        run(["gcc", "-O2", "-Wall", "-Wextra", "-o", str(binary), str(source), "-lspf2"])
    return [str(binary)]


def prepare_rust(binary: str) -> Callable[[], list[str]]:
    def prepare() -> list[str]:
        # mail-auth's mail-parser declares Rust 1.98, and builds with 1.95.
        options = ["--release", "--locked", "--jobs", "1", "--ignore-rust-version", "--bin", binary]
        manifest = str(DRIVERS / "rust" / "Cargo.toml")
        target = BUILD / "target"
        run(
            ["cargo", "build", *options, "--manifest-path", manifest],
            CARGO_TARGET_DIR=str(target),
        )
        return [str(target / "release" / binary)]

    return prepare


@dataclass(frozen=True)
class Peer:
    """`prepare` returns how its driver is called, or raises Unavailable.

    `passes` is how many are timed in a round: the faster, the more, to outlast the noise.
    """

    name: str
    language: str
    prepare: Callable[[], list[str]]
    passes: int = 5
    variant: tuple[str, ...] = ()


PEERS = (
    Peer("senderid_fast", "Cython", prepare_ours, passes=15),
    Peer("mail-auth", "Rust", prepare_rust("peer_mail_auth"), passes=15),
    Peer("mail-auth-expiring", "Rust", prepare_rust("peer_mail_auth"), 15, ("expiring",)),
    Peer("viaspf", "Rust", prepare_rust("peer_viaspf")),
    Peer("libspf2", "C", prepare_libspf2),
    Peer("pyspf", "Python", prepare_pyspf, passes=1),
)

# What a reader may look for in the table and does not find.
NOT_RUN = {
    "mail-auth called from Python": "there is no Python package of it (PyPI has no mail-auth), "
    "so its figures are those of a Rust caller, without the cost of a call from Python",
}
