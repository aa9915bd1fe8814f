"""The comparison of two runs: of two outputs, or of two sets of answers over the same rows.

What may live here: what is compared and counted. Rows are compared by position; memory is bounded
by one block of each run, the examples and the bound of Tops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from senderid_fast.comparing.blocks import (
    aligned,
    arrow,
    blocks_of,
    both_have,
    differing,
    plain,
    text_of,
)
from senderid_fast.comparing.findings import Change, Comparison, Transition, Verdicts
from senderid_fast.errors import InputError
from senderid_fast.results import Result

if TYPE_CHECKING:
    import pyarrow as pa

    from senderid_fast.answersets.answerset import AnswerSet
    from senderid_fast.engine import Engine
    from senderid_fast.settings import Limits

    Check = Callable[[Engine, pa.RecordBatch], Any]

__all__ = ["compare_answers", "compare_runs"]

# The prefixes of the columns of a checked block: MAIL FROM (or HELO in its place), HELO, PRA.
IDENTITIES = ("spf", "helo", "pra")
# What says that a row of both runs is the same one.
ROW_COLUMNS = ("ip", "helo", "mail_from")
EXAMPLES = 20
DOMAINS = 10
SHOWN = 1_000  # characters of a stranger's text in an example


def compare_runs(
    before: object, after: object, *, examples: int = EXAMPLES, domains: int = DOMAINS
) -> Comparison:
    """Compare two outputs of Engine.check_batch (or `senderid-fast batch`) over the same rows.

    before, after  tables, batches or streams of Arrow, or iterables of batches; they are read once,
                   a block at a time. At least one of the columns ip, helo and mail_from must be in
                   both, and equal in each row; at least one of spf_result, helo_result and
                   pra_result must be in both.
    examples       how many changes are kept
    domains        how many domains are told

    Raises InputError, which names the row (from 0) and the column; MissingExtraError if pyarrow is
    not installed.
    """
    comparer = _Comparer(examples, domains)
    for first, second in aligned(blocks_of(before, "before"), blocks_of(after, "after")):
        comparer.add(first, second)
    return comparer.comparison()


def compare_answers(
    rows: object,
    before: AnswerSet,
    after: AnswerSet,
    *,
    limits: Limits | None = None,
    examples: int = EXAMPLES,
    domains: int = DOMAINS,
    check: Check | None = None,
) -> Comparison:
    """Check the same rows with two sets of answers, and compare.

    rows    as Engine.check_batch takes them: a table, batch or stream of Arrow, or an iterable of
            batches
    limits  of each check
    check   how a block is checked with an engine; None: Engine.check_batch

    No question is asked of DNS: what is not among the answers is temperror, with that reason.
    Raises as compare_runs does.
    """
    from senderid_fast.engine import Engine

    # Saved answers do not get older: no engine needs to look one up twice.
    kept = {"min_ttl": 86_400, "failure_ttl": 300}
    engines = [Engine(each, limits=limits, **kept) for each in (before, after)]  # type: ignore[arg-type]
    by = _check_batch if check is None else check
    comparer = _Comparer(examples, domains)
    for block in blocks_of(rows, "rows"):
        first, second = (list(blocks_of(by(engine, block), "rows")) for engine in engines)
        for pair in aligned(iter(first), iter(second)):
            comparer.add(*pair)
    return comparer.comparison()


def _check_batch(engine: Engine, block: pa.RecordBatch) -> Any:
    either: Any = engine
    return either.check_batch(block, answers=engine.settings.resolver)


class _Comparer:
    """Counts what differs, block by block."""

    def __init__(self, examples: int, domains: int) -> None:
        from senderid_fast.jobs.tops import Tops

        for name, value in (("examples", examples), ("domains", domains)):
            if type(value) is not int or not 0 <= value <= 100_000:
                raise InputError(name, f"must be a whole number from 0 to 100000, is {value!r}")
        self._most_examples = examples
        self._most_domains = domains
        self._rows = 0
        self._changed = 0
        self._counts: dict[str, dict[tuple[str | None, str | None], int]] = {}
        self._examples: list[Change] = []
        self._domains = Tops()

    def comparison(self) -> Comparison:
        return Comparison(
            self._rows,
            self._changed,
            {
                identity: tuple(
                    Transition(*pair, rows)
                    for pair, rows in sorted(
                        counts.items(), key=lambda item: (-item[1], *map(str, item[0]))
                    )
                )
                for identity, counts in self._counts.items()
            },
            tuple(self._examples),
            tuple((top.value, top.rows) for top in self._domains.most(self._most_domains)),
            self._domains.error,
        )

    def add(self, before: pa.RecordBatch, after: pa.RecordBatch) -> None:
        compute = arrow().compute
        keys = self._same_rows(before, after)
        found = [each for each in IDENTITIES if both_have(before, after, f"{each}_result")]
        if not found:
            names = ", ".join(f"{each}_result" for each in IDENTITIES)
            raise InputError("before, after", f"must both have one of the columns {names}")
        changed: Any = None
        for identity in found:
            first = self._results(before, identity, "before")
            second = self._results(after, identity, "after")
            self._count(identity, first, second)
            differs = differing(first, second)
            changed = differs if changed is None else compute.or_(changed, differs)
            if differs.true_count:
                self._change(identity, differs, before, after, keys)
        self._rows += before.num_rows
        self._changed += changed.true_count

    def _same_rows(self, before: pa.RecordBatch, after: pa.RecordBatch) -> dict[str, Any]:
        """The columns that tell which row it is; InputError if the runs differ in one."""
        keys: dict[str, Any] = {}
        for name in ROW_COLUMNS:
            if not both_have(before, after, name):
                side = next((each for each in (before, after) if name in each.schema.names), None)
                if side is not None:
                    where = "after" if side is before else "before"
                    raise InputError(where, f"has no column {name}, and the other one has")
                continue
            first, second = plain(before, name, "before"), plain(after, name, "after")
            if first.type != second.type:
                first, second = text_of(first, name, "before"), text_of(second, name, "after")
            differs = differing(first, second)
            if differs.true_count:
                at = arrow().compute.index(differs, True).as_py()
                was, now = first[at].as_py(), second[at].as_py()
                problem = f"column {name} is {was!a:.200} before and {now!a:.200} after"
                raise InputError("before, after", f"row {self._rows + at}: {problem}")
            keys[name] = first
        if not keys:
            names = ", ".join(ROW_COLUMNS)
            raise InputError("before, after", f"must both have one of the columns {names}")
        return keys

    def _results(self, block: pa.RecordBatch, identity: str, side: str) -> Any:
        pa = arrow()
        column = text_of(plain(block, f"{identity}_result", side), f"{identity}_result", side)
        words = pa.array([str(result) for result in Result], pa.utf8())
        wrong = pa.compute.and_(
            pa.compute.is_valid(column), pa.compute.invert(pa.compute.is_in(column, words))
        )
        if wrong.true_count:
            at = pa.compute.index(wrong, True).as_py()
            problem = f"column {identity}_result: {column[at].as_py()!a:.100} is no result"
            raise InputError(side, f"row {self._rows + at}: {problem}")
        return column

    def _count(self, identity: str, first: Any, second: Any) -> None:
        compute = arrow().compute
        counts = self._counts.setdefault(identity, {})
        pairs = compute.binary_join_element_wise(
            compute.fill_null(first, ""), compute.fill_null(second, ""), " "
        )
        for each in compute.value_counts(pairs).to_pylist():
            was, _, now = each["values"].partition(" ")
            key = was or None, now or None
            counts[key] = counts.get(key, 0) + each["counts"]

    def _change(
        self,
        identity: str,
        differs: Any,
        before: pa.RecordBatch,
        after: pa.RecordBatch,
        keys: dict[str, Any],
    ) -> None:
        pa = arrow()
        places = pa.compute.indices_nonzero(differs)
        self._domains.add(_domains(identity, before, after, keys).take(places))
        for place in places[: max(self._most_examples - len(self._examples), 0)].to_pylist():
            shown = {name: _shown(column[place].as_py()) for name, column in keys.items()}
            self._examples.append(
                Change(
                    self._rows + place,
                    identity,
                    shown.get("ip"),
                    shown.get("helo"),
                    shown.get("mail_from"),
                    _verdicts(before, identity, place),
                    _verdicts(after, identity, place),
                )
            )


def _domains(
    identity: str, before: pa.RecordBatch, after: pa.RecordBatch, keys: dict[str, Any]
) -> Any:
    """The domain that was checked in each row; where no run tells it, that of the row."""
    pa = arrow()
    compute = pa.compute
    name = f"{identity}_domain"
    told = [
        text_of(plain(block, name, side), name, side)
        for block, side in ((before, "before"), (after, "after"))
        if name in block.schema.names
    ]
    fallback = "helo" if identity == "helo" else "mail_from"
    if not told and fallback in keys:
        column = text_of(keys[fallback], fallback, "before")
        told = [compute.replace_substring_regex(column, r"^(?s:.*)@|[<>]", "")]
    return compute.coalesce(*told) if told else pa.nulls(before.num_rows, pa.utf8())


def _verdicts(block: pa.RecordBatch, identity: str, place: int) -> Verdicts:
    values = []
    for field in Verdicts._fields:
        name = f"{identity}_{field}"
        there = name in block.schema.names
        values.append(_shown(block.column(name)[place].as_py()) if there else None)
    return Verdicts(*values)


def _shown(value: object) -> str | None:
    """A value as text, cut."""
    if value is None:
        return None
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    return text[:SHOWN]
