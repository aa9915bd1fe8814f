"""The run of a job over sources and sinks in memory: order, notes, stops, errors, the summary."""

from __future__ import annotations

import json
import random
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.jobs import MemorySink, MemorySource, check_rows, recount

from senderid_fast import Engine, InputError, ZoneResolver
from senderid_fast.jobs.running import Run
from senderid_fast.jobs.summary import Summary
from senderid_fast.rows.base import Place

ZONE = Path(__file__).parents[2] / "examples" / "example.zone"
ADDRESSES = [
    "192.0.2.10",
    "192.0.2.81",
    "198.51.100.7",
    "203.0.113.50",
    "2001:db8:1::25",
    "2001:db8:2::81",
    "::ffff:192.0.2.90",
    "no address",
]
DOMAINS = ["plain", "shop", "moved", "users", "strict", "broken", "twice", "circle", "failing"]


def rows_of(number: int, seed: int = 1) -> list[Any]:
    generator = random.Random(seed)
    rows: list[Any] = []
    for at in range(number):
        domain = f"{generator.choice(DOMAINS)}.example"
        rows.append(
            {
                "ip": generator.choice(ADDRESSES),
                "helo": f"mail.{domain}",
                "mail_from": generator.choice([f"alice@{domain}", "<>", f"x@none{at}.example"]),
            }
        )
    for at in range(0, number, 17):
        rows[at] = f"line {at}: 2 fields where the header has 3"
    return rows


def engine() -> Engine:
    return Engine(ZoneResolver.from_file(str(ZONE)))


def run_of(
    source: MemorySource, sink: MemorySink, summary: Summary | None = None, **options: Any
) -> Run:
    return Run(
        source,
        sink,
        check_rows(engine()),
        Summary() if summary is None else summary,
        address="ip",
        **options,
    )


def expected_output(rows: list[Any]) -> list[dict[str, Any]]:
    disk: list[dict[str, Any]] = []
    assert run_of(MemorySource(rows, len(rows)), MemorySink(disk)).all()
    return disk


def said(summary: Summary) -> dict[str, Any]:
    """The summary in the form that recount() has."""
    values = summary.as_dict()
    return {
        "rows": values["rows"],
        "faults": values["faults"],
        "results": {
            name: {result: rows for result, rows in counts.items() if rows}
            for name, counts in values["results"].items()
        },
        "domains": {each["domain"]: each["rows"] for each in values["failing_domains"]},
        "networks": {each["network"]: each["rows"] for each in values["failing_networks"]},
        "errors": {name: values[name] for name in ("permerror", "temperror")},
    }


def test_rows_come_out_in_order_with_their_reasons() -> None:
    rows = rows_of(1_000)
    disk: list[dict[str, Any]] = []
    source, sink = MemorySource(rows), MemorySink(disk)
    run = run_of(source, sink)
    assert run.all()
    assert run.octets == 100_000
    assert [row["mail_from"] for row in disk] == [
        None if isinstance(row, str) else row["mail_from"] for row in rows
    ]
    assert [row["row_error"] for row in disk] == [
        row if isinstance(row, str) else None for row in rows
    ]
    assert disk == expected_output(rows)
    # Whether the output is closed is not the run's to say.
    assert sink.ended == ""


def test_the_summary_is_that_of_a_plain_recount() -> None:
    rows = rows_of(3_000)
    disk: list[dict[str, Any]] = []
    summary = Summary()
    assert run_of(MemorySource(rows, 64), MemorySink(disk), summary).all()
    expected = recount(disk)
    assert said(summary) == expected
    assert expected["errors"]["permerror"].keys() >= {"syntax-error", "multiple-records"}
    assert expected["faults"] == 177


def test_the_summary_with_helo_results() -> None:
    rows = [row for row in rows_of(500) if not isinstance(row, str) and row["ip"] != "no address"]
    disk: list[dict[str, Any]] = []
    summary = Summary(helo_result=True)
    run = Run(
        MemorySource(rows, 64),
        MemorySink(disk),
        check_rows(engine(), helo=True),
        summary,
        address="ip",
    )
    assert run.all()
    assert said(summary) == recount(disk)
    assert sum(summary.as_dict()["results"]["helo"].values()) == len(rows)


