"""Batches: columns of connections in, the same columns and their results out.

What may live here: reading what a caller gives as columns, running a batch of rows until its answers
are there, and laying results out as Arrow has them. No asking: the engines do that. pyarrow is
imported when the first batch comes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic_ns, time_ns
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from senderid_fast._core.answers import AnswerStore
from senderid_fast.errors import InputError, MissingExtraError
from senderid_fast.questions import Answer, Question
from senderid_fast.results import PraFailure, Reason, Result

if TYPE_CHECKING:
    import pyarrow as pa

    from senderid_fast._core.checks import Evaluator
    from senderid_fast._core.columns import Batch
    from senderid_fast._core.outcomes import Octets

    # The bits of Arrow that say which rows have a value (None: all), and how many have none.
    Validity = tuple[pa.Buffer | None, int]

__all__ = ["BatchJob", "BatchOptions", "BatchOutcome", "BatchRun"]

IDENTITIES = ("helo", "mfrom")
PRA_FIELDS = ("resent-sender", "resent-from", "sender", "from")
LEAST_ROWS = 4_096  # of a thread: fewer are not worth one
ALWAYS = -(1 << 63)  # a time at which every answer is still good
# Positions of verdict.IDENTITIES, and of the columns of text in outcomes.OutcomeText.
HELO, MAIL_FROM, PRA = 1, 2, 3
DOMAIN, MECHANISM, EXPLANATION = 0, 1, 2


class Answers(Protocol):
    """A set of answers that stands in for the engine's own, whatever their time to live."""

    @property
    def store(self) -> AnswerStore:
        """Where they are."""


class BatchOutcome(NamedTuple):
    """What a batch gave that was not to ask.

    table      the columns with their results; rows that lack an answer have nulls there
    rows       an Arrow array of int64: the indices of these rows
    questions  what they ask first, each once
    """

    table: Any
    rows: Any
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """The options of check_batch; Engine.check_batch says what they mean."""

    ip: str = "ip"
    helo: str = "helo"
    mail_from: str = "mail_from"
    headers: str | None = None
    helo_result: bool = False
    counts: bool = False
    explanations: bool = False
    prefix: str = ""
    answers: Answers | None = None
    missing: str = "ask"
    threads: int | None = None
    batch_rows: int = 65_536

    def __post_init__(self) -> None:
        for name in ("ip", "helo", "mail_from", "prefix"):
            if not isinstance(getattr(self, name), str):
                raise InputError(name, f"must be text, is {getattr(self, name)!r}")
        if self.headers is not None and not isinstance(self.headers, str):
            raise InputError("headers", f"must be the name of a column, is {self.headers!r}")
        if self.missing not in ("ask", "emit"):
            raise InputError("missing", f'must be "ask" or "emit", is {self.missing!r}')
        if self.answers is not None and not isinstance(
            getattr(self.answers, "store", None), AnswerStore
        ):
            raise InputError("answers", f"must have a store, is {type(self.answers).__name__}")
        _whole("batch_rows", self.batch_rows, 1, 1 << 24)
        if self.threads is not None:
            _whole("threads", self.threads, 1, 1_024)

    @property
    def thread_count(self) -> int:
        if self.threads is not None:
            return self.threads
        count = getattr(os, "process_cpu_count", os.cpu_count)  # of Python 3.13
        return count() or 1


