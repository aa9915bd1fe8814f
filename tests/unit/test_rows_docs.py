"""The example of docs/logs.md is run."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    path = ROOT / "docs" / "logs.md"
    failed, attempted = doctest.testfile(str(path), module_relative=False, encoding="utf-8")
    assert attempted == 5
    assert not failed
