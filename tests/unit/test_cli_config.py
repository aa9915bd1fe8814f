"""senderid-fast config: what is printed where, and the exit status."""

from __future__ import annotations

from pathlib import Path

import pytest

from senderid_fast.cli import main
from senderid_fast.config import DEFAULT_PATH, Config, load, loading

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading.os, "environ", {})


def test_check(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "c.toml"
    file.write_text("process.socket_mode = 0o666\n")
    assert main(["config", "check", str(file)]) == 0
    out, err = capsys.readouterr()
    assert out == f"{file}: can be used\n"
    assert err.startswith("senderid-fast: warning: process.socket_mode: 0666 lets every user")


def test_check_tells_every_error_in_a_line(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "c\x1b.toml"
    file.write_text("process.workers = 0\n[logs]\n")
    assert main(["config", "check", str(file)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.partition(".toml")[2] for line in err.splitlines()] == [
        ":1: process.workers: must be a whole number from 1 to 256, is 0",
        ":2: logs: unknown; did you mean log?",
    ]
    assert "\x1b" not in err


@pytest.mark.parametrize("action", ["check", "show"])
def test_the_default_path(
    action: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert DEFAULT_PATH == "/etc/senderid-fast/senderid-fast.toml"
    monkeypatch.setattr(loading, "DEFAULT_PATH", str(tmp_path / "none.toml"))
    monkeypatch.setattr("senderid_fast.config.DEFAULT_PATH", str(tmp_path / "none.toml"))
    assert main(["config", action]) == 2
    problem = f"{tmp_path}/none.toml: cannot be read: No such file or directory"
    assert capsys.readouterr().err == f"senderid-fast: error: {problem}\n"


def test_show_says_where_each_value_is_from(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[limits]\nlookups = 12\n[[policy.override]]\nclient = '::1'\nskip = true\n")
    monkeypatch.setattr(loading.os, "environ", {"SENDERID_FAST_LIMITS_SECONDS": "7"})
    assert main(["config", "show", str(file)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = {line.partition(" =")[0]: line for line in out.splitlines()}
    assert lines["lookups"].endswith(f"# {file}:2")
    assert lines["void_lookups"].endswith("# default")
    assert "\nseconds = 7       # SENDERID_FAST_LIMITS_SECONDS\n" in out
    assert f"[[policy.override]]  # {file}:3\n" in out
    again = tmp_path / "again.toml"
    again.write_text(out)
    assert load(again, {}) == load(file, {"SENDERID_FAST_LIMITS_SECONDS": "7"})


def test_defaults(tmp_path: Path, capsys: Capture) -> None:
    assert main(["config", "show", "--defaults"]) == 0
    file = tmp_path / "d.toml"
    file.write_text(capsys.readouterr().out)
    assert load(file, {}) == Config()
    assert main(["config", "show", "--defaults", str(file)]) == 2
    assert "cannot be used with --defaults" in capsys.readouterr().err


def test_help(capsys: Capture) -> None:
    assert main(["config", "--help"]) == 0
    assert "SENDERID_FAST_SECTION_KEY" in capsys.readouterr().out
