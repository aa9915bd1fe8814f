"""load: a Config from a file and the environment, or all that is wrong with them.

What may live here: the way from tables to sections, and which place each problem is told of. The
values are looked at by the classes that have them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from copy import deepcopy
from difflib import get_close_matches
from typing import Any

from senderid_fast.config import sections
from senderid_fast.config.config import Config
from senderid_fast.config.environment import of_environment
from senderid_fast.config.keys import KEYS, Key, known
from senderid_fast.config.places import Path, Places
from senderid_fast.config.problems import Problem, path_of, path_shown
from senderid_fast.config.reading import parsed, read_text
from senderid_fast.errors import ConfigError, InputError
from senderid_fast.receiver.exchange import ExchangeSenderId
from senderid_fast.receiver.overrides import Override
from senderid_fast.receiver.policy import ReceiverPolicy
from senderid_fast.settings import Limits

__all__ = ["DEFAULT_PATH", "load"]

DEFAULT_PATH = "/etc/senderid-fast/senderid-fast.toml"
PROBLEMS_MOST = 100

Table = dict[str, Any]


def load(
    path: str | os.PathLike[str] | None = DEFAULT_PATH, environ: Mapping[str, str] | None = None
) -> Config:
    """The configuration of a file, with what the environment puts in the place of its keys.

    path     a TOML file; None: the defaults and the environment alone
    environ  the variables; None: those of this process

    Nothing is opened but the file. Raises ConfigError, which tells all that is wrong.
    """
    name = "" if path is None else os.fspath(path)
    tables: Table = {}
    places = Places()
    if path is not None:
        tables, places = parsed(name, read_text(path))
    return _Loading(name, tables, places, os.environ if environ is None else environ).config()


class _Loading:
    def __init__(
        self, name: str, tables: Table, places: Places, environ: Mapping[str, str]
    ) -> None:
        self.name = name
        self.tables = tables
        self.places = places
        self.problems: list[Problem] = []
        self.wrong: list[Path] = []  # the paths of problems
        self.variables: dict[Path, str] = {}  # what is from the environment
        self.environ = environ

    def config(self) -> Config:
        values, self.problems = of_environment(self.environ)
        self.keep_known(self.tables, known(), ())
        self.look_at_mode()
        for key, value in values.items():
            self.put(key, value)
        found: dict[str, Any] = {
            "receiving": self.section("receiver", sections.ReceiverSection.from_mapping),
            "policy": self.section("policy", ReceiverPolicy.from_mapping),
            "exchange": self.section("exchange", _exchange),
        }
        for section, kind in _KINDS.items():
            found[section] = self.section(section, _by_keys(kind))
        if not self.problems:
            config = Config(**found, source=self.name, sources=self.sources())
            try:
                config.receiver()
            except InputError as error:
                self.problem(("receiver", *path_of(error.field)), error.problem)
            else:
                return config
        raise ConfigError(self.told())

    # ---- problems -------------------------------------------------------------------------------

    def problem(self, path: Path, words: str) -> None:
        """Tell of a problem with a key, in the place that it has."""
        self.wrong.append(path)
        shown = path_shown(path)
        line = self.places.line(self.spelled(path))
        end = len(path)
        while end:
            if path[:end] in self.variables:
                self.problems.append(Problem(self.variables[path[:end]], None, shown, words))
                return
            end -= 1
        if self.name:
            self.problems.append(Problem(self.name, line, shown, words))
        else:  # a default that goes with nothing in the environment
            self.problems.append(Problem("environment", None, shown, words))

    def spelled(self, path: Path) -> Path:
        """A path as the file has it: Exchange's names may be in any case."""
        if path[:1] == ("exchange",) and len(path) > 1:
            for name in self.tables.get("exchange", {}):
                if name.lower() == str(path[1]).lower():
                    return ("exchange", name, *path[2:])
        return path

    def told(self) -> tuple[str, ...]:
        ordered = sorted(self.problems, key=lambda each: (each.line is None, each.line or 0))
        lines = list(dict.fromkeys(str(each) for each in ordered))
        if len(lines) > PROBLEMS_MOST:
            more = f"{self.name}: {len(lines) - PROBLEMS_MOST:,} more problems"
            lines = [*lines[:PROBLEMS_MOST], more]
        return tuple(lines)

    # ---- what is there --------------------------------------------------------------------------

    def keep_known(self, table: Table, tree: Mapping[str, object], path: Path) -> None:
        """Take out, and tell of, what nobody knows."""
        folded = {name.lower(): name for name in tree} if path == ("exchange",) else {}
        for name in list(table):
            here = (*path, name)
            inner = tree.get(folded.get(name.lower(), name), _UNKNOWN)
            if inner is _UNKNOWN:
                self.problem(here, _unknown(path, name, tree))
                del table[name]
            elif isinstance(inner, dict):
                if isinstance(table[name], dict):
                    self.keep_known(table[name], inner, here)
                else:
                    where = f"write [{path_shown(here)}]" if len(here) <= 2 else "write { ... }"
                    self.problem(here, f"must be a table: {where}")
                    del table[name]
            elif isinstance(inner, list):
                if not isinstance(table[name], list):
                    self.problem(here, f"must be a list of tables: write [[{path_shown(here)}]]")
                    del table[name]
                    continue
                for number, each in enumerate(table[name]):
                    if isinstance(each, dict):
                        self.keep_known(each, inner[0], (*here, number))

    def look_at_mode(self) -> None:
        """TOML reads 0o660 and 432 as the same number; 660 is never what was meant."""
        path = ("process", "socket_mode")
        process = self.tables.get("process", {})
        value = process.get("socket_mode")
        if type(value) is int and not self.places.raws.get(path, "").startswith("0o"):
            words = 'must be "0660" (text) or 0o660 (octal); a bare number is decimal'
            self.problem(path, f"{words}, is {value}")
            del process["socket_mode"]

    def put(self, key: Key, value: object) -> None:
        """Put a value of the environment in the place of the file's."""
        *around, last = key.path
        table = self.tables
        for name in around:
            table = table.setdefault(name, {})
        for name in list(table):  # Exchange's names may be in any case
            if key.section == "exchange" and name.lower() == last.lower():
                del table[name]
        table[last] = value
        self.variables[key.path] = key.variable

    def sources(self) -> dict[str, str]:
        """Where each key is from that is not at its default."""
        found = {}
        for key in KEYS:
            path = self.spelled(key.path)
            if key.path in self.variables:
                found[f"{key.section}.{key.name}"] = key.variable
            elif path in self.places.lines:
                line = self.places.lines[path]
                found[f"{key.section}.{key.name}"] = f"{self.name}:{line}"
        for path, line in self.places.lines.items():
            if path[:2] == ("policy", "override") and len(path) == 3:
                found[path_shown(path)] = f"{self.name}:{line}"
        return found

    # ---- sections -------------------------------------------------------------------------------

    def section(self, name: str, build: Callable[[Table], Any]) -> Any:
        """What a section's table becomes; None if a problem was found."""
        table = deepcopy(self.tables.get(name, {}))
        before = len(self.problems)
        if name == "policy":
            self.overrides(table)
        # What is wrong is taken out, until the rest can be used: so that all of it is told.
        while True:
            try:
                made = build(table)
            except InputError as error:
                path = path_of(error.field)
                self.problem((name, *path), error.problem)
                if not _take_out(table, path):
                    return None
            else:
                return made if len(self.problems) == before else None

    def overrides(self, policy: Table) -> None:
        """Look at each override by itself; if one is wrong, none is left for the policy."""
        found = policy.get("override")
        if not isinstance(found, list):
            return
        before = len(self.problems)
        for number, each in enumerate(found):
            if isinstance(each, dict):
                self.override(each, number)
        if len(self.problems) > before:
            del policy["override"]

    def override(self, table: Table, number: int) -> None:
        around = ("policy", "override", number)
        while True:
            try:
                Override.from_mapping(table)
            except InputError as error:
                path = path_of(error.field)
                taken = _take_out(table, path)
                # Without what was taken out it may lack a criterion, or an action.
                if taken or not any(each[:3] == around for each in self.wrong):
                    self.problem((*around, *path), error.problem)
                if not taken:
                    return
            else:
                return


