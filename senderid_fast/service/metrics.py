"""The metrics page: all numbers as Prometheus reads them (text exposition format 0.0.4).

What may live here: writing that text. The numbers are in counters.py.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator

from senderid_fast.service.counters import Board, State
from senderid_fast.service.families import FAMILIES, Family, Histogram

__all__ = ["CONTENT_TYPE", "page"]

PREFIX = "senderid_fast_"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def page(board: Board, version: str, started: float) -> str:
    """The text.

    version  ours
    started  when the service began: seconds since 1970
    """
    return "\n".join([*_lines(board, version, started), ""])


def _lines(board: Board, version: str, started: float) -> Iterator[str]:
    yield from _head("build_info", "gauge", "The version that runs.")
    labels = _labels(("version", "python"), (version, platform.python_version()))
    yield f"{PREFIX}build_info{labels} 1"
    yield from _head("start_time_seconds", "gauge", "When the service began, since 1970.")
    yield f"{PREFIX}start_time_seconds {started!r}"
    yield from _head("workers", "gauge", "Worker processes, by what they are doing.")
    states = [slot.state for slot in board.workers]
    for name, state in (
        ("down", State.NONE),
        ("starting", State.STARTING),
        ("serving", State.SERVING),
        ("ending", State.ENDING),
    ):
        yield f"{PREFIX}workers{_labels(('state',), (name,))} {states.count(state)}"
    for family in FAMILIES:
        yield from _head(family.name, family.kind, family.help)
        yield from _rows(family, board.total(family))


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {PREFIX}{name} {text}"
    yield f"# TYPE {PREFIX}{name} {kind}"


def _rows(family: Family, numbers: list[float]) -> Iterator[str]:
    for position, row in enumerate(family.rows):
        if isinstance(family, Histogram):
            begin = position * family.width
            yield from _buckets(family, row, numbers[begin : begin + family.width])
        else:
            yield f"{PREFIX}{family.name}{_labels(family.labels, row)} {_number(numbers[position])}"


def _buckets(family: Histogram, row: tuple[str, ...], numbers: list[float]) -> Iterator[str]:
    name, count = f"{PREFIX}{family.name}", 0.0
    bounds = [*(f"{bound:g}" for bound in family.bounds), "+Inf"]
    for bound, number in zip(bounds, numbers, strict=False):
        count += number
        yield f"{name}_bucket{_labels((*family.labels, 'le'), (*row, bound))} {_number(count)}"
    labels = _labels(family.labels, row)
    yield f"{name}_sum{labels} {_number(numbers[-1])}"
    yield f"{name}_count{labels} {_number(count)}"


def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    if not names:
        return ""
    pairs = zip(names, values, strict=True)
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)
