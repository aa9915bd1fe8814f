"""What README and some of docs/ show of Python is run, and gives what it says."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("page", "least"),
    [("README.md", 10), ("docs/batch.md", 8), ("docs/cache.md", 6), ("docs/embedding.md", 14)],
)
def test_the_examples(page: str, least: int) -> None:
    text = (ROOT / page).read_text("utf-8")
    examples = doctest.DocTestParser().get_doctest(text, {}, page, page, 0)
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    told: list[str] = []
    assert len(examples.examples) >= least
    assert not runner.run(examples, out=told.append).failed, "".join(told)


def test_the_commands_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from senderid_fast.cli import main

    monkeypatch.chdir(tmp_path)  # one writes a file

    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    commands = [line.removeprefix("    $ senderid-fast ") for line in lines if "$ senderid" in line]
    assert len(commands) == 6
    import shlex

    for command in commands:
        words = [
            str(ROOT / word) if word.startswith("examples/") else word
            for word in shlex.split(command)
        ]
        # A syntax error in a record is what the third one shows.
        assert main(words) == (1 if words[0] == "record" else 0)
