"""--stale: what the commands say when answers that are over stand in for errors."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.caches import cached, put, question
from support.faulty import BEHAVIOURS, run_faulty_server

from senderid_fast.cache import LmdbCache
from senderid_fast.cli import main

ROWS = "ip,helo,mail_from\n192.0.2.1,mx.a.example,u@a.example\n"
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def closed() -> str:
    """An address where no server listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{sock.getsockname()[1]}"


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[str]:
    """A cache with one answer, which has been over for a minute."""
    made = LmdbCache(tmp_path / "cache")
    put(made, (question("a.example"), cached(b"v=spf1 ip4:192.0.2.1 -all", ttl=60, age=120)))
    yield f"lmdb:{tmp_path / 'cache'}"
    made.close()


@pytest.mark.parametrize(
    ("options", "result", "stale"),
    [
        (["--stale", "3600"], "pass", "true"),
        (["--stale", "30"], "temperror", "false"),
        (["--stale", "0"], "temperror", None),
        ([], "temperror", None),
    ],
)
def test_batch(
    tmp_path: Path,
    cache: str,
    closed: str,
    capsys: Capture,
    options: list[str],
    result: str,
    stale: str | None,
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(ROWS)
    arguments = [str(rows), "--server", closed, "--cache", cache, "--quiet", *options]
    assert main(["batch", *arguments, "--output-format", "jsonl"]) == 0
    row: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert row["spf_result"] == result
    assert row.get("spf_stale") == (None if stale is None else stale == "true")


@pytest.mark.parametrize("value", ["-1", "604801", "nan"])
@pytest.mark.parametrize("command", ["check", "verify", "batch"])
def test_a_value_that_cannot_be_used(
    tmp_path: Path, capsys: Capture, command: str, value: str
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(ROWS)
    arguments = {
        "check": ["--ip", "192.0.2.1", "--mail-from", "u@a.example"],
        "verify": ["--ip", "192.0.2.1", str(rows)],
        "batch": [str(rows), "--quiet"],
    }[command]
    assert main([command, *arguments, f"--stale={value}"]) == 2
    assert "--stale" in capsys.readouterr().err


def test_check_of_several_connections(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS breaks between two lines; the answer has no time to live left by then."""
    from support.scripted import Clock

    clock = Clock(monkeypatch)
    behaviours = {"*": BEHAVIOURS["good"]}
    with run_faulty_server(behaviours) as server:

        def lines() -> Iterator[tuple[int, bytes]]:
            yield 1, b"192.0.2.1 mx.a.example u@a.example"
            behaviours["*"] = BEHAVIOURS["servfail"]
            clock.advance(400)
            yield 2, b"192.0.2.1 mx.a.example u@a.example"

        monkeypatch.setattr("senderid_fast.cli.check.read_lines", lambda *_: lines())
        options = ["--connections", "x", "--server", server.address, "--json"]
        assert main(["check", *options, "--stale", "3600"]) == 0
    found = [json.loads(line)["checks"][-1] for line in capsys.readouterr().out.splitlines()]
    assert [(each["result"], each["stale"]) for each in found] == [("pass", False), ("pass", True)]
