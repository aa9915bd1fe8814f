"""Override, and Overrides: where a policy differs for some clients, recipients or senders.

What may live here: what an override may say, which of several comes first, and the search for those
that contradict each other. What follows for a message is decided in policy.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Protocol, Self

from senderid_fast.errors import InputError
from senderid_fast.receiver.actions import (
    Action,
    Actions,
    action_of,
    flag,
    known_keys,
    mapping_of,
    under,
)
from senderid_fast.receiver.networks import Networks, Range, listed, number_of, parse_range
from senderid_fast.receiver.patterns import (
    address_keys,
    domain_keys,
    parse_address,
    parse_domain,
)
from senderid_fast.results import Result

__all__ = ["CRITERIA", "TABLES", "Cell", "Cells", "Override", "Overrides", "Tables", "cells_of"]

TABLES = ("helo", "null_sender", "mailfrom", "pra")
CRITERIA = ("authenticated", "client", "helo_name", "recipient", "sender")

Cell = tuple[str, Result | None]
"""A table and a result; ("pra", None) is the message without a PRA."""
Cells = dict[Cell, tuple[Action, "Override"]]
"""What is set, and by which override."""

_EVERY: tuple[Cell, ...] = (
    *((table, result) for table in TABLES for result in Result),
    ("pra", None),
)


class Tables(Protocol):
    """What a policy and an override both have."""

    @property
    def helo(self) -> Actions: ...
    @property
    def null_sender(self) -> Actions: ...
    @property
    def mailfrom(self) -> Actions: ...
    @property
    def pra(self) -> Actions: ...
    @property
    def no_pra(self) -> Action | None: ...


def cells_of(tables: Tables) -> dict[Cell, Action]:
    """What is set, by table and result."""
    own = {
        "helo": tables.helo,
        # The identity of the null reverse-path is that of HELO (RFC 7208 2.4).
        "null_sender": tables.null_sender.over(tables.helo),
        "mailfrom": tables.mailfrom,
        "pra": tables.pra,
    }
    cells: dict[Cell, Action] = {}
    for table, actions in own.items():
        for result in Result:
            action = actions.of(result)
            if action is not None:
                cells[table, result] = action
    if tables.no_pra is not None:
        cells["pra", None] = tables.no_pra
    return cells


@dataclass(frozen=True, slots=True)
class Override:
    """What differs for some messages. It has one criterion:

    authenticated  sessions whose client has authenticated itself
    client         client addresses: text for Networks
    helo_name      HELO names, if the result for HELO is pass: any client may say any name
    recipient      "user@example.com", "example.com" or ".example.com" (domains below it)
    sender         "example.com" or ".example.com": the domain of the identity that is judged

    and says what is to be done:

    skip           nothing: every result is accepted, and there is no need to check
    helo, null_sender, mailfrom, pra, no_pra    as in ReceiverPolicy; what is left out is as
                   without the override

    name           how errors and decisions call it. Raises InputError, which names the field.
    """

    name: str = ""
    authenticated: bool = False
    client: tuple[str, ...] = ()
    helo_name: tuple[str, ...] = ()
    recipient: tuple[str, ...] = ()
    sender: tuple[str, ...] = ()
    skip: bool = False
    helo: Actions = field(default_factory=Actions)
    null_sender: Actions = field(default_factory=Actions)
    mailfrom: Actions = field(default_factory=Actions)
    pra: Actions = field(default_factory=Actions)
    no_pra: Action | None = None

    def __post_init__(self) -> None:
        flag("authenticated", self.authenticated)
        flag("skip", self.skip)
        patterns: dict[str, Callable[[str], str]] = {
            "client": str,
            "helo_name": parse_domain,
            "recipient": parse_address,
            "sender": parse_domain,
        }
        for criterion, parse in patterns.items():
            entries = []
            for entry in listed(criterion, getattr(self, criterion)):
                try:
                    entries.append(parse(entry))
                except ValueError as error:
                    raise InputError(criterion, f"{entry!r} {error}") from None
            object.__setattr__(self, criterion, tuple(entries))
        Networks(self.client, "client")
        used = [criterion for criterion in CRITERIA if getattr(self, criterion)]
        if len(used) != 1:
            found = " and ".join(used) or "none"
            raise InputError("criterion", f"must be one of {', '.join(CRITERIA)}; there is {found}")
        if not isinstance(self.name, str):
            raise InputError("name", f"must be text, is {self.name!r}")
        if not self.name:
            value = getattr(self, used[0])
            shown = "" if value is True else f" {value[0]}{', ...' if len(value) > 1 else ''}"
            object.__setattr__(self, "name", used[0] + shown)
        for table in TABLES:
            if not isinstance(getattr(self, table), Actions):
                raise InputError(table, f"must be Actions, is {getattr(self, table)!r}")
        if self.no_pra is not None:
            object.__setattr__(self, "no_pra", action_of("no_pra", self.no_pra))
        if self.skip == bool(cells_of(self)):
            raise InputError("skip", "an override has either skip = true, or actions for results")

    @property
    def criterion(self) -> str:
        """Which of CRITERIA it has."""
        return next(criterion for criterion in CRITERIA if getattr(self, criterion))

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, object]) -> Self:
        """The override as a mapping, such as a table of TOML."""
        known_keys(mapping, (each.name for each in fields(cls)))
        values: dict[str, object] = dict(mapping)
        for table in TABLES:
            if table in mapping:
                inner = mapping_of(table, mapping[table])
                with under(table):
                    values[table] = Actions.from_mapping(inner)
        return cls(**values)  # type: ignore[arg-type]


class Overrides:
    """All overrides of a policy, in the order in which they are looked at.

    The criteria come in the order of CRITERIA. Within one, the most specific comes first: an
    address before its domain, a domain before ".its.parent", a longer parent before a shorter one,
    a smaller network before the one around it. Each result is looked for by itself: the first
    override that sets it decides. Raises InputError if two that are equally specific differ.
    """

    __slots__ = ("_authenticated", "_by_key", "_clients", "_ranges")

    def __init__(self, overrides: Sequence[Override]) -> None:
        self._by_key: dict[tuple[str, str], Cells] = {}
        self._authenticated: Cells = {}
        self._ranges: list[tuple[Range, Cells]] = []
        for override in overrides:
            own: Cells = (
                dict.fromkeys(_EVERY, (Action.ACCEPT, override))
                if override.skip
                else {cell: (action, override) for cell, action in cells_of(override).items()}
            )
            if override.authenticated:
                _merge(self._authenticated, own, "authenticated")
            for entry in override.client:
                self._ranges.append((parse_range(entry), own))
            for criterion in ("helo_name", "recipient", "sender"):
                for key in getattr(override, criterion):
                    known = self._by_key.setdefault((criterion, key), {})
                    _merge(known, own, f"{criterion} {key}")
        self._clients = Networks([entry for each in overrides for entry in each.client])
        _compare_ranges(self._ranges)
        self._ranges.sort(key=lambda each: each[0][2] - each[0][1])

    def of_client(self, ip: object, authenticated: bool) -> Iterator[Cells]:
        """What is set for a session, the first that counts first."""
        if authenticated and self._authenticated:
            yield self._authenticated
        client = number_of(ip) if ip in self._clients else None
        if client is not None:
            for (version, first, last), cells in self._ranges:
                if version == client[0] and first <= client[1] <= last:
                    yield cells

    def of_helo(self, domain: str) -> Iterator[Cells]:
        """What is set for a HELO name; to be asked only if its result is pass."""
        return self._find("helo_name", domain_keys(domain))

    def of_recipient(self, address: str) -> Iterator[Cells]:
        """What is set for a recipient."""
        return self._find("recipient", address_keys(address))

    def of_sender(self, domain: str) -> Iterator[Cells]:
        """What is set for the domain of the identity that is judged."""
        return self._find("sender", domain_keys(domain))

    def _find(self, criterion: str, keys: Iterator[str]) -> Iterator[Cells]:
        if not self._by_key:  # so it is for most receivers, and keys have their price
            return
        for key in keys:
            cells = self._by_key.get((criterion, key))
            if cells is not None:
                yield cells


def _contradiction(where: str, cell: Cell, one: Override, other: Override) -> InputError:
    setting = "no_pra" if cell[1] is None else f"{cell[0]}.{cell[1]}"
    return InputError(
        "override", f"{one.name!r} and {other.name!r} contradict each other: {where}, {setting}"
    )


def _compare(known: Cells, own: Cells, where: str) -> None:
    for cell, (action, override) in own.items():
        before = known.get(cell)
        if before is not None and before[0] is not action:
            raise _contradiction(where, cell, before[1], override)


def _merge(known: Cells, own: Cells, where: str) -> None:
    _compare(known, own, where)
    for cell, setting in own.items():
        known.setdefault(cell, setting)


def _compare_ranges(ranges: list[tuple[Range, Cells]]) -> None:
    """Of two ranges that overlap, the smaller counts if the other holds all of it; if neither holds
    the other, or they are equal, none is more specific."""
    active: list[tuple[Range, Cells]] = []
    for (version, first, last), own in sorted(ranges, key=lambda each: each[0]):
        active = [each for each in active if each[0][0] == version and each[0][2] >= first]
        for (_, low, high), cells in active:
            nested = (low <= first and last <= high) or (first <= low and high <= last)
            if not nested or (low, high) == (first, last):
                _compare(cells, own, "clients that both name")
        active.append(((version, first, last), own))
