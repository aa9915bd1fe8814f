"""Layout: which columns of a batch are checked, and which columns come out.

What may live here: the options of a batch, names and types of columns, and results as Arrow has
them. No row is checked here. pyarrow is imported when the first batch comes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from senderid_fast._core.answers import AnswerStore
from senderid_fast.errors import InputError, MissingExtraError
from senderid_fast.results import PraFailure, Reason, Result

if TYPE_CHECKING:
    import pyarrow as pa

    from senderid_fast._core.columns import Batch
    from senderid_fast._core.outcomes import Octets

    # The bits of Arrow that say which rows have a value (None: all), and how many have none.
    Validity = tuple[pa.Buffer | None, int]

__all__ = ["Answers", "BatchOptions", "Layout", "import_pyarrow"]

IDENTITIES = ("helo", "mfrom")
PRA_FIELDS = ("resent-sender", "resent-from", "sender", "from")
# Positions of verdict.IDENTITIES, and of the columns of text (outcomes.pxd).
HELO, MAIL_FROM, PRA = 1, 2, 3
DOMAIN, MECHANISM, EXPLANATION = 0, 1, 2


class Answers(Protocol):
    """A set of answers that stands in for the engine's own, whatever their time to live."""

    @property
    def store(self) -> AnswerStore:
        """Where they are."""


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """The options of check_batch; Engine.check_batch says what they mean."""

    ip: str = "ip"
    helo: str = "helo"
    mail_from: str = "mail_from"
    headers: str | None = None
    helo_result: bool = False
    counts: bool = False
    stale: bool = False
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


def import_pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtraError("pyarrow", "batch") from error
    return pyarrow


class Layout:
    """Which columns of a schema are checked, and which columns come out."""

    def __init__(self, schema: pa.Schema, options: BatchOptions) -> None:
        pa = self._pa = import_pyarrow()
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
        code, text, number, flag = pa.int8(), pa.string(), pa.uint16(), pa.bool_()
        results = pa.dictionary(code, text)
        fields = [("spf_result", results), ("spf_scope", results), ("spf_reason", results)]
        fields += [("spf_domain", text), ("spf_mechanism", text)]
        if options.counts:
            fields += [("spf_lookups", number), ("spf_void_lookups", number)]
        if options.stale:
            fields.append(("spf_stale", flag))
        if options.explanations:
            fields.append(("spf_explanation", text))
        if options.helo_result:
            fields += [("helo_result", results), ("helo_reason", results), ("helo_mechanism", text)]
            fields += [("helo_stale", flag)] if options.stale else []
        if self._headers is not None:
            fields += [("pra_result", results), ("pra_domain", text), ("pra_header", results)]
            fields += [("pra_reason", results), ("pra_failure", results), ("pra_mechanism", text)]
            fields += [("pra_stale", flag)] if options.stale else []
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
            [self._pa.nulls(0, field.type) for field in self.schema], schema=self.schema
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
        if options.stale:
            yield self._flags(core, MAIL_FROM, known)
        if options.explanations:
            yield self._text(core, MAIL_FROM, EXPLANATION)
        if options.helo_result:
            known = self._known(core, HELO)
            yield self._code(core.codes(HELO, "results"), Result, known)
            yield self._code(core.codes(HELO, "reasons"), Reason, known)
            yield self._text(core, HELO, MECHANISM)
            if options.stale:
                yield self._flags(core, HELO, known)
        if self._headers is not None:
            known = self._known(core, PRA)
            headers, failures = core.pra_codes
            yield self._code(core.codes(PRA, "results"), Result, known)
            yield self._text(core, PRA, DOMAIN)
            yield self._code(headers, PRA_FIELDS, self._given(core, PRA, headers))
            yield self._code(core.codes(PRA, "reasons"), Reason, known)
            yield self._code(failures, PraFailure, self._given(core, PRA, failures))
            yield self._text(core, PRA, MECHANISM)
            if options.stale:
                yield self._flags(core, PRA, known)

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

    def _flags(self, core: Batch, kind: int, validity: Validity) -> pa.Array:
        pa = self._pa
        return self._plain(core.codes(kind, "stale"), pa.int8(), validity).cast(pa.bool_())

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
