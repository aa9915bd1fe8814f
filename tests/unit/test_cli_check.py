"""senderid-fast check: results, statuses, input that cannot be used, hostile text."""

from __future__ import annotations

import io
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from senderid_fast.cli import main
from senderid_fast.cli.output import shortened, visible

ROOT = Path(__file__).parents[2]
ZONE = str(ROOT / "examples" / "example.zone")
CONNECTIONS = str(ROOT / "examples" / "connections.tsv")
EXAMPLES = [
    ("pass", 0, "192.0.2.10", "plain.example"),
    ("fail", 3, "192.0.2.64", "plain.example"),
    ("softfail", 4, "203.0.113.99", "shop.example"),
    ("neutral", 5, "198.51.100.7", "users.example"),
    ("none", 6, "192.0.2.200", "silent.example"),
    ("temperror", 7, "192.0.2.1", "failing.example"),
    ("permerror", 8, "192.0.2.1", "broken.example"),
]

Capture = pytest.CaptureFixture[str]


def stdin_of(monkeypatch: pytest.MonkeyPatch, octets: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(octets), encoding="utf-8"))


def assert_one_error(capsys: Capture, *words: str) -> None:
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("senderid-fast: error: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    assert err[:-1].isprintable()
    for word in words:
        assert word in err


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Takes queries and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{sock.getsockname()[1]}"


def closed_server() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{sock.getsockname()[1]}"


# ---- results ----------------------------------------------------------------------------------


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example[0])
@pytest.mark.parametrize("command", ["check", "trace"])
def test_statuses(capsys: Capture, command: str, example: tuple[str, int, str, str]) -> None:
    """The case svc-cli-exit-status, with those of input that cannot be used below."""
    result, status, ip, domain = example
    words = [command, "--zone", ZONE, "--ip", ip, "--mail-from", f"user@{domain}"]
    assert main(words) == 0
    shown, err = capsys.readouterr()
    assert err == ""
    assert f"{result} (MAIL FROM, domain {domain})\n" in shown
    if command == "check":
        assert shown.split()[0] == result
    assert main([*words, "--exit-code"]) == status
    assert capsys.readouterr().out == shown
    assert main([*words, "--exit-code", "--json"]) == status
    assert json.loads(capsys.readouterr().out)["result"] == result


def test_mail_from_is_final(capsys: Capture) -> None:
    words = ["check", "--zone", ZONE, "--ip", "192.0.2.10", "--helo", "mail.plain.example"]
    words += ["--mail-from", "user@strict.example", "--exit-code"]
    assert main(words) == 3
    first, second = capsys.readouterr().out.split("\n\n")
    assert first.startswith("fail (MAIL FROM, domain strict.example)\n")
    assert "the domain strict.example explains: 192.0.2.10 is not" in first
    assert second.startswith("pass (HELO, domain mail.plain.example)\n")
    assert main([*words, "--json"]) == 3
    values = json.loads(capsys.readouterr().out)
    assert [each["identity"] for each in values["checks"]] == ["helo", "mailfrom"]
    assert [each["result"] for each in values["checks"]] == ["pass", "fail"]
    assert values["result"] == "fail"


@pytest.mark.parametrize("sender", ["", "<>"])
def test_null_reverse_path(capsys: Capture, sender: str) -> None:
    words = ["check", "--zone", ZONE, "--ip", "192.0.2.10", "--helo", "mail.plain.example"]
    assert main([*words, "--mail-from", sender, "--json"]) == 0
    final = json.loads(capsys.readouterr().out)["checks"][-1]
    assert final["identity"] == "mailfrom"
    assert final["sender"] == "postmaster@mail.plain.example"
    assert final["result"] == "pass"