def _whole(name: str, value: object, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise InputError(name, f"must be a whole number from {least} to {most}, is {value!r}")


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtraError("pyarrow", "batch") from error
    return pyarrow


class BatchRun:
    """One record batch under way: run it, answer what it asks, run it again.

    run() gives the questions that came up, each once in the life of the batch. Each is to be answered
    by answer() before or after the next run(); when nothing waits any more, result() has the columns.
    """

    def __init__(
        self, evaluator: Evaluator, batch: pa.RecordBatch, layout: Layout, seconds: float
    ) -> None:
        from senderid_fast._core.columns import Batch

        options = layout.options
        now = monotonic_ns()
        store, at = evaluator.store, now
        if options.answers is not None:
            store, at = options.answers.store, ALWAYS
        self.batch = batch
        self._layout = layout
        self._keep = store if options.answers is None else None
        parts = min(options.thread_count, max(batch.num_rows // LEAST_ROWS, 1))
        self._core = Batch(
            evaluator,
            store,
            at,
            time_ns(),
            int(seconds * 1e9),
            *layout.columns(batch),
            options.helo_result,
            options.counts,
            options.explanations,
            parts,
        )

    @property
    def waiting(self) -> int:
        """How many checks wait for an answer."""
        return self._core.waiting

    def run(self) -> tuple[Question, ...]:
        """Check the rows that can be checked: first all, then those that wait."""
        others = range(1, self._core.part_count)
        if others:
            with ThreadPoolExecutor(len(others), "senderid-fast batch") as pool:
                running = [pool.submit(self._core.run, number) for number in others]
                self._core.run(0)
                for each in running:
                    each.result()
        else:
            self._core.run(0)
        return tuple(self._core.questions())

    def answer(
        self, question: Question, answer: Answer | None, expiry: tuple[int, int, int], took: int = 0
    ) -> None:
        """Take the answer to an open question.

        answer  None: it took the time that a check has (RFC 7208 4.6.4), and there is none
        expiry  (now, expires, failure_expires) in nanoseconds of monotonic_ns()
        took    nanoseconds since it was asked; a check whose questions took longer in all than
                limits.seconds, and that still lacks an answer, ends as temperror
        """
        now, expires, failure_expires = expiry
        self._core.answer(question, answer, expires, failure_expires, now, took, self._keep)

    def expire(self) -> None:
        """End what waits: temperror, time-limit."""
        self._core.expire()
        self.run()

    def result(self) -> pa.RecordBatch:
        """The columns that came in, and the results."""
        return self._layout.result(self.batch, self._core)

    def open_rows(self) -> pa.Array:
        """The indices of the rows whose results are not known."""
        return self._layout.open_rows(self._core)


class Layout:
    """Which columns of a schema are checked, and which columns come out."""

    def __init__(self, schema: pa.Schema, options: BatchOptions) -> None:
        pa = self._pa = _pyarrow()
        self.options = options
        self.schema = schema
        self._ip = self._index(options.ip, "ip", "holds the address of the client")
        self._mail_from = self._index(
            options.mail_from, "mail_from", "holds the reverse-path; null is the null reverse-path"
        )
        self._helo = self._index(options.helo, "helo", "", required=False)
        wanted = options.headers is not None
        self._headers = self._index(
            options.headers or "headers", "headers", "holds header sections", required=wanted
        )
        code, text, number = pa.int8(), pa.string(), pa.uint16()
        results = pa.dictionary(code, text)
        fields = [("spf_result", results), ("spf_scope", results), ("spf_reason", results)]
        fields += [("spf_domain", text), ("spf_mechanism", text)]
        if options.counts:
            fields += [("spf_lookups", number), ("spf_void_lookups", number)]
        if options.explanations:
            fields.append(("spf_explanation", text))
        if options.helo_result:
            fields += [("helo_result", results), ("helo_reason", results), ("helo_mechanism", text)]
        if self._headers is not None:
            fields += [("pra_result", results), ("pra_domain", text), ("pra_header", results)]
            fields += [("pra_reason", results), ("pra_failure", results), ("pra_mechanism", text)]
        self._added = [pa.field(options.prefix + name, kind) for name, kind in fields]
        for field in self._added:
            if field.name in schema.names:
                raise InputError(
                    field.name, "is a column already: choose another prefix, or rename that column"
                )
        self.out_schema = pa.schema([*schema, *self._added], schema.metadata)
        words = (Result, Reason, IDENTITIES, PRA_FIELDS, PraFailure)
        self._words = {of: pa.array([str(word) for word in of], text) for of in words}
        self.check_types()

    def _index(self, name: str, option: str, what: str, *, required: bool = True) -> int | None:
        found = self.schema.get_all_field_indices(name)
        if len(found) > 1:
            raise InputError(name, "is the name of several columns: rename all but one")
        if found:
            return int(found[0])
        if required:
            raise InputError(
                name, f"is no column of the data: {option}= names the column that {what}"
            )
        return None

    def check_types(self) -> None:
        """Raise InputError for a column of a type that cannot be checked, before a row is read."""
        empty = self._pa.RecordBatch.from_arrays(
            [self._pa.array([], field.type) for field in self.schema], schema=self.schema
        )
        self.columns(empty)

    def columns(self, batch: pa.RecordBatch) -> tuple[Any, Any, Any, Any]:
        """ip, mail_from, helo and headers as the core reads them."""
        from senderid_fast._core.arrow import Column

        def column(index: int | None, name: str, *, addresses: bool = False) -> Column:
            if index is None:
                return Column(name, None, batch.num_rows)
            array = batch.column(index)
            if isinstance(array, self._pa.ExtensionArray):
                array = array.storage
            return Column(name, array.__arrow_c_array__(), batch.num_rows, addresses)

        options = self.options
        return (
            column(self._ip, options.ip, addresses=True),
            column(self._mail_from, options.mail_from),
            column(self._helo, options.helo),
            None if self._headers is None else column(self._headers, options.headers or "headers"),
        )

    def result(self, batch: pa.RecordBatch, core: Batch) -> pa.RecordBatch:
        """The batch with its results."""
        arrays = iter(self._results(core))
        columns = [*batch.columns, *arrays]
        return self._pa.RecordBatch.from_arrays(columns, schema=self.out_schema)

    def _results(self, core: Batch) -> Iterator[pa.Array]:
        options, pa = self.options, self._pa
        known = self._known(core, MAIL_FROM)
        yield self._code(core.codes(MAIL_FROM, "results"), Result, known)
        yield self._code(core.scope_codes, IDENTITIES, known)
        yield self._code(core.codes(MAIL_FROM, "reasons"), Reason, known)
        yield self._text(core, MAIL_FROM, DOMAIN)
        yield self._text(core, MAIL_FROM, MECHANISM)
        if options.counts:
            yield self._plain(core.codes(MAIL_FROM, "lookups"), pa.uint16(), known)
            yield self._plain(core.codes(MAIL_FROM, "void_lookups"), pa.uint16(), known)
        if options.explanations:
            yield self._text(core, MAIL_FROM, EXPLANATION)
        if options.helo_result:
            known = self._known(core, HELO)
            yield self._code(core.codes(HELO, "results"), Result, known)
            yield self._code(core.codes(HELO, "reasons"), Reason, known)
            yield self._text(core, HELO, MECHANISM)
        if self._headers is not None:
            known = self._known(core, PRA)
            headers, failures = core.pra_codes
            yield self._code(core.codes(PRA, "results"), Result, known)
            yield self._text(core, PRA, DOMAIN)
            yield self._code(headers, PRA_FIELDS, self._given(core, PRA, headers))
            yield self._code(core.codes(PRA, "reasons"), Reason, known)
            yield self._code(failures, PraFailure, self._given(core, PRA, failures))
            yield self._text(core, PRA, MECHANISM)

    def _known(self, core: Batch, kind: int) -> Validity:
        bits, count = core.known(kind)
        return None if bits is None else self._pa.py_buffer(bits), core.rows - count

    def _given(self, core: Batch, kind: int, codes: Octets) -> Validity:
        bits, count = core.given(kind, codes)
        return None if bits is None else self._pa.py_buffer(bits), core.rows - count

    def _code(self, codes: Octets, words: Any, validity: Validity) -> pa.Array:
        indices = self._plain(codes, self._pa.int8(), validity)
        return self._pa.DictionaryArray.from_arrays(indices, self._words[words], safe=False)

    def _plain(self, numbers: Octets, kind: pa.DataType, validity: Validity) -> pa.Array:
        pa, (bits, nulls) = self._pa, validity
        rows = len(numbers) * 8 // kind.bit_width
        return pa.Array.from_buffers(kind, rows, [bits, pa.py_buffer(numbers)], nulls)

    def _text(self, core: Batch, kind: int, column: int) -> pa.Array:
        buffers = [self._pa.py_buffer(part) for part in core.text(kind, column)]
        return self._pa.Array.from_buffers(self._pa.string(), core.rows, buffers)

    def open_rows(self, core: Batch) -> pa.Array:
        import pyarrow.compute as pc

        kinds = [MAIL_FROM]
        kinds += [HELO] if self.options.helo_result else []
        kinds += [] if self._headers is None else [PRA]
        lacking = None
        for kind in kinds:
            one = self._plain(core.codes(kind, "results"), self._pa.int8(), (None, 0))
            here = pc.less(one, 0)
            lacking = here if lacking is None else pc.or_(lacking, here)
        return pc.indices_nonzero(lacking).cast(self._pa.int64())


class BatchJob:
    """What a caller gave, cut into runs, and put together again.

    data     a Table, RecordBatch or RecordBatchReader of pyarrow, or anything with
             __arrow_c_stream__ or __arrow_c_array__
    """

    def __init__(
        self, evaluator: Evaluator, data: Any, options: BatchOptions, seconds: float
    ) -> None:
        pa = self._pa = _pyarrow()
        self._evaluator = evaluator
        self._options = options
        self._seconds = seconds
        if not isinstance(data, (pa.Table, pa.RecordBatch, pa.RecordBatchReader)):
            if hasattr(data, "__arrow_c_stream__"):
                data = pa.RecordBatchReader.from_stream(data)
            elif hasattr(data, "__arrow_c_array__"):
                data = pa.record_batch(data)
            else:
                raise InputError(
                    "data",
                    "must be a Table, RecordBatch or RecordBatchReader of pyarrow, or have "
                    f"__arrow_c_stream__ or __arrow_c_array__, is {type(data).__name__}",
                )
        self._data = data
        self._layout = Layout(data.schema, options)

    @property
    def is_stream(self) -> bool:
        """Whether the rows come one batch after the other, and go out so."""
        return isinstance(self._data, self._pa.RecordBatchReader)

    def runs(self) -> Iterator[BatchRun]:
        """Each batch of rows, to be driven; the next is read when it is asked for."""
        for batch in self._batches():
            yield BatchRun(self._evaluator, batch, self._layout, self._seconds)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        if isinstance(self._data, self._pa.RecordBatch):
            yield self._data
        elif isinstance(self._data, self._pa.Table):
            yield from self._data.to_batches(self._options.batch_rows)
        else:
            size = self._options.batch_rows
            for batch in self._data:
                for first in range(0, batch.num_rows, size):
                    yield batch.slice(first, size)

    def together(self, done: Iterable[BatchRun]) -> Any:
        """The results of runs that are over, in the form in which the data came."""
        pa, schema = self._pa, self._layout.out_schema
        if self.is_stream:
            return pa.RecordBatchReader.from_batches(schema, (run.result() for run in done))
        batches = [run.result() for run in done]
        if isinstance(self._data, pa.RecordBatch):
            return batches[0]
        table = self._data
        added = pa.Table.from_batches(batches, schema)
        for index in range(len(self._layout.schema), len(schema)):
            table = table.append_column(schema.field(index), added.column(index))
        return table

    def outcomes(self, runs: Iterable[BatchRun]) -> Iterator[BatchOutcome]:
        """Of each run, what is known without asking."""
        for run in runs:
            questions = run.run()
            yield BatchOutcome(run.result(), run.open_rows(), questions)

    def outcome(self) -> BatchOutcome | Iterator[BatchOutcome]:
        """What is known without asking: for a stream, batch by batch."""
        import pyarrow.compute as pc

        pa = self._pa
        if self.is_stream:
            return self.outcomes(self.runs())
        done, rows, questions, first = [], [], {}, 0
        for run in self.runs():
            questions.update(dict.fromkeys(run.run()))
            rows.append(pc.add(run.open_rows(), first))
            first += run.batch.num_rows
            done.append(run)
        indices = pa.concat_arrays(rows) if rows else pa.array([], pa.int64())
        return BatchOutcome(self.together(done), indices, tuple(questions))
