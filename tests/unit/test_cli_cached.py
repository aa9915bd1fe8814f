"""check, trace and verify with --cache: the second run asks nothing; a cache that is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from senderid_fast.cli import main

ZONE = 'a.example. 3600 IN TXT "v=spf1 a:h.example -all"\nh.example. 3600 IN A 192.0.2.1\n'
MESSAGE = "Return-Path: <u@a.example>\nFrom: u@a.example\nSubject: x\n\nx\n"
SESSION = ["--ip", "192.0.2.1", "--mail-from", "u@a.example"]


@pytest.fixture
def command(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    (tmp_path / "zone").write_text(ZONE)
    (tmp_path / "none").write_text("x.example. 3600 IN A 192.0.2.1\n")
    (tmp_path / "message").write_text(MESSAGE)
    if request.param == "verify":
        return ["verify", str(tmp_path / "message"), *SESSION]
    return [request.param, *SESSION]


@pytest.mark.parametrize("command", ["check", "trace", "verify"], indirect=True)
def test_what_one_run_learned_the_next_one_knows(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = ["--cache", f"lmdb:{tmp_path / 'cache'}"]
    assert main([*command, "--zone", str(tmp_path / "zone"), *cache]) == 0
    first = capsys.readouterr().out
    assert "pass" in first
    # Nothing of the name is in the other zone.
    assert main([*command, "--zone", str(tmp_path / "none"), *cache]) == 0
    assert capsys.readouterr().out == first
    assert main([*command, "--zone", str(tmp_path / "none")]) == 0
    assert capsys.readouterr().out != first


@pytest.mark.parametrize("command", ["check", "trace", "verify"], indirect=True)
@pytest.mark.parametrize("cache", ["lmdb", "lmdb:", "nothing", "valkey:x", "lmdb:/dev/null"])
def test_a_cache_that_cannot_be_used_is_told_by_its_option(
    command: list[str], cache: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--cache", cache]) == 2
    assert "--cache" in capsys.readouterr().err