_UNKNOWN = object()
_KINDS: dict[str, type] = {
    "milter": sections.MilterSection,
    "policyd": sections.PolicydSection,
    "process": sections.ProcessSection,
    "dns": sections.DnsSection,
    "limits": Limits,
    "engine": sections.EngineSection,
    "cache": sections.CacheSection,
    "log": sections.LogSection,
    "metrics": sections.MetricsSection,
}


def _by_keys(kind: type) -> Callable[[Table], Any]:
    return lambda table: kind(**table)


def _exchange(table: Table) -> ExchangeSenderId:
    """Exchange's settings; the agent is off unless the file says otherwise."""
    said = {name.lower() for name in table}
    return ExchangeSenderId.from_mapping(table if "enabled" in said else {"Enabled": False} | table)


def _unknown(path: Path, name: str, tree: Mapping[str, object]) -> str:
    near = get_close_matches(name[:60], list(tree), 1)
    if near:
        return f"unknown; did you mean {near[0]}?"
    elsewhere = [key for key in KEYS if key.name == name]
    if elsewhere and path:
        return f"unknown here; there is one in [{elsewhere[0].section}]"
    kind = "sections are" if not path else "it may be"
    return f"unknown; {kind} {', '.join(tree)}"


def _take_out(table: Table, path: Path) -> bool:
    """Remove what an error names, or what is nearest around it; whether anything was there."""
    found: list[tuple[Table, str]] = []
    inner: object = table
    for step in path:
        if not isinstance(inner, dict) or not isinstance(step, str):
            break
        name = step if step in inner else _spelled(inner, step)
        if name is None:
            break
        found.append((inner, name))
        inner = inner[name]
    if not found:
        return False
    around, name = found[-1]
    del around[name]
    return True


def _spelled(table: Table, step: str) -> str | None:
    """How a key is spelled in a table whose names may be in any case."""
    return next((name for name in table if name.lower() == step.lower()), None)
