"""ValkeyCache: urls and settings that cannot be used. (With a server: tests/integration.)"""

from __future__ import annotations

from typing import Any

import pytest

import senderid_fast as sf
from senderid_fast.cache import ValkeyCache


@pytest.mark.parametrize(
    "url",
    ["", "valkey://", "http://127.0.0.1", "valkey://127.0.0.1:x", "valkey://h:99999", "h:1", 7],
)
def test_urls(url: Any) -> None:
    with pytest.raises(sf.InputError) as caught:
        ValkeyCache(url)
    assert caught.value.field == "url"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout", 0),
        ("timeout", 11),
        ("timeout", float("nan")),
        ("timeout", "1"),
        ("timeout", True),
        ("prefix", 7),
        ("prefix", "x" * 101),
        ("most_waiting", 0),
    ],
)
def test_settings(name: str, value: Any) -> None:
    with pytest.raises(sf.InputError) as caught:
        ValkeyCache("valkey://127.0.0.1:1", **{name: value})
    assert caught.value.field == name
