"""Which resolver many questions get: the fast path wherever the servers are known."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import pytest

import senderid_fast as sf
from senderid_fast.cli.options import resolver_of
from senderid_fast.resolver import choosing
from senderid_fast.resolver.choosing import bulk_resolver


@pytest.fixture
def resolv_conf(tmp_path: Path) -> Path:
    file = tmp_path / "resolv.conf"
    file.write_text("search example\nnameserver 192.0.2.53\nnameserver 2001:db8::53\n")
    return file


def test_named_servers() -> None:
    assert bulk_resolver(["192.0.2.1"], tries=2) == sf.UdpResolver(["192.0.2.1"], tries=2)


def test_those_of_the_system(resolv_conf: Path) -> None:
    found = bulk_resolver(config_file=str(resolv_conf), in_flight=9)
    assert found == sf.UdpResolver(["192.0.2.53", "[2001:db8::53]:53"], in_flight=9)


def test_more_servers_than_are_of_use(resolv_conf: Path) -> None:
    resolv_conf.write_text("".join(f"nameserver 192.0.2.{number}\n" for number in range(1, 41)))
    found = bulk_resolver(config_file=str(resolv_conf))
    assert found == sf.UdpResolver([f"192.0.2.{number}" for number in range(1, 17)])


def test_no_server_is_known(tmp_path: Path) -> None:
    none = str(tmp_path / "none")
    assert bulk_resolver(config_file=none) == sf.SystemResolver(config_file=none)


def test_a_system_without_such_sockets(resolv_conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    found = bulk_resolver(config_file=str(resolv_conf))
    assert found == sf.SystemResolver(config_file=str(resolv_conf))
    assert bulk_resolver(["192.0.2.1"]) == sf.SystemResolver(["192.0.2.1"])


def test_wrong_servers_are_told_as_such() -> None:
    with pytest.raises(sf.InputError, match=r"^servers: ") as caught:
        bulk_resolver(["localhost"])
    assert caught.value.field == "servers"


@pytest.mark.parametrize(("bulk", "kind"), [(True, sf.UdpResolver), (False, sf.SystemResolver)])
def test_commands(
    bulk: bool, kind: type, resolv_conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = choosing.system_servers

    def system_servers(config_file: str, port: int) -> Any:
        assert config_file == "/etc/resolv.conf"
        return read(str(resolv_conf), port)

    monkeypatch.setattr(choosing, "system_servers", system_servers)
    for server in (None, ["192.0.2.7"]):
        found = resolver_of(argparse.Namespace(zone=None, server=server), bulk=bulk)
        assert type(found) is kind
