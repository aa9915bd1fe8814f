"""python -m benchmarks.mail in its quick form, without the filters that would be downloaded.

The figures mean nothing; what is tested is that messages go through, and that a table tells so.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.mailservers import need_root

ROOT = Path(__file__).parents[2]


def run(module: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *options],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def run_quick(*options: str) -> subprocess.CompletedProcess[str]:
    return run("benchmarks.mail", "--quick", *options)


@pytest.fixture(autouse=True)
def _root() -> None:
    need_root()


def test_a_quick_run_ends_with_a_table() -> None:
    done = run_quick("--only", "no filter,ready answer")
    assert done.returncode == 0, done.stderr
    assert "all stamped verdicts are the same" in done.stderr
    rows = [row.split(" | ") for row in done.stdout.splitlines()[-2:]]
    assert [row[0] for row in rows] == ["| no filter", "| ready answer, unix"]
    assert (rows[0][3], rows[1][4]) == ("1.00", "1.00")


def test_bad_options_are_told() -> None:
    done = run_quick("--sessions", "0")
    assert done.returncode == 2
    assert "must be at least 1" in done.stderr


@pytest.mark.parametrize("service", ["milter", "policyd"])
def test_a_short_soak(service: str) -> None:
    """Verdicts are compared; whether memory is flat cannot be told of so few messages."""
    options = ["--service", service, "--messages", "300", "--sessions", "4", "--reload-each", "100"]
    done = run("benchmarks.mail.soak", *options)
    assert "294 verdicts, all right; 6 messages broken off" in done.stdout, done.stderr
    assert "memory of the worker" in done.stdout or "too short to tell" in done.stdout
    assert done.stderr == ""
