"""Listening sockets: bound with their owner and mode before anybody can connect, and taken away.

What may live here: opening and closing them. How addresses are written is in config/addresses.py;
sockets that systemd opened are in activation.py.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from senderid_fast.config.addresses import PATH_OCTETS, ListenAddress
from senderid_fast.errors import ServiceError
from senderid_fast.service.activation import Activation

__all__ = ["Access", "Listener", "close_all", "listen"]

BACKLOG = 1_024  # connections that wait to be accepted; the kernel may allow fewer (somaxconn)
TRY_SECONDS = 1.0  # for the question whether somebody listens at a socket file
LOCK_TRIALS = 20  # of 50 ms, for the lock of the folder


@dataclass(frozen=True, slots=True)
class Access:
    """Who may connect to a socket file.

    mode      permission bits
    user      the numeric owner; None: as it comes
    group     the numeric group; None: as it comes
    """

    mode: int = 0o660
    user: int | None = None
    group: int | None = None


@dataclass(slots=True)
class Listener:
    """A socket that listens.

    socket   it, non-blocking
    address  where: with the port that was given, if any was asked for
    made     (device, inode) of the socket file that was made here; None: there is none, or it is
             somebody else's
    """

    socket: socket.socket
    address: str
    made: tuple[int, int] | None = None

    @property
    def in_place(self) -> bool:
        """Whether clients find the socket file that was made where they look for it; True where
        none was, or the folder cannot be looked into."""
        if self.made is None:
            return True
        try:
            state = self._path.lstat()
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return (state.st_dev, state.st_ino) == self.made

    def close(self) -> None:
        """Stop listening; the socket file goes with it if it is still the one that was made."""
        if self.made is not None:
            with suppress(OSError):
                if self.in_place:
                    self._path.unlink()
            self.made = None
        self.socket.close()

    @property
    def _path(self) -> Path:
        return Path(self.address.removeprefix("unix:"))


def listen(
    addresses: Sequence[ListenAddress], access: Access, activation: Activation | None = None
) -> list[Listener]:
    """Listen at all of them, or at none. Raises ServiceError, which names the address."""
    if not addresses:
        raise ServiceError("listen", "names no address: name one to listen at")
    listeners: list[Listener] = []
    try:
        for address in addresses:
            if address.kind == "systemd":
                listeners += _handed_over(address, activation)
            elif address.kind == "unix":
                listeners.append(_unix(address, access))
            else:
                listeners += _inet(address)
    except BaseException:
        close_all(listeners)
        raise
    return listeners


def close_all(listeners: Sequence[Listener]) -> None:
    """Close them; socket files that were made go, too."""
    for each in listeners:
        each.close()


def _handed_over(address: ListenAddress, activation: Activation | None) -> Iterator[Listener]:
    found = activation.take(address.name) if activation is not None else []
    if not found:
        which = f'named "{address.name}" ' if address.name else ""
        raise ServiceError(
            str(address),
            f"systemd has handed over no socket {which}(LISTEN_FDS): start the .socket unit, or "
            "listen at another address",
        )
    for sock in found:
        sock.setblocking(False)
        yield Listener(sock, f"{address} ({_shown(sock)})")


def _shown(sock: socket.socket) -> str:
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"unix:{os.fsdecode(name)}"
    scheme, host = (
        ("inet6", f"[{name[0]}]") if sock.family == socket.AF_INET6 else ("inet", name[0])
    )
    return f"{scheme}:{host}:{name[1]}"


# ---- TCP --------------------------------------------------------------------------------------


def _inet(address: ListenAddress) -> list[Listener]:
    six = address.kind == "inet6"
    family = socket.AF_INET6 if six else socket.AF_INET
    try:
        found = socket.getaddrinfo(
            address.host, address.port, family, socket.SOCK_STREAM, 0, socket.AI_PASSIVE
        )
    except (socket.gaierror, UnicodeError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise ServiceError(str(address), f"the host cannot be found: {words}") from None
    listeners: list[Listener] = []
    try:
        for where in dict.fromkeys(each[4] for each in found):
            sock = socket.socket(family, socket.SOCK_STREAM)
            listeners.append(Listener(sock, str(address)))
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if six:  # IPv4 clients have an address of their own to connect to
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(where)
            sock.listen(BACKLOG)
            listeners[-1].address = _shown(sock)
    except OSError as error:
        close_all(listeners)
        raise ServiceError(str(address), _why(error)) from None
    return listeners


def _why(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "another process listens there: stop it, or choose another address"
        case errno.EACCES | errno.EPERM:
            return (
                "no permission to listen there: start as root with process.user set, use systemd's "
                "socket activation, or choose another address"
            )
        case errno.EADDRNOTAVAIL:
            return "this machine does not have that address"
        case errno.ENOENT | errno.ENOTDIR:
            return "the folder is not there: make it (RuntimeDirectory= of the systemd unit does)"
        case errno.EROFS:
            return "the folder cannot be written to: choose another one"
        case _:
            return f"cannot listen there: {error.strerror or error}"


# ---- socket files -----------------------------------------------------------------------------


def _unix(address: ListenAddress, access: Access) -> Listener:
    path = Path(address.path)
    with _folder_locked(path.parent):
        _refuse_live(address, path)
        try:
            return _bound(address, path, access)
        except OSError as error:
            raise ServiceError(str(address), _why(error)) from None


def _bound(address: ListenAddress, path: Path, access: Access) -> Listener:
    """Bind to a name of our own, set owner and mode, listen, and only then take the wanted name:
    nobody can connect before all is right, and a stale file is replaced in one step."""
    own = path.with_name(f".{os.getpid()}.sock")
    if len(os.fsencode(own)) > PATH_OCTETS:
        own = path  # the folder's name leaves no room: the umask alone protects it meanwhile
    with suppress(FileNotFoundError):
        own.unlink()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        sock.bind(os.fspath(own))
    except BaseException:
        sock.close()
        raise
    finally:
        os.umask(before)
    try:
        if access.user is not None or access.group is not None:
            _give(address, own, access)
        own.chmod(access.mode)
        sock.setblocking(False)
        sock.listen(BACKLOG)
        state = own.lstat()
        if own != path:
            own.rename(path)
    except BaseException:
        sock.close()
        with suppress(OSError):
            own.unlink()
        raise
    return Listener(sock, str(address), (state.st_dev, state.st_ino))


def _give(address: ListenAddress, own: Path, access: Access) -> None:
    user, group = access.user, access.group
    try:
        os.chown(own, -1 if user is None else user, -1 if group is None else group)
    except PermissionError:
        whom = [
            f"{what} {number}"
            for what, number in (("user", user), ("group", group))
            if number is not None
        ]
        raise ServiceError(
            str(address),
            f"the socket cannot be given to {', '.join(whom)}: start as root, or make the "
            "service's user a member of the group",
        ) from None


def _refuse_live(address: ListenAddress, path: Path) -> None:
    """Raise ServiceError unless the path is free or holds a socket at which nobody listens."""
    try:
        state = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise ServiceError(str(address), _why(error)) from None
    if not stat.S_ISSOCK(state.st_mode):
        raise ServiceError(str(address), "there is a file that is no socket: move it away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        trial.settimeout(TRY_SECONDS)
        try:
            trial.connect(os.fspath(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return  # nobody listens: left over by a process that was killed
        except (BlockingIOError, TimeoutError):
            who = "a process that does not accept"  # its queue is full
        except OSError as error:
            words = f"cannot tell whether somebody listens there: {error.strerror or error}"
            raise ServiceError(str(address), words) from None
        else:
            who = _peer(trial)
    raise ServiceError(str(address), f"{who} listens there: stop it, or choose another path")


def _peer(sock: socket.socket) -> str:
    """Who is at the other end, in words."""
    try:
        raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        process = struct.unpack("3i", raw)[0]
        name = Path(f"/proc/{process}/comm").read_text("utf-8", "backslashreplace").strip()
    except (OSError, AttributeError, struct.error):
        return "another process"
    return f"process {process} ({name})" if name.isprintable() else f"process {process}"


@contextmanager
def _folder_locked(folder: Path) -> Iterator[None]:
    """Two services that start at the same time look and rename one after the other. The lock is a
    courtesy: who cannot have it goes on without."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    except OSError:
        yield
        return
    try:
        for _ in range(LOCK_TRIALS):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                time.sleep(0.05)
        yield
    finally:
        os.close(handle)
