"""The examples that --help shows: each of them does what it says, over files with those names.

DNS is a zone, /var and /etc are folders of the test, a cache that machines share is one of this
machine, and a service only looks whether it could start: else it would not end.
"""

from __future__ import annotations

import argparse
import io
import re
import shlex
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from senderid_fast.cli import main, parser
from senderid_fast.rows.formats import open_sink

EXAMPLES = Path(__file__).parents[2] / "examples"
ZONE = """\
example.com. 300 IN TXT "v=spf1 mx -all"
example.com. 300 IN MX 10 mail.example.com.
mail.example.com. 300 IN A 192.0.2.1
example.com. 300 IN TXT "spf2.0/pra mx -all"
"""
MESSAGE = """\
Return-Path: <user@example.com>
Received: from mail.example.com ([192.0.2.1]) by mx.example.com; Tue, 03 Mar 2026 12:00:00 +0000
From: user@example.com

text
"""
SERVICES = ("milter", "policyd")


def commands(top: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found: dict[str, argparse.ArgumentParser] = {}
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, each in action.choices.items():
                found[name] = each
                found.update({f"{name} {inner}": one for inner, one in commands(each).items()})
    return found


def examples() -> list[str]:
    """Every line of every help's examples, in one order."""
    lines = []
    for each in (parser(), *commands(parser()).values()):
        _, _, shown = (each.epilog or "").partition("examples:\n")
        text = shown.replace("\\\n", " ")
        lines += [line.strip() for line in text.splitlines() if "senderid-fast " in line[:20]]
    return list(dict.fromkeys(re.sub(r" +", " ", line) for line in lines))


def words_of(line: str, folder: Path) -> tuple[list[str], str | None, str | None]:
    """The words of a command, what its standard input is and where its output goes."""
    words = shlex.split(line)[1:]
    redirected: dict[str, str | None] = {"<": None, ">": None}
    for sign in redirected:
        if sign in words:
            at = words.index(sign)
            redirected[sign] = words[at + 1]
            del words[at : at + 2]
    moved = [re.sub(r"(?<![\w.])(~|/var|/etc)/", f"{folder}/", word) for word in words]
    if "--server" in moved:
        at = moved.index("--server")
        del moved[at : at + 2]
    sources = {"--zone", "--answers", "--file"} & set(moved)
    asks = moved[0] in ("check", "trace", "verify", "batch", "cache") or "--domain" in moved
    if asks and not sources and moved[:2] not in (["cache", "stats"], ["cache", "get"]):
        moved += [] if moved[:2] == ["cache", "purge"] else ["--zone", "example.zone"]
    return moved, redirected["<"], redirected[">"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files with the names that the examples use, in a folder that commands run in."""
    for name in ("log", "cache", "senderid-fast", "Maildir/cur", "Maildir/new", "Maildir/tmp"):
        (tmp_path / name).mkdir(parents=True)
    for name, text in {
        "example.zone": ZONE,
        "message.eml": MESSAGE,
        "message": MESSAGE,
        "archive.mbox": f"From user@example.com Tue Mar  3 12:00:00 2026\n{MESSAGE}",
        "Maildir/cur/1": MESSAGE,
        "record.txt": "v=spf1 mx -all\n",
        "domains.txt": "example.com\n",
        "connections.tsv": "192.0.2.1\tmail.example.com\tuser@example.com\n",
        "mail.csv": "client,helo,sender\n192.0.2.1,mail.example.com,user@example.com\n",
    }.items():
        (tmp_path / name).write_text(text)
    for name, original in {
        "policy.toml": "policy.toml",
        "new.toml": "senderid-fast.toml",
        "senderid-fast/senderid-fast.toml": "senderid-fast.toml",
        "log/mail.log": "logs/postfix.log",
    }.items():
        (tmp_path / name).write_bytes((EXAMPLES / original).read_bytes())
    rows = {"ip": ["192.0.2.1"], "helo": ["mail.example.com"], "mail_from": ["user@example.com"]}
    batch = pa.record_batch(rows)
    for name in ("rows.parquet", "rows.csv", "rows.jsonl"):
        sink = open_sink(tmp_path / name, batch.schema)
        sink.write(batch)
        sink.close()
    monkeypatch.chdir(tmp_path)
    saved = ["--zone", "example.zone", "--quiet", "-o"]
    for day in ("monday", "tuesday"):
        assert main(["batch", "rows.parquet", *saved, f"{day}.parquet"]) == 0
    kept = ["--save-answers", "answers.arrows"]
    assert main(["batch", "rows.csv", *saved, "first.csv", *kept]) == 0
    for name in ("answers.arrows", "first.csv"):
        (tmp_path / name).rename(tmp_path / f"kept-{name}")
    return tmp_path


@pytest.mark.parametrize("line", examples())
def test_an_example_of_the_help(
    line: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words, source, target = words_of(line, folder)
    if words[0] in SERVICES and "--check" not in words:
        words.append("--check")
    if words in (["config", "check"], ["config", "show"]):
        words.append("new.toml")  # in place of the one in /etc
    if "valkey" in line:
        words = [
            re.sub(r"valkeys?://.*", f"lmdb:{folder}/cache/senderid-fast", each) for each in words
        ]
    if words[0] == "compare" and "--answers" in words:
        (folder / "kept-answers.arrows").rename(folder / "answers.arrows")
    if words[:2] in (["cache", "stats"], ["cache", "get"], ["cache", "purge"], ["cache", "list"]):
        made = ["cache", "warm", "domains.txt", "--zone", "example.zone", "--cache"]
        assert main([*made, f"lmdb:{folder}/cache/senderid-fast"]) == 0
    if source is not None:
        octets = (folder / source).read_bytes()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(octets)))
    capsys.readouterr()
    assert main(words) == 0, capsys.readouterr().err
    out, err = capsys.readouterr()
    assert "error" not in err
    if "--check" not in words:
        assert out or "-o" in words
    if target is not None:
        assert out
