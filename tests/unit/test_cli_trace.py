"""senderid-fast trace: the tree, the counts, and the mark on the term that decided."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from senderid_fast.cli import main
from senderid_fast.cli.trace import ASCII, UNICODE, drawing_for

ROOT = Path(__file__).parents[2]
EXAMPLE = str(ROOT / "examples" / "example.zone")
MARK = UNICODE.decided
NETWORKS = " ".join(f"ip4:192.0.2.{number}" for number in range(14))

ZONE = f"""\
$ORIGIN example.
match TXT "v=spf1 ip4:198.51.100.1 -all"
redirect TXT "v=spf1 a:nothing.example redirect=match.example"
default TXT "v=spf1 ip4:198.51.100.1"
to-default TXT "v=spf1 redirect=default.example"
to-nowhere TXT "v=spf1 redirect=nowhere.example"
to-no-name TXT "v=spf1 redirect=x..%{{l}}"
included TXT "v=spf1 include:redirect.example ?include:pass.example ~all"
pass TXT "v=spf1 +all"
missing TXT "v=spf1 include:nowhere.example -all"
inner TXT "v=spf1 include:missing.example -all"
broken TXT "v=spf1 mx: -all"
of-broken TXT "v=spf1 include:broken.example -all"
voids TXT "v=spf1 a:1.void.example mx:2.void.example exists:3.void.example -all"
networks TXT "v=spf1 {NETWORKS} -all"
many TXT "v=spf1 a:hosts.example -all"
names TXT "v=spf1 exists:%{{l}}.%{{h}}.example -all"
""" + "".join(f"hosts A 198.51.100.{number}\n" for number in range(1, 8))

Capture = pytest.CaptureFixture[str]
Run = Callable[..., list[str]]


@pytest.fixture
def trace(capsys: Capture, tmp_path: Path) -> Run:
    path = tmp_path / "test.zone"
    path.write_text(ZONE)

    def run(domain: str, *arguments: str) -> list[str]:
        words = ["trace", "--zone", str(path), "--ip", "192.0.2.200", "--domain", domain]
        assert main([*words, *arguments]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return out.splitlines()

    return run


@pytest.mark.parametrize(
    ("domain", "result", "decided"),
    [
        ("match.example", "fail", "-all: match"),
        ("redirect.example", "fail", "-all: match"),
        ("default.example", "neutral", None),
        ("to-default.example", "neutral", None),
        ("to-nowhere.example", "permerror", "redirect=nowhere.example: followed  [lookup 1 of 10]"),
        ("to-no-name.example", "permerror", "redirect=x..%{l}: error  [lookup 1 of 10]"),
        (
            "included.example",
            "neutral",
            "?include:pass.example: match  [lookup 4 of 10]",
        ),
        ("missing.example", "permerror", "include:nowhere.example: error  [lookup 1 of 10]"),
        ("inner.example", "permerror", "include:nowhere.example: error  [lookup 2 of 10]"),
        ("of-broken.example", "permerror", "include:broken.example: error  [lookup 1 of 10]"),
        ("broken.example", "permerror", None),
        ("nowhere.example", "none", None),
        (
            "voids.example",
            "permerror",
            "exists:3.void.example: error  [lookup 3 of 10]  [void lookup 3 of 2]",
        ),
    ],
)
def test_the_term_that_decided(trace: Run, domain: str, result: str, decided: str | None) -> None:
    lines = trace(domain)
    marked = [line for line in lines if MARK in line]
    if decided is None:
        assert marked == []
    else:
        (line,) = marked
        assert line.lstrip("├└─│ ") == f"{decided}  {MARK}"
    verdict = lines[lines.index("") + 1 :]
    assert verdict[0] == f"{result} (check_host(), domain {domain})"
    assert lines[1].startswith(f"└─ check_host {domain}: {result}")


def test_the_mark_names_the_mechanism_of_the_verdict(trace: Run) -> None:
    for domain in ("match", "redirect", "included", "missing", "inner", "voids"):
        lines = trace(f"{domain}.example")
        (marked,) = (line for line in lines if MARK in line)
        (mechanism,) = (line.split()[1] for line in lines if line.startswith("    mechanism "))
        assert marked.lstrip("├└─│ ").startswith(f"{mechanism}: ")


def test_long_runs_are_shortened(trace: Run) -> None:
    lines = [line.lstrip("├└─│ ") for line in trace("networks.example")]
    start = lines.index("ip4:192.0.2.0: no match")
    assert lines[start + 1 : start + 3] == [
        "... 12 more terms: no match",
        "ip4:192.0.2.13: no match",
    ]
    record = next(line for line in lines if line.startswith("record "))
    assert len(record) == len("record ") + 100
    assert record.endswith("characters)")
    many = trace("many.example")
    (asked,) = (line for line in many if "hosts.example A" in line)
    assert asked.endswith("198.51.100.4, 3 more")


def test_hostile_octets(trace: Run) -> None:
    options = ["--helo", "\x1b[31m", "--sender", "\x07@names.example"]
    lines = trace("names.example", *options)
    assert all(line.isprintable() for line in lines)
    assert any("asked \\x07.\\x1b[31m.example A: nxdomain" in line for line in lines)


def test_no_question(trace: Run) -> None:
    lines = trace("localhost")
    assert lines[1] == "└─ no question was needed"


def test_json(trace: Run) -> None:
    values = json.loads("\n".join(trace("included.example", "--json")))
    assert values["result"] == "neutral"
    (only,) = values["traces"]
    assert only["verdict"]["result"] == "neutral"
    assert only["steps"][0]["kind"] == "host"


def test_both_identities_end_with_the_final_one(capsys: Capture) -> None:
    words = ["trace", "--zone", EXAMPLE, "--ip", "192.0.2.90", "--helo", "mail.plain.example"]
    assert main([*words, "--mail-from", "a@strict.example", "--exit-code"]) == 0
    blocks = capsys.readouterr().out.split("\n\n")
    assert [block.split("\n")[0] for block in blocks] == [
        "HELO mail.plain.example",
        "fail (HELO, domain mail.plain.example)",
        "MAIL FROM a@strict.example",
        "pass (MAIL FROM, domain strict.example)",
    ]


def test_drawings() -> None:
    assert drawing_for("utf-8") is UNICODE
    for encoding in ("ascii", "latin-1", "nonsense", None):
        assert drawing_for(encoding) is ASCII


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_process_draws_what_its_output_can_hold(encoding: str) -> None:
    words = [
        "trace",
        "--zone",
        EXAMPLE,
        "--ip",
        "192.0.2.90",
        "--mail-from",
        "\u20ac@strict.example",
    ]
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "senderid_fast", *words],
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "1"},
        capture_output=True,
        check=True,
        cwd=ROOT,
    )
    text = run.stdout.decode(encoding)
    drawing = UNICODE if encoding == "utf-8" else ASCII
    assert f"{drawing.last}check_host strict.example: pass (matched)\n" in text
    assert f"  {drawing.decided}\n" in text
    sender = "\u20ac" if encoding == "utf-8" else "\\u20ac"
    assert f"    sender        {sender}@strict.example\n" in text
