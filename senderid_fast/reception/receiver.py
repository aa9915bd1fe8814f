"""Receiver: who receives, and by which rules; what is the same for all messages.

What may live here: settings, checked when they are made, and what follows from them for a session
before anything is asked. How verdicts are judged is in judging.py, which fields are written in
stamping.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from senderid_fast._core.cidr import parse_address
from senderid_fast.errors import InputError
from senderid_fast.receiver.actions import Action, action_of, flag
from senderid_fast.receiver.exchange import ExchangeSenderId
from senderid_fast.receiver.fields import authentication_results
from senderid_fast.receiver.networks import Networks, listed
from senderid_fast.receiver.overrides import Tables, cells_of
from senderid_fast.receiver.policy import ReceiverPolicy
from senderid_fast.receiver.relays import TrustedRelays
from senderid_fast.receiver.removal import forged_fields
from senderid_fast.receiver.submitter import SubmitterPolicy
from senderid_fast.reception.envelope import Envelope

__all__ = ["AUTHENTICATED", "CHECKS", "FIELDS", "INTERNAL", "NO_ADDRESS", "Receiver"]

CHECKS = ("helo", "mailfrom", "pra")
FIELDS = ("received-spf", "authentication-results", "x-sid", "exchange")
# Why nothing is checked; an override is told by its name.
NO_ADDRESS = "no client address"
INTERNAL = "internal client"
AUTHENTICATED = "authenticated"
_OF_CHECK = {"helo": ("helo",), "mailfrom": ("mailfrom", "null_sender"), "pra": ()}
_REFUSING = (Action.DEFER, Action.DISCARD, Action.REJECT)
_SECONDS_MOST = 3600


@dataclass(frozen=True, slots=True)
class Receiver:
    """What is the same for all messages that a mail server receives.

    authserv_id    the server's name in fields (RFC 8601 2.5), in Received-SPF as well; never that
                   of a recipient
    policy         what is done about results
    exchange       Exchange's Sender ID agent: it decides about the PRA in place of policy.pra, and
                   its fields are written. The policy is for HELO and MAIL FROM
    relays         own relays: the client of what comes from one is found in its Received fields.
                   The agent's InternalSMTPServers are among them
    internal       clients that are never checked, unless they are relays
    checks         of "helo", "mailfrom", "pra" those that are made
    submitter      what is done about SUBMITTER (RFC 4405); None: it is not offered
    fields         of "received-spf", "authentication-results", "x-sid", "exchange" those written
    remove_forged  find incoming fields that claim to be ours
    own_names      further names of the trust boundary (RFC 8601 5), such as former ones
    on_trouble     when a check could not be made at all: accept (stamped temperror) or defer
    seconds        for which the mail server may wait in all, for one message: up to 3,600

    Raises InputError, which names the setting. Hashable and picklable if its parts are.
    """

    authserv_id: str
    policy: ReceiverPolicy = field(default_factory=ReceiverPolicy)
    exchange: ExchangeSenderId | None = None
    relays: TrustedRelays = field(default_factory=TrustedRelays)
    internal: Networks = field(default_factory=lambda: Networks("127.0.0.0/8, ::1"))
    checks: tuple[str, ...] = CHECKS
    submitter: SubmitterPolicy | None = None
    fields: tuple[str, ...] = ("received-spf", "authentication-results")
    remove_forged: bool = True
    own_names: tuple[str, ...] = ()
    on_trouble: Action = Action.ACCEPT
    seconds: float = 30.0
    _relays: TrustedRelays = field(init=False, repr=False, compare=False)
    _early: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        authentication_results(self.authserv_id)
        forged_fields((), self.authserv_id)
        for name, kind in (
            ("policy", ReceiverPolicy),
            ("exchange", ExchangeSenderId | None),
            ("relays", TrustedRelays),
            ("submitter", SubmitterPolicy | None),
        ):
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise InputError(name, f"cannot be a {type(value).__name__}")
        if not isinstance(self.internal, Networks):
            put("internal", Networks(self.internal, "internal"))
        put("checks", _chosen("checks", self.checks, CHECKS))
        put("fields", _chosen("fields", self.fields, FIELDS))
        if not self.checks:
            raise InputError("checks", f"must hold one of {', '.join(CHECKS)}")
        if self.exchange is not None and "pra" not in self.checks:
            raise InputError("checks", "must hold pra: exchange decides about it")
        flag("remove_forged", self.remove_forged)
        put("own_names", tuple(listed("own_names", self.own_names)))
        for name in self.own_names:
            try:
                authentication_results(name)
            except InputError as error:
                raise InputError("own_names", error.problem) from None
        allowed = (Action.ACCEPT, Action.DEFER)
        put("on_trouble", action_of("on_trouble", self.on_trouble, allowed))
        seconds = self.seconds
        number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
        if not number or not 0 < seconds <= _SECONDS_MOST:
            problem = f"must be a number of seconds above 0, up to {_SECONDS_MOST}, is {seconds!r}"
            raise InputError("seconds", problem)
        put("_relays", _all_relays(self))
        put("_early", _refuses_early(self))

    def skipped(self, envelope: Envelope) -> str | None:
        """Why nothing is checked for a session; None if something is, or if the header will tell.

        Such as "no client address", "authenticated", "internal client", "override 'partners'".
        """
        ip = envelope.ip
        if ip is None or parse_address(ip) is None:
            return NO_ADDRESS
        relay = self._relays.trusts(ip)
        if relay and not envelope.authenticated:
            return None
        return self.exempt(ip, authenticated=envelope.authenticated, internal=not relay)

    def exempt(self, ip: str, *, authenticated: bool = False, internal: bool = True) -> str | None:
        """Why a client, once it is known, is not checked; None if it is.

        internal  whether the networks of internal clients count
        """
        wanted = self.identities(ip, authenticated=authenticated)
        if not wanted and authenticated and not self.policy.check_authenticated:
            return AUTHENTICATED
        if internal and ip in self.internal:
            return INTERNAL
        if wanted:
            return None
        name = self.policy.skipped(ip, authenticated=authenticated)
        if name is not None:
            return f"override {name!r}"
        # Nothing but the PRA is checked, and the agent does not want that.
        assert self.exchange is not None
        return self.exchange.bypassed(ip, internal=authenticated)

    def identities(self, ip: str, *, authenticated: bool = False) -> tuple[str, ...]:
        """Those of ``checks`` that neither the policy nor the agent exempts a client from."""
        exempt = self.policy.skipped(ip, authenticated=authenticated)
        if self.exchange is None:
            return self.checks if exempt is None else ()
        bypassed = self.exchange.bypassed(ip, internal=authenticated)
        return tuple(
            each for each in self.checks if (bypassed if each == "pra" else exempt) is None
        )

    def needs_header(self, ip: str | None) -> bool:
        """Whether the client is known from the Received fields only: a relay of ours connected."""
        return ip is not None and self._relays.trusts(ip)

    def refuses_early(self) -> bool:
        """Whether any result for HELO or MAIL FROM, or any SUBMITTER, can have an action that
        refuses, defers or discards. If not, nobody needs to wait at RCPT."""
        return self._early

    @property
    def all_relays(self) -> TrustedRelays:
        """The relays, with the agent's InternalSMTPServers."""
        return self._relays


def _chosen(name: str, value: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    """Names in the order in which they are known, each once."""
    chosen = listed(name, value)
    for each in chosen:
        if each not in known:
            raise InputError(name, f"{each!r} is none of {', '.join(known)}")
    return tuple(each for each in known if each in chosen)


def _all_relays(receiver: Receiver) -> TrustedRelays:
    relays, exchange = receiver.relays, receiver.exchange
    if exchange is None or not exchange.internal_smtp_servers:
        return relays
    networks = (*relays.networks, *exchange.internal_smtp_servers)
    return TrustedRelays(networks, relays.names, relays.depth)


def _refuses_early(receiver: Receiver) -> bool:
    if receiver.submitter is not None and not receiver.submitter.test_only:
        return True
    policy = receiver.policy
    every: list[Tables] = [policy, *policy.overrides]
    tables = {table for check in receiver.checks for table in _OF_CHECK[check]}
    return not policy.test_only and any(
        table in tables and action in _REFUSING
        for each in every
        for (table, _), action in cells_of(each).items()
    )
