"""Resolvers: what answers the questions of an engine.

What may live here: the public names. Nothing heavy is imported: a resolver's module comes when it
is asked for, and dnspython with the first question of a SystemResolver.
"""

from typing import TYPE_CHECKING

from senderid_fast.lazily import importer
from senderid_fast.resolver.base import AsyncResolver, Resolver

if TYPE_CHECKING:
    from senderid_fast.resolver.system import SystemResolver
    from senderid_fast.resolver.udp import UdpResolver
    from senderid_fast.resolver.zone import ZoneResolver

__all__ = ["AsyncResolver", "Resolver", "SystemResolver", "UdpResolver", "ZoneResolver"]

if not TYPE_CHECKING:  # a type checker would take every name for one of these
    __getattr__ = importer(
        globals(),
        {
            "SystemResolver": "senderid_fast.resolver.system",
            "UdpResolver": "senderid_fast.resolver.udp",
            "ZoneResolver": "senderid_fast.resolver.zone",
        },
    )
