"""senderid-fast verify: input that cannot be used, and octets of strangers."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from senderid_fast.cli import main

ROOT = Path(__file__).parents[2]
ZONE = str(ROOT / "examples" / "example.zone")
POLICY = str(ROOT / "examples" / "policy.toml")

Capture = pytest.CaptureFixture[str]


def error_of(capsys: Capture, *words: object) -> str:
    """The one line of an error that keeps all messages from being looked at."""
    assert main(["verify", "--zone", ZONE, *map(str, words)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("senderid-fast: error: ")
    assert err.count("\n") == 1
    assert err[:-1].isprintable()
    return err


def verify(capsys: Capture, *words: object, status: int = 0) -> list[str]:
    assert main(["verify", "--zone", ZONE, *map(str, words)]) == status
    out, err = capsys.readouterr()
    assert err == ""
    return out.splitlines()


def eml(tmp_path: Path, octets: bytes, name: str = "message.eml") -> Path:
    path = tmp_path / name
    path.write_bytes(octets)
    return path


# ---- input that cannot be used ------------------------------------------------------------------

HONEST = ROOT / "examples" / "messages" / "honest.eml"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--ip", "192.0.2.300"], "--ip: is no IPv4 or IPv6 address: '192.0.2.300'"),
        (["--helo", "a.example"], "--helo: is of the connection, so it needs --ip"),
        (["--trusted", "192.0.2.300"], "--trusted: '192.0.2.300' is no address"),
        (["--trusted", "192.0.2.1/24"], "--trusted: '192.0.2.1/24' is no address"),
        (["--trusted", "2001:db8::x"], "--trusted: '2001:db8::x' is no address"),
        (["--trusted", "a b.example"], "--trusted: 'a b.example'"),
        (["--authserv-id", ""], "--authserv-id: "),
        (["--authserv-id", "a\nb"], "--authserv-id: "),
        (["--format", "tar"], "--format"),
        (["--policy", "/does/not/exist"], "--policy: cannot read /does/not/exist"),
        (["--policy", ZONE], f"--policy: {ZONE}: is no TOML: "),
        (["--policy", POLICY, "--exchange"], "--exchange"),
        (["--zone", "/does/not/exist"], "/does/not/exist"),
        (["--lookups", "-1"], "--lookups"),
        (["--timeout", "0"], "--timeout"),
        (["--what\x1b"], "\\x1b"),
    ],
)
def test_unusable_input(capsys: Capture, words: list[str], named: str) -> None:
    assert named in error_of(capsys, *words, HONEST)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (b"pra = { fail = 'rejekt' }", "pra.fail: must be one of accept"),
        (b"pra = { pass = 'reject' }", "pra.pass: must be one of accept, mark"),
        (b"prs = 1", "prs: unknown"),
        (b"no_pra = 3", "no_pra: "),
        (
            b"[[override]]\nclient = ['192.0.2.1']\nskip = true\n"
            b"[[override]]\nclient = ['192.0.2.1/33']\nskip = true",
            "override[1].client: '192.0.2.1/33'",
        ),
        (b'texts = { fail = "a\\u001b" }', "texts.fail: "),
        (b"\xff = 1", "is no TOML"),
        (b"a = " + b"[" * 5000, "is no TOML"),
    ],
)
def test_policy_errors_name_the_key(capsys: Capture, tmp_path: Path, text: bytes, key: str) -> None:
    policy = eml(tmp_path, text, "policy.toml")
    assert f"--policy: {policy}: {key}" in error_of(capsys, "--policy", policy, HONEST)


# ---- hostile text -------------------------------------------------------------------------------

HOSTILE = b"\x1b[31m\x07\x00\x7f\x9b\xff\xe2\x80\xae\r"


@pytest.mark.parametrize("output", [[], ["--json"], ["--exchange"], ["--policy", POLICY]])
def test_octets_of_strangers_stay_harmless(
    capsys: Capture, tmp_path: Path, output: list[str]
) -> None:
    fields = [
        b"Return-Path: <x" + HOSTILE + b"@" + HOSTILE + b".example>",
        b"Received: from x" + HOSTILE + b".example (x" + HOSTILE + b" [192.0.2.1])\n\tby "
        b"mx" + HOSTILE + b" with SMTP",
        b"X-MS-Exchange-Organization-" + HOSTILE[3:5] + b": " + HOSTILE,
        b"Authentication-Results: localhost;" + HOSTILE,
        b'From: "' + HOSTILE + b'" <"' + HOSTILE[3:] + b'"@plain.example>',
        b"junk" + HOSTILE,
    ]
    name = b"mess\x1b\xff.eml".decode("utf-8", "surrogateescape")
    message = eml(tmp_path, b"\n".join(fields) + b"\n\n" + HOSTILE, name)
    lines = verify(capsys, *output, message)
    assert lines
    for line in lines:
        assert line.isprintable()


def test_long_text_is_shortened(capsys: Capture, tmp_path: Path) -> None:
    long = b"a" * 100_000
    message = eml(
        tmp_path,
        b"Return-Path: <" + long + b"@plain.example>\nX-SID-" + long + b": " + long + b"\n"
        b"From: " + long + b"\n\n",
    )
    lines = verify(capsys, "--ip", "192.0.2.1", message)
    assert max(map(len, lines)) < 500
    assert sum(line.startswith("    remove ") for line in lines) == 1


def test_an_output_that_holds_ascii_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    message = eml(tmp_path, "From: é@münchen.example\n\n".encode())
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    assert main(["verify", "--zone", ZONE, "--ip", "192.0.2.1", str(message)]) == 0
    out.flush()
    assert b"\\xe9@m\\xfcnchen.example" in out.buffer.getvalue()
