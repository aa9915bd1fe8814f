"""Configuration of the services: one TOML file and the environment become one frozen Config.

What may live here: nothing but the public names, which are imported when they are asked for.
"""

from typing import TYPE_CHECKING

from senderid_fast.lazily import importer

if TYPE_CHECKING:
    from senderid_fast.config.addresses import ListenAddress
    from senderid_fast.config.config import Config
    from senderid_fast.config.loading import DEFAULT_PATH, load

__all__ = ["DEFAULT_PATH", "Config", "ListenAddress", "load"]

if not TYPE_CHECKING:
    __getattr__ = importer(
        globals(),
        {
            "DEFAULT_PATH": "senderid_fast.config.loading",
            "Config": "senderid_fast.config.config",
            "ListenAddress": "senderid_fast.config.addresses",
            "load": "senderid_fast.config.loading",
        },
    )
