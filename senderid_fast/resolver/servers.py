"""Server: where a query goes; the ways to name one, and the system's own list of them.

What may live here: addresses and ports of DNS servers. Nothing is sent from here, and dnspython is
imported only when the system's configuration is read.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from typing import NamedTuple

from senderid_fast.errors import InputError

__all__ = ["Server", "check_port", "parse_servers", "system_servers"]

DNS_PORT = 53
RESOLV_CONF = "/etc/resolv.conf"


class Server(NamedTuple):
    """The address (without brackets) and the port of a DNS server."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    @property
    def address(self) -> tuple[str, int] | tuple[str, int, int, int]:
        """What socket.connect() wants; a scope such as "fe80::1%eth0" becomes its number.

        Raises OSError for a scope that is not there.
        """
        if self.family == socket.AF_INET:
            return self.host, self.port
        host, _, scope = self.host.partition("%")
        if not scope:
            return host, self.port, 0, 0
        number = int(scope) if scope.isdecimal() else socket.if_nametoindex(scope)
        if number > 0xFFFFFFFF:
            raise OSError(f"there is no interface {scope}")
        return host, self.port, 0, number


def check_port(port: object) -> int:
    """``port``, if a server can have it; raises InputError."""
    if type(port) is not int or not 1 <= port <= 65535:
        raise InputError("port", f"must be a whole number from 1 to 65535, is {port!r}")
    return port


def parse_servers(nameservers: Sequence[str], port: int) -> tuple[Server, ...]:
    """The servers named as "ip", "ip:port" or "[ipv6]:port"; raises InputError."""
    if isinstance(nameservers, (str, bytes)) or not isinstance(nameservers, Sequence):
        problem = f"must be a sequence of addresses, is {nameservers!r}"
        raise InputError("nameservers", problem)
    if not nameservers:
        raise InputError("nameservers", "must not be empty; None stands for the system's own")
    return tuple(_parse_server(text, port) for text in nameservers)


def _parse_server(text: object, default_port: int) -> Server:
    wrong = InputError(
        "nameservers", f'must hold "ip", "ip:port" or "[ipv6]:port"; one is {text!r}'
    )
    if not isinstance(text, str):
        raise wrong
    host, port = text, ""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise wrong
        port = rest[1:]
        if (rest and not port) or ":" not in host:
            raise wrong
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
        if not port:
            raise wrong
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise wrong from None
    if not port:
        return Server(host, default_port)
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535):
        raise wrong
    return Server(host, int(port))


def system_servers(config_file: str, port: int) -> tuple[Server, ...]:
    """The servers that the system is configured to use; raises OSError with a sentence.

    dnspython reads the file (on Windows, the registry). An entry that is no address is left out.
    """
    import dns.exception
    import dns.resolver

    try:
        found = dns.resolver.Resolver(filename=config_file).nameservers
    except (dns.exception.DNSException, OSError, ValueError) as error:
        raise OSError(f"no DNS server could be read from {config_file}: {error}") from error
    servers = []
    for text in found:
        try:
            ipaddress.ip_address(str(text))
        except ValueError:
            continue
        servers.append(Server(str(text), port))
    if not servers:
        raise OSError(f"{config_file} names no address of a DNS server")
    return tuple(servers)
