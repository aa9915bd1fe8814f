"""--scope of check and trace, and trace --headers: Sender ID on the command line."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from senderid_fast.cli import main

ROOT = Path(__file__).parents[2]
ZONE = str(ROOT / "examples" / "example.zone")
MESSAGES = ROOT / "examples" / "messages"
PRESS = ["--zone", ZONE, "--ip", "198.51.100.241", "--domain", "press.example"]

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("command", ["check", "trace"])
@pytest.mark.parametrize(
    ("scope", "result", "status"), [("spf", "fail", 3), ("mfrom", "fail", 3), ("pra", "pass", 0)]
)
def test_scopes(capsys: Capture, command: str, scope: str, result: str, status: int) -> None:
    assert main([command, *PRESS, "--scope", scope, "--exit-code"]) == status
    out = capsys.readouterr().out
    assert f"{result} (check_host(), domain press.example)\n" in out
    assert (f"    scope         {scope}\n" in out) == (scope != "spf")
    assert main([command, *PRESS, "--scope", scope, "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["result"] == result
    verdict = values["checks"][0] if command == "check" else values["traces"][0]["verdict"]
    assert verdict["scope"] == scope
    assert ("test_sender_id" in values) == (command == "check" and scope == "pra")


@pytest.mark.parametrize(
    ("ip", "domain", "status", "reason"),
    [
        ("198.51.100.241", "press.example", "Pass", None),
        ("198.51.100.1", "press.example", "Fail", "NotPermitted"),
        ("198.51.100.1", "nowhere.example", "Fail", "DomainDoesNotExist"),
        ("192.0.2.200", "silent.example", "None", None),
        ("203.0.113.99", "shop.example", "SoftFail", None),
        ("192.0.2.1", "failing.example", "TempError", None),
        ("192.0.2.1", "broken.example", "PermError", None),
    ],
)
def test_test_sender_id(
    capsys: Capture, ip: str, domain: str, status: str, reason: str | None
) -> None:
    words = ["check", "--zone", ZONE, "--ip", ip, "--domain", domain, "--scope", "pra"]
    assert main([*words, "--json"]) == 0
    test = json.loads(capsys.readouterr().out)["test_sender_id"]
    assert test == {"Status": status, "FailReason": reason}
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"    Status        {status}" in lines
    shown = [line for line in lines if "FailReason" in line]
    assert shown == ([f"    FailReason    {reason}"] if reason else [])


@pytest.mark.parametrize("command", ["check", "trace"])
@pytest.mark.parametrize(
    "words",
    [
        ["--mail-from", "a@plain.example", "--scope", "pra"],
        ["--helo", "mail.plain.example", "--scope", "spf"],
        ["--domain", "plain.example", "--scope", "spf2.0"],
    ],
)
def test_scopes_that_cannot_be_used(capsys: Capture, command: str, words: list[str]) -> None:
    assert main([command, "--ip", "192.0.2.1", *words]) == 2
    assert "--scope" in capsys.readouterr().err


# ---- trace --headers ----------------------------------------------------------------------------

HEADERS = ["trace", "--zone", ZONE, "--ip", "203.0.113.66", "--headers"]


def test_the_pra_of_a_message(capsys: Capture) -> None:
    words = [*HEADERS, str(MESSAGES / "spoofed.eml"), "--exit-code"]
    assert main(words) == 3
    out = capsys.readouterr().out
    assert out.startswith("PRA accounts@plain.example\n")
    assert "\nfail (PRA, domain plain.example)\n" in out
    assert "    taken from    From, field 7\n" in out
    assert "decides" in out
    assert main([*words, "--json"]) == 3
    (trace,) = json.loads(capsys.readouterr().out)["traces"]
    assert trace["verdict"]["pra"]["mailbox"] == "accounts@plain.example"


def test_a_message_without_a_pra(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b"From: a@b.example, c@d.example\n\n"), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", stdin)
    assert main([*HEADERS, "-", "--helo", "a.example", "--exit-code"]) == 6
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "PRA"
    assert lines[3] == "none (PRA)"
    assert "multiple-mailboxes" in lines[4]


def test_the_helo_name_in_macros(capsys: Capture, tmp_path: Path) -> None:
    zone = tmp_path / "macro.zone"
    zone.write_text('h.example. TXT "v=spf1 exists:%{h} -all"\nmta.example. A 127.0.0.2\n')
    message = tmp_path / "message.eml"
    message.write_bytes(b"From: a@h.example\n\n")
    words = ["trace", "--zone", str(zone), "--ip", "192.0.2.1", "--headers", str(message)]
    assert main([*words, "--helo", "mta.example", "--exit-code"]) == 0
    assert main([*words, "--exit-code"]) == 3


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--headers", str(MESSAGES / "honest.eml")], "--ip"),
        (["--ip", "192.0.2.1", "--headers", "/does/not/exist"], "/does/not/exist cannot be read"),
        (["--ip", "192.0.2.1", "--headers", str(ROOT)], "is a folder"),
        (["--ip", "192.0.2.1", "--headers", str(ROOT / "Makefile")], "is no message"),
        (["--ip", "x", "--headers", str(MESSAGES / "honest.eml")], "--ip"),
        *(
            (["--ip", "192.0.2.1", "--headers", "-", option, "pra"], option)
            for option in ("--mail-from", "--domain", "--sender", "--scope")
        ),
    ],
)
def test_headers_that_cannot_be_used(capsys: Capture, words: list[str], named: str) -> None:
    assert main(["trace", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert named in err
    assert err.count("\n") == 1
