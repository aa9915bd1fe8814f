"""Variables of the environment that stand in for keys of the file.

What may live here: their names, and how their text becomes a value. What the value means is looked
at together with those of the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches

from senderid_fast.config.keys import KEYS, PREFIX, Key, Kind, key_of_variable
from senderid_fast.config.problems import Problem

__all__ = ["of_environment"]

VALUE_LENGTH = 65_536
# Switches of the build (CONTRIBUTING.md), which mean nothing to a service.
_OF_BUILD = frozenset({"SENDERID_FAST_TRACE", "SENDERID_FAST_ANNOTATE", "SENDERID_FAST_SANITIZE"})


def of_environment(environ: Mapping[str, str]) -> tuple[dict[Key, object], list[Problem]]:
    """The values of all variables that begin with SENDERID_FAST_, and what is wrong with some."""
    values: dict[Key, object] = {}
    problems = []
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in _OF_BUILD:
            continue
        key = key_of_variable(name)
        if key is None:
            problems.append(Problem(_shown(name), None, "", _unknown(name)))
            continue
        try:
            values[key] = _value(key, environ[name])
        except ValueError as error:
            problems.append(Problem(name, None, f"{key.section}.{key.name}", str(error)))
    return values, problems


def _shown(name: str) -> str:
    return name if len(name) <= 100 else f"{name[:97]}..."


def _unknown(name: str) -> str:
    names = [key.variable for key in KEYS]
    near = get_close_matches(name[:100], names, 1)
    hint = f"; did you mean {near[0]}?" if near else ": there is no key of this name"
    return f"unknown variable{hint}"


def _value(key: Key, text: str) -> object:
    """The value that a variable's text stands for: text as it is, or a value of TOML."""
    if len(text) > VALUE_LENGTH:
        raise ValueError(f"has more than {VALUE_LENGTH:,} characters")
    if any(0xD800 <= ord(each) <= 0xDFFF for each in text):
        raise ValueError("is no UTF-8")
    if key.kind is Kind.TEXT and not text.startswith(('"', "'")):
        return text
    if key.kind is Kind.LIST and not text.lstrip().startswith("["):
        return text
    try:
        found = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        found = {}
    value = found.get("value")
    if set(found) != {"value"}:
        raise ValueError(f"must be a value of TOML: {key.type_words}")  # it may be a secret
    if type(value) is int and not -(1 << 63) <= value < 1 << 63:
        raise ValueError("is a number of more than 64 bits")
    return value
