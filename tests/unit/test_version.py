"""The version stands in two places, which say the same."""

from __future__ import annotations

import tomllib
from pathlib import Path

import senderid_fast


def test_the_versions_agree() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["version"] == senderid_fast.__version__
