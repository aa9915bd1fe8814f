"""Batches: columns of connections in, the same columns and their results out.

What may live here: cutting what a caller gives into batches, running one until its answers are
there, and putting them together again. No asking: the engines do that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic_ns, time_ns
from typing import TYPE_CHECKING, Any, NamedTuple

from senderid_fast.errors import InputError
from senderid_fast.layout import Answers, BatchOptions, Layout, import_pyarrow
from senderid_fast.questions import Answer, Question, StaleAnswer
from senderid_fast.stale import Stale

if TYPE_CHECKING:
    import pyarrow as pa

    from senderid_fast._core.cachereader import CacheReader
    from senderid_fast._core.checks import Evaluator
    from senderid_fast.cache.tier import CacheTier
    from senderid_fast.settings import Settings

__all__ = ["Answers", "BatchJob", "BatchOptions", "BatchOutcome", "BatchRun"]

LEAST_ROWS = 4_096  # of a thread: fewer are not worth one
ALWAYS = -(1 << 63)  # a time at which every answer is still good
ALL_ROWS = (1 << 63) - 1
NEAR_ROWS = 1_024  # of a part whose turn comes together, where a near cache answers


class BatchOutcome(NamedTuple):
    """What a batch gave that was not to ask.

    table      the columns with their results; rows that lack an answer have nulls there
    rows       an Arrow array of int64: the indices of these rows
    questions  what they ask first, each once
    """

    table: Any
    rows: Any
    questions: tuple[Question, ...]


class BatchRun:
    """One record batch under way: run it, answer what it asks, run it again.

    run() gives the questions that came up, each once in the life of the batch. Each is to be
    answered by answer(), before the next run() or after it; when nothing waits any more, result()
    has the columns.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        batch: pa.RecordBatch,
        layout: Layout,
        seconds: float,
        threads: int,
    ) -> None:
        from senderid_fast._core.columns import Batch

        options = layout.options
        self._most_stale = int(Stale.most(seconds) * 1e9)
        now = monotonic_ns()
        store, at = evaluator.store, now
        if options.answers is not None:
            store, at = options.answers.store, ALWAYS
        self.batch = batch
        self._layout = layout
        self._keep = store if options.answers is None else None
        parts = min(threads, max(batch.num_rows // LEAST_ROWS, 1))
        self._core = Batch(
            evaluator,
            store,
            at,
            time_ns(),
            int(seconds * 1e9),
            *layout.columns(batch),
            options.helo_result,
            options.counts,
            options.stale,
            options.explanations,
            parts,
        )

    @property
    def waiting(self) -> int:
        """How many checks wait for an answer."""
        return self._core.waiting

    def run(self, tier: CacheTier | None = None) -> tuple[Question, ...]:
        """Check the rows that can be checked: first all, then those that wait.

        tier  a near cache that is asked first, round by round as long as it has something
        """
        if tier is None:
            self._run_parts()
        else:
            self._run_near(tier)
        questions = tuple(self._core.questions())
        if tier is not None:
            tier.missed(len(questions))
        return questions

    def _run_near(self, tier: CacheTier) -> None:
        """Some rows at a time, so that what they need is still at hand when they run again."""
        while True:
            self._run_parts(NEAR_ROWS)
            before = self._core.open
            if self._core.waiting:
                tier.supply(self._supply)
            # Not what supply() gives: that is nothing where a cache fails at its last answer.
            if self._core.open == before and self._core.begun:
                return

    def _run_parts(self, rows: int = ALL_ROWS) -> None:
        others = range(1, self._core.part_count)
        if others:
            with ThreadPoolExecutor(len(others), "senderid-fast batch") as pool:
                running = [pool.submit(self._core.run, number, rows) for number in others]
                self._core.run(0, rows)
                for each in running:
                    each.result()
        else:
            self._core.run(0, rows)

    def _supply(self, get: Callable[[bytes], Any], reader: CacheReader, unix: float) -> int:
        from senderid_fast._core.supplying import supply_batch

        return supply_batch(self._core, reader, get, unix, monotonic_ns(), self._keep)

    def answer(
        self, question: Question, answer: Answer | None, expiry: tuple[int, int, int], took: int = 0
    ) -> None:
        """Take the answer to an open question.

        answer  None: it took the time that a check has (RFC 7208 4.6.4), and there is none
        expiry  (now, expires, failure_expires) in nanoseconds of monotonic_ns()
        took    nanoseconds since it was asked; a check whose questions took longer in all than
                limits.seconds, and that still lacks an answer, ends as temperror. What a
                stale answer stands in for counts for no longer than a single check waits for it
        """
        from senderid_fast._core.answering import answer_one

        now, expires, failure_expires = expiry
        if type(answer) is StaleAnswer:
            took = min(took, self._most_stale)
        answer_one(self._core, question, answer, expires, failure_expires, now, took, self._keep)

    def answer_all(
        self,
        questions: Sequence[Question],
        answers: Sequence[Answer],
        settings: Settings,
        expiry: Callable[[Answer], tuple[int, int, int]],
        took: int,
    ) -> None:
        """As answer(), for questions that were asked together; expiry is what gives that of an
        answer, and settings are what it goes by."""

        def other(question: Question, answer: Answer, took: int) -> None:
            self.answer(question, answer, expiry(answer), took)

        from senderid_fast._core.answering import answer_all

        answer_all(
            self._core,
            questions,
            answers,
            settings.min_ttl,
            settings.max_ttl,
            int(settings.failure_ttl * 1e9),
            monotonic_ns(),
            took,
            self._keep,
            other,
        )

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


class BatchJob:
    """What a caller gave, cut into runs, and put together again.

    data     a Table, RecordBatch or RecordBatchReader of pyarrow, or anything with
             __arrow_c_stream__ or __arrow_c_array__
    """

    def __init__(
        self, evaluator: Evaluator, data: Any, options: BatchOptions, seconds: float
    ) -> None:
        pa = self._pa = import_pyarrow()
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

    def runs(self, threads: int | None = None) -> Iterator[BatchRun]:
        """Each batch of rows, to be driven; the next is read when it is asked for.

        threads  of one run; None: as the options have it
        """
        if threads is None:
            threads = self._options.thread_count
        for batch in self._batches():
            yield BatchRun(self._evaluator, batch, self._layout, self._seconds, threads)

    def settled(self, settle: Callable[[BatchRun], BatchRun]) -> Iterator[pa.RecordBatch]:
        """The result of each run, in order, when settle has driven it to its end.

        Several threads have a run each, if there are several runs: so what is done for a run as a
        whole is shared out, too, and one that waits for DNS holds nobody up.
        """
        threads = self._options.thread_count
        if threads == 1 or not self.has_several:
            for run in self.runs():
                yield settle(run).result()
            return
        failed: BaseException | None = None
        runs = self.runs(1)
        with ThreadPoolExecutor(threads, "senderid-fast batch") as pool:
            pending: deque[Future[pa.RecordBatch]] = deque()
            try:
                while True:
                    try:
                        run = next(runs)
                    except StopIteration:
                        break
                    except Exception as error:  # noqa: BLE001 - raised when it is its turn
                        failed = error
                        break
                    pending.append(pool.submit(lambda run: settle(run).result(), run))
                    if len(pending) > threads:
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            finally:
                for each in pending:
                    each.cancel()
        if failed is not None:
            raise failed

    @property
    def has_several(self) -> bool:
        """Whether there may be more than one run."""
        pa = self._pa
        if isinstance(self._data, pa.RecordBatch):
            return False
        return self.is_stream or self._data.num_rows > self._size

    @property
    def _size(self) -> int:
        """Rows of a run of a Table: so few that each thread has two of them."""
        share: int = -(-self._data.num_rows // (2 * self._options.thread_count))
        return min(self._options.batch_rows, max(share, 2 * LEAST_ROWS))

    def _batches(self) -> Iterator[pa.RecordBatch]:
        if isinstance(self._data, self._pa.RecordBatch):
            yield self._data
        elif isinstance(self._data, self._pa.Table):
            yield from self._data.to_batches(self._size)
        else:
            size = self._options.batch_rows
            for batch in self._data:
                for first in range(0, batch.num_rows, size):
                    yield batch.slice(first, size)

    def together(self, results: Iterable[pa.RecordBatch]) -> Any:
        """The results of runs, in the form in which the data came."""
        pa, schema = self._pa, self._layout.out_schema
        if self.is_stream:
            return pa.RecordBatchReader.from_batches(schema, results)
        batches = list(results)
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
            done.append(run.result())
        indices = pa.concat_arrays(rows) if rows else pa.array([], pa.int64())
        return BatchOutcome(self.together(done), indices, tuple(questions))