def test_a_run_is_stopped_and_goes_on_any_number_of_times() -> None:
    rows = rows_of(500)
    disk: list[dict[str, Any]] = []
    notes: list[tuple[Place, Place, str]] = []
    generator = random.Random(3)
    summary = Summary()
    runs = 0
    done = False
    while not done:
        runs += 1
        stop = threading.Event()
        blocks = generator.randrange(5)
        state = [0]

        def check(
            batch: pa.RecordBatch,
            stop: threading.Event = stop,
            blocks: int = blocks,
            state: list[int] = state,
        ) -> pa.RecordBatch:
            state[0] += 1
            if state[0] > blocks:
                stop.set()
            return check_rows(engine())(batch)

        source_place, sink_place, counters = notes[-1] if notes else (None, None, None)
        summary = Summary()
        if counters is not None:
            summary.restore(json.loads(counters))
        kept = summary

        def note(source: Place, sink: Place, summary: Summary = kept) -> None:
            notes.append((source, sink, json.dumps(summary.state())))

        run = Run(
            MemorySource(rows, place=source_place),
            MemorySink(disk, sink_place),
            check,
            summary,
            note=note,
            stop=stop,
            address="ip",
        )
        done = run.all()
        assert summary.rows == len(disk)
        # What a killed run had written behind its last note is cut off by the sink.
        disk.extend([{}] * generator.randrange(3))
        disk_whole = len(disk)
    del disk[summary.rows : disk_whole]
    assert runs > 10
    assert disk == expected_output(rows)
    assert said(summary) == recount(disk)


def test_notes_are_made_now_and_then() -> None:
    rows = rows_of(100)
    notes: list[Place] = []

    def note(source: Place, _: Place) -> None:
        notes.append(source)

    sink = MemorySink([])
    assert run_of(MemorySource(rows), sink, note=note, note_seconds=0.0).all()
    assert notes == [{"row": row} for row in range(10, 101, 10)]
    notes.clear()
    sink = MemorySink([])
    assert run_of(MemorySource(rows), sink, note=note, note_seconds=1_000.0).all()
    assert (notes, sink.places) == ([{"row": 100}], 1)
    # A sink that nobody asks for its place need not flush.
    sink = MemorySink([])
    assert run_of(MemorySource(rows), sink).all()
    assert sink.places == 0


def test_a_source_that_breaks_leaves_what_came_before() -> None:
    rows = rows_of(100)
    disk: list[dict[str, Any]] = []
    notes: list[tuple[Place, Place]] = []
    run = run_of(
        MemorySource(rows, broken_at=50),
        MemorySink(disk),
        note=lambda *places: notes.append(places),
    )
    with pytest.raises(InputError, match="50 cannot be read"):
        run.all()
    assert notes == [({"row": 50}, {"rows": 50})]
    assert disk == expected_output(rows)[:50]


def test_a_sink_that_breaks_ends_the_run() -> None:
    notes: list[tuple[Place, Place]] = []
    sink = MemorySink([])
    sink.fail_at = 50
    run = run_of(
        MemorySource(rows_of(10_000)),
        sink,
        note=lambda *places: notes.append(places),
        note_seconds=0.0,
    )
    with pytest.raises(InputError, match="the disk is full"):
        run.all()
    assert notes[-1] == ({"row": 50}, {"rows": 50})


def test_a_check_that_raises_ends_the_run() -> None:
    def check(batch: pa.RecordBatch) -> pa.RecordBatch:
        raise InputError("headers", "no such column")

    threads = threading.active_count()
    run = Run(MemorySource(rows_of(10)), MemorySink([]), check, Summary())
    with pytest.raises(InputError, match="no such column"):
        run.all()
    assert threading.active_count() == threads


def test_an_empty_source() -> None:
    notes: list[tuple[Place, Place]] = []
    disk: list[dict[str, Any]] = []
    summary = Summary()
    run = run_of(
        MemorySource([]), MemorySink(disk), summary, note=lambda *places: notes.append(places)
    )
    assert run.all()
    assert (disk, notes) == ([], [])
    assert summary.as_dict()["results"] == {}
    assert next(iter(summary.lines())) == "rows               0"


def test_memory_is_bounded_by_a_few_blocks() -> None:
    """A sink that is slower than all else makes the source wait."""
    ahead: list[int] = []
    source = MemorySource(rows_of(1_000))
    sink = MemorySink([])
    given = [0]
    blocks = source.blocks

    def counted() -> Any:
        for block in blocks():
            given[0] += 1
            yield block

    gate = threading.Semaphore(0)
    write = sink.write

    def slowly(batch: pa.RecordBatch) -> None:
        ahead.append(given[0] - len(ahead))
        gate.acquire(timeout=0.005)
        write(batch)

    source.blocks = counted  # type: ignore[method-assign]
    sink.write = slowly  # type: ignore[method-assign]
    assert run_of(source, sink).all()
    assert len(ahead) == 100
    assert max(ahead) <= 6


def test_summary_lines() -> None:
    rows = rows_of(2_000)
    summary = Summary()
    assert run_of(MemorySource(rows, 64), MemorySink([]), summary).all()
    summary.asked, summary.failed, summary.seconds = 1_234, 56, 2.0
    lines = list(summary.lines())
    assert lines[:2] == ["rows               2,000", "  at fault         118"]
    assert [line[:18].strip() for line in lines if line[0] != " "] == [
        "rows",
        "mfrom",
        "helo",
        "permerror",
        "temperror",
        "failing domains",
        "failing networks",
        "DNS",
        "time",
    ]
    assert lines[-2:] == [
        "DNS                1,234 questions asked, 56 failed",
        "time               2.0 s, 1,000 rows/s",
    ]
