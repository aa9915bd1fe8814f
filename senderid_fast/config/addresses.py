"""ListenAddress: where a service listens, in one word of text.

What may live here: the forms of that text. No socket is opened and no name is resolved.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import PurePosixPath
from typing import Self

from senderid_fast.errors import InputError
from senderid_fast.receiver.networks import listed
from senderid_fast.receiver.patterns import parse_domain

__all__ = ["ListenAddress", "listen_addresses"]

PATH_OCTETS = 107  # sockaddr_un of Linux has room for 108 with the NUL at its end
MOST = 16
FORMS = "unix:/PATH, inet:HOST:PORT, inet6:[HOST]:PORT, systemd or systemd:NAME"

_SOCKET_NAME = re.compile(r"[!-9;-~]{1,255}")  # FileDescriptorName= of systemd.socket(5)
# Sendmail, Postfix and OpenDKIM write these; a hint is worth more than the list of forms.
_SENDMAIL = re.compile(r"inet6?:([0-9]+)@(.+)")


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where a service listens.

    kind  "unix", "inet", "inet6" or "systemd" (a socket that systemd opened and hands over)
    path  of a unix socket
    host  of inet: an IPv4 address or a name; of inet6: an IPv6 address, without brackets
    port  of inet and inet6; 0: one that is free
    name  of systemd: FileDescriptorName= of the socket; "" is the one socket that is handed over

    parse() reads it from text, and str() writes that text.
    """

    kind: str
    path: str = ""
    host: str = ""
    port: int = 0
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """The address that a text such as "inet:127.0.0.1:8891" names. Raises ValueError, which
        says what is wrong."""
        kind, colon, rest = text.partition(":")
        if kind == "systemd" and not colon:
            return cls("systemd")
        if kind == "systemd" and _SOCKET_NAME.fullmatch(rest):
            return cls("systemd", name=rest)
        if kind == "unix" and rest:
            return cls("unix", path=_path(rest))
        if sendmail := _SENDMAIL.fullmatch(text):
            host = sendmail[2].strip("[]")
            better = f"inet6:[{host}]" if ":" in host else f"inet:{host}"
            raise ValueError(f"is in Sendmail's form; write {better}:{sendmail[1]}")
        if kind == "local" and rest.startswith("/"):
            raise ValueError(f"is in Sendmail's form; write unix:{rest}")
        if kind == "inet" and rest:
            host, _, port = rest.rpartition(":")
            return cls("inet", host=_host(host), port=_port(port))
        if kind == "inet6" and rest:
            host, bracket, port = rest.removeprefix("[").rpartition("]:")
            if not rest.startswith("[") or not bracket:
                raise ValueError("must be like inet6:[::1]:8891")
            return cls("inet6", host=_host6(host), port=_port(port))
        raise ValueError(f"must be {FORMS}")

    def __str__(self) -> str:
        if self.kind == "unix":
            return f"unix:{self.path}"
        if self.kind == "systemd":
            return f"systemd:{self.name}" if self.name else "systemd"
        host = f"[{self.host}]" if self.kind == "inet6" else self.host
        return f"{self.kind}:{host}:{self.port}"

    @property
    def is_public(self) -> bool:
        """Whether hosts of other networks may reach it: any address but loopback and private ones,
        and any name but localhost."""
        if self.kind not in ("inet", "inet6"):
            return False
        try:
            address = ip_address(self.host.partition("%")[0])
        except ValueError:
            return self.host.lower().rstrip(".") != "localhost"
        return address.is_unspecified or not (address.is_private or address.is_link_local)


def _path(text: str) -> str:
    if not PurePosixPath(text).is_absolute():
        raise ValueError("must have an absolute path behind unix:")
    if "\0" in text or not text.isprintable() or text.endswith("/"):
        raise ValueError("has a path that is none of a socket")
    if len(os.fsencode(text)) > PATH_OCTETS:
        raise ValueError(f"has a path of more than {PATH_OCTETS} octets, which no socket can have")
    return text


def _host(text: str) -> str:
    if not text:
        raise ValueError("must be like inet:127.0.0.1:8891; 0.0.0.0 stands for every address")
    if text.startswith("[") or ":" in text:
        raise ValueError("must be like inet6:[::1]:8891 for an IPv6 address")
    if text.rpartition(".")[2].isdigit():
        try:
            return str(IPv4Address(text))
        except ValueError:
            raise ValueError(f"has {text!r}, which is no IPv4 address") from None
    try:
        if len(text) <= 253 and parse_domain(text, subdomains=False):
            return text
    except ValueError:
        pass
    raise ValueError(f"has {text[:100]!r}, which is no address and no host name")


def _host6(text: str) -> str:
    try:
        return str(IPv6Address(text))
    except ValueError:
        raise ValueError(f"has {text[:100]!r}, which is no IPv6 address") from None


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535):
        raise ValueError(f"must end in a port from 1 to 65535, ends in {text[:20]!r}")
    return int(text)


def listen_addresses(field: str, value: object) -> tuple[ListenAddress, ...]:
    """A list of addresses, as ListenAddress or as text; no two may be the same."""
    if isinstance(value, ListenAddress):
        value = (value,)
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, dict)):
        value = [str(each) if isinstance(each, ListenAddress) else each for each in value]
    found: list[ListenAddress] = []
    for entry in listed(field, value):
        try:
            address = ListenAddress.parse(entry)
        except ValueError as error:
            raise InputError(field, f"{entry!r} {error}") from None
        if address in found:
            raise InputError(field, f"{entry!r} is there twice")
        found.append(address)
    if len(found) > MOST:
        raise InputError(field, f"may hold {MOST} addresses, has {len(found)}")
    return tuple(found)
