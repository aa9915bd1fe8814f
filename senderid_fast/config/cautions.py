"""cautions: settings that may be meant, but often are not.

What may live here: one function for each matter; what a policy is to be cautious about is in
ReceiverPolicy.cautions().
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

from senderid_fast.receiver.actions import Action
from senderid_fast.receiver.exchange import ExchangeAction
from senderid_fast.receiver.overrides import Tables, cells_of

if TYPE_CHECKING:
    from senderid_fast.config.addresses import ListenAddress
    from senderid_fast.config.config import Config

__all__ = ["cautions"]

# Defaults of Postfix (postconf(5)) and systemd (TimeoutStopSec=): who waits so long for us.
MILTER_COMMAND_SECONDS = 30
MILTER_CONTENT_SECONDS = 300
POLICY_SECONDS = 100
SMTPD_SECONDS = 300
STOP_SECONDS = 90


def cautions(config: Config) -> tuple[str, ...]:
    """One sentence for each, the key first."""
    found = [f"policy.{each}" for each in config.policy.cautions()]
    for matter in (_sockets, _receiver, _exchange, _times, _cache):
        found.extend(matter(config))
    return tuple(dict.fromkeys(found))


def _sockets(config: Config) -> Iterator[str]:
    listening: list[tuple[str, ListenAddress]] = []
    listening += [("milter", each) for each in config.milter.listen]
    listening += [("policyd", each) for each in config.policyd.listen]
    if config.metrics.listen is not None:
        listening.append(("metrics", config.metrics.listen))
    for section, address in listening:
        if address.is_public:
            yield (
                f"{section}.listen: {address} may be reached from other networks, and asks nobody "
                "for a password: use a unix socket, a loopback or private address, or a firewall"
            )
    taken: dict[str, str] = {}
    for section, address in listening:
        before = taken.setdefault(str(address), section)
        if before != section and address.kind != "systemd":
            yield f"{section}.listen: {address} is {before}.listen, too: only one can have it"
    mode = config.process.socket_mode
    if mode & 0o002 and any(address.kind == "unix" for _, address in listening):
        yield (
            f"process.socket_mode: {mode:04o} lets every user of this machine use the sockets: "
            "use 0660 with socket_group"
        )


def _receiver(config: Config) -> Iterator[str]:
    receiving, policy = config.receiving, config.policy
    if not receiving.authserv_id and _refuses(config):
        yield (
            f"receiver.authserv_id: is not set, so that fields have the host name "
            f"{receiving.own_name}, while mail is refused: set the name that your users know"
        )
    if policy.check_authenticated and not policy.test_only and _refuses(config):
        yield (
            "policy.check_authenticated: your own users are refused if their network is none of "
            "their domain's"
        )
    if receiving.remove_forged and not receiving.fields:
        yield "receiver.fields: none are written, while those of others are removed"


def _refuses(config: Config) -> bool:
    """Whether any message may be refused, deferred or dropped because of a result."""
    harmless = (Action.ACCEPT, Action.MARK)
    policy, exchange, submitter = config.policy, config.exchange, config.receiving.submitter
    if exchange.enabled and any(
        action is not ExchangeAction.STAMP_STATUS
        for action in (exchange.spoofed_domain_action, exchange.temp_error_action)
    ):
        return True
    if submitter is not None and not submitter.test_only:
        return True
    if policy.test_only:
        return False
    tables: tuple[Tables, ...] = (policy, *policy.overrides)
    return any(action not in harmless for each in tables for action in cells_of(each).values())


def _exchange(config: Config) -> Iterator[str]:
    exchange = config.exchange
    others = [key for key in config.sources if key.startswith("exchange.")]
    if others and not exchange.enabled and "exchange.Enabled" not in config.sources:
        yield (
            f"{others[0]}: has no effect without exchange.Enabled = true, whose default here is "
            "false"
        )
    if exchange.enabled and "exchange" not in config.receiving.fields:
        yield (
            "exchange.Enabled: its fields are not written: add exchange to receiver.fields if "
            "something looks for them"
        )


def _times(config: Config) -> Iterator[str]:
    seconds, check = config.receiving.seconds, config.limits.seconds
    # What is done at RCPT ends with the check, what is done after the header with the budget.
    for key, needed, timeout, most in (
        ("limits.seconds", min(check, seconds), "milter_command_timeout", MILTER_COMMAND_SECONDS),
        ("limits.seconds", min(check, seconds), "smtpd_policy_service_timeout", POLICY_SECONDS),
        ("receiver.seconds", seconds, "milter_content_timeout", MILTER_CONTENT_SECONDS),
    ):
        if needed > most:
            yield f"{key}: {needed:g} is above {timeout} of Postfix, {most} s: raise that, too"
    if seconds < check:
        yield (
            f"receiver.seconds: {seconds:g} is below limits.seconds, {check:g}: a check may have "
            "no time to end"
        )
    idle, grace = config.process.idle_seconds, config.process.grace_seconds
    if idle < SMTPD_SECONDS:
        yield (
            f"process.idle_seconds: {idle:g} is below smtpd_timeout of Postfix, {SMTPD_SECONDS} s: "
            "a slow client's session would lose its milter"
        )
    if grace > STOP_SECONDS:
        yield (
            f"process.grace_seconds: {grace:g} is above TimeoutStopSec of systemd, "
            f"{STOP_SECONDS} s: raise that, too"
        )


def _cache(config: Config) -> Iterator[str]:
    url = config.cache.url
    if not url:
        return
    package, extra = ("lmdb", "lmdb") if url.startswith("lmdb:") else ("redis", "valkey")
    if find_spec(package) is None:
        yield (
            f"cache.url: needs the package {package}: pip install 'senderid-fast[{extra}]'; no "
            "service starts without it"
        )
