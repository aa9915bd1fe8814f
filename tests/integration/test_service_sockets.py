"""Where a service listens, and as whom: socket files, their owners and modes, sockets of systemd.

svc-drop-privileges-socket: started as root with a user, the socket belongs to that user with the
mode asked for; a stale socket file is replaced, one at which somebody listens is not.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.services import ECHO, Service, ask, eventually, running

CHECK = [sys.executable, "-m", "senderid_fast", "milter", "--check", "--config"]
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    yield from running(tmp_path)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_the_mode_is_the_one_asked_for(service: Service, mode: int) -> None:
    service.configure(process=f'socket_mode = "0{mode:o}"')
    service.start(umask=0o027)
    assert mode_of(service.path) == mode
    assert [each.name for each in service.folder.glob(".*.sock")] == []


def test_a_stale_socket_is_replaced(service: Service) -> None:
    service.start()
    service.signal(signal.SIGKILL)
    service.wait()
    assert stat.S_ISSOCK(service.path.stat().st_mode)
    before = service.path.stat().st_ino
    service.start()
    assert service.path.stat().st_ino != before
    assert service.check()[0] == "one.example"


def test_a_live_socket_is_not(service: Service) -> None:
    service.start()
    first = service.process
    assert first is not None
    service.start(ready=False)
    assert service.wait() == 2
    service.process = first
    words = rf"unix:{service.path}: process {first.pid} \(\S+\) listens there: stop it"
    assert re.search(words, service.log)
    assert service.check()[0] == "one.example"
    assert service.stop() == 0


def test_a_file_that_is_no_socket_stays(service: Service) -> None:
    service.path.write_text("precious")
    service.start(ready=False)
    assert service.wait() == 2
    assert "there is a file that is no socket: move it away" in service.log
    assert service.path.read_text() == "precious"


def test_the_socket_of_a_successor_stays(service: Service) -> None:
    service.start()
    service.path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(service.path))
        assert service.stop() == 0
        assert service.path.exists()


@pytest.mark.parametrize(
    ("listen", "words"),
    [
        ("unix:/nowhere/at/all.sock", "the folder is not there"),
        ("inet:192.0.2.1:25001", "this machine does not have that address"),
        ("inet:no-such-host.invalid:1", "the host cannot be found"),
        ("unix:/" + "x" * 120, "107 octets"),
        ("systemd", "systemd has handed over no socket"),
        ("systemd:milter", 'systemd has handed over no socket named "milter"'),
        ("nonsense", "must be unix:"),
    ],
)
def test_what_cannot_be_listened_at(service: Service, listen: str, words: str) -> None:
    service.start(f"unix:{service.path}", listen, ready=False)
    assert service.wait() == 2
    assert words in service.log
    assert "--listen: " in service.log
    assert "Traceback" not in service.log
    assert not service.path.exists()  # what was opened before is taken away


def test_a_port_in_use(service: Service) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        service.start(f"inet:127.0.0.1:{taken.getsockname()[1]}", ready=False)
        assert service.wait() == 2
    assert "another process listens there" in service.log


def test_nothing_becomes_standard_error_that_is_none(service: Service) -> None:
    """The log would be written into it: a connection of a mail server, or the cache."""
    command = [sys.executable, "-m", "senderid_fast", "milter", "--config"]
    service.start(command=["sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh", *command])
    assert service.process is not None
    for each in (service.process.pid, *service.workers()):
        found = [Path(f"/proc/{each}/fd/{number}").readlink() for number in range(3)]
        assert found == [Path("/dev/null")] * 3
    assert service.stop() == 0
    assert service.log == ""


@pytest.mark.parametrize("scheme", ["inet:127.0.0.1:0", "inet6:[::1]:0", "inet:localhost:0"])
def test_tcp(service: Service, scheme: str) -> None:
    if "6" in scheme and not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    service.start(scheme)
    found = re.search(r"listen=\"?inet6?:\[?([^\"\s]*?)\]?:(\d+)[\"\s]", service.log)
    assert found
    with socket.create_connection((found[1], int(found[2])), 10) as sock:
        assert ask(sock)[0] == "one.example"


ACTIVATE = """\
import os, socket, sys
sock = socket.socket(socket.AF_UNIX, socket.{kind})
sock.bind(sys.argv[1])
{listen}
os.dup2(sock.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="{name}")
os.execv(sys.executable, sys.argv[2:])
"""


def activated(
    service: Service,
    *listen: str,
    kind: str = "SOCK_STREAM",
    name: str = "milter",
    ready: bool = True,
) -> Path:
    """Start it as systemd would with a .socket unit; the path of that."""
    path = service.folder / "systemd.sock"
    program = ACTIVATE.format(
        kind=kind, name=name, listen="sock.listen()" if kind == "SOCK_STREAM" else ""
    )
    command = [sys.executable, "-c", program, str(path), *ECHO]
    service.start(*listen, command=command, ready=ready)
    return path


@pytest.mark.parametrize("listen", [[], ["systemd"], ["systemd:milter"]])
def test_sockets_of_systemd(service: Service, listen: list[str]) -> None:
    path = activated(service, *listen)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        sock.settimeout(10)
        assert ask(sock)[0] == "one.example"
    assert not service.path.exists()  # they take the place of what the configuration says
    assert service.stop() == 0
    assert path.exists()  # it belongs to systemd


def test_sockets_of_systemd_that_nobody_wants_are_told(service: Service) -> None:
    activated(service, f"unix:{service.path}", name="other")
    assert "a socket of systemd is not used: no address names it" in service.log
    assert service.check()[0] == "one.example"


def test_a_socket_of_systemd_of_the_wrong_kind(service: Service) -> None:
    activated(service, kind="SOCK_DGRAM", ready=False)
    assert service.wait() == 2
    assert "must be a stream socket that listens" in service.log


def test_sockets_for_another_process_are_left_alone(service: Service) -> None:
    service.start(environ={"LISTEN_PID": "1", "LISTEN_FDS": "1"})
    assert service.check()[0] == "one.example"


# ---- privileges -------------------------------------------------------------------------------


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the service's user can reach: the ones of pytest are for us alone."""
    folder = Path(tempfile.mkdtemp(prefix="senderid-fast-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@AS_ROOT
def test_root_is_given_up_and_the_socket_belongs_to_the_user(open_folder: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    mail = grp.getgrnam("mail")
    (open_folder / "log").mkdir(mode=0o755)
    os.chown(open_folder / "log", nobody.pw_uid, -1)
    (open_folder / "cache").mkdir(mode=0o700)
    os.chown(open_folder / "cache", nobody.pw_uid, -1)
    for service in running(open_folder):
        service.configure(
            process='workers = 2\nuser = "nobody"\nsocket_group = "mail"',
            more=f'[log]\nto = "{open_folder}/log/log"\n'
            f'[cache]\nurl = "lmdb:{open_folder}/cache/answers"\n'
            f'[metrics]\nlisten = "unix:{open_folder}/metrics.sock"',
        )
        service.start()
        state = service.path.stat()
        assert (state.st_uid, state.st_gid) == (nobody.pw_uid, mail.gr_gid)
        assert mode_of(service.path) == 0o660
        assert service.process is not None
        for number in (service.process.pid, *eventually(service.workers)):
            words = Path(f"/proc/{number}/status").read_text()
            ids = " ".join([str(nobody.pw_uid)] * 4)
            assert re.search(r"^Uid:\s+(.*)$", words, re.M)[1].split() == ids.split()  # type: ignore[index]
            assert "CapEff:\t0000000000000000" in words
            assert "NoNewPrivs:\t1" in words
        assert service.check()[0] == "one.example"
        assert (open_folder / "log" / "log").stat().st_uid == nobody.pw_uid
        assert (open_folder / "cache" / "answers").stat().st_uid == nobody.pw_uid
        # The folder is root's: the user cannot take the file away, and that is no trouble.
        assert service.stop() == 0
        # And it starts again over what is left.
        service.start()
        assert service.check()[0] == "one.example"
        assert service.stop() == 0


@AS_ROOT
@pytest.mark.parametrize(
    ("process", "words"),
    [
        ('user = "no-such-user-x"', "process.user: there is no user 'no-such-user-x'"),
        ('user = "nobody"\ngroup = "no-such-x"', "process.group: there is no group 'no-such-x'"),
        ('socket_group = "no-such-x"', "process.socket_group: there is no group 'no-such-x'"),
    ],
)
def test_accounts_that_are_not_there(service: Service, process: str, words: str) -> None:
    service.configure(process=process)
    service.start(ready=False)
    assert service.wait() == 2
    assert words in service.log
    assert not service.path.exists()


@AS_ROOT
def test_a_cache_that_the_user_cannot_use_is_told_at_the_start(open_folder: Path) -> None:
    (open_folder / "cache").mkdir(mode=0o700)
    for service in running(open_folder):
        service.configure(
            process='user = "nobody"', more=f'[cache]\nurl = "lmdb:{open_folder}/cache/answers"'
        )
        service.start(ready=False)
        assert service.wait() == 2
        assert "cache.url: cannot read" in service.log
        assert "Permission denied" in service.log
        assert "Traceback" not in service.log


@AS_ROOT
def test_a_check_by_root_leaves_nothing_of_root(open_folder: Path) -> None:
    """It would keep the service from starting."""
    owned = open_folder / "nobody"
    owned.mkdir()
    os.chown(owned, pwd.getpwnam("nobody").pw_uid, -1)
    more = f'[cache]\nurl = "lmdb:{owned}/cache"\n[log]\nto = "{owned}/log"'
    for service in running(open_folder):
        service.configure(process='user = "nobody"', more=more)
        done = subprocess.run([*CHECK, service.config], check=True, capture_output=True, text=True)
        assert done.stderr == ""
        assert "can be used" in done.stdout
        found = {each: each.owner() for each in owned.rglob("*")}
        assert owned / "cache" / "data.mdb" in found
        assert set(found.values()) == {"nobody"}
        service.start()
        assert service.stop() == 0


@AS_ROOT
@pytest.mark.parametrize(
    ("process", "words"),
    [
        ('user = "no-such-user-x"', "process.user: there is no user"),
        ('socket_group = "no-such-x"', "process.socket_group: there is no group"),
    ],
)
def test_a_check_finds_the_accounts(service: Service, process: str, words: str) -> None:
    service.configure(process=process)
    done = subprocess.run([*CHECK, service.config], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
