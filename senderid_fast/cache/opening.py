"""open_cache: a cache by one word of text, as the command line and settings files have it.

What may live here: the forms of that text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from senderid_fast.errors import InputError

if TYPE_CHECKING:
    from senderid_fast.cache.lmdb import LmdbCache
    from senderid_fast.cache.valkey import ValkeyCache

__all__ = ["open_cache"]

SCHEMES = ("valkey", "valkeys", "redis", "rediss", "unix")


def open_cache(text: str, **options: Any) -> LmdbCache | ValkeyCache:
    """The cache that "lmdb:/path" or "valkey://host:port" names; options are those of its class.

    Raises InputError, CacheError, MissingExtraError.
    """
    scheme, colon, rest = text.partition(":")
    if colon and scheme == "lmdb" and rest:
        from senderid_fast.cache.lmdb import LmdbCache

        return LmdbCache(rest, **options)
    if colon and scheme in SCHEMES:
        from senderid_fast.cache.valkey import ValkeyCache

        return ValkeyCache(text, **options)
    raise InputError("cache", "must be lmdb:/path, valkey://host:port or valkeys://host:port")
