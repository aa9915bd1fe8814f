"""Caches of answers that several processes or machines share, beside each engine's own store.

What may live here: nothing but the public names, which are imported when they are asked for.
"""

from typing import TYPE_CHECKING

from senderid_fast.lazily import importer

if TYPE_CHECKING:
    from senderid_fast.cache.base import AsyncCache, Cache, CachedAnswer
    from senderid_fast.cache.lmdb import LmdbCache
    from senderid_fast.cache.opening import open_cache
    from senderid_fast.cache.valkey import ValkeyCache

__all__ = ["AsyncCache", "Cache", "CachedAnswer", "LmdbCache", "ValkeyCache", "open_cache"]

if not TYPE_CHECKING:
    __getattr__ = importer(
        globals(),
        {
            "AsyncCache": "senderid_fast.cache.base",
            "Cache": "senderid_fast.cache.base",
            "CachedAnswer": "senderid_fast.cache.base",
            "LmdbCache": "senderid_fast.cache.lmdb",
            "ValkeyCache": "senderid_fast.cache.valkey",
            "open_cache": "senderid_fast.cache.opening",
        },
    )
