"""serve: a service from its configuration to its end, in the order that privileges demand.

What may live here: that order: sockets as who started it, then the account, then everything else.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from time import time
from types import FrameType
from typing import TYPE_CHECKING

from senderid_fast.config.addresses import ListenAddress, listen_addresses
from senderid_fast.errors import SenderIDError, ServiceError
from senderid_fast.service import families
from senderid_fast.service.activation import Activation
from senderid_fast.service.counters import Board
from senderid_fast.service.listening import Access, Listener, close_all, listen
from senderid_fast.service.logs import Log
from senderid_fast.service.notify import Notifier
from senderid_fast.service.observing import Observer
from senderid_fast.service.privileges import Account, account_of, drop, group_of
from senderid_fast.service.running import Plan, Worker
from senderid_fast.service.sinks import open_sink
from senderid_fast.service.supervising import Role, Supervisor

if TYPE_CHECKING:
    from senderid_fast.config.config import Config
    from senderid_fast.service.words import Current, ProtocolServer

__all__ = ["rehearse", "serve"]

# What workers import when they first need it. Imported before the fork its memory is shared; before
# root is given up it can be read wherever it lies.
PRELOADED = (
    "dns.message",
    "encodings.ascii",
    "encodings.idna",
    "encodings.latin_1",
    "encodings.punycode",
    "senderid_fast.async_engine",
    "senderid_fast.cache.lmdb",
    "senderid_fast.cache.tier",
    "senderid_fast.reception.reception",
    "senderid_fast.resolver.lookup",
    "senderid_fast.resolver.messages",
    "senderid_fast.resolver.system",
    "senderid_fast.resolver.udp_aside",
    "senderid_fast.resolver.udp_loop",
)
# File descriptors beside those of connections: sockets of DNS, files of the cache, our own.
RESERVED = 256
STDERR = 2


def rehearse(service: str, config: Config) -> None:
    """Do what a service does when it starts, but for its sockets: find the accounts, become who it
    would be, open log and cache. There is no way back, and nothing is left that belongs to root.
    Raises a SenderIDError."""
    account = account_of(config.process.user, config.process.group)
    _access(config, account)
    _preload(config)
    drop(account)
    open_sink(config.log.to, f"senderid-fast-{service}").close()
    _check(config)


def _check(config: Config) -> None:
    """Make what a worker makes, as far as it can be without serving. Raises a SenderIDError."""
    config.receiver()
    cache = config.settings().cache
    if cache is not None:
        cache.close()  # type: ignore[attr-defined]


def serve(
    service: str,
    server: Callable[[Current, Config], ProtocolServer],
    load: Callable[[], Config],
    listen_at: Sequence[str] = (),
) -> int:
    """Run a service until a signal ends it; the exit status.

    service    "milter" or "policyd": the section of the configuration with its addresses
    server     makes the protocol server, in each worker
    load       reads the configuration; once more for each reload. Raises SenderIDError
    listen_at  addresses in place of those of the configuration

    Raises a SenderIDError for what keeps it from starting.
    """
    _heed_signals()
    config = load()
    activation = Activation.from_environment()
    notifier = Notifier()
    account = account_of(config.process.user, config.process.group)
    listeners: list[Listener] = []
    pages: list[Listener] = []
    try:
        access = _access(config, account)
        addresses = _addresses(service, config, listen_at, activation)
        if config.metrics.listen is not None:
            with _of_key("metrics.listen"):
                pages = listen([config.metrics.listen], access, activation)
        with _of_key("--listen" if listen_at else f"{service}.listen"):
            listeners = listen(addresses, access, activation)
        unused = activation.names
        activation.close()
        connections = _descriptors(config.process.max_connections)
        _preload(config)
        drop(account)
        return _Service(service, server, load, config, listeners, pages, connections, unused).run(
            notifier
        )
    finally:
        close_all([*listeners, *pages])
        notifier.close()


def _heed_signals() -> None:
    """Until the supervisor takes them: one that would end the service ends what has begun of it, so
    that no socket file stays, and the wish to reload waits."""
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP,))


def _end(_: int, __: FrameType | None) -> None:
    raise SystemExit(0)


@contextmanager
def _of_key(key: str) -> Iterator[None]:
    """What is wrong with an address is told of the key that it is from."""
    try:
        yield
    except ServiceError as error:
        raise ServiceError(f"{key}: {error.what}", error.problem) from None


def _preload(config: Config) -> None:
    for name in PRELOADED:
        import_module(name)
    with suppress(ImportError):
        import_module("uvloop")
    if config.cache.url.startswith("lmdb:"):
        with suppress(ImportError):  # the cache tells of it, when it is opened
            import_module("lmdb")


def _access(config: Config, account: Account | None) -> Access:
    process = config.process
    user = account.uid if account is not None and os.geteuid() == 0 else None
    group = account.gid if user is not None and account is not None else None
    if process.socket_group:
        group = group_of(process.socket_group, "process.socket_group")
    return Access(process.socket_mode, user, group)


def _addresses(
    service: str, config: Config, listen_at: Sequence[str], activation: Activation
) -> tuple[ListenAddress, ...]:
    """Where to listen: what the command line says, else what systemd hands over, else what the
    configuration says."""
    if listen_at:
        return listen_addresses("--listen", list(listen_at))
    configured: tuple[ListenAddress, ...] = getattr(config, service).listen
    # The .socket unit has an address of its own: the same settings serve with it and without it.
    if activation and not any(each.kind == "systemd" for each in configured):
        return (ListenAddress("systemd"),)
    return configured


def _descriptors(wanted: int) -> int:
    """Have as many file descriptors as the connections need; how many connections there can be."""
    import resource

    need = wanted + RESERVED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    infinite = resource.RLIM_INFINITY
    if soft != infinite and soft < need:
        best = need if hard == infinite else min(need, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(best, soft), hard))
            soft = max(best, soft)
    return wanted if soft == infinite else max(min(wanted, soft - RESERVED), 1)


class _Service:
    """A service after it has its sockets and its account."""

    def __init__(
        self,
        service: str,
        server: Callable[[Current, Config], ProtocolServer],
        load: Callable[[], Config],
        config: Config,
        listeners: list[Listener],
        pages: list[Listener],
        connections: int,
        unused: list[str],
    ) -> None:
        self._config = config
        self._load = load
        self._listeners = listeners
        self._pages = pages
        self._connections = connections
        self._unused = unused
        self._board = Board(config.process.workers)
        self._plan = Plan(service, server, self._loaded, self._board)
        self._started = time()
        sink = open_sink(config.log.to, f"senderid-fast-{service}")
        self._log = Log(sink, config.log.format, config.log.level)

    def run(self, notifier: Notifier) -> int:
        """Run it; the exit status."""
        _check(self._config)
        board, log = self._board, self._log
        log.lost = lambda: board.supervisor.add(families.LOST)
        log.event(
            "info",
            "service starts",
            service=self._plan.service,
            listen=", ".join(each.address for each in self._listeners),
            metrics=", ".join(each.address for each in self._pages) or None,
            config=self._config.source or None,
            user=os.geteuid(),
        )
        if board.supervisor.get(families.LOST):  # whoever looks for a log there finds none
            words = f"senderid-fast: warning: log.to: {self._config.log.to} takes no lines\n"
            with suppress(OSError):
                os.write(STDERR, words.encode("ascii", "backslashreplace"))
        self._warn()
        roles = [
            Role(f"worker {slot.index}", slot, self._work_of(number))
            for number, slot in enumerate(board.workers)
        ]
        if self._pages:
            roles.append(Role("observer", board.observer, self._observe, serves=False))
        # What is there now is not changed by the collector in each child, so that they share it.
        gc.collect()
        gc.freeze()
        supervisor = Supervisor(
            board,
            roles,
            log,
            notifier,
            self._reload,
            lambda: close_all([*self._listeners, *self._pages]),
            lambda: self._config.process.grace_seconds,
        )
        status = supervisor.run()
        log.event("info", "service has stopped", service=self._plan.service)
        log.close()
        return status

    def _warn(self) -> None:
        log = self._log
        for words in self._config.cautions():
            log.event("warning", words)
        if os.geteuid() == 0:
            log.event("warning", "the service runs as root: set process.user")
        if self._connections < self._config.process.max_connections:
            log.event(
                "warning",
                "process.max_connections is lowered: raise the limit of file descriptors "
                "(LimitNOFILE= of the systemd unit)",
                max_connections=self._connections,
            )
        for name in self._unused:
            log.event("warning", "a socket of systemd is not used: no address names it", name=name)

    def _loaded(self) -> Config:
        """The configuration as it is now, with what cannot be changed left as it is."""
        return self._load().kept(self._config)

    def _reload(self) -> str | None:
        """Read it and try it; the words of what is wrong, or None."""
        try:
            fresh = self._load()
            config = fresh.kept(self._config)
            _check(config)
        except SenderIDError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the old settings are good
            return f"unexpected {type(error).__name__}: {error}"
        for key in fresh.needs_restart(self._config):
            self._log.event("warning", f"{key} changes when the service is started again")
        for words in config.cautions():
            self._log.event("warning", words)
        self._config = config
        self._log.set_up(config.log.format, config.log.level)
        return None

    # ---- in the children --------------------------------------------------------------------

    def _work_of(self, number: int) -> Callable[[int], None]:
        def work(lifeline: int) -> None:
            for each in self._pages:
                each.socket.close()
            slot = self._board.workers[number]
            self._log.lost = lambda: slot.add(families.LOST)
            Worker(
                self._plan,
                slot,
                self._config,
                self._listeners,
                self._log,
                lifeline,
                self._connections,
            ).run()

        return work

    def _observe(self, lifeline: int) -> None:
        for each in self._listeners:
            each.socket.close()
        slot = self._board.observer
        self._log.lost = lambda: slot.add(families.LOST)
        Observer(
            self._board,
            self._config,
            self._pages,
            self._listeners,
            self._log,
            lifeline,
            self._started,
        ).run()
