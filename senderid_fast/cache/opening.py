"""open_cache: a cache by one word of text, as the command line and settings files have it.

What may live here: the forms of that text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from senderid_fast.errors import InputError

if TYPE_CHECKING:
    from senderid_fast.cache.lmdb import LmdbCache
    from senderid_fast.cache.valkey import ValkeyCache

__all__ = ["check_cache", "open_cache"]


def open_cache(text: str, **options: Any) -> LmdbCache | ValkeyCache:
    """The cache that "lmdb:/path" or "valkey://host:port" names; options are those of its class.

    Raises InputError, CacheError, MissingExtraError.
    """
    if _is_lmdb(text):
        from senderid_fast.cache.lmdb import LmdbCache

        return LmdbCache(text.removeprefix("lmdb:"), **options)
    from senderid_fast.cache.valkey import ValkeyCache

    return ValkeyCache(text, **options)


def check_cache(
    url: str | None = None,
    *,
    max_octets: int,
    prefix: str,
    timeout: float,
    most_waiting: int,
) -> None:
    """Refuse what open_cache() would refuse, for all kinds of caches, without opening one.

    url  as open_cache() takes it; None: the options alone are looked at. Raises InputError.
    """
    from senderid_fast.cache import lmdb, valkey

    lmdb.check_options(max_octets, most_waiting)
    valkey.check_options(prefix, timeout, most_waiting)
    if url is None:
        return
    if not isinstance(url, str):
        raise InputError("url", f"must be text, is {type(url).__name__}")
    try:
        if not _is_lmdb(url):
            valkey.check_url(url)
    except InputError as error:
        raise InputError("url", error.problem) from None


def _is_lmdb(text: str) -> bool:
    """Whether it is an LmdbCache; False: a ValkeyCache. Raises InputError."""
    scheme, colon, rest = text.partition(":")
    if colon and scheme == "lmdb" and rest:
        return True
    from senderid_fast.cache.valkey import SCHEMES

    if colon and scheme in SCHEMES:
        return False
    raise InputError("cache", "must be lmdb:/path, valkey://host:port or valkeys://host:port")
