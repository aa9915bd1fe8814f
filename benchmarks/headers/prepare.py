"""The parsers that are compared, and how their drivers are built; into benchmarks/peers/build."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.prepare import BUILD, Peer, Unavailable, is_stale, run

__all__ = ["DATA", "OURS", "PEERS", "SAME_ANSWERS", "SAME_WORK"]

DRIVERS = Path(__file__).parent / "drivers"
DATA = BUILD / "headers"

# Whom the others are compared with, and what must give exactly the same answers.
OURS = "senderid_fast"
SAME_ANSWERS = ("senderid_fast-core", "senderid_fast-check_message")


def prepare_python(module: str, condition: str = "") -> Callable[[], list[str]]:
    def prepare() -> list[str]:
        run([sys.executable, "-c", condition])
        return [sys.executable, "-m", f"benchmarks.headers.drivers.{module}"]

    return prepare


def prepare_gmime() -> list[str]:
    source, binary = DRIVERS / "gmime.c", DATA / "gmime"
    DATA.mkdir(parents=True, exist_ok=True)
    ask = ["pkg-config", "--cflags", "--libs", "gmime-3.0"]
    try:
        flags = run(ask)
    except Unavailable as error:
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            raise Unavailable("no gmime-3.0: install libgmime-3.0-dev and pkg-config") from error
        packages = ["libgmime-3.0-dev", "pkg-config"]
        run(["apt-get", "update"])
        run(["apt-get", "install", "--yes", "--no-install-recommends", *packages])
        flags = run(ask)
    if is_stale(binary, source):
        warnings = ["-O2", "-Wall", "-Wextra"]
        run(["gcc", *warnings, "-o", str(binary), str(source), *shlex.split(flags)])
    return [str(binary)]


def prepare_mail_parser() -> list[str]:
    # The crate declares Rust 1.98, and builds with 1.95.
    options = ["--release", "--locked", "--jobs", "1", "--ignore-rust-version"]
    manifest = str(DRIVERS / "rust" / "Cargo.toml")
    target = BUILD / "target"
    run(["cargo", "build", *options, "--manifest-path", manifest], CARGO_TARGET_DIR=str(target))
    return [str(target / "release" / "headers_mail_parser")]


HAS_CORE = """
from senderid_fast._core import pra
if not hasattr(pra, "rehearse"):
    raise SystemExit("error: this build of the core has no rehearse()")
"""
prepare_ours = prepare_python("ours", "import senderid_fast as sf; sf.extract_pra")

# Many rounds of few passes, since what disturbs a machine may last longer than a round.
PEERS = (
    Peer("senderid_fast-core", "C", prepare_python("ours", HAS_CORE), 30, ("core",)),
    Peer(OURS, "Python", prepare_ours, 20),
    Peer("mail-parser-lean", "Rust", prepare_mail_parser, 20, ("lean",)),
    Peer("mail-parser", "Rust", prepare_mail_parser, 20),
    Peer("gmime", "C", prepare_gmime, 2),
    Peer("python-email", "Python", prepare_python("stdlib"), 1),
    Peer("senderid_fast-check_message", "Python", prepare_ours, 10, ("message",)),
)

# Those that do the same work; check_message() finds the PRA and does three checks with it.
SAME_WORK = tuple(peer.name for peer in PEERS if peer.name != "senderid_fast-check_message")