def test_plain_check_host(capsys: Capture) -> None:
    words = ["check", "--zone", ZONE, "--ip", "198.51.100.7", "--domain", "users.example"]
    assert main([*words, "--sender", "alice@users.example", "--helo", "x.example"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("pass (check_host(), domain users.example)\n")
    assert "    sender        alice@users.example\n" in out
    assert main(words) == 0
    assert "    sender        postmaster@users.example\n" in capsys.readouterr().out


def test_limits(capsys: Capture) -> None:
    words = ["check", "--zone", ZONE, "--ip", "198.51.100.7", "--mail-from", "a@users.example"]
    assert main([*words, "--void-lookups", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["checks"][0]["reason"] == "void-lookup-limit"
    assert main([*words, "--lookups", "0"]) == 0
    assert "    lookups       1 of 0\n" in capsys.readouterr().out


# ---- servers ----------------------------------------------------------------------------------


def test_unreachable_server(capsys: Capture) -> None:
    words = ["check", "--ip", "192.0.2.1", "--mail-from", "a@b.example", "--timeout", "2"]
    words += ["--server", closed_server(), "--server", closed_server(), "--exit-code"]
    assert main(words) == 7
    assert "Connection refused" in capsys.readouterr().out


def test_silent_server(capsys: Capture, silent_server: str) -> None:
    words = ["--ip", "192.0.2.1", "--mail-from", "a@b.example", "--timeout", "0.2"]
    words += ["--server", silent_server, "--exit-code"]
    assert main(["check", *words]) == 7
    assert capsys.readouterr().out.startswith("temperror ")
    assert main(["trace", *words]) == 7
    assert "asked b.example TXT: not answered\n" in capsys.readouterr().out


# ---- input that cannot be used ------------------------------------------------------------------

SESSION = ["--ip", "192.0.2.1", "--mail-from", "a@plain.example"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "--ip"),
        (["--ip", "192.0.2.1"], "--mail-from"),
        (["--ip", "192.0.2.300", "--helo", "a.example"], "192.0.2.300"),
        (["--ip", "\x1b[31m", "--helo", "a.example"], "--ip"),
        (["--ip", "192.0.2.1", "--sender", "a@b.example"], "--sender"),
        ([*SESSION, "--domain", "a.example"], "--domain"),
        ([*SESSION, "--sender", "a@b.example"], "--sender"),
        ([*SESSION, "--lookups", "x"], "--lookups"),
        ([*SESSION, "--lookups", "-1"], "--lookups"),
        ([*SESSION, "--void-lookups", "101"], "--void-lookups"),
        ([*SESSION, "--timeout", "0"], "--timeout"),
        ([*SESSION, "--timeout", "nan"], "--timeout"),
        ([*SESSION, "--server", "dns.example"], "--server"),
        ([*SESSION, "--server", "192.0.2.53:0"], "--server"),
        ([*SESSION, "--server", "192.0.2.53", "--zone", ZONE], "--zone"),
        ([*SESSION, "--zone", "/does/not/exist"], "/does/not/exist"),
        ([*SESSION, "--zone", str(ROOT)], str(ROOT)),
        ([*SESSION, "--what\x1b[31m"], "\\x1b"),
        ([*SESSION, "--exit"], "--exit"),  # options have no abbreviations
    ],
)
@pytest.mark.parametrize("command", ["check", "trace"])
def test_unusable_input(capsys: Capture, command: str, arguments: list[str], word: str) -> None:
    assert main([command, *arguments]) == 2
    assert_one_error(capsys, word)


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["--nonsense"], ["check", "extra"]])
def test_unusable_commands(capsys: Capture, arguments: list[str]) -> None:
    assert main(arguments) == 2
    assert_one_error(capsys, "--help")


