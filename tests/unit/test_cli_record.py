"""senderid-fast record: sentences, the caret, and where the record comes from."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senderid_fast import RecordSyntaxError, parse_record
from senderid_fast.cli import main
from senderid_fast.cli.meanings import hints, lookup_terms, meanings
from senderid_fast.cli.output import octets_shown
from senderid_fast.cli.record import CARET_COLUMNS, caret_view

ROOT = Path(__file__).parents[2]
ZONE = str(ROOT / "examples" / "example.zone")

Capture = pytest.CaptureFixture[str]


def stdin_of(monkeypatch: pytest.MonkeyPatch, octets: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(octets), encoding="utf-8"))


# ---- what a term means --------------------------------------------------------------------------

THIS = "the domain being checked"
NEAR = "pass if the client's address is in the same"


@pytest.mark.parametrize(
    ("term", "sentence", "section", "defaults"),
    [
        ("all", "pass for every address that comes this far", "5.1", ['qualifier "+"']),
        ("-all", "fail for every address that comes this far", "5.1", []),
        (
            "?include:a.example",
            "neutral if the record of a.example gives pass; "
            "fail, softfail and neutral are no match",
            "5.2",
            [],
        ),
        (
            "~a",
            f"softfail if the client's address is an address of {THIS}",
            "5.3",
            [THIS, "/32 for IPv4", "/128 for IPv6"],
        ),
        (
            "+a:b.example/32//128",
            "pass if the client's address is an address of b.example",
            "5.3",
            [],
        ),
        (
            "+a:b.example/24",
            f"{NEAR} /24 (IPv4) network as an address of b.example",
            "5.3",
            ["/128 for IPv6"],
        ),
        (
            "+mx//64",
            f"{NEAR} /64 (IPv6) network as an address of a mail server of {THIS}",
            "5.4",
            [THIS, "/32 for IPv4"],
        ),
        (
            "+mx/0//0",
            f"{NEAR} /0 (IPv4) or /0 (IPv6) network as an address of a mail server of {THIS}",
            "5.4",
            [THIS],
        ),
        (
            "-ptr",
            f"fail if a validated host name of the client is {THIS} or below it",
            "5.5",
            [THIS],
        ),
        ("+ip4:192.0.2.1", "pass if the client's address is 192.0.2.1", "5.6", ["/32"]),
        ("+ip4:192.0.2.1/32", "pass if the client's address is 192.0.2.1", "5.6", []),
        (
            "+ip4:192.0.2.0/24",
            "pass if the client's address is in the network 192.0.2.0/24",
            "5.6",
            [],
        ),
        ("+ip6:2001:DB8::1", "pass if the client's address is 2001:db8::1", "5.6", ["/128"]),
        (
            "+ip6:2001:db8::/32",
            "pass if the client's address is in the network 2001:db8::/32",
            "5.6",
            [],
        ),
        (
            "+exists:%{IR}.%{i2}.%{L-}.b.example",
            "pass if the name %{IR}.%{i2}.%{L-}.b.example (i is the client's address, l is the "
            "sender's local part) has an A record, whatever its address",
            "5.7",
            [],
        ),
        (
            "redirect=b.example",
            "if nothing matches, the record of b.example decides in place of this one",
            "6.1",
            [],
        ),
        ("EXP=b.example", "after fail, a text at b.example explains it to the sender", "6.2", []),
        ("x=y", "an unknown modifier, which is ignored", "6", []),
    ],
)
def test_meanings(term: str, sentence: str, section: str, defaults: list[str]) -> None:
    (meaning,) = meanings(parse_record(f"v=spf1 {term}"))
    assert meaning.sentence == sentence
    assert meaning.section == f"RFC 7208 {section}"
    assert list(meaning.defaults) == defaults


def test_what_all_makes_of_other_terms() -> None:
    record = parse_record("v=spf1 redirect=a.example a all mx exp=b.example")
    assert [(each.sentence.split(",")[0], each.lookup) for each in meanings(record)] == [
        ("ignored", False),
        (f"pass if the client's address is an address of {THIS}", True),
        ("pass for every address that comes this far", False),
        ("never reached", False),
        ("after fail", False),
    ]


def test_hints() -> None:
    assert hints(parse_record("v=spf1 mx -all")) == []
    ten = parse_record("v=spf1" + " a" * 9 + " redirect=x.example")
    assert lookup_terms(ten) == 10
    assert hints(ten) == []
    (hint,) = hints(parse_record("v=spf1" + " a" * 10 + " redirect=x.example"))
    assert hint.startswith("11 terms of this record alone ask DNS")
    (hint,) = hints(parse_record("v=spf1 PTR:a.example -all"))
    assert "RFC 7208 5.5" in hint
    (hint,) = hints(parse_record("v=spf1 exists:%{P2}.a.example -all"))
    assert "RFC 7208 7.3" in hint


def test_a_valid_record(capsys: Capture) -> None:
    assert main(["record", "v=spf1 mx ?ptr"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("valid: the record; terms: 2, of which ask DNS: 2 (")
    assert lines[lines.index("(end)") + 1] == "    neutral, if nothing matches"
    assert lines[-1].startswith("hint: ptr ")


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("spf2.0/mfrom,pra", "Sender ID, scopes mfrom, pra (RFC 4406 3.1)"),
        ("spf2.0/other", "Sender ID, scopes unknown (RFC 4406 3.1)"),
        ("V=SPF1", "SPF (RFC 7208 4.5)"),
    ],
)
def test_versions(capsys: Capture, version: str, said: str) -> None:
    assert main(["record", f"{version} -all"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[lines.index(version.lower()) + 1] == f"    version, for {said}"


def test_json(capsys: Capture) -> None:
    assert main(["record", "v=spf1 mx/24 -all", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["valid"] is True
    assert values["lookup_terms"] == 1
    assert [term["text"] for term in values["terms"]] == ["mx/24", "-all"]
    assert values["terms"][0]["prefix4"] == 24
    assert main(["record", "v=spf1 mx/240 -all", "--json"]) == 1
    values = json.loads(capsys.readouterr().out)
    assert values["valid"] is False
    assert values["record"] == "v=spf1 mx/240 -all"
    assert values["error"]["offset"] == 10
    assert values["error"]["section"] == "RFC 7208 5.6"


# ---- the caret ----------------------------------------------------------------------------------

FILLER = " ".join(["ip4:192.0.2.0/24"] * 30)


@pytest.mark.parametrize(
    "record",
    [
        "",
        "v=spf2",
        "v=spf1 mx:",
        "v=spf1 a mx/33 -all",
        "v=spf1 -all:",
        "v=spf1 exists:%{x}.a.example",
        "v=spf1 exists:%{i",
        "v=spf1 redirect=a.example redirect=b.example",
        f"v=spf1 {FILLER} mx: {FILLER}",
        f"v=spf1 mx: {FILLER}",
        f"v=spf1 {FILLER} mx:",
        f"v=spf1 {FILLER} \x01\x02 {FILLER}",
        "v=spf1 \x1b[31m -all",
        "v=spf1 a\u00e9.example -all",
        "v=spf1\ta",
        "v=spf1 " + "\x01" * 200,
        "v=spf1 " + "a" * 70_000,
    ],
)
def test_the_caret_stands_under_the_octet(capsys: Capture, record: str) -> None:
    octets = record.encode()
    with pytest.raises(RecordSyntaxError) as caught:
        parse_record(octets)
    error = caught.value
    assert main(["record", record]) == 1
    out, err = capsys.readouterr()
    assert err == ""
    said, line, caret, where = out.splitlines()
    assert said == f"syntax error in the record: {error.problem}"
    assert f"at octet {error.offset}, counted from 0" in where
    assert where.endswith(f"({error.section})")
    assert re.fullmatch(" *\\^", caret)
    assert max(len(line), len(caret) - 1) <= 80
    assert all(each.isprintable() for each in (said, line, caret, where))
    behind = line[len(caret) - 1 :].removesuffix("...")
    expected = "".join(octets_shown(octets[error.offset : error.offset + 80]))
    assert expected.startswith(behind)
    assert behind or error.offset == len(octets)


@given(st.binary(max_size=400), st.data())
def test_caret_view(record: bytes, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(record)))
    line, caret = caret_view(record, offset)
    assert caret.strip(" ") == "^"
    column = len(caret) - 1
    assert len(line) <= CARET_COLUMNS
    assert column <= CARET_COLUMNS
    assert line.isprintable()
    shown = octets_shown(record)
    if sum(map(len, shown)) <= CARET_COLUMNS:
        assert line == "".join(shown)
        assert column == sum(map(len, shown[:offset]))
        return
    head = "..." if line.startswith("...") and column >= 3 else ""
    before, behind = line[len(head) : column], line[column:].removesuffix("...")
    assert "".join(shown[:offset]).endswith(before)
    assert "".join(shown[offset : offset + 80]).startswith(behind)
    assert offset == len(record) or behind.startswith(shown[offset])
    assert len(line) > CARET_COLUMNS - 8  # the window is used


# ---- where the record comes from ----------------------------------------------------------------


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_standard_input(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: bytes
) -> None:
    for arguments in ([], ["--file", "-"]):
        stdin_of(monkeypatch, b"v=spf1 mx -all" + end)
        assert main(["record", *arguments]) == 0
        assert capsys.readouterr().out.startswith("valid: the record; terms: 2")
    path = tmp_path / "record"
    path.write_bytes(b"v=spf1 mx -all" + end)
    assert main(["record", "--file", str(path)]) == 0
    assert capsys.readouterr().out.startswith("valid: the record; terms: 2")


def test_only_one_end_of_line_is_taken_off(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin_of(monkeypatch, b"v=spf1 mx\n\n")
    assert main(["record"]) == 1
    assert "    v=spf1 mx\\x0a\n             ^\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--file", "/does/not/exist"], "/does/not/exist"),
        (["v=spf1", "--file", "-"], "--file"),
        (["v=spf1", "--zone", ZONE], "--zone"),
        (["v=spf1", "--server", "192.0.2.53"], "--server"),
        (["v=spf1", "mx"], "mx"),
        (["--domain", ""], "--domain"),
        (["--domain", "a.example", "--server", "x"], "--server"),
        (["--domain", "a.example", "--timeout", "-1"], "--timeout"),
        (["--domain", "a.example", "--zone", "/does/not/exist"], "/does/not/exist"),
    ],
)
def test_unusable_input(capsys: Capture, arguments: list[str], word: str) -> None:
    assert main(["record", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("senderid-fast: error: ")
    assert err.count("\n") == 1
    assert word in err


@pytest.mark.parametrize(
    ("domain", "status", "first"),
    [
        ("plain.example", 0, "valid: the record of plain.example; terms: 3, of which ask DNS: 0"),
        ("PLAIN.example.", 0, "valid: the record of plain.example;"),
        ("broken.example", 1, "syntax error in the record of broken.example: after"),
        ("silent.example", 1, "none: silent.example has no SPF record (RFC 7208 4.5)"),
        ("nowhere.example", 1, "none: nowhere.example does not exist (RFC 7208 4.3)"),
        ("b\u00fccher.example", 1, "none: xn--bcher-kva.example does not exist (RFC 7208 4.3)"),
        ("twice.example", 1, "permerror: twice.example has 2 SPF records where one may stand"),
        ("alias.failing.example", 1, "temperror: servfail for alias.failing.example TXT: the"),
        ("\x1b[31m.example", 1, "none: \\x1b[31m.example does not exist (RFC 7208 4.3)"),
    ],
)
def test_domains(capsys: Capture, domain: str, status: int, first: str) -> None:
    words = ["record", "--zone", ZONE, "--domain", domain]
    assert main(words) == status
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith(first)
    assert main([*words, "--json"]) == status
    assert json.loads(capsys.readouterr().out)["valid"] is (status == 0)


def test_server(capsys: Capture) -> None:
    words = ["record", "--domain", "a.example", "--server", "127.0.0.1:1", "--timeout", "1"]
    assert main(words) == 1
    assert capsys.readouterr().out.startswith("temperror: error for a.example TXT: 127.0.0.1:1 ")
