"""The examples of docs/dns.md, run against a real server."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).parents[2] / "docs" / "dns.md"


def test_examples(knot: Any) -> None:
    text = DOCUMENT.read_text("utf-8").replace("127.0.0.1:53", knot.address)
    found = doctest.DocTestParser().get_doctest(text, {}, DOCUMENT.name, str(DOCUMENT), 0)
    assert len(found.examples) > 8
    result = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL).run(found)
    assert result.failed == 0
