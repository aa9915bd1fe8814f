"""The files of an LmdbCache: opened once in a process, looked over before they are trusted.

What may live here: who has the files open, when they may be moved aside, what a fork does to them.
What is in them is the matter of lmdb.py.

LMDB believes its file: octets that others wrote into it can end the process. So whoever opens the
files while nobody else has them open has them verified first (lmdb.verify reads them without LMDB),
unless they are as an orderly end left them. The lock on the file "users", which a killed process
gives back, tells who is alone.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, NamedTuple

from senderid_fast.errors import CacheError, InputError, MissingExtraError

if TYPE_CHECKING:
    import lmdb

__all__ = ["Files", "Opened", "damage", "files_of"]

MARK = b"senderid-fast"
FORMAT = b"1"
DATA, LOCK, USERS, CHECKED, DAMAGED = "data.mdb", "lock.mdb", "users", "checked", "damaged"
OURS = {DATA, LOCK, USERS, CHECKED, DAMAGED}
READERS = 1_024  # transactions at once, of all processes
LOCK_OCTETS = READERS * 64  # LMDB lets its table grow by a few octets more
PAGE = 4_096
SECONDS_TO_OPEN = 30.0  # while another process looks the files over
SECONDS_UNUSABLE = 60.0  # damaged files that others have open are left alone so long


class Opened(NamedTuple):
    """What LMDB has open: the map, its table of answers, and the index by time."""

    env: lmdb.Environment
    answers: lmdb._Database
    times: lmdb._Database
    limit: int


def the_lmdb() -> Any:
    """The module lmdb. Raises MissingExtraError."""
    try:
        import lmdb
        import lmdb.verify
    except ImportError:
        raise MissingExtraError("lmdb", "lmdb") from None
    return lmdb


def damage() -> tuple[type[Exception], ...]:
    """What LMDB raises when its file is not as it wrote it."""
    lmdb = the_lmdb()
    return (
        lmdb.CorruptedError,
        lmdb.InvalidError,
        lmdb.PageNotFoundError,
        lmdb.VersionMismatchError,
        lmdb.PanicError,
        lmdb.IncompatibleError,
        lmdb.ProblemError,
        lmdb.BadChecksumError,
    )


class Files:
    """The files in one folder, for all caches of this process that use it.

    Whoever has read_lock or write_lock may call opened() and begin a transaction of that kind; the
    lock is held until it has ended.
    """

    def __init__(self, folder: Path, max_octets: int) -> None:
        self.folder = folder
        self._max_octets = max_octets
        self.moved_aside = 0
        self.users: weakref.WeakSet[object] = weakref.WeakSet()
        self._opened: Opened | None = None
        self._gate: int | None = None
        self._unusable_until = 0.0
        self._new_locks()

    def _new_locks(self) -> None:
        self.write_lock = threading.RLock()
        self.read_lock = threading.RLock()
        self._open_lock = threading.RLock()

    # ---- opening ----------------------------------------------------------------------------

    def opened(self, seconds: float = 0.0) -> Opened:
        """What is open; opened if it is not, and waited for so long while another process has it
        for itself. Raises CacheError, or OSError."""
        found = self._opened
        if found is not None:
            return found
        with self._open_lock:
            if self._opened is None:
                if monotonic() < self._unusable_until:
                    raise CacheError(str(self.folder), "is damaged, and others have it open")
                self._opened = self._open(seconds)
            return self._opened

    def _open(self, seconds: float) -> Opened:
        end = monotonic() + seconds
        while True:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            gate, self._gate = self._gate, None
            held = gate is not None  # since before a fork: others could not get it for themselves
            if gate is None:
                gate = os.open(self.folder / USERS, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                found = self._try(gate, held)
            except BaseException:
                os.close(gate)
                raise
            if found is not None:
                self._gate = gate
                return found
            os.close(gate)
            if monotonic() >= end and seconds:
                raise CacheError(str(self.folder), "another process has kept it for itself")
            if not seconds:
                end, seconds = monotonic() + 0.5, 0.5
            sleep(0.01)

    def _try(self, gate: int, held: bool) -> Opened | None:
        """Open what is behind the gate; None: try again with a new one."""
        alone = not held and _locked(gate, fcntl.LOCK_EX)
        if not alone and not _locked(gate, fcntl.LOCK_SH):
            return None
        if not self._is_gate(gate):
            return None
        if alone:
            problem = self._problem()
            if problem:
                self._move_aside()
                return None
            self._new_lock_file()
        try:
            found = self._open_map(alone)
        except damage():
            if not alone:
                raise
            self._move_aside()
            return None
        # Others may come in between giving back the one lock and taking the other.
        if alone and not (_locked(gate, fcntl.LOCK_SH, wait=True) and self._is_gate(gate)):
            found.env.close()
            return None
        return found

    def _new_lock_file(self) -> None:
        """Make LMDB's table of readers anew, without what killed processes left in it. LMDB writes
        into it through memory, so a disk that is full then would end the process (SIGBUS); its room
        is taken before. Raises OSError if there is none. Only while this process is alone."""
        file = self.folder / LOCK
        file.unlink(missing_ok=True)
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(handle, 0, LOCK_OCTETS)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # the file system has no such
                raise
        finally:
            os.close(handle)

    def _is_gate(self, gate: int) -> bool:
        """Whether the gate still is the one in the folder: that may have been moved aside."""
        try:
            return os.path.samestat(os.fstat(gate), (self.folder / USERS).stat())
        except OSError:
            return False

    def _stamp(self) -> str:
        try:
            return (self.folder / CHECKED).read_text("ascii")
        except (OSError, ValueError):
            return ""

    def _problem(self) -> str:
        """Why the files cannot be trusted, "" if they can. Only while this process is alone."""
        data = self.folder / DATA
        if (self.folder / DAMAGED).exists():
            return "was found to be damaged"
        try:
            state = data.stat()
        except FileNotFoundError:
            return ""
        if not state.st_size or self._stamp() == _stamp_of(state):
            return ""
        try:
            problems = the_lmdb().verify.verify(str(data), subdir=False)
        except Exception as error:  # noqa: BLE001 - whatever the octets make of it
            problems = [str(error)]
        return str(problems[0]) if problems else ""

    def _open_map(self, alone: bool) -> Opened:
        lmdb = the_lmdb()
        limit = self._max_octets
        if not alone:
            limit = self._limit_of_others() or limit
        env = lmdb.open(
            str(self.folder),
            map_size=limit,
            max_dbs=2,
            max_readers=READERS,
            mode=0o600,
            # Without waiting for the disk: what a crash of the machine damages is found and moved
            # aside, and what is lost is asked for again.
            sync=False,
            metasync=False,
            readahead=False,
        )
        try:
            env.reader_check()
            with env.begin() as transaction:
                mark = transaction.get(MARK)
                entries = transaction.stat()["entries"]
            if mark != FORMAT:
                if entries:
                    _refuse(lmdb)
                with env.begin(write=True) as transaction:
                    transaction.put(MARK, FORMAT)
            return Opened(env, env.open_db(b"answers"), env.open_db(b"times"), limit)
        except BaseException:
            env.close()
            raise

    def _limit_of_others(self) -> int:
        """The size of the map that other processes have open: the first one's setting counts."""
        with suppress(OSError), (self.folder / DATA).open("rb") as file:
            return int.from_bytes(file.read(PAGE)[32:40], "little")  # mm_mapsize of the first page
        return 0

    # ---- closing ----------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the files. The last process that does leaves word that they are sound."""
        with self.write_lock, self.read_lock, self._open_lock:
            found, self._opened = self._opened, None
            gate, self._gate = self._gate, None
            if found is not None:
                found.env.close()
            if gate is None:
                return
            try:
                if found is not None and _locked(gate, fcntl.LOCK_EX) and self._is_gate(gate):
                    words = _stamp_of((self.folder / DATA).stat())
                    (self.folder / CHECKED).write_text(words, "ascii")
            except OSError:
                pass  # then they are looked over
            finally:
                os.close(gate)

    def damaged(self) -> None:
        """LMDB has found its file to be damaged: move it aside, as soon as nobody uses it."""
        with self.write_lock, self.read_lock, self._open_lock:
            found, self._opened = self._opened, None
            gate, self._gate = self._gate, None
            if found is None or gate is None:
                return  # another thread was here first
            found.env.close()
            try:
                if _locked(gate, fcntl.LOCK_EX) and self._is_gate(gate):
                    self._move_aside()
                else:
                    self._unusable_until = monotonic() + SECONDS_UNUSABLE
                    (self.folder / DAMAGED).touch(0o600)
            except OSError:
                self._unusable_until = monotonic() + SECONDS_UNUSABLE
            finally:
                os.close(gate)

    def _move_aside(self) -> None:
        """Give the folder another name; the one of an earlier time is removed. Only while alone."""
        aside = self.folder.with_name(self.folder.name + ".damaged")
        for name in OURS:
            with suppress(OSError):
                (aside / name).unlink()
        with suppress(OSError):
            aside.rmdir()
        self.folder.rename(aside)
        self.moved_aside += 1

    # ---- forks ------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """Close the map: LMDB cannot be used by the child of one who has it open, nor be closed
        there without harm to the parent. Both open it again when they need it."""
        self.write_lock.acquire()
        self.read_lock.acquire()
        self._open_lock.acquire()
        if self._opened is not None:
            self._opened.env.close()
            self._opened = None

    def after_fork_in_parent(self) -> None:
        self._open_lock.release()
        self.read_lock.release()
        self.write_lock.release()

    def after_fork_in_child(self) -> None:
        gate, self._gate = self._gate, None
        if gate is not None:
            os.close(gate)  # the parent's lock stays with the parent
        self._new_locks()


def _refuse(lmdb: Any) -> None:
    raise lmdb.IncompatibleError("is a database of something else")


def _locked(gate: int, kind: int, *, wait: bool = False) -> bool:
    try:
        fcntl.flock(gate, kind | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def _stamp_of(state: os.stat_result) -> str:
    return f"{state.st_ino} {state.st_size} {state.st_mtime_ns}"


# The files that this process has open, or had: LMDB must not open a file twice in a process.
_files: dict[Path, Files] = {}
_files_lock = threading.Lock()
_hooked = False


def files_of(path: Path, max_octets: int) -> Files:
    """The files in a folder. Raises InputError if they cannot be there."""
    global _hooked  # noqa: PLW0603 - one hook for each process
    folder = Path(os.path.realpath(path))
    try:
        foreign = {name.name for name in folder.iterdir()} - OURS if folder.exists() else set()
    except NotADirectoryError:
        raise InputError("path", f"must be a folder of the cache's own; {path} is a file") from None
    except OSError as error:
        raise InputError("path", f"cannot read {path}: {error.strerror or error}") from None
    if foreign:
        raise InputError(
            "path", f"must be a folder of the cache's own; in {path} is {min(foreign)!a}"
        )
    with _files_lock:
        if not _hooked:
            os.register_at_fork(
                before=_before_fork,
                after_in_parent=_after_fork_in_parent,
                after_in_child=_after_fork_in_child,
            )
            _hooked = True
        return _files.setdefault(folder, Files(folder, max_octets))


def _before_fork() -> None:
    _files_lock.acquire()
    for files in _files.values():
        files.before_fork()


def _after_fork_in_parent() -> None:
    for files in _files.values():
        files.after_fork_in_parent()
    _files_lock.release()


def _after_fork_in_child() -> None:
    for files in _files.values():
        files.after_fork_in_child()
    _files_lock.release()
