"""What README and some of docs/ show of Python is run, and gives what it says."""

from __future__ import annotations

import doctest
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("page", "least"),
    [
        ("README.md", 12),
        ("docs/python.md", 10),
        ("docs/batch.md", 8),
        ("docs/cache.md", 6),
        ("docs/embedding.md", 14),
    ],
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
    assert len(commands) == 7
    import shlex

    for command in commands:
        words = [
            str(ROOT / word) if word.startswith("examples/") else word
            for word in shlex.split(command)
        ]
        # A syntax error in a record is what the third one shows.
        assert main(words) == (1 if words[0] == "record" else 0)


@pytest.mark.parametrize("page", ["README.md", "docs/postfix.md", "docs/sendmail.md"])
def test_the_stamped_message(page: str, tmp_path: Path) -> None:
    """The fields that follow from the configuration that the page shows."""
    from senderid_fast import Engine, ZoneResolver
    from senderid_fast.config import load
    from senderid_fast.reception import BlockingReception, Envelope

    text = (ROOT / page).read_text("utf-8")
    (shown,) = re.findall(r"^```(?:text)?\n(Received-SPF: .*?)^```$", text, re.M | re.S)
    settings = re.findall(r"^```toml\n(.*?)^```$", text, re.M | re.S)[0]
    assert tomllib.loads(settings)["policy"]["test_only"]
    (tmp_path / "senderid-fast.toml").write_text(settings)
    receiver = load(tmp_path / "senderid-fast.toml", environ={}).receiver()
    engine = Engine(ZoneResolver({"example.com": [{"TXT": "v=spf1 ip4:192.0.2.1 -all"}]}))
    envelope = Envelope("203.0.113.9", b"mail.example.com", b"user@example.com")
    header = b"From: user@example.com\r\n\r\n"
    outcome = BlockingReception(receiver, engine, envelope).at_end_of_header(
        [("From", b" user@example.com")], header
    )
    assert "".join(field.text("\n") for field in outcome.add) == shown
    assert outcome.decision.reason == "test only: mailfrom.fail = reject"
