"""Resolvers: what answers the questions of an engine.

What may live here: the public names. Nothing heavy is imported: dnspython comes with the first
question of a SystemResolver.
"""

from senderid_fast.resolver.base import AsyncResolver, Resolver
from senderid_fast.resolver.system import SystemResolver
from senderid_fast.resolver.zone import ZoneResolver

__all__ = ["AsyncResolver", "Resolver", "SystemResolver", "ZoneResolver"]
