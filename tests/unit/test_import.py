"""What importing the package does: nothing but define names."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

import senderid_fast as sf

SCRIPT = """
import os, sys
events = []
sys.addaudithook(lambda name, args: events.append((name, str(args[:1])[:400])))

class Watched(type(os.environ)):
    def __getitem__(self, key):
        who = sys._getframe(1).f_globals.get("__name__", "")
        caller = sys._getframe(2).f_globals.get("__name__", "") if sys._getframe(1).f_back else ""
        if who.startswith("senderid_fast") or caller.startswith("senderid_fast"):
            reads.append(key)
        return super().__getitem__(key)

reads = []
os.environ.__class__ = Watched
before = set(sys.modules)
import {module}
loaded = sorted(set(sys.modules) - before)
import json, threading
print(json.dumps([events, loaded, reads, threading.active_count()]))
"""

LIGHT = ["senderid_fast", "senderid_fast.engine", "senderid_fast.resolver", "senderid_fast.errors"]
LIGHT += ["senderid_fast.resolver.udp"]


def importing(module: str) -> tuple[list[tuple[str, str]], list[str], list[str], int]:
    command = [sys.executable, "-I", "-B", "-c", SCRIPT.replace("{module}", module)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    events, loaded, reads, threads = json.loads(done.stdout)
    return events, loaded, reads, threads


@pytest.mark.parametrize("module", LIGHT)
def test_importing_starts_nothing(module: str) -> None:
    events, _, reads, threads = importing(module)
    assert threads == 1
    assert reads == []
    forbidden = ["socket.", "subprocess.", "_thread.start", "os.system", "os.fork", "os.exec"]
    forbidden += ["os.putenv", "shutil.", "tempfile.", "urllib.", "sqlite3."]
    assert [event for event in events if event[0].startswith(tuple(forbidden))] == []
    # Nothing is opened but modules.
    opened = [name for event, name in events if event == "open"]
    endings = (".py'", ".pyc'", ".so'", ".pyd'", ".pth'", ".zip'")
    assert [name for name in opened if not name.rstrip(",)").endswith((*endings, "(3"))] == []


@pytest.mark.parametrize("module", LIGHT)
@pytest.mark.parametrize(
    "heavy",
    [
        *("dns", "idna", "msgpack", "yaml", "asyncio", "ssl", "json", "logging", "http", "email"),
        *("multiprocessing", "concurrent", "subprocess", "argparse", "unittest", "decimal", "zlib"),
    ],
)
def test_importing_brings_nothing_heavy(module: str, heavy: str) -> None:
    _, loaded, _, _ = importing_once(module)
    assert [name for name in loaded if name.partition(".")[0] == heavy] == []


_seen: dict[str, Any] = {}


def importing_once(module: str) -> tuple[list[tuple[str, str]], list[str], list[str], int]:
    if module not in _seen:
        _seen[module] = importing(module)
    return _seen[module]  # type: ignore[no-any-return]


@pytest.mark.parametrize("module", ["senderid_fast.engine", "senderid_fast.async_engine"])
def test_batches_are_loaded_with_the_first_of_them(module: str) -> None:
    _, loaded, _, _ = importing_once(module)
    core = {name.rpartition(".")[2] for name in loaded if name.startswith("senderid_fast._core.")}
    assert "checks" in core
    assert core & {"answering", "arrow", "columns", "outcomes", "supplying", "waiting"} == set()


def test_the_public_names_are_there_and_documented() -> None:
    assert sf.__all__ == sorted(sf.__all__)
    for name in sf.__all__:
        value = getattr(sf, name)
        assert (value.__doc__ or "").strip(), name
        assert not name.startswith("_")
    public = {name for name in vars(sf) if not name.startswith("_")}
    modules = {name for name in public if type(getattr(sf, name)) is type(sf)}
    machinery = {"TYPE_CHECKING", "importer"}  # of the names that are imported when asked for
    assert public - modules - machinery == set(sf.__all__)
    assert sf.__version__.count(".") == 2
