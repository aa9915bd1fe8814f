"""What docs/trace-fields.md shows is run, and gives what it says."""

from __future__ import annotations

import doctest
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "trace-fields.md"


def test_the_examples() -> None:
    text = DOCUMENT.read_text("utf-8")
    # The fence that ends a block is not output.
    text = text.replace("\n\n```\n", "\n\n")
    examples = doctest.DocTestParser().get_doctest(text, {}, "trace-fields", str(DOCUMENT), 0)
    told: list[str] = []
    assert len(examples.examples) >= 20
    assert not doctest.DocTestRunner().run(examples, out=told.append).failed, "".join(told)
