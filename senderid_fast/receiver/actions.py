"""Action, and Actions: what is done about each result of one identity.

What may live here: the actions, which of them a result may have, and reading them from a mapping.
Which identity and which message they are for is decided in overrides.py and policy.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Self, cast

from senderid_fast.errors import InputError
from senderid_fast.results import Result

__all__ = [
    "DISCARDS",
    "Action",
    "Actions",
    "action_of",
    "flag",
    "known_keys",
    "mapping_of",
    "under",
]


class Action(StrEnum):
    """What is done with a message, the mildest first."""

    ACCEPT = "accept"  #: let it pass; its results are recorded as those of any message
    MARK = "mark"  #: let it pass and tell those who look at it next
    DEFER = "defer"  #: refuse it for now (4xx)
    DISCARD = "discard"  #: accept it and deliver it to nobody
    REJECT = "reject"  #: refuse it for good (5xx)


# How a milter may have a message discarded: the MTA drops it, or keeps it where people may look at
# it and let it go.
DISCARDS = ("discard", "quarantine")
_ANY = tuple(Action)
_PASSING = (Action.ACCEPT, Action.MARK)
# A pass is no ground for refusing anything (RFC 7208 8.3). A transient error is none for losing
# mail: it may be an error of the receiver's own DNS (RFC 7208 8.6).
_ALLOWED = {Result.PASS: _PASSING, Result.TEMPERROR: (*_PASSING, Action.DEFER)}


def action_of(field: str, value: object, allowed: Iterable[Action] = _ANY) -> Action:
    """The action that a setting names."""
    allowed = tuple(allowed)
    if not isinstance(value, str) or value not in allowed:
        raise InputError(field, f"must be one of {', '.join(allowed)}, is {value!r}")
    return Action(value)


def flag(field: str, value: object) -> bool:
    """A setting that is True or False."""
    if not isinstance(value, bool):
        raise InputError(field, f"must be true or false, is {value!r}")
    return value


@contextmanager
def under(path: str) -> Iterator[None]:
    """Put a path before the field that an InputError names."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}.{error.field}", error.problem) from None


def mapping_of(field: str, value: object) -> Mapping[str, object]:
    """A setting that is a mapping (a table of TOML)."""
    if not isinstance(value, Mapping):
        raise InputError(field, f"must be a table of settings, is {value!r}")
    return cast("Mapping[str, object]", value)


def known_keys(mapping: Mapping[str, object], allowed: Iterable[str]) -> None:
    """Refuse a key that means nothing: it may be a slip in one that does."""
    allowed = tuple(allowed)
    for key in mapping:
        if key not in allowed:
            raise InputError(str(key), f"unknown; must be one of {', '.join(allowed)}")


@dataclass(frozen=True, slots=True)
class Actions:
    """The action for each result of one identity; None where this table says nothing.

    none and neutral are one: a table that sets one of them sets the other (RFC 7208 8.2).
    Raises InputError, which names the result and the actions it may have.
    """

    none: Action | None = None
    neutral: Action | None = None
    pass_: Action | None = None
    fail: Action | None = None
    softfail: Action | None = None
    temperror: Action | None = None
    permerror: Action | None = None

    def __post_init__(self) -> None:
        for result in Result:
            value = getattr(self, _attribute(result))
            if value is not None:
                action = action_of(str(result), value, _ALLOWED.get(result, _ANY))
                object.__setattr__(self, _attribute(result), action)
        # RFC 7208 8.2: "A neutral result MUST be treated exactly like the none result".
        if self.none is None:
            object.__setattr__(self, "none", self.neutral)
        elif self.neutral is None:
            object.__setattr__(self, "neutral", self.none)
        elif self.neutral is not self.none:
            raise InputError(
                "neutral",
                f"must be as none (RFC 7208 8.2), which is {self.none}, is {self.neutral}",
            )

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, object]) -> Self:
        """The table as a mapping of results, spelled as in RFC 7208 2.6, to actions."""
        known_keys(mapping, Result)
        for key, value in mapping.items():
            action_of(key, value, _ALLOWED.get(Result(key), _ANY))
        return cls(**{_attribute(Result(key)): value for key, value in mapping.items()})  # type: ignore[arg-type]

    def of(self, result: Result) -> Action | None:
        """The action for a result."""
        return cast("Action | None", getattr(self, _attribute(result)))

    def over(self, others: Actions) -> Actions:
        """This table, with those of another where it says nothing."""
        return Actions(
            **{
                each.name: mine if mine is not None else getattr(others, each.name)
                for each in fields(self)
                for mine in (getattr(self, each.name),)
            }
        )


def _attribute(result: Result) -> str:
    return "pass_" if result is Result.PASS else str(result)
