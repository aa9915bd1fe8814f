"""What a configuration is to be cautious about, and that the default is not among it."""

from __future__ import annotations

from pathlib import Path

import pytest

from senderid_fast.config import Config, ListenAddress, load


def found(tmp_path: Path, text: str) -> tuple[str, ...]:
    file = tmp_path / "c.toml"
    file.write_text(text)
    return load(file, {}).cautions()


def test_the_default_is_none() -> None:
    assert Config().cautions() == ()


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("policy.mailfrom.softfail = 'reject'", "policy.mailfrom.softfail is reject", "8.5"),
        ("milter.listen = 'inet:0.0.0.0:1'", "milter.listen", "other networks"),
        ("policyd.listen = 'inet6:[2001:4860::1]:1'", "policyd.listen", "other networks"),
        ("metrics.listen = 'inet:mx.example.com:1'", "metrics.listen", "other networks"),
        ("process.socket_mode = 0o666", "process.socket_mode", "every user"),
        (
            "milter.listen = 'unix:/a'\npolicyd.listen = 'unix:/a'",
            "policyd.listen",
            "milter.listen",
        ),
        (
            "milter.listen = 'unix:/a'\nmetrics.listen = 'unix:/a'",
            "metrics.listen",
            "milter.listen",
        ),
        ("limits.seconds = 40\nreceiver.seconds = 50", "limits.seconds", "milter_command_timeout"),
        ("limits.seconds = 200\nreceiver.seconds = 200", "limits.seconds", "policy_service"),
        ("receiver.seconds = 400", "receiver.seconds", "milter_content_timeout"),
        ("receiver.seconds = 10", "receiver.seconds", "below limits.seconds"),
        ("process.idle_seconds = 100", "process.idle_seconds", "smtpd_timeout"),
        ("process.grace_seconds = 100", "process.grace_seconds", "TimeoutStopSec"),
        ("exchange.SpoofedDomainAction = 'Reject'", "exchange.SpoofedDomainAction", "Enabled"),
        ("receiver.fields = []", "receiver.fields", "none are written"),
    ],
)
def test_caution(tmp_path: Path, text: str, key: str, words: str) -> None:
    given = found(tmp_path, f"receiver.authserv_id = 'mx.example.com'\n{text}")
    assert any(each.startswith(key) and words in each for each in given), given


@pytest.mark.parametrize(
    "text",
    [
        "policy.pra.fail = 'reject'",
        "policy.no_pra = 'defer'",
        "[[policy.override]]\nsender = 'a.example'\nmailfrom.fail = 'discard'",
        "[exchange]\nEnabled = true\nTempErrorAction = 'Delete'",
        "receiver.submitter = {}",
    ],
)
def test_refusing_in_the_name_of_a_host_that_nobody_chose(tmp_path: Path, text: str) -> None:
    assert any("receiver.authserv_id" in each for each in found(tmp_path, text))
    named = found(tmp_path, f"receiver.authserv_id = 'mx.example.com'\n{text}")
    assert not any("receiver.authserv_id" in each for each in named)


def test_a_test_refuses_nothing(tmp_path: Path) -> None:
    text = "policy = { test_only = true, check_authenticated = true, pra.fail = 'reject' }"
    assert found(tmp_path, text) == ()


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("unix:/run/x", False),
        ("systemd", False),
        ("inet:127.0.0.1:1", False),
        ("inet:10.1.2.3:1", False),
        ("inet:localhost:1", False),
        ("inet6:[::1]:1", False),
        ("inet6:[fe80::1%eth0]:1", False),
        ("inet:0.0.0.0:1", True),
        ("inet6:[::]:1", True),
        ("inet:8.8.8.8:1", True),
    ],
)
def test_public(text: str, public: bool) -> None:
    address = ListenAddress.parse(text)
    assert str(address) == text
    assert address.is_public is public


def test_a_cache_whose_package_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("senderid_fast.config.cautions.find_spec", lambda name: None)
    assert found(tmp_path, "cache.url = 'lmdb:/x'") == (
        "cache.url: needs the package lmdb: pip install 'senderid-fast[lmdb]'; no service starts "
        "without it",
    )
    assert "senderid-fast[valkey]" in found(tmp_path, "cache.url = 'valkey://h'")[0]
