"""A zone and connections to time with: policies of real shapes, under reserved names and addresses.

The same sizes give the same octets on every run. Names end in .example or .test (RFC 2606);
addresses are private, for benchmarks or for documentation (RFC 1918, 2544, 3849). The connections
are drawn from the domains in one of these ways:

zipf   by Zipf's law: the k-th domain in popularity is met 1/k as often as the first
even   each domain as likely as any other
once   each domain once, in no order
"""

from __future__ import annotations

import ipaddress
import itertools
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from pathlib import Path
from typing import NamedTuple

__all__ = ["Connection", "Resource", "World", "generate", "mapping", "write"]

SEED = 4408
PROVIDER_SPACE = IPv4Network("10.0.0.0/8")
HOST_SPACE = IPv4Network("198.18.0.0/15")
V6_SPACE = IPv6Network("2001:db8::/32")
LOCAL_PARTS = ("billing", "hello", "m.mustermann", "no-reply", "bounces+4711")

type_Network = IPv4Network | IPv6Network


class Resource(NamedTuple):
    """One record. TXT: the whole text; MX: "preference host"; A, AAAA: the address."""

    name: str
    rrtype: str
    value: str


class Connection(NamedTuple):
    """What a receiver knows at MAIL FROM."""

    ip: str
    helo: str
    mail_from: str


@dataclass(frozen=True)
class Domain:
    """A sending domain: the shape of its policy, and addresses that the policy lets pass."""

    name: str
    shape: str
    senders: tuple[str, ...]


@dataclass
class World:
    """Everything that is generated."""

    resources: list[Resource] = field(default_factory=list)
    domains: list[Domain] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)

    def shapes(self) -> dict[str, str]:
        return {domain.name: domain.shape for domain in self.domains}


