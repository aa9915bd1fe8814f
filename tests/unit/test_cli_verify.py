"""senderid-fast verify: what is said of messages, each option, and statuses.

Where messages are found is in test_cli_verify_files.py, bad input in test_cli_verify_input.py.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from senderid_fast.cli import main

ROOT = Path(__file__).parents[2]
ZONE = str(ROOT / "examples" / "example.zone")
MESSAGES = ROOT / "examples" / "messages"
POLICY = str(ROOT / "examples" / "policy.toml")
RELAYS = ["--trusted", "203.0.113.128/28"]
OURS = [*RELAYS, "--authserv-id", "receiver.example"]

Capture = pytest.CaptureFixture[str]


def verify(capsys: Capture, *words: object, status: int = 0) -> list[str]:
    assert main(["verify", "--zone", ZONE, *map(str, words)]) == status
    out, err = capsys.readouterr()
    assert err == ""
    return out.splitlines()


def values(capsys: Capture, *words: object) -> dict[str, Any]:
    (line,) = verify(capsys, "--json", *words)
    found: dict[str, Any] = json.loads(line)
    return found


def eml(tmp_path: Path, octets: bytes, name: str = "message.eml") -> Path:
    path = tmp_path / name
    path.write_bytes(octets)
    return path


def said(lines: list[str], label: str) -> list[str]:
    """What stands behind a label, folded lines left out."""
    return [line[16:] for line in lines if line[4:16].strip() == label and line[:4] == "    "]


# ---- the examples -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "action", "helo", "mail_from", "pra", "header"),
    [
        ("honest", "accept", "pass", "pass", "pass", "from"),
        ("spoofed", "mark", "pass", "pass", "fail", "from"),
        ("forwarded", "mark", "pass", "fail", "pass", "resent-from"),
        ("mailing-list", "accept", "pass", "pass", "pass", "sender"),
    ],
)
def test_examples(
    capsys: Capture, name: str, action: str, helo: str, mail_from: str, pra: str, header: str
) -> None:
    found = values(capsys, *OURS, MESSAGES / f"{name}.eml")
    assert found["decision"]["action"] == action
    checks = found["checks"]
    assert [checks[each]["result"] for each in ("helo", "mail_from", "pra")] == [
        helo,
        mail_from,
        pra,
    ]
    assert found["pra"]["header"] == header
    lines = verify(capsys, *OURS, MESSAGES / f"{name}.eml")
    assert lines[0] == f"{action} ({MESSAGES / name}.eml)"
    assert said(lines, "HELO")[0].startswith(f"{helo}, ")
    assert said(lines, "MAIL FROM")[0].startswith(f"{mail_from}, ")
    assert said(lines, "PRA")[0].startswith(f"{pra}, ")


def test_several_messages(capsys: Capture) -> None:
    lines = verify(capsys, *OURS, MESSAGES / "several.mbox", MESSAGES / "honest.eml")
    heads = [line for line in lines if line and not line.startswith(" ")]
    assert heads == [
        f"mark ({MESSAGES / 'several.mbox'}, message 1)",
        f"mark ({MESSAGES / 'several.mbox'}, message 2)",
        f"accept ({MESSAGES / 'several.mbox'}, message 3)",
        f"accept ({MESSAGES / 'honest.eml'})",
    ]
    assert [line.split(":")[0] for line in said(lines, "PRA")] == [
        "softfail, orders@shop.example (From, field 4)",
        "none",
        "pass, mailer-daemon@mail.plain.example (From, field 4)",
        "pass, alice@plain.example (From, field 4)",
    ]
    assert lines.count("") == 3


def test_fields_to_add_and_to_remove(capsys: Capture) -> None:
    lines = verify(capsys, *OURS, MESSAGES / "spoofed.eml")
    added = said(lines, "add")
    assert len(added) == 2
    assert added[0].startswith("Received-SPF: pass (receiver.example: ")
    assert added[1].startswith("Authentication-Results: receiver.example; spf=pass")
    assert said(lines, "remove") == [
        "field 3, Authentication-Results: receiver.example; spf=pass smtp.mailfrom=plain.example",
        "field 4, X-MS-Exchange-Organization-SCL: -1",
    ]
    found = values(capsys, *OURS, MESSAGES / "spoofed.eml")
    assert [each["name"] for each in found["add"]] == ["Received-SPF", "Authentication-Results"]
    assert [each["field"] for each in found["remove"]] == [3, 4]


def test_the_name_in_fields_is_localhost_by_default(capsys: Capture) -> None:
    found = values(capsys, *RELAYS, MESSAGES / "spoofed.eml")
    assert found["add"][1]["body"].startswith("localhost; ")
    assert "receiver=localhost;" in found["add"][0]["body"]
    assert [each["field"] for each in found["remove"]] == [4]


# ---- who the client is --------------------------------------------------------------------------


def test_the_client_is_behind_the_relays(capsys: Capture) -> None:
    client = values(capsys, *RELAYS, MESSAGES / "honest.eml")["client"]
    assert (client["ip"], client["helo"], client["index"]) == (
        "192.0.2.10",
        "mail.plain.example",
        1,
    )


def test_without_relays_the_topmost_field_is_believed(capsys: Capture) -> None:
    client = values(capsys, MESSAGES / "honest.eml")["client"]
    assert (client["ip"], client["helo"], client["index"]) == (
        "203.0.113.129",
        "mx.receiver.example",
        0,
    )


def test_an_address_that_is_no_relay(capsys: Capture) -> None:
    words = ["--ip", "2001:db8:1::25", "--helo", "mail.plain.example", *RELAYS]
    found = values(capsys, *words, MESSAGES / "honest.eml")
    assert (found["client"]["ip"], found["client"]["helo"]) == (
        "2001:db8:1::25",
        "mail.plain.example",
    )
    assert found["client"]["reason"] == "connection"
    assert found["checks"]["helo"]["result"] == "fail"
    assert found["checks"]["pra"]["mechanism"] == "ip6:2001:db8:1::/48"


def test_an_address_that_is_a_relay(capsys: Capture) -> None:
    words = ["--ip", "127.0.0.1", "--helo", "store.receiver.example", "--trusted", "127.0.0.0/8"]
    client = values(capsys, *words, *RELAYS, MESSAGES / "honest.eml")["client"]
    assert (client["ip"], client["helo"]) == ("192.0.2.10", "mail.plain.example")


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["store.receiver.example", "mx.receiver.example"], "received-field"),
        ([".receiver.example"], "received-field"),
        (["store.receiver.example,mx.receiver.example"], "received-field"),
        (["mx.receiver.example"], "not-our-field"),
        (["mx-1.other.example"], "not-our-field"),
    ],
)
def test_names_of_relays(capsys: Capture, names: list[str], reason: str) -> None:
    words = [word for name in names for word in ("--trusted", name)]
    client = values(capsys, *words, *RELAYS, MESSAGES / "honest.eml")["client"]
    assert client["reason"] == reason


@pytest.mark.parametrize(
    "entry", ["203.0.113.129", "203.0.113.128-203.0.113.130", "::ffff:203.0.113.129"]
)
def test_addresses_of_relays(capsys: Capture, entry: str) -> None:
    client = values(capsys, "--trusted", entry, MESSAGES / "honest.eml")["client"]
    assert client["ip"] == "192.0.2.10"


def test_no_client_is_no_check(capsys: Capture) -> None:
    words = [*OURS, "--trusted", "192.0.2.10", MESSAGES / "honest.eml"]
    lines = verify(capsys, *words, "--exit-code")
    why = "no Received field shows an outside client"
    assert said(lines, "why") == [f"not checked: {why}"]
    assert said(lines, "client")[0].startswith("none: ")
    assert said(lines, "HELO") == []
    assert said(lines, "MAIL FROM") == ["not checked, <alice@plain.example> (Return-Path, field 0)"]
    assert said(lines, "PRA") == ["not checked, alice@plain.example (From, field 4)"]
    stamp = f"receiver.example; none (not checked: {why})"
    shown = values(capsys, *words)
    assert shown["add"] == [{"name": "Authentication-Results", "body": stamp}]
    assert shown["checks"] == {"helo": None, "mail_from": None, "pra": None}
    lines = verify(capsys, *words, "--exchange")
    assert said(lines, "why") == ["not checked: the message has no source address"]
    assert said(lines, "add")[0].startswith("Authentication-Results: receiver.example; none (not")


# ---- the reverse-path ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "path", "at"),
    [
        (b"Return-Path: <a@plain.example>\n", "<a@plain.example>", 0),
        (b"X: y\nreturn-path : <a@b> (note)\nReturn-Path: <c@d>\n", "<a@b>", 1),
        (b"Return-Path:\r\n <a@plain.example>\r\n", "<a@plain.example>", 0),
        (b"Return-Path: a@plain.example\n", "a@plain.example", 0),
        (b"Return-Path: <>\n", "<>", 0),
        (b"Return-Path: \nReturn-Path: <c@d>\n", None, None),
        (b"X-Return-Path: <a@b>\n", None, None),
    ],
)
def test_return_path(
    capsys: Capture, tmp_path: Path, fields: bytes, path: str | None, at: int | None
) -> None:
    message = eml(tmp_path, fields + b"From: a@plain.example\n\nReturn-Path: <x@y>\n")
    words = ["--ip", "192.0.2.10", "--helo", "mail.plain.example", message]
    found = values(capsys, *words)
    assert (found["mail_from"], found["return_path_field"]) == (path, at)
    if path is None:
        # It is not known, so it is not the null reverse-path.
        assert found["checks"]["mail_from"] is None
        assert "identity=helo" in found["add"][0]["body"]
        assert "envelope-from" not in found["add"][0]["body"]
        shown = said(verify(capsys, *words), "MAIL FROM")
        assert shown == ["not known: there is no Return-Path field (see --mail-from)"]


def test_mail_from_given(capsys: Capture) -> None:
    words = [*OURS, MESSAGES / "honest.eml"]
    found = values(capsys, "--mail-from", "x@shop.example", *words)
    assert (found["mail_from"], found["return_path_field"]) == ("x@shop.example", None)
    assert found["checks"]["mail_from"]["result"] == "softfail"
    lines = verify(capsys, "--mail-from", "<>", *words)
    assert said(lines, "MAIL FROM")[0].startswith("pass, postmaster@mail.plain.example: ")


def test_null_reverse_path_without_helo(capsys: Capture) -> None:
    lines = verify(capsys, "--ip", "192.0.2.10", "--mail-from", "<>", MESSAGES / "honest.eml")
    assert said(lines, "HELO") == ["none: the session gave no domain to check"]
    assert said(lines, "MAIL FROM") == ["none, <>: the session gave no domain to check"]


# ---- the PRA ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (b"X: y", "there is no Resent-Sender, Resent-From, Sender or From with text"),
        (b"From: a@b.example\nFrom: c@d.example", "there is more than one From field"),
        (b"Sender: a@b.example\nSender: c@d.example", "there is more than one Sender field"),
        (b"From: a@b.example, c@d.example", "From (field 0) has more than one mailbox"),
        (b"X: y\nResent-From: root", "Resent-From (field 1) has a mailbox without a domain name"),
        (b"From: us: a@b.example;", "From (field 0) has a group in place of a mailbox"),
        (b"Sender: <<>>", "Sender (field 0) cannot be read as a mailbox"),
    ],
)
def test_no_pra(capsys: Capture, tmp_path: Path, header: bytes, why: str) -> None:
    message = eml(tmp_path, header + b"\n\n")
    lines = verify(capsys, "--ip", "192.0.2.1", message)
    assert said(lines, "PRA") == [f"none: {why} (RFC 4407 2)"]
    found = values(capsys, "--ip", "192.0.2.1", message)
    assert (found["pra"], found["no_pra"]) == (None, why)
    assert found["decision"]["reason"] == "no_pra = mark"


def test_a_line_that_ends_the_header(capsys: Capture, tmp_path: Path) -> None:
    message = eml(tmp_path, b"X: y\nthis is no field\nFrom: a@plain.example\n\nbody\n")
    lines = verify(capsys, "--ip", "192.0.2.1", message)
    assert said(lines, "note") == ["a line that is no field ends the header, at octet 5"]
    assert values(capsys, "--ip", "192.0.2.1", message)["junk_at"] == 5
    assert values(capsys, *OURS, MESSAGES / "honest.eml")["junk_at"] is None


# ---- decisions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "name", "action", "status"),
    [
        ([], "honest", "accept", 0),
        ([], "spoofed", "mark", 10),
        (["--policy", POLICY], "spoofed", "reject", 13),
        (["--policy", POLICY], "forwarded", "accept", 0),
        (["--exchange"], "spoofed", "mark", 10),
        (["--exchange"], "forwarded", "mark", 10),
    ],
)
def test_actions_and_their_statuses(
    capsys: Capture, words: list[str], name: str, action: str, status: int
) -> None:
    message = MESSAGES / f"{name}.eml"
    assert verify(capsys, *OURS, *words, message)[0].startswith(f"{action} (")
    verify(capsys, *OURS, *words, message, "--exit-code", status=status)
    verify(capsys, *OURS, *words, message, "--exit-code", "--json", status=status)


def test_the_strictest_action_is_the_status(capsys: Capture) -> None:
    names = [MESSAGES / f"{name}.eml" for name in ("honest", "spoofed", "mailing-list")]
    verify(capsys, *OURS, "--policy", POLICY, *names, "--exit-code", status=13)


@pytest.mark.parametrize(
    ("text", "action", "status"),
    [
        ("pra = { fail = 'discard' }", "discard", 12),
        ("pra = { fail = 'defer' }", "defer", 11),
        ("test_only = true\npra = { fail = 'reject' }", "accept", 0),
    ],
)
def test_policies(capsys: Capture, tmp_path: Path, text: str, action: str, status: int) -> None:
    policy = eml(tmp_path, text.encode(), "policy.toml")
    words = [*OURS, "--policy", policy, MESSAGES / "spoofed.eml", "--exit-code"]
    lines = verify(capsys, *words, status=status)
    assert lines[0].startswith(f"{action} (")
    assert len(said(lines, "reply")) == (action == "defer")
    assert len(said(lines, "would reply")) == ("test_only" in text)


def test_the_policy_in_the_document_is_that_of_the_examples() -> None:
    document = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    _, _, block = document.partition("```toml\n")
    policy = Path(POLICY).read_text("utf-8")
    assert tomllib.loads(block.partition("```")[0]) == tomllib.loads(policy)


def test_reply(capsys: Capture) -> None:
    words = [*OURS, "--policy", POLICY, MESSAGES / "spoofed.eml"]
    assert said(verify(capsys, *words), "reply")[0].startswith("550 5.7.1 Sender ID (PRA) ")
    reply = values(capsys, *words)["decision"]["reply"]
    assert (reply["code"], reply["enhanced"]) == (550, "5.7.1")


def test_policy_against_advice(capsys: Capture, tmp_path: Path) -> None:
    policy = eml(tmp_path, b"pra = { softfail = 'reject' }", "policy.toml")
    words = ["verify", "--zone", ZONE, *OURS, "--policy", str(policy)]
    assert main([*words, str(MESSAGES / "honest.eml")]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("accept ")
    assert err.startswith(f"senderid-fast: warning: {policy}: pra.softfail is reject: ")


def test_exchange(capsys: Capture) -> None:
    found = values(capsys, *OURS, "--exchange", MESSAGES / "spoofed.eml")
    assert found["decision"]["status"] == "Fail"
    assert found["decision"]["fail_reason"] == "NotPermitted"
    assert found["add"][2:] == [
        {"name": "X-MS-Exchange-Organization-SenderIdResult", "body": "Fail"},
        {"name": "X-MS-Exchange-Organization-PRD", "body": "plain.example"},
    ]
    assert "X-MS-" not in "".join(
        each["name"] for each in values(capsys, *OURS, MESSAGES / "spoofed.eml")["add"]
    )
