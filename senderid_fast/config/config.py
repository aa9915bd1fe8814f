"""Config: everything that a service is told, and what is made of it.

What may live here: the whole of the sections, and what depends on several of them. How a file is
read is in loading.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from senderid_fast.config.sections import (
    CacheSection,
    DnsSection,
    EngineSection,
    LogSection,
    MetricsSection,
    MilterSection,
    PolicydSection,
    ProcessSection,
    ReceiverSection,
)
from senderid_fast.receiver.exchange import ExchangeSenderId
from senderid_fast.receiver.policy import ReceiverPolicy
from senderid_fast.settings import Limits, Settings

if TYPE_CHECKING:
    from senderid_fast.reception.receiver import Receiver

__all__ = ["Config"]

# What a reload cannot change: sockets are opened, and privileges given up, when a service starts.
_AT_START = (
    "milter.listen",
    "milter.discard",
    "policyd.listen",
    "process.workers",
    "process.user",
    "process.group",
    "process.socket_mode",
    "process.socket_group",
    "log.to",
    "metrics.listen",
)


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration of a service; each section has the name of its table in the file, but for
    [receiver], which is ``receiving``. load() reads one.

    exchange  enabled is False unless the file says so
    source    the file that it was read from; "" if none was
    sources   for each key that is not at its default, such as "limits.lookups": the place that it
              is from, as "FILE:LINE" or the name of a variable of the environment

    Neither source nor sources count when two are compared.
    """

    milter: MilterSection = field(default_factory=MilterSection)
    policyd: PolicydSection = field(default_factory=PolicydSection)
    process: ProcessSection = field(default_factory=ProcessSection)
    receiving: ReceiverSection = field(default_factory=ReceiverSection)
    policy: ReceiverPolicy = field(default_factory=ReceiverPolicy)
    exchange: ExchangeSenderId = field(default_factory=lambda: ExchangeSenderId(enabled=False))
    dns: DnsSection = field(default_factory=DnsSection)
    limits: Limits = field(default_factory=Limits)
    engine: EngineSection = field(default_factory=EngineSection)
    cache: CacheSection = field(default_factory=CacheSection)
    log: LogSection = field(default_factory=LogSection)
    metrics: MetricsSection = field(default_factory=MetricsSection)
    source: str = field(default="", compare=False)
    sources: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    def receiver(self) -> Receiver:
        """The Receiver of these settings."""
        exchange = self.exchange if self.exchange.enabled else None
        return self.receiving.receiver(self.policy, exchange)

    def settings(self) -> Settings:
        """Settings of an engine, with its resolver, and its cache opened.

        Raises InputError, CacheError, MissingExtraError if the cache cannot be opened.
        """
        return self.engine.settings(
            resolver=self.dns.resolver(),
            limits=self.limits,
            receiver=self.receiving.host_name,
            cache=self.cache.open(self.engine.stale_seconds),
        )

    def cautions(self) -> tuple[str, ...]:
        """What may be meant but often is not, one sentence each, the key first."""
        from senderid_fast.config.cautions import cautions

        return cautions(self)

    def needs_restart(self, other: Config) -> tuple[str, ...]:
        """The keys that differ in another configuration and cannot be changed while a service
        runs, such as "process.user"."""
        found = []
        for key in _AT_START:
            section, _, name = key.partition(".")
            if getattr(getattr(self, section), name) != getattr(getattr(other, section), name):
                found.append(key)
        return tuple(found)

    def kept(self, running: Config) -> Config:
        """This configuration, with what cannot be changed as it is in the one that runs."""
        found = self
        for key in self.needs_restart(running):
            section, _, name = key.partition(".")
            old = {name: getattr(getattr(running, section), name)}
            found = replace(found, **{section: replace(getattr(found, section), **old)})
        return found
