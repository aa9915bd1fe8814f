"""Console blocks in the documents show what the commands really print.

A block is ```console; each line that begins with "$ " is a command, what follows is its output.
``python tests/unit/test_cli_docs.py`` writes the outputs anew.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from senderid_fast.cli import main

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "docs" / "command-line.md",
    ROOT / "docs" / "replay.md",
    ROOT / "docs" / "batch-command.md",
    ROOT / "docs" / "logs.md",
    ROOT / "docs" / "cache.md",
    ROOT / "docs" / "aiosmtpd.md",
    ROOT / "examples" / "README.md",
]
BLOCK = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)


def outputs(commands: list[str]) -> Iterator[str]:
    status = 0
    for command in commands:
        words = shlex.split(command)
        if command == "echo $?":
            yield f"{status}\n"
        elif words[0] == "senderid-fast":
            both = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
            with contextlib.redirect_stdout(both), contextlib.redirect_stderr(both):
                status = main(words[1:])
            both.seek(0)
            yield both.read()
        else:
            assert words[0] == "python", command
            run = subprocess.run(
                [sys.executable, "-W", "error", *words[1:]],
                cwd=ROOT,
                capture_output=True,
                check=True,
            )
            assert not run.stderr, run.stderr
            yield run.stdout.decode()


def filled(block: str) -> str:
    """The commands of a block with what they print now."""
    commands = [line[2:] for line in block.splitlines() if line.startswith("$ ")]
    shown = zip(commands, outputs(commands), strict=True)
    return "".join(f"$ {command}\n{output}" for command, output in shown)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.name))
def test_outputs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    Path(".cache").mkdir(exist_ok=True)
    blocks = BLOCK.findall(path.read_text("utf-8"))
    assert blocks
    for block in blocks:
        assert filled(block) == block


if __name__ == "__main__":
    for document in DOCUMENTS:
        text = document.read_text("utf-8")
        document.write_text(BLOCK.sub(lambda match: filled(match[0]), text), "utf-8")