class Builder:
    """Makes the records, drawing every choice from one random generator."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.resources: list[Resource] = []
        self.networks: dict[str, list[type_Network]] = {}
        self.giants = [self.giant(f"bigmail{n}.example") for n in range(4)]
        self.offices = [self.office(f"workspace{n}.example") for n in range(4)]
        self.bulk = [self.bulk_sender(f"bulk{n:02}.test") for n in range(24)]

    def add(self, name: str, rrtype: str, value: str) -> None:
        self.resources.append(Resource(name, rrtype, value))

    # Addresses

    def network4(self, shortest: int, longest: int) -> IPv4Network:
        length = self.random.randint(shortest, longest)
        offset = self.random.getrandbits(32) & int(PROVIDER_SPACE.hostmask)
        return IPv4Network((int(PROVIDER_SPACE.network_address) + offset, length), strict=False)

    def network6(self) -> IPv6Network:
        length = self.random.choice((36, 40, 44, 48))
        offset = self.random.getrandbits(128) & int(V6_SPACE.hostmask)
        return IPv6Network((int(V6_SPACE.network_address) + offset, length), strict=False)

    def host4(self) -> str:
        offset = self.random.getrandbits(32) & int(HOST_SPACE.hostmask)
        return str(IPv4Address(int(HOST_SPACE.network_address) + offset))

    def host6(self) -> str:
        return self.address_in(self.network6())

    def address_in(self, network: type_Network) -> str:
        return str(network[self.random.randrange(network.num_addresses)])

    # Policies that others include

    def publish(self, name: str, networks: list[type_Network], last: str) -> str:
        terms = " ".join(f"ip{network.version}:{network}" for network in networks)
        self.add(name, "TXT", f"v=spf1 {terms} {last}")
        self.networks[name] = networks
        return name

    def giant(self, provider: str) -> str:
        """A record of three includes, with 26 networks between them."""
        parts = [
            self.publish(
                f"_range{part}.{provider}",
                [self.network6() if v6 else self.network4(16, 22) for _ in range(size)],
                "~all",
            )
            for part, (size, v6) in enumerate(((11, False), (6, True), (9, False)), 1)
        ]
        name = f"_spf.{provider}"
        self.add(name, "TXT", f"v=spf1 {' '.join(f'include:{part}' for part in parts)} ~all")
        self.networks[name] = [network for part in parts for network in self.networks[part]]
        return name

    def office(self, provider: str) -> str:
        """One flat record of 15 networks, too long for one string of 255 octets."""
        networks: list[type_Network] = [self.network4(15, 24) for _ in range(10)]
        networks += [self.network6() for _ in range(5)]
        self.random.shuffle(networks)
        return self.publish(f"spf.outbound.{provider}", networks, "-all")

    def bulk_sender(self, provider: str) -> str:
        networks: list[type_Network] = [
            self.network4(19, 25) for _ in range(self.random.randint(2, 7))
        ]
        return self.publish(f"_spf.{provider}", networks, self.random.choice(("~all", "-all")))

    def popular(self, providers: list[str]) -> str:
        return self.random.choices(providers, (60, 25, 10, 5))[0]

    def senders_of(self, provider: str, count: int) -> list[str]:
        networks = self.networks[provider]
        return [self.address_in(network) for network in self.random.choices(networks, k=count)]

    # Policies of sending domains: each returns the terms before "all", and who may send

    def flat(self, name: str, own: list[str]) -> tuple[str, list[str]]:
        networks = [self.network4(24, 32) for _ in range(self.random.randint(1, 6))]
        terms = [f"ip4:{str(network).removesuffix('/32')}" for network in networks]
        return " ".join(terms), [self.address_in(network) for network in networks]

    def with_include(self, provider: str, own: list[str]) -> tuple[str, list[str]]:
        before = f"ip4:{own[0]} " if self.random.random() < 0.5 else ""
        return f"{before}include:{provider}", self.senders_of(provider, 6)

    def giant_include(self, name: str, own: list[str]) -> tuple[str, list[str]]:
        return self.with_include(self.popular(self.giants), own)

    def office_include(self, name: str, own: list[str]) -> tuple[str, list[str]]:
        return self.with_include(self.popular(self.offices), own)

    def own_hosts(self, name: str, own: list[str]) -> tuple[str, list[str]]:
        return "a mx", own

    def near_limit(self, name: str, own: list[str]) -> tuple[str, list[str]]:
        """Ten terms that ask DNS: a, a giant (4), an office (1) and four bulk senders."""
        includes = [self.random.choice(self.giants), self.random.choice(self.offices)]
        includes += self.random.sample(self.bulk, 4)
        self.random.shuffle(includes)
        senders = [address for provider in includes for address in self.senders_of(provider, 1)]
        return " ".join(["a", *(f"include:{provider}" for provider in includes)]), senders

    def exists(self, name: str, own: list[str]) -> tuple[str, list[str]]:
        senders = [self.host4() for _ in range(8)]
        for sender in senders:
            self.add(f"{sender}.allow.{name}", "A", "127.0.0.2")
        return "exists:%{i}.allow.%{d}", senders

    def redirect(self, name: str, own: list[str]) -> tuple[str, list[str]]:
        network, provider = self.network4(22, 26), self.random.choice(self.offices)
        target = f"_spf.{name}"
        self.add(target, "TXT", f"v=spf1 ip4:{network} include:{provider} {self.all()}")
        senders = [self.address_in(network), *self.senders_of(provider, 1)]
        return f"redirect={target}", senders

    def none(self, name: str, own: list[str]) -> tuple[str, list[str]]:
        return "", []

    def all(self) -> str:
        return self.random.choices(("-all", "~all", "?all"), (45, 45, 10))[0]

    def domain(self, number: int) -> Domain:
        """One sending domain with the records that any domain has, beside its policy."""
        suffix = self.random.choice(("example", "test"))
        name = f"{self.random.choice(('club', 'firm', 'press', 'store'))}{number:05}.{suffix}"
        own = [self.host4()]
        self.add(name, "A", own[0])
        self.add(f"mail.{name}", "A", own[0])
        if self.random.random() < 0.3:
            self.add(name, "AAAA", self.host6())
        for n in range(1, self.random.randint(1, 3) + 1):
            exchange = f"mx{n}.{name}"
            own.append(self.host4())
            self.add(name, "MX", f"{10 * n} {exchange}")
            self.add(exchange, "A", own[-1])
        # Real domains have other TXT records beside SPF, which a receiver must read past.
        self.add(name, "TXT", f"site-verification={self.random.getrandbits(128):032x}")
        if self.random.random() < 0.4:
            self.add(name, "TXT", f"tenant=t{self.random.getrandbits(32):08x}")
        shape = self.random.choices(tuple(SHAPES), [weight for weight, _ in SHAPES.values()])[0]
        terms, senders = SHAPES[shape][1](self, name, own)
        if terms:
            last = "" if shape == "redirect" else f" {self.all()}"
            self.add(name, "TXT", f"v=spf1 {terms}{last}")
        return Domain(name, shape, tuple(senders))

    def connection(self, domain: Domain) -> Connection:
        """Seven of ten may send, a quarter are strangers, the rest are strangers over IPv6."""
        kind = self.random.random()
        if domain.senders and kind < 0.70:
            ip = self.random.choice(domain.senders)
        elif kind < 0.95:
            ip = self.host4()
        else:
            ip = self.host6()
        mail_from = f"{self.random.choice(LOCAL_PARTS)}@{domain.name}"
        return Connection(ip, f"mail.{domain.name}", mail_from)


Shape = Callable[[Builder, str, list[str]], tuple[str, list[str]]]

# How often each shape is met, in percent.
SHAPES: dict[str, tuple[int, Shape]] = {
    "flat": (20, Builder.flat),
    "giant-include": (27, Builder.giant_include),
    "office-include": (23, Builder.office_include),
    "a-mx": (10, Builder.own_hosts),
    "near-limit": (8, Builder.near_limit),
    "exists": (4, Builder.exists),
    "redirect": (6, Builder.redirect),
    "none": (2, Builder.none),
}


def drawn(builder: Builder, made: list[Domain], connections: int, draw: str) -> list[Domain]:
    if draw == "zipf":
        by_popularity = builder.random.sample(made, len(made))
        weights = list(itertools.accumulate(1 / rank for rank in range(1, len(made) + 1)))
        return builder.random.choices(by_popularity, cum_weights=weights, k=connections)
    if draw == "even":
        return builder.random.choices(made, k=connections)
    if draw == "once":
        return builder.random.sample(made, connections)
    raise ValueError(f"draw: not zipf, even or once: {draw!r}")


def generate(domains: int = 2_000, connections: int = 50_000, draw: str = "zipf") -> World:
    """Raises ValueError if more connections are to be drawn once than there are domains."""
    builder = Builder(SEED)
    made = [builder.domain(number) for number in range(domains)]
    chosen = drawn(builder, made, connections, draw)
    return World(builder.resources, made, [builder.connection(domain) for domain in chosen])


def mapping(resources: list[Resource]) -> dict[str, list[dict[str, object]]]:
    """The records as OpenSPF's zonedata has them: a list under TXT is one record's strings."""
    zone: dict[str, list[dict[str, object]]] = {}
    for name, rrtype, value in resources:
        data: object = value
        if rrtype == "MX":
            preference, exchange = value.split(" ")
            data = [int(preference), exchange]
        elif rrtype == "TXT" and len(value) > 255:
            data = [value[start : start + 255] for start in range(0, len(value), 255)]
        zone.setdefault(name, []).append({rrtype: data})
    return zone


def write(world: World, folder: Path) -> None:
    """zone.json for Python, zone.tsv for the others, connections.tsv for all."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem, rows in (("zone", world.resources), ("connections", world.connections)):
        lines = "".join("\t".join(row) + "\n" for row in rows)
        (folder / f"{stem}.tsv").write_text(lines, encoding="ascii")
    zone = json.dumps(mapping(world.resources), indent=0)
    (folder / "zone.json").write_text(zone, encoding="ascii")


# A check of the addresses above, once, where they are written down.
assert all(
    ipaddress.ip_network(space).is_private for space in (PROVIDER_SPACE, HOST_SPACE, V6_SPACE)
)
