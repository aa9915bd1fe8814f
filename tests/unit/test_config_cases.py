"""The case svc-config-lists of the log of public reports: lists, modes, keys that nobody knows, and
values that are empty."""

from __future__ import annotations

from pathlib import Path

import pytest

from senderid_fast.cli import main
from senderid_fast.config import load
from senderid_fast.errors import ConfigError
from senderid_fast.receiver.networks import Networks

WANTED = Networks(["127.0.0.1", "::1", "192.0.2.0/24"])


def written(tmp_path: Path, text: str) -> str:
    file = tmp_path / "c.toml"
    file.write_text(text)
    return str(file)


@pytest.mark.parametrize(
    ("value", "networks"),
    [
        ('"127.0.0.1, ::1,192.0.2.0/24"', WANTED),
        ('" 127.0.0.1 ,::1 , 192.0.2.0/24 "', WANTED),
        ('"127.0.0.1,,::1,192.0.2.0/24,"', WANTED),
        ('["127.0.0.1", "::1", "192.0.2.0/24"]', WANTED),
        ('"2001:db8::/32"', Networks("2001:db8::/32")),
        ('["192.0.2.1"]', Networks("192.0.2.1")),
        ('""', Networks("")),
        ("[]", Networks("")),
    ],
)
def test_lists(tmp_path: Path, value: str, networks: Networks) -> None:
    config = load(written(tmp_path, f"receiver.internal = {value}"), {})
    assert config.receiving.internal == networks
    config = load(None, {"SENDERID_FAST_RECEIVER_INTERNAL": value.strip('"')})
    assert config.receiving.internal == networks


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    assert load(written(tmp_path, "[receiver]\n"), {}) == load(None, {})


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("internalhosts = '127.0.0.1'", "receiver.internalhosts: unknown; did you mean internal?"),
        ("internal =", "is no TOML"),
        ("internal = '127.0.0.1;::1'", "receiver.internal"),
        ("process.socket_mode = 007", "is no TOML"),
        ("authserv_id = 7", "receiver.authserv_id: must be text"),
    ],
)
def test_what_is_wrong_has_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, words: str
) -> None:
    file = written(tmp_path, f"# first\n[receiver]\n{line}\n")
    with pytest.raises(ConfigError) as error:
        load(file, {})
    (problem,) = error.value.problems
    assert problem.startswith(f"{file}:3: ")
    assert words in problem
    assert main(["config", "check", file]) == 2
    assert capsys.readouterr().err == f"senderid-fast: error: {problem}\n"
