"""bulk_resolver: the resolver for many questions, wherever the servers are known.

What may live here: the choice between UdpResolver and SystemResolver.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from senderid_fast.resolver.servers import DNS_PORT, RESOLV_CONF, system_servers
from senderid_fast.resolver.system import SystemResolver
from senderid_fast.resolver.udp import SERVERS_MOST, UdpResolver

__all__ = ["bulk_resolver"]


def bulk_resolver(
    servers: Sequence[str] = (), *, config_file: str = RESOLV_CONF, **options: Any
) -> UdpResolver | SystemResolver:
    """A UdpResolver for the servers, or for those that the system is configured to use.

    servers      as UdpResolver takes them; empty: those of ``config_file``, read now
    config_file  as in SystemResolver
    options      of UdpResolver

    Where no server can be found, or the system has no sockets as UdpResolver needs them (Windows),
    it is a SystemResolver, which says in its answers what is wrong. Raises InputError.
    """
    if sys.platform == "win32":
        return SystemResolver(servers or None, config_file=config_file)
    if servers:
        return UdpResolver(servers, **options)
    try:
        found = system_servers(config_file, DNS_PORT)
    except OSError:
        return SystemResolver(config_file=config_file)
    return UdpResolver([str(server) for server in found[:SERVERS_MOST]], **options)
