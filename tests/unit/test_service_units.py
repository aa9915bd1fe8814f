"""The units of examples/systemd are of this program, and systemd has nothing against them."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from senderid_fast.cli import parser
from senderid_fast.config import Config, load

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "systemd"
SERVICES = ("milter", "policyd")
ANALYZE = shutil.which("systemd-analyze")


def unit(name: str) -> dict[str, list[str]]:
    """The settings of a unit; each as often as it is there."""
    found: dict[str, list[str]] = {}
    for line in (FOLDER / name).read_text("ascii").splitlines():
        if line and not line.startswith(("#", "[")):
            key, equals, value = line.partition("=")
            assert equals, line
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_the_command_is_ours(service: str) -> None:
    (command,) = unit(f"senderid-fast-{service}.service")["ExecStart"]
    program, *words = shlex.split(command)
    assert Path(program).name == "senderid-fast"
    arguments = parser().parse_args(words)
    assert arguments.command == service
    assert arguments.listen == []


@pytest.mark.parametrize("service", SERVICES)
def test_it_fits_what_the_service_does(service: str) -> None:
    found = unit(f"senderid-fast-{service}.service")
    assert found["Type"] == ["notify"]
    assert found["KillMode"] == ["mixed"]
    assert "HUP" in found["ExecReload"][0]
    assert int(found["TimeoutStopSec"][0]) > Config().process.grace_seconds + 10
    assert int(found["LimitNOFILE"][0]) >= Config().process.max_connections + 256
    environ = dict(each.split("=", 1) for each in found["Environment"])
    assert load(None, environ).process.socket_group == "postfix"


@pytest.mark.parametrize("service", SERVICES)
def test_the_socket_is_where_the_service_would_listen(service: str) -> None:
    found = unit(f"senderid-fast-{service}.socket")
    (address,) = getattr(Config(), service).listen
    assert found["ListenStream"] == [address.path]
    assert int(found["SocketMode"][0], 8) == Config().process.socket_mode
    runtime = unit(f"senderid-fast-{service}.service")["RuntimeDirectory"][0]
    assert address.path.startswith(f"/run/{runtime}/")


def test_both_services_differ_in_their_names_only() -> None:
    for kind in ("service", "socket"):
        milter, policyd = (
            (FOLDER / f"senderid-fast-{service}.{kind}").read_text("ascii") for service in SERVICES
        )
        names = r"SPF and Sender ID milter|SPF policy service for Postfix|milter|policyd"
        plain = [re.sub(names, "X", text) for text in (milter, policyd)]
        assert plain[0].replace(" sendmail.service", "") == plain[1]


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not here")
@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_systemd_understands_it(path: Path, tmp_path: Path) -> None:
    for each in FOLDER.iterdir():
        text = each.read_text("ascii").replace("/usr/bin/senderid-fast", "/bin/true")
        (tmp_path / each.name).write_text(text)
    run = subprocess.run(
        [str(ANALYZE), "verify", "--man=no", str(tmp_path / path.name)],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in run.stderr.splitlines() if path.stem in line]
    assert ours == []


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not here")
@pytest.mark.parametrize("service", SERVICES)
def test_it_is_exposed_to_little(service: str) -> None:
    path = FOLDER / f"senderid-fast-{service}.service"
    run = subprocess.run(
        [str(ANALYZE), "security", "--offline=true", "--json=short", "--no-pager", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unrecognized option" in run.stderr:
        pytest.skip("this systemd-analyze cannot look at files")
    exposed = sum(
        float(each["exposure"] or 0) for each in json.loads(run.stdout) if not each["set"]
    )
    assert exposed < 2.5
