"""Names of a package that are imported when they are first asked for (PEP 562).

What may live here: that one mechanism. Nothing of ours is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["importer"]


def importer(namespace: dict[str, Any], places: Mapping[str, str]) -> Callable[[str], Any]:
    """A __getattr__ for a package: places says in which module each of the names is."""

    def get(name: str) -> Any:
        if name not in places:
            package = namespace["__name__"]
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        from importlib import import_module

        value = namespace[name] = getattr(import_module(places[name]), name)
        return value

    return get
