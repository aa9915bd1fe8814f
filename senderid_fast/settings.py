"""Limits and Settings: what bounds a check, and what makes an engine. Values only.

What may live here: frozen settings that pickle and hash, checked when they are made. Nothing of
ours but errors is imported.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from senderid_fast.errors import InputError

__all__ = ["Limits", "Settings"]


def _whole(name: str, value: object, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise InputError(name, f"must be a whole number from {least} to {most}, is {value!r}")


def _seconds(name: str, value: object, *, zero: bool, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(name, f"must be a number of seconds, is {value!r}")
    if not ((value >= 0 if zero else value > 0) and value <= most):  # NaN is neither
        raise InputError(
            name, f"must be {'from' if zero else 'above'} 0 to {most:g} seconds, is {value!r}"
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one check, with the values of RFC 7208 4.6.4 as defaults.

    lookups       terms that ask DNS (include, a, mx, ptr, exists, redirect): 0 to 100
    void_lookups  of these, terms whose questions have no answer: 0 to 100
    mx_names      exchanges of one mx term; more are permerror: 0 to 100
    ptr_names     names of one ptr term or %{p}; further ones are ignored: 0 to 100
    seconds       the whole check, from call to verdict; more is temperror: up to 86,400

    Other values than the defaults break the RFC: others may then see another result. Raises
    InputError, which names the field.
    """

    lookups: int = 10
    void_lookups: int = 2
    mx_names: int = 10
    ptr_names: int = 10
    seconds: float = 20.0

    def __post_init__(self) -> None:
        for name in ("lookups", "void_lookups", "mx_names", "ptr_names"):
            _whole(name, getattr(self, name), 0, 100)
        _seconds("seconds", self.seconds, zero=False, most=86_400)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that makes an engine. Hashable and picklable if its resolver is.

    resolver      answers questions (resolver.Resolver, AsyncResolver); None: the system's resolver
    limits        of each check
    min_ttl       seconds; an answer with a shorter time to live is kept so long: 0 to 86,400
    max_ttl       seconds; an answer with a longer time to live is kept so long: 0 to 604,800
    failure_ttl   seconds for which an error of DNS is kept, for that question alone (RFC 2308 7
                  allows 300); 0: not at all
    stale_seconds where DNS gives an error, an answer is used whose time to live ended at most so
                  long ago (RFC 8767), and the verdict says so: Verdict.stale. RFC 8767 5 recommends
                  one to three days: 86,400 to 259,200; up to 604,800. 0: no such answer is used
    store_octets  memory for answers, at least 64 KiB
    receiver      the receiver's host name, for %{r} in explanations (RFC 7208 7.2)
    plain_for_pra whether v=spf1 may apply to scope pra (RFC 4406 4.4)
    policy_tables whether a policy that is asked for often becomes a table of addresses; no verdict
                  depends on it
    concurrency   questions of one batch that are asked at the same time: 1 to 4,096
    prefetch      questions of later terms that a check asks together with the one it waits for: 0
                  (none) to 32. Each saves a round trip if it is needed; no verdict or count depends
                  on it. Batches have their rounds instead.
    cache         keeps answers for several processes (cache.Cache), such as cache.LmdbCache: asked
                  for what the engine's own store lacks, before DNS is. Errors of DNS are kept there
                  for failure_ttl in whole seconds.

    Raises InputError, which names the field.
    """

    resolver: object = None
    limits: Limits = field(default_factory=Limits)
    min_ttl: float = 0
    max_ttl: float = 86_400
    failure_ttl: float = 5
    stale_seconds: float = 0
    store_octets: int = 64 << 20
    receiver: str = "unknown"
    plain_for_pra: bool = True
    policy_tables: bool = True
    concurrency: int = 64
    prefetch: int = 0
    cache: object = None

    def __post_init__(self) -> None:
        if not isinstance(self.limits, Limits):
            raise InputError("limits", f"must be Limits, is {type(self.limits).__name__}")
        resolver = self.resolver
        if resolver is not None and not (
            callable(getattr(resolver, "resolve", None))
            or callable(getattr(resolver, "resolve_async", None))
        ):
            raise InputError(
                "resolver", f"must have resolve or resolve_async, is {type(resolver).__name__}"
            )
        _seconds("min_ttl", self.min_ttl, zero=True, most=86_400)
        _seconds("max_ttl", self.max_ttl, zero=True, most=604_800)
        _seconds("failure_ttl", self.failure_ttl, zero=True, most=300)
        _seconds("stale_seconds", self.stale_seconds, zero=True, most=604_800)
        if self.min_ttl > self.max_ttl:
            raise InputError("min_ttl", f"must not be above max_ttl, which is {self.max_ttl:g}")
        _whole("store_octets", self.store_octets, 1 << 16, 1 << 44)
        if not isinstance(self.receiver, str) or not self.receiver.isascii():
            raise InputError("receiver", f"must be a host name in ASCII, is {self.receiver!r}")
        if not self.receiver.isprintable() or not 0 < len(self.receiver) <= 253:
            raise InputError("receiver", f"must be a host name, is {self.receiver!r}")
        for name in ("plain_for_pra", "policy_tables"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(name, f"must be True or False, is {getattr(self, name)!r}")
        _whole("concurrency", self.concurrency, 1, 4_096)
        _whole("prefetch", self.prefetch, 0, 32)
        if self.cache is not None and not all(
            callable(getattr(self.cache, name, None)) for name in ("get_many", "put_many")
        ):
            raise InputError(
                "cache", f"must have get_many and put_many, is {type(self.cache).__name__}"
            )
