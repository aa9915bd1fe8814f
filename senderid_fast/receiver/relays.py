"""TrustedRelays: the client of a message that came over one's own relays.

What may live here: which Received field is believed, and when the walk over them ends. How a field
is read is in received.py. Nothing of ours but errors, the core and this folder is imported.

Exchange has the rule as InternalSMTPServers: if the connecting host is on the list, the first
address in the Received fields, from the top, that is not on the list is the client's. Each field is
believed for one reason only: the host that handed the message over is a relay of ours, and it wrote
its field above all that it received (RFC 5321 4.4, 7.2). Behind the first address that is not ours
stands what a stranger wrote, and it is not read.

An address that cannot be believed is none: a check on a guessed address could pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from senderid_fast._core.cidr import parse_address
from senderid_fast.errors import InputError
from senderid_fast.receiver.networks import Networks, listed
from senderid_fast.receiver.patterns import domain_keys, parse_domain
from senderid_fast.receiver.received import FieldReason, Received, parse_received

__all__ = ["Client", "RelayReason", "TrustedRelays"]

# RFC 6890: no host on the Internet connects from these. Networks for documentation are left out:
# they are in examples and tests, and a host of one's own has no use for them.
_NOT_GLOBAL = Networks(
    "0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, "
    "192.168.0.0/16, 224.0.0.0/3, ::/127, fc00::/7, fe80::/10, ff00::/8"
)


class RelayReason(StrEnum):
    """How the client was found, or why there is none."""

    CONNECTION = "connection"  #: the connecting host is not a relay of ours: it is the client
    FIELD = "received-field"  #: the address in a Received field of ours
    NO_FIELD = "no-more-fields"  #: every host on the way is a relay of ours
    NO_ADDRESS = "no-address"  #: a field gives no address that can be believed
    LOCAL = "local-submission"  #: submitted on a relay of ours; no client connected
    NOT_SMTP = "not-smtp"  #: a relay took it from a browser or a mailbox, not from an SMTP client
    PRIVATE = "private-address"  #: a private or loopback address that is not on the list
    NOT_OURS = "not-our-field"  #: the by clause does not name a host of ours
    DEPTH = "depth-limit"  #: as many fields as may be read, and no client yet


@dataclass(frozen=True, slots=True)
class Client:
    """Who sent a message to the first host of ours.

    ip      the address to check, or None: then no check can be made. The connecting address is as
            it was given, one of a field in its shortest form
    index   which of the Received fields decided, from 0 at the top; None if none was read, or none
            was left
    reason  how it was found, or why not
    detail  the same as a sentence for people
    helo    what this client gave in HELO, if ip is from a field
    """

    ip: str | None
    index: int | None
    reason: RelayReason
    detail: str
    helo: str | None = None


_NO_ADDRESS = {
    FieldReason.NO_FROM: "it has no from clause",
    FieldReason.NO_ADDRESS: "its from clause has no address that can be read",
    FieldReason.CLAIMED: "its address may be what the client said",
    FieldReason.AMBIGUOUS: "it can be read in more than one way",
    FieldReason.TOO_LONG: "it is too long",
}


def _shown(text: str | None) -> str:
    """Text of a stranger, fit for logs."""
    return "nothing" if text is None else ascii(text[:100])


@lru_cache(maxsize=1024)
def _who_connected(ip: str) -> Client:
    return Client(ip, None, RelayReason.CONNECTION, f"{ip}, which connected, is no trusted relay")


@dataclass(frozen=True, slots=True)
class TrustedRelays:
    """One's own relays, and the client behind them.

    networks  their addresses: "192.0.2.1", "192.0.2.0/24", "192.0.2.1-192.0.2.9", IPv6 likewise; an
              IPv4-mapped address is IPv4. Loopback is on the list only if it stands there
    names     the names by which they call themselves in the by clause of their fields:
              "mx.example.com", or ".example.com" for all below. If given, a field with another name
              ends the walk. Never compared with HELO or DNS. A stranger can write any name:
              names alone make nothing trusted
    depth     how many Received fields may be read, from 1 to 100

    Raises InputError, which names the entry. Hashable and picklable.
    """

    networks: Iterable[str] = ()
    names: Iterable[str] = ()
    depth: int = 20
    _networks: Networks = field(init=False, repr=False, compare=False)
    _names: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        networks = Networks(self.networks, "networks")
        names = listed("names", self.names)
        keys = []
        for name in names:
            try:
                keys.append(parse_domain(name))
            except ValueError as error:
                raise InputError("names", f"{name!r} {error}") from None
        if type(self.depth) is not int or not 1 <= self.depth <= 100:
            raise InputError("depth", f"must be a whole number from 1 to 100, is {self.depth!r}")
        for attribute, value in (
            ("networks", networks.entries),
            ("names", tuple(names)),
            ("_networks", networks),
            ("_names", frozenset(keys)),
        ):
            object.__setattr__(self, attribute, value)

    def trusts(self, ip: str) -> bool:
        """Whether an address is one of the networks."""
        return ip in self._networks

    def client_of(self, ip: str | None, fields: Iterable[tuple[str, bytes]]) -> Client:
        """The client of a message.

        ip      the connecting address. None if it is not known, as of a message in a file: then
                the topmost Received field is believed, so it must be one's own host's (see names)
        fields  the header fields from the top, as (name, body); others than Received are passed
                over, and no more are taken than the walk needs
        """
        if ip is not None:
            if not isinstance(ip, str) or parse_address(ip) is None:
                raise InputError("ip", f"must be an IP address as text or None, is {ip!r}")
            if not self.trusts(ip):
                return _who_connected(ip)
        index = -1
        for name, body in fields:
            if name.rstrip(" \t").lower() != "received":
                continue
            index += 1
            if index >= self.depth:
                return Client(
                    None, index, RelayReason.DEPTH, f"no client in the first {self.depth} fields"
                )
            found = self._from_field(index, parse_received(body))
            if found is not None:
                return found
        return Client(None, None, RelayReason.NO_FIELD, "no Received field shows an outside client")

    def _from_field(self, index: int, received: Received) -> Client | None:
        """What a field of ours says; None: go on, the next field is of ours, too."""

        def none(reason: RelayReason, detail: str) -> Client:
            return Client(None, index, reason, f"Received field {index}: {detail}")

        # qmail writes two fields; this one, which names no host, stands on the one with the client.
        if received.reason is FieldReason.HANDOVER:
            return None
        if self._names and self._names.isdisjoint(domain_keys(received.by or "")):
            return none(RelayReason.NOT_OURS, f"its by clause names {_shown(received.by)}")
        if received.reason is FieldReason.LOCAL:
            return none(RelayReason.LOCAL, "the message was submitted on the relay itself")
        ip = received.ip
        if ip is not None and self.trusts(ip):
            return None
        if not received.smtp:
            protocol = _shown(received.with_protocol or received.via)
            return none(RelayReason.NOT_SMTP, f"the message came by {protocol}, not by SMTP")
        if ip is None:
            return none(RelayReason.NO_ADDRESS, _NO_ADDRESS[received.reason])
        if ip in _NOT_GLOBAL:
            return none(RelayReason.PRIVATE, f"{ip} is private, and on no list of relays")
        detail = f"Received field {index}: {ip} is the first address that is no trusted relay"
        return Client(ip, index, RelayReason.FIELD, detail, received.helo)
