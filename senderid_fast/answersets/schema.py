"""The Arrow schema of answers, and how an answer lies in a row of it.

What may live here: the columns, the bounds, and the way between Question and Answer and a row. What
is wrong with rows from outside is found in checking.py.

A name is text in which one character stands for one octet, as in Question: the octet FF is U+00FF,
which Arrow keeps as the two octets of its UTF-8.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from senderid_fast.errors import MissingExtraError
from senderid_fast.questions import Answer, Question, RRType, Status

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

__all__ = [
    "BATCH_ROWS",
    "FIELDS",
    "MOST_DETAIL",
    "MOST_NAME",
    "MOST_OCTETS",
    "MOST_RECORD",
    "MOST_RECORDS",
    "MOST_TTL",
    "Row",
    "answer_of",
    "answers_schema",
    "arrow",
    "batch_of",
    "damage",
    "row_of",
    "rows_of",
]

FIELDS = ("name", "type", "status", "fetched_at", "ttl", "records", "detail")

MOST_NAME = 253  # octets of a name as text (RFC 1035 2.3.4)
MOST_RECORD = 65_535  # octets: RDLENGTH has 16 bits (RFC 1035 3.2.1)
MOST_RECORDS = 8_192  # of one answer; a message of DNS has room for some 5,000
MOST_DETAIL = 4_096  # octets
MOST_TTL = 0xFFFFFFFF  # what the column holds
MOST_OCTETS = (1 << 31) - 1  # of all names, or of all records, of one set: what Arrow can count
BATCH_ROWS = 8_192

_RRTYPES = {rrtype.name: rrtype for rrtype in RRType}
_STATUSES = {str(status): status for status in Status}


class Row(NamedTuple):
    """An answer as it lies in Arrow; the fields are those of the schema."""

    name: str
    type: str
    status: str
    fetched_at: datetime | None
    ttl: int
    records: list[bytes]
    detail: str | None


def arrow() -> Any:
    """The module pyarrow. Raises MissingExtraError."""
    try:
        import pyarrow
        import pyarrow.compute
    except ImportError:
        raise MissingExtraError("pyarrow", "batch") from None
    return pyarrow


def damage() -> tuple[type[Exception], ...]:
    """What pyarrow may raise for data that is damaged or does not fit into memory. It reads names
    and time zones as UTF-8 when they are asked for, hence ValueError."""
    return arrow().ArrowException, OSError, EOFError, MemoryError, ValueError, TypeError, KeyError


def answers_schema() -> pa.Schema:
    """The schema of answers, of every file and table of them.

    name        the name asked, in lower case, without a final dot; one character is one octet
    type        "A", "AAAA", "MX", "TXT" or "PTR"
    status      a word of Status: "ok", "nodata", "nxdomain", ...
    fetched_at  when the answer came; null: not known
    ttl         seconds for which it may be kept from then on
    records     TXT: the octets of one record; A, AAAA: the address as text; MX: preference, a
                space, and the exchange ("." is the root); PTR: the name
    detail      for errors: one sentence for people

    Raises MissingExtraError if pyarrow is not installed.
    """
    pa = arrow()
    return pa.schema(
        [
            pa.field("name", pa.utf8(), nullable=False),
            pa.field("type", pa.utf8(), nullable=False),
            pa.field("status", pa.utf8(), nullable=False),
            pa.field("fetched_at", pa.timestamp("us", "UTC")),
            pa.field("ttl", pa.uint32(), nullable=False),
            pa.field("records", pa.list_(pa.field("item", pa.binary())), nullable=False),
            pa.field("detail", pa.utf8()),
        ]
    )


def row_of(question: Question, answer: Answer, fetched_at: datetime | None) -> Row:
    """The row of an answer, as far as its fields have a form; checking.py says whether it is good.

    Raises ValueError, TypeError or whatever a field of a stranger's object raises.
    """
    rrtype = RRType(question.rrtype)
    status = Status(answer.status)
    ttl = answer.ttl
    return Row(
        str(question.name),
        rrtype.name,
        str(status),
        fetched_at,
        min(max(int(ttl), 0), MOST_TTL),
        [_octets(rrtype, record) for record in answer.records],
        str(answer.detail).encode("utf-8", "backslashreplace").decode() or None,
    )


def _octets(rrtype: RRType, record: Any) -> bytes:
    if rrtype is RRType.TXT:
        if not isinstance(record, bytes):
            raise TypeError(f"a TXT record must be octets, is {type(record).__name__}")
        return record
    if rrtype is RRType.MX:
        preference, exchange = record
        return b"%d %s" % (int(preference), exchange.encode("latin-1") or b".")
    if rrtype is RRType.PTR:
        return str(record).encode("latin-1") or b"."
    if isinstance(record, bytes):  # packed, as of ipaddress
        from ipaddress import ip_address

        record = ip_address(record)
    return str(record).encode("ascii")


def answer_of(rrtype: RRType, status: str, ttl: int, records: list[bytes], detail: str) -> Answer:
    """The answer of a row that was checked."""
    values: Any
    if rrtype is RRType.TXT:
        values = tuple(records)
    elif rrtype is RRType.MX:
        values = tuple(_exchange(record) for record in records)
    else:
        values = tuple(_name(record) for record in records)
    return Answer(_STATUSES[status], values, ttl, detail)


def _exchange(record: bytes) -> tuple[int, str]:
    preference, _, exchange = record.partition(b" ")
    return int(preference), _name(exchange)


def _name(octets: bytes) -> str:
    return "" if octets == b"." else octets.decode("latin-1")


def batch_of(rows: list[Row]) -> pa.RecordBatch:
    """Rows as a batch of the schema, not yet checked. Raises an error of Arrow or of Python."""
    schema = answers_schema()
    columns = zip(*rows, strict=True) if rows else [()] * len(FIELDS)
    pa = arrow()
    arrays = [pa.array(column, field.type) for field, column in zip(schema, columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def rows_of(
    table: pa.Table,
) -> Iterator[tuple[Question, Answer, datetime | None]]:
    """The answers of a table that was checked, some at a time."""
    for batch in table.to_batches(max_chunksize=BATCH_ROWS):
        columns = [batch.column(field).to_pylist() for field in FIELDS]
        for name, kind, status, fetched_at, ttl, records, detail in zip(*columns, strict=True):
            rrtype = _RRTYPES[kind]
            answer = answer_of(rrtype, status, ttl, records, detail or "")
            yield Question(name, rrtype), answer, fetched_at
