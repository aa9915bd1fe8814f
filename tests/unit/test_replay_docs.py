"""What docs/replay.md shows is run, and gives what it says. (Its commands: test_cli_docs.py.)"""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from senderid_fast.answersets import answers_schema

TEXT = (Path(__file__).parents[2] / "docs" / "replay.md").read_text("utf-8")


def test_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    examples = doctest.DocTestParser().get_doctest(TEXT, {}, "replay", "replay.md", 0)
    told: list[str] = []
    assert len(examples.examples) >= 20
    assert not doctest.DocTestRunner().run(examples, out=told.append).failed, "".join(told)


def test_every_column_is_told() -> None:
    for field in answers_schema():
        kind = str(field.type).replace(", tz=", ", ").replace("string", "utf8")
        assert f"| `{field.name}` | {kind.replace('<item: ', '<')} |" in TEXT
