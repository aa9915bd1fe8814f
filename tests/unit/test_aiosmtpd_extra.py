"""Without aiosmtpd, its handler says what is missing."""

from __future__ import annotations

import sys
from importlib import import_module

import pytest

from senderid_fast.errors import MissingExtraError


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "senderid_fast.aiosmtpd", raising=False)
    monkeypatch.setitem(sys.modules, "aiosmtpd", None)
    monkeypatch.setitem(sys.modules, "aiosmtpd.smtp", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'senderid-fast\[aiosmtpd\]'"):
        import_module("senderid_fast.aiosmtpd")
