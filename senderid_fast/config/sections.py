"""The sections of a configuration that are no other class's: what each holds, checked when made.

What may live here: one frozen dataclass for each section of the file, its field names the keys, its
defaults theirs. Rules that belong to a resolver, a cache or a receiver are asked of those, not
written anew. What the keys mean is told in keys.py.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

from senderid_fast.cache.opening import check_cache, open_cache
from senderid_fast.config import values
from senderid_fast.config.addresses import ListenAddress, listen_addresses
from senderid_fast.errors import InputError
from senderid_fast.receiver.actions import DISCARDS, Action, known_keys, mapping_of, under
from senderid_fast.receiver.networks import Networks, listed
from senderid_fast.receiver.policy import ReceiverPolicy
from senderid_fast.receiver.relays import TrustedRelays
from senderid_fast.receiver.submitter import SubmitterPolicy
from senderid_fast.reception.receiver import Receiver
from senderid_fast.resolver.choosing import bulk_resolver
from senderid_fast.resolver.servers import RESOLV_CONF
from senderid_fast.resolver.system import SystemResolver
from senderid_fast.resolver.udp import UdpResolver
from senderid_fast.settings import Settings

if TYPE_CHECKING:
    from senderid_fast.receiver.exchange import ExchangeSenderId

__all__ = [
    "CacheSection",
    "DnsSection",
    "EngineSection",
    "LogSection",
    "MetricsSection",
    "MilterSection",
    "PolicydSection",
    "ProcessSection",
    "ReceiverSection",
]

LOG_FORMATS = ("plain", "json")
LOG_LEVELS = ("debug", "info", "warning", "error")
DAY = 86_400


def _put(section: Any, **checked: object) -> None:
    for name, value in checked.items():
        object.__setattr__(section, name, value)


@dataclass(frozen=True, slots=True)
class MilterSection:
    """[milter]: where the milter listens, and what it says to have a message discarded.

    listen  text or ListenAddress; a list, or text with commas
    """

    listen: tuple[ListenAddress, ...] = (
        ListenAddress.parse("unix:/run/senderid-fast/milter.sock"),
    )
    discard: str = "discard"

    def __post_init__(self) -> None:
        _put(self, listen=_some(listen_addresses("listen", self.listen)))
        values.one_of("discard", self.discard, DISCARDS)


@dataclass(frozen=True, slots=True)
class PolicydSection:
    """[policyd]: where the policy service listens; as in [milter]."""

    listen: tuple[ListenAddress, ...] = (
        ListenAddress.parse("unix:/run/senderid-fast/policyd.sock"),
    )

    def __post_init__(self) -> None:
        _put(self, listen=_some(listen_addresses("listen", self.listen)))


def _some(addresses: tuple[ListenAddress, ...]) -> tuple[ListenAddress, ...]:
    if not addresses:
        raise InputError("listen", "must name one address at least")
    return addresses


@dataclass(frozen=True, slots=True)
class ProcessSection:
    """[process]: the processes of a service, and what bounds them.

    socket_mode is a number here (0o660); it may be given as the text "0660".
    """

    workers: int = 1
    user: str = ""
    group: str = ""
    socket_mode: int = 0o660
    socket_group: str = ""
    grace_seconds: float = 30.0
    max_connections: int = 1_000
    idle_seconds: float = 7_200.0
    max_header_octets: int = 1 << 20

    def __post_init__(self) -> None:
        values.whole("workers", self.workers, 1, 256)
        for name in ("user", "group", "socket_group"):
            values.name(name, getattr(self, name))
        _put(
            self,
            socket_mode=values.socket_mode("socket_mode", self.socket_mode),
            grace_seconds=values.seconds("grace_seconds", self.grace_seconds, DAY),
            idle_seconds=values.seconds("idle_seconds", self.idle_seconds, DAY),
        )
        values.whole("max_connections", self.max_connections, 1, 100_000)
        values.whole("max_header_octets", self.max_header_octets, 1 << 12, 1 << 26)


@dataclass(frozen=True, slots=True)
class ReceiverSection:
    """[receiver]: what is the same for all messages, but for the policy.

    authserv_id ""   the name of this host
    submitter None   the extension of RFC 4405 is not offered
    """

    authserv_id: str = ""
    own_names: tuple[str, ...] = ()
    checks: tuple[str, ...] = ("helo", "mailfrom", "pra")
    internal: Networks = field(default_factory=lambda: Networks("127.0.0.0/8, ::1"))
    relays: TrustedRelays = field(default_factory=TrustedRelays)
    submitter: SubmitterPolicy | None = None
    fields: tuple[str, ...] = ("received-spf", "authentication-results")
    remove_forged: bool = True
    on_trouble: Action = Action.ACCEPT
    seconds: float = 30.0

    def __post_init__(self) -> None:
        values.text("authserv_id", self.authserv_id)
        # A rule of what a receiver may be stands there, not here.
        checked = self.receiver(ReceiverPolicy(), None)
        names = ("checks", "fields", "on_trouble", "own_names", "internal")
        _put(self, **{name: getattr(checked, name) for name in names})

    @property
    def own_name(self) -> str:
        """authserv_id, or in its place the name of this host."""
        return self.authserv_id or socket.gethostname()

    @property
    def host_name(self) -> str:
        """own_name, if it can be a host name in an explanation (RFC 7208 7.2: "unknown" if not)."""
        name = self.own_name
        return name if name.isascii() and name.isprintable() and len(name) <= 253 else "unknown"

    def receiver(self, policy: ReceiverPolicy, exchange: ExchangeSenderId | None) -> Receiver:
        """The Receiver of this section, with the policy of others. Raises InputError."""
        named = {each.name: getattr(self, each.name) for each in fields(self)}
        named["authserv_id"] = self.own_name
        return Receiver(policy=policy, exchange=exchange, **named)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, object]) -> Self:
        """The section as TOML is read into. Raises InputError, which names the key with its path,
        such as "relays.depth"."""
        found: dict[str, Any] = dict(mapping)
        if "relays" in found:
            inner = mapping_of("relays", found["relays"])
            with under("relays"):
                known_keys(inner, ("networks", "names", "depth"))
                found["relays"] = TrustedRelays(**inner)  # type: ignore[arg-type]
        if "submitter" in found:
            inner = dict(mapping_of("submitter", found["submitter"]))
            with under("submitter"):
                # The table by itself says that SUBMITTER is offered.
                offered = values.flag("enabled", inner.pop("enabled", True))
                known_keys(inner, (each.name for each in fields(SubmitterPolicy)))
                policy = SubmitterPolicy(**inner)  # type: ignore[arg-type]
            found["submitter"] = policy if offered else None
        return cls(**found)


@dataclass(frozen=True, slots=True)
class DnsSection:
    """[dns]: how DNS is asked. The options are those of UdpResolver, edns_payload and config_file
    those of SystemResolver.

    servers ()   those of config_file
    fast         UdpResolver where the servers are known; else SystemResolver
    rate 0       no limit
    """

    servers: tuple[str, ...] = ()
    fast: bool = True
    try_seconds: float = 1.0
    tries: int = 3
    sockets: int = 4
    in_flight: int = 128
    rate: float = 0
    strategy: str = "first"
    edns_payload: int = 1232
    config_file: str = RESOLV_CONF

    def __post_init__(self) -> None:
        _put(self, servers=tuple(listed("servers", self.servers)))
        values.flag("fast", self.fast)
        values.path("config_file", self.config_file)
        _ = UdpResolver(self.servers or ("127.0.0.1",), **self.fast_options)
        _ = self.system_resolver()

    def resolver(self) -> UdpResolver | SystemResolver:
        """What answers questions; the servers of config_file are read now."""
        if not self.fast:
            return self.system_resolver()
        found = bulk_resolver(self.servers, config_file=self.config_file, **self.fast_options)
        return found if isinstance(found, UdpResolver) else self.system_resolver()

    @property
    def fast_options(self) -> dict[str, Any]:
        """The options of a UdpResolver."""
        names = ("try_seconds", "tries", "sockets", "in_flight", "strategy")
        unlimited = type(self.rate) in (int, float) and self.rate == 0
        options = {name: getattr(self, name) for name in names}
        return options | {"rate": None if unlimited else self.rate}

    def system_resolver(self) -> SystemResolver:
        """The resolver without the fast path."""
        with _renamed({"nameservers": "servers"}):
            return SystemResolver(
                self.servers or None,
                try_seconds=self.try_seconds,
                tries=self.tries,
                edns_payload=self.edns_payload,
                config_file=self.config_file,
            )


@contextmanager
def _renamed(names: Mapping[str, str]) -> Iterator[None]:
    """What another class calls otherwise has the name of its key in errors."""
    try:
        yield
    except InputError as error:
        raise InputError(names.get(error.field, error.field), error.problem) from None


@dataclass(frozen=True, slots=True)
class EngineSection:
    """[engine]: how answers are kept and records evaluated, as in Settings."""

    min_ttl: float = 0
    max_ttl: float = 86_400
    failure_ttl: float = 5
    store_octets: int = 64 << 20
    plain_for_pra: bool = True
    policy_tables: bool = True
    prefetch: int = 0
    stale_seconds: float = 0

    def __post_init__(self) -> None:
        self.settings()

    def settings(self, **others: Any) -> Settings:
        """Settings with these values, and those that other sections have."""
        return Settings(**{each.name: getattr(self, each.name) for each in fields(self)}, **others)


@dataclass(frozen=True, slots=True)
class CacheSection:
    """[cache]: the cache that processes or machines share.

    url ""       none
    max_octets   of lmdb; prefix, timeout: of a server
    """

    url: str = field(default="", repr=False)  # it may hold a password
    max_octets: int = 256 << 20
    prefix: str = "senderid-fast:"
    timeout: float = 0.005
    most_waiting: int = 20_000

    def __post_init__(self) -> None:
        check_cache(
            self.url or None,
            max_octets=self.max_octets,
            prefix=self.prefix,
            timeout=self.timeout,
            most_waiting=self.most_waiting,
        )

    def open(self, stale_seconds: float) -> Any:
        """The cache, opened; None if there is none. Raises InputError, CacheError,
        MissingExtraError."""
        if not self.url:
            return None
        options: dict[str, Any] = {
            "most_waiting": self.most_waiting,
            "stale_seconds": stale_seconds,
        }
        if self.url.startswith("lmdb:"):
            options |= {"max_octets": self.max_octets}
        else:
            options |= {"prefix": self.prefix, "timeout": self.timeout}
        with _renamed({"path": "cache.url"}):
            return open_cache(self.url, **options)


@dataclass(frozen=True, slots=True)
class LogSection:
    """[log]: what is logged, how and where to."""

    format: str = "plain"
    to: str = "stderr"
    level: str = "info"
    messages: bool = True

    def __post_init__(self) -> None:
        values.one_of("format", self.format, LOG_FORMATS)
        if self.to not in ("stderr", "syslog"):
            if not isinstance(self.to, str) or not self.to.startswith("/"):
                raise InputError(
                    "to", f"must be stderr, syslog or an absolute path, is {self.to!r}"
                )
            values.path("to", self.to)
        values.one_of("level", self.level, LOG_LEVELS)
        values.flag("messages", self.messages)


@dataclass(frozen=True, slots=True)
class MetricsSection:
    """[metrics]: where figures and health are asked for; None: nowhere. Text is read."""

    listen: ListenAddress | None = None

    def __post_init__(self) -> None:
        found = () if self.listen is None else listen_addresses("listen", self.listen)
        if len(found) > 1:
            raise InputError("listen", "must be one address")
        _put(self, listen=found[0] if found else None)
