"""senderid-fast compare: two outputs, and what other answers would change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

import senderid_fast as sf
from senderid_fast.cli import main

ZONE = """\
$ORIGIN a.example.
@ TXT "v=spf1 ip4:192.0.2.1 ~all"
"""
HEADER = "ip,helo,mail_from"
ROWS = ["192.0.2.1,h.example,u@a.example", "192.0.2.2,h.example,u@a.example"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("a.zone").write_text(ZONE)
    Path("rows.csv").write_text("\n".join([HEADER, *ROWS, ""]))
    outputs = {
        "before": ("pass", "softfail"),
        "same": ("pass", "softfail"),
        "after": ("pass", "fail"),
    }
    for name, results in outputs.items():
        lines = [f"{row},{result},a.example" for row, result in zip(ROWS, results, strict=True)]
        Path(f"{name}.csv").write_text("\n".join([f"{HEADER},spf_result,spf_domain", *lines, ""]))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(["compare", *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


WHAT_IF = ("rows.csv", "--answers", "a.zone", "--publish", 'a.example TXT "v=spf1 -all"')


@pytest.mark.usefixtures("folder")
class TestCompare:
    def test_two_outputs(self, capsys: pytest.CaptureFixture[str]) -> None:
        status, out, err = run(capsys, "before.csv", "after.csv")
        assert (status, err) == (0, "")
        assert out.startswith("2 rows, 1 with another result\n")
        assert "softfail  -> fail       changed" in out
        assert "          1  a.example\n" in out
        assert "row 1, SPF: 192.0.2.2  h.example  u@a.example" in out

    def test_statuses(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(capsys, "before.csv", "after.csv", "--exit-code")[0] == 3
        status, out, _ = run(capsys, "before.csv", "same.csv", "--exit-code")
        assert (status, out.splitlines()[0]) == (0, "2 rows, 0 with another result")

    def test_formats_may_differ(self, capsys: pytest.CaptureFixture[str]) -> None:
        from pyarrow import csv

        parquet.write_table(csv.read_csv("after.csv"), "after.parquet")
        status, out, _ = run(capsys, "before.csv", "after.parquet", "--json")
        found: dict[str, Any] = json.loads(out)
        assert (status, found["rows"], found["changed"]) == (0, 2, 1)
        assert found["domains"] == [{"domain": "a.example", "changes": 1}]

    def test_what_if(self, capsys: pytest.CaptureFixture[str]) -> None:
        status, out, err = run(capsys, *WHAT_IF, "--json", "--examples", "1")
        assert (status, err) == (0, "")
        found: dict[str, Any] = json.loads(out)
        assert found["results"]["spf"] == [
            {"before": "pass", "after": "fail", "rows": 1},
            {"before": "softfail", "after": "fail", "rows": 1},
        ]
        assert [each["row"] for each in found["examples"]] == [0]
        assert found["examples"][0]["after"]["mechanism"] == "-all"

    def test_other_answers(self, capsys: pytest.CaptureFixture[str]) -> None:
        Path("b.zone").write_text(ZONE.replace("~all", "?all"))
        saved = sf.AnswerSet.read("a.zone")
        saved.write("saved.arrows")
        status, out, _ = run(capsys, "rows.csv", "--answers", "saved.arrows", "--with", "b.zone")
        assert status == 0
        assert "softfail  -> neutral    changed" in out

    def test_names_of_strangers_do_not_reach_the_terminal(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for name in ("before", "after"):
            path = Path(f"{name}.csv")
            path.write_text(path.read_text().replace("h.example", "h\x1b[31m"))
        _, out, _ = run(capsys, "before.csv", "after.csv")
        assert "\x1b" not in out
        assert "h\\x1b[31m" in out

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("before.csv",), "AFTER: is needed"),
            (("rows.csv", "rows.csv"), "must both have one of the columns spf_result"),
            (("before.csv", "rows.csv"), "must both have one of the columns spf_result"),
            (("before.csv", "nowhere.csv"), "nowhere.csv"),
            (("before.csv", "after.csv", "--with", "a.zone"), "--with: is for --answers"),
            (("before.csv", "after.csv", "--publish", "x"), "--publish: is for --answers"),
            (("rows.csv", "--answers", "a.zone"), "needs --with or --publish"),
            (("rows.csv", "x", *WHAT_IF[1:]), "cannot be used with --answers"),
            ((*WHAT_IF[:4], "x"), "--publish: record 1: the record has no type"),
            ((*WHAT_IF, "--with", "nowhere.zone"), "nowhere.zone: cannot be read"),
            ((*WHAT_IF, "--examples", "-1"), "--examples: must be a whole number"),
            ((*WHAT_IF, "--lookups", "-1"), "--lookups: must be a whole number"),
        ],
    )
    def test_input_that_cannot_be_used(
        self, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
    ) -> None:
        status, out, err = run(capsys, *arguments)
        assert (status, out) == (2, "")
        assert err.startswith("senderid-fast: error: ")
        assert words in err
        assert err.count("\n") == 1

    def test_rows_that_are_not_the_same(self, capsys: pytest.CaptureFixture[str]) -> None:
        text = Path("after.csv").read_text()
        Path("after.csv").write_text(text.replace("192.0.2.2", "192.0.2.3"))
        status, _, err = run(capsys, "before.csv", "after.csv")
        assert status == 2
        assert "row 1: column ip is '192.0.2.2' before and '192.0.2.3' after" in err

    def test_a_damaged_file(self, capsys: pytest.CaptureFixture[str]) -> None:
        table = pa.table({"name": ["a"]})
        with pa.ipc.new_file("bad.arrow", table.schema) as writer:
            writer.write_table(table)
        status, _, err = run(
            capsys, "rows.csv", "--answers", "bad.arrow", "--publish", "x A 192.0.2.1"
        )
        assert status == 2
        assert "bad.arrow: type: is missing" in err