def test_zone_error_names_file_and_line(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "bad.zone"
    path.write_text("; a comment\na.example. A 192.0.2.1\na.example. A 192.0.2.300\n")
    assert main(["check", *SESSION, "--zone", str(path)]) == 2
    assert_one_error(capsys, f"{path}: line 3: ")


# ---- a file of connections ----------------------------------------------------------------------


def test_connections_give_every_result(capsys: Capture) -> None:
    assert main(["check", "--connections", CONNECTIONS, "--zone", ZONE]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 21
    assert {line.split()[0] for line in lines} == {result for result, *_ in EXAMPLES}


def test_bad_connections_do_not_stop_the_rest(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [
        b"192.0.2.10 mail.plain.example a@plain.example",
        b"192.0.2.300 mail.plain.example a@plain.example",
        b"# 192.0.2.10 mail.plain.example",
        b"",
        b"192.0.2.10 mail.plain.example",
        b"192.0.2.64\tmail.plain.example\tthe user@plain.example\r",
        b"192.0.2.10\tmail.plain.example\t",
        b"\xff\x1b[31m a.example a@plain.example",
        b"192.0.2.64 \xff\x1b[31m <\x07@plain.example>",
    ]
    stdin_of(monkeypatch, b"\n".join(lines))
    assert main(["check", "--connections", "-", "--zone", ZONE]) == 2
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == ["pass", "fail", "pass", "fail"]
    assert "MAIL FROM the user@plain.example" in out
    assert "MAIL FROM postmaster@mail.plain.example" in out
    errors = err.splitlines()
    places = [line.removeprefix("senderid-fast: error: -: ").split(":")[0] for line in errors]
    assert places == ["line 2", "line 5", "line 8"]
    for line in out.splitlines() + errors:
        assert line.isprintable()


def test_connections_as_json(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "connections"
    path.write_text("# one\n192.0.2.10 mail.plain.example a@plain.example\n")
    assert main(["check", "--connections", str(path), "--zone", ZONE, "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    values = json.loads(line)
    assert values["line"] == 2
    assert [each["identity"] for each in values["checks"]] == ["helo", "mailfrom"]
    assert values["result"] == "pass"


@pytest.mark.parametrize(
    "arguments",
    [["--ip", "192.0.2.1"], ["--mail-from", ""], ["--exit-code"], ["--domain", "a.example"]],
)
def test_connections_stand_alone(capsys: Capture, arguments: list[str]) -> None:
    assert main(["check", "--connections", CONNECTIONS, "--zone", ZONE, *arguments]) == 2
    assert_one_error(capsys, "--connections", arguments[0])


def test_connections_that_are_not_there(capsys: Capture) -> None:
    assert main(["check", "--connections", "/does/not/exist", "--zone", ZONE]) == 2
    assert_one_error(capsys, "--connections", "/does/not/exist")


# ---- hostile text -------------------------------------------------------------------------------

HOSTILE = "\x1b[31m\x07\x00\x7f\x9b\u202e\u200b\\"


def assert_harmless(text: str) -> None:
    assert text
    for line in text.splitlines():
        assert line.isprintable(), line


@pytest.mark.parametrize("command", ["check", "trace"])
@pytest.mark.parametrize("output", [[], ["--json"]])
@pytest.mark.parametrize(
    ("helo", "mail_from"),
    [
        (f"mail.{HOSTILE}.example", "a@plain.example"),
        ("mail.plain.example", f"{HOSTILE}@users.example"),
        ("mail.plain.example", f"a@{HOSTILE}.example"),
        (HOSTILE, "<>"),
        ("\udcff\udc9b.example", "\udc80@users.example"),
        ("\n\r.example", "\n\r@users.example"),
    ],
)
def test_hostile_identities(
    capsys: Capture, command: str, output: list[str], helo: str, mail_from: str
) -> None:
    words = [command, "--zone", ZONE, "--ip", "192.0.2.1", *output]
    assert main([*words, "--helo", helo, "--mail-from", mail_from]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert_harmless(out)
    if output:
        json.loads(out)


@pytest.mark.parametrize("command", ["check", "trace"])
def test_hostile_octets_of_a_zone(capsys: Capture, tmp_path: Path, command: str) -> None:
    path = tmp_path / "hostile.zone"
    path.write_text(
        "$ORIGIN hostile.example.\n"
        '@ TXT "v=spf1 exists:%{l}.%{h}.hostile.example include:bad.hostile.example"\n'
        'bad TXT "v=spf1 \\027[31m"\n'
        'x TXT "v=spf1 mx -all exp=why.hostile.example"\n'
        "x MX 1 \\027[31m\\155\\255\n"
        'why TXT "\\027[31m \\155"\n'
    )
    for domain in ("hostile.example", "x.hostile.example", "bad.hostile.example"):
        words = [command, "--zone", str(path), "--ip", "192.0.2.1", "--helo", "\x1b[31m\x9b"]
        assert main([*words, "--mail-from", f"\x1b\x9b@{domain}"]) == 0
        assert_harmless(capsys.readouterr().out)


def test_visible() -> None:
    assert visible("a b\u00e9\\") == "a b\u00e9\\"
    assert visible("\x1b\x00\x7f\n") == "\\x1b\\x00\\x7f\\x0a"
    assert visible("\udcff\ud800\u202e\U000e0001") == "\\xff\\ud800\\u202e\\U000e0001"


def test_shortened() -> None:
    assert shortened("a" * 30, 30) == "a" * 30
    assert shortened("a" * 90, 30) == "a" * 11 + "... (90 characters)"
