"""What a service does before it serves: addresses, accounts, what systemd gives and is told."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import socket
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from senderid_fast.config import ListenAddress
from senderid_fast.errors import ServiceError
from senderid_fast.service.activation import Activation
from senderid_fast.service.listening import Access, close_all, listen
from senderid_fast.service.notify import Notifier
from senderid_fast.service.privileges import Account, account_of, drop, group_of

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def at(path: Path) -> list[ListenAddress]:
    return [ListenAddress.parse(f"unix:{path}")]


def test_nobody_can_connect_before_the_mode_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s"
    modes = []
    chmod = Path.chmod

    def seen(own: Path, mode: int) -> None:
        modes.append((own.name, stat.S_IMODE(own.stat().st_mode), path.exists()))
        chmod(own, mode)

    monkeypatch.setattr(Path, "chmod", seen)
    before = os.umask(0)
    try:
        (listener,) = listen(at(path), Access(0o666))
    finally:
        os.umask(before)
    assert modes == [(f".{os.getpid()}.sock", 0o600, False)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    assert [each.name for each in tmp_path.iterdir()] == ["s"]
    listener.close()
    listener.close()  # twice does no harm
    assert not path.exists()


def test_a_path_that_leaves_no_room_for_another_name() -> None:
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # that of pytest may be too long already
    try:
        path = folder / ("s" * 90)
        path = path.with_name(path.name[: 107 - len(str(folder)) - 1])
        deep = folder / ("d" * (107 - len(str(folder)) - 3))
        deep.mkdir()
        for each in (path, deep / "s"):
            (listener,) = listen(at(each), Access(0o640))
            assert stat.S_IMODE(each.stat().st_mode) == 0o640
            listener.close()
            assert not each.exists()
    finally:
        shutil.rmtree(folder)


def test_all_or_none(tmp_path: Path) -> None:
    addresses = [*at(tmp_path / "one"), *at(tmp_path / "none" / "two")]
    with pytest.raises(ServiceError, match="two: the folder is not there"):
        listen(addresses, Access())
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ServiceError, match="names no address"):
        listen([], Access())


def test_one_whose_queue_is_full_is_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("senderid_fast.service.listening.TRY_SECONDS", 0.1)
    with socket.socket(socket.AF_UNIX) as stuck, socket.socket(socket.AF_UNIX) as client:
        stuck.bind(str(tmp_path / "s"))
        stuck.listen(0)
        client.connect(str(tmp_path / "s"))
        with pytest.raises(ServiceError, match="a process that does not accept listens there"):
            listen(at(tmp_path / "s"), Access())


def test_a_datagram_socket_is_left_alone(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(tmp_path / "s"))
        with pytest.raises(ServiceError, match="cannot tell whether somebody listens"):
            listen(at(tmp_path / "s"), Access())


def test_every_address_of_a_name(tmp_path: Path) -> None:
    found = listen([ListenAddress.parse("inet:localhost:0")], Access())
    assert found
    assert all(each.address.startswith("inet:127.") for each in found)
    close_all(found)


# ---- accounts ---------------------------------------------------------------------------------


def test_accounts() -> None:
    assert account_of("", "") is None
    nobody = pwd.getpwnam("nobody")
    assert account_of("nobody", "") == Account("nobody", nobody.pw_uid, nobody.pw_gid)
    assert account_of(str(nobody.pw_uid), "") == account_of("nobody", "")
    mail = grp.getgrnam("mail").gr_gid
    assert account_of("nobody", "mail") == Account("nobody", nobody.pw_uid, mail)
    assert group_of(str(mail), "x") == mail
    for user, group, words in (
        ("", "mail", "process.group: needs process.user"),
        ("no-such-x", "", "process.user: there is no user 'no-such-x'"),
        ("4294967290123", "", "process.user: there is no user"),
        ("nobody", "no-such-x", "process.group: there is no group 'no-such-x'"),
    ):
        with pytest.raises(ServiceError, match=words):
            account_of(user, group)


def in_a_child(work: Callable[[], str]) -> str:
    """What a function returns in a forked process."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            words = work()
        except BaseException as error:  # noqa: BLE001 - told to the parent
            words = f"{type(error).__name__}: {error}"
        os.write(write, words.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        words = pipe.read().decode()
    os.waitpid(child, 0)
    return words


@AS_ROOT
def test_root_is_given_up_for_good() -> None:
    def work() -> str:
        drop(account_of("nobody", ""))
        ids = {*os.getresuid(), *os.getresgid()}
        problems = [f"{ids}"] if 0 in ids or 0 in os.getgroups() else []
        for regain in (os.setuid, os.seteuid, os.setgid):
            try:
                regain(0)
            except PermissionError:
                continue
            problems.append(regain.__name__)
        drop(account_of("nobody", ""))  # who is it already need not be root
        return " ".join(problems) or "fine"

    assert in_a_child(work) == "fine"


@AS_ROOT
def test_who_is_not_root_cannot_become_somebody() -> None:
    mail = account_of("mail", "")

    def work() -> str:
        os.setresuid(65_534, 65_534, 65_534)
        drop(mail)
        return "became somebody"

    words = "ServiceError: process.user: only root can become mail"
    assert in_a_child(work).startswith(words)


@AS_ROOT
def test_a_way_back_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = account_of("nobody", "")

    def work() -> str:
        os.setresuid = lambda real, effective, saved: os.seteuid(effective)
        drop(nobody)
        return "not noticed"

    assert in_a_child(work).endswith("root could be had again after it was given up")


# ---- systemd ----------------------------------------------------------------------------------


def handed_over(*kinds: int, names: str = "", first: int = 50, **changes: str) -> Activation:
    """Sockets at the file descriptors that begin with ``first``, as systemd would have them."""
    for number, kind in enumerate(kinds):
        with socket.socket(socket.AF_INET, kind) as sock:
            sock.bind(("127.0.0.1", 0))
            if kind == socket.SOCK_STREAM:
                sock.listen()
            os.dup2(sock.fileno(), first + number)
    environ = {
        "LISTEN_PID": str(os.getpid()),
        "LISTEN_FDS": str(len(kinds)),
        "LISTEN_FDNAMES": names,
        "KEPT": "yes",
        **changes,
    }
    try:
        return Activation.from_environment(environ, first)
    finally:
        assert environ == {"KEPT": "yes"}


STREAM, DATAGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM


def test_sockets_by_name() -> None:
    activation = handed_over(STREAM, STREAM, STREAM, names="milter:metrics")
    assert activation
    assert activation.names == ["milter", "metrics", "unknown"]
    (metrics,) = activation.take("metrics")
    assert not metrics.get_inheritable()
    assert activation.take("metrics") == []
    milter, unknown = activation.take()
    assert not activation
    for each in (metrics, milter, unknown):
        each.close()
    activation = handed_over(STREAM)
    activation.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(50)


@pytest.mark.parametrize(
    "changes",
    [{"LISTEN_PID": "1"}, {"LISTEN_PID": ""}, {"LISTEN_FDS": ""}, {"LISTEN_FDS": "-1"}],
)
def test_what_is_not_for_us(changes: dict[str, str]) -> None:
    assert not handed_over(**changes)


def test_what_cannot_be_listened_at() -> None:
    for kinds, changes, words in (
        ((DATAGRAM,), {}, r'socket 50 \("unknown"\) of systemd: must be a stream socket'),
        ((), {"LISTEN_FDS": "1"}, "cannot be used: Bad file descriptor"),
        ((), {"LISTEN_FDS": "100000"}, "LISTEN_FDS: must be from 1 to 64"),
        ((), {"LISTEN_FDS": "0"}, "LISTEN_FDS: must be from 1 to 64"),
    ):
        with pytest.raises(ServiceError, match=words):
            handed_over(*kinds, **changes)


def test_words_to_systemd(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(path))
        systemd.settimeout(5)
        environ = {
            "NOTIFY_SOCKET": str(path),
            "WATCHDOG_USEC": "30000000",
            "WATCHDOG_PID": str(os.getpid()),
        }
        notifier = Notifier(environ)
        assert environ == {}
        assert notifier.watchdog_seconds == 15
        notifier.ready("two\nlines READY=0")
        assert systemd.recv(999) == b"READY=1\nSTATUS=two lines READY=0"
        notifier.reloading()
        first, second = systemd.recv(999).decode().split("\n")
        assert first == "RELOADING=1"
        assert int(second.removeprefix("MONOTONIC_USEC=")) > 0
        notifier.alive()
        assert systemd.recv(999) == b"WATCHDOG=1"
        notifier.stopping("bye")
        assert systemd.recv(999) == b"STOPPING=1\nSTATUS=bye"
    path.unlink()
    notifier.status("nobody is there")
    notifier.close()
    notifier.alive()


def test_an_abstract_socket(tmp_path: Path) -> None:
    name = f"senderid-fast-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0{name}")
        systemd.settimeout(5)
        notifier = Notifier({"NOTIFY_SOCKET": f"@{name}"})
        notifier.alive()
        assert systemd.recv(999) == b"WATCHDOG=1"
        notifier.close()


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"NOTIFY_SOCKET": "relative"},
        {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"},
        {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "1000"},
    ],
)
def test_without_systemd(environ: dict[str, str]) -> None:
    notifier = Notifier(environ)
    assert notifier.watchdog_seconds is None
    notifier.ready("nobody is told")
    notifier.close()
