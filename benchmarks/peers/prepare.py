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

__all__ = [
    "BUILD",
    "ROOT",
    "Peer",
    "Unavailable",
    "first_line",
    "is_stale",
    "prepare_go",
    "prepare_libspf2",
    "prepare_mail_spf",
    "prepare_node",
    "prepare_ours",
    "prepare_pyspf",
    "prepare_rust",
    "run",
]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILD = HERE / "build"
DRIVERS = HERE / "drivers"
DRIVER_PACKAGE = "benchmarks.peers.drivers"

PYSPF = ("pyspf==2.0.14", "dnspython==2.9.2")


class Unavailable(Exception):
    """The peer cannot be run here."""


def run(command: list[str], folder: Path = ROOT, **environment: str) -> str:
    """Low priority, as building must not disturb others; its output counts only when it fails."""
    try:
        done = subprocess.run(
            ["nice", "-n", "10", *command],
            cwd=folder,
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


def install(*packages: str, instead: str) -> None:
    """Debian's packages, if we are root; else Unavailable with what to do ``instead``."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Unavailable(instead)
    run(["apt-get", "update"])
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    run(command, DEBIAN_FRONTEND="noninteractive")


def need(program: str, how: str) -> None:
    if not shutil.which(program):
        raise Unavailable(f"no {program}: {how}")


def first_line(command: list[str]) -> str:
    """What a program says of its version."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return "not here"
    return (done.stdout.strip() or "not here").splitlines()[0]


def is_stale(product: Path, source: Path) -> bool:
    return not product.exists() or product.stat().st_mtime < source.stat().st_mtime


def driver_module(name: str) -> list[str]:
    return ["-m", f"{DRIVER_PACKAGE}.{name}"]


def prepare_ours(variant: str) -> Callable[[], list[str]]:
    def prepare() -> list[str]:
        ask = f"print(ours.reason_against({variant!r}) or '')"
        if reason := run(
            [sys.executable, "-c", f"from {DRIVER_PACKAGE} import ours; {ask}"]
        ).strip():
            raise Unavailable(reason)
        return [sys.executable, *driver_module("ours")]

    return prepare


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
        install("libspf2-dev", instead="no <spf2/spf.h>: install libspf2-dev")
    if is_stale(binary, source):
        libraries = ["-lspf2", "-lresolv", "-lpthread"]
        run(["gcc", "-O2", "-Wall", "-Wextra", "-o", str(binary), str(source), *libraries])
    return [str(binary)]


def prepare_mail_spf() -> list[str]:
    need("perl", "install perl")
    try:
        run(["perl", "-MMail::SPF", "-e1"])
    except Unavailable:
        install("libmail-spf-perl", instead="no Mail::SPF: install libmail-spf-perl")
    return ["perl", str(DRIVERS / "mail_spf.pl")]


def prepare_go() -> list[str]:
    need("go", "install Go 1.25 or newer")
    # It is the build tool that knows whether anything changed.
    run(["go", "build", "-trimpath", "-o", str(BUILD / "go-spf"), "."], DRIVERS / "go")
    return [str(BUILD / "go-spf")]


def prepare_node() -> list[str]:
    need("node", "install Node.js 18 or newer")
    need("npm", "install npm")
    sources, folder = DRIVERS / "node", BUILD / "node"
    installed = folder / "node_modules" / ".package-lock.json"
    if is_stale(installed, sources / "package-lock.json"):
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(sources / name, folder / name)
        run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
        installed.touch()
    modules = f"NODE_PATH={folder / 'node_modules'}"
    return ["env", modules, "node", "--expose-gc", str(sources / "mailauth.js")]


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

    passes  how many are timed in a round: the faster, the more, to outlast the noise
    even    whether it also gets the load of 200,000 domains
    cores   how many it is pinned to
    share   it gets only the first of so many parts of the connections: the slow ones
    """

    name: str
    language: str
    prepare: Callable[[], list[str]]
    passes: int = 5
    variant: tuple[str, ...] = ()
    even: bool = False
    cores: int = 1
    share: int = 1
