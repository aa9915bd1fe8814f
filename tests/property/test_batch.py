"""check_batch gives for every row what the single checks give, however it is cut and driven."""

from __future__ import annotations

import asyncio
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from support import strategies
from support.batches import expected_row, row_of
from support.scripted import Scripted, zone_reply

import senderid_fast as sf

Zone = dict[str, list[Any]]
IPS = st.sampled_from(
    ["203.0.113.25", "2001:db8:25::25", "::ffff:203.0.113.25", "198.51.100.1", "192.0.2.7"]
)
HELOS = st.one_of(
    st.sampled_from([None, "", "mta", "mta.one.example", "two.example.", "[192.0.2.1]", "a..b"]),
    st.text(max_size=12),
)
PATHS = st.one_of(
    st.sampled_from([None, "", "<>", "robin@one.example", "<Robin@TWO.example>", "@one.example"]),
    st.sampled_from(['"a b"@one.example', "a@gone.example", "x@mta", "b\u00fc@one.example"]),
    st.sampled_from(["a@b\u00fccher.example", "a@\u2603.example", "a@-\u00fc..example"]),
    st.text(max_size=20),
)
HEADERS = st.one_of(
    st.none(),
    st.sampled_from(
        [
            b"From: a@one.example\r\n",
            b"Sender: x@two.example\nFrom: a@one.example\n\nFrom: body",
            b"Resent-From: c@three.example\r\nReceived: x\r\nFrom: d@one.example\r\n",
            b"From: a@one.example, b@two.example\r\n",
            b"From: a@localhost\r\n",
            "From: a@b\u00fccher.example\r\n".encode(),
            b"From: a@b\xfc.example\r\n",
        ]
    ),
    st.binary(max_size=40),
)
ROWS = st.lists(st.tuples(IPS, HELOS, PATHS, HEADERS), max_size=40)
BUECHER = {"xn--bcher-kva.example": [{"TXT": "v=spf1 a:one.example exists:%{l}.two.example -all"}]}


def table_of(rows: list[Any]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    return pa.table(
        {
            "ip": pa.array(columns[0], pa.string()),
            "helo": pa.array(columns[1], pa.string()),
            "mail_from": pa.array(columns[2], pa.string()),
            "headers": pa.array(columns[3], pa.binary()),
        }
    )


@settings(deadline=None)
@given(strategies.zones, ROWS, st.integers(1, 3), st.sampled_from([1, 7, 65_536]))
def test_rows_get_what_single_checks_get(
    zone: Zone, rows: list[Any], threads: int, batch_rows: int
) -> None:
    zone = zone | BUECHER
    table = table_of(rows)
    options: dict[str, Any] = {"helo_result": True, "counts": True, "explanations": True}
    options |= {"threads": threads, "batch_rows": batch_rows}
    got = sf.Engine(sf.ZoneResolver(zone)).check_batch(table, **options)
    assert got.select(table.schema.names).equals(table)
    single = sf.Engine(sf.ZoneResolver(zone))
    for number, row in enumerate(rows):
        assert row_of(got, number) == expected_row(single, *row)


@settings(deadline=None, max_examples=25)
@given(strategies.zones, ROWS)
def test_each_way_to_ask_gives_the_same(zone: Zone, rows: list[Any]) -> None:
    table = table_of(rows)
    bulk = sf.Engine(sf.ZoneResolver(zone)).check_batch(table)

    async def run() -> Any:
        async with sf.AsyncEngine(Scripted(zone_reply(zone, 0))) as engine:
            return await engine.check_batch(table)

    assert asyncio.run(run()).equals(bulk)
    # Answers without a time to live, by threads.
    resolver = Scripted(zone_reply(zone, 0))
    assert sf.Engine(resolver, concurrency=3).check_batch(table).equals(bulk)
    assert max(resolver.counts.values(), default=1) == 1


@settings(deadline=None, max_examples=50)
@given(strategies.zones, ROWS)
def test_emitting_and_answering_ends_where_asking_does(zone: Zone, rows: list[Any]) -> None:
    table = table_of(rows)
    resolver = sf.ZoneResolver(zone)
    engine = sf.Engine(resolver)
    known = Known()
    for _ in range(100):
        outcome = engine.check_batch(table, answers=known, missing="emit")
        if not outcome.questions:
            break
        for question in outcome.questions:
            known.store.put(question, resolver.resolve(question), 0, 0)
    assert len(outcome.rows) == 0
    assert outcome.table.equals(sf.Engine(resolver).check_batch(table))
    assert engine.statistics()["asked"] == 0


class Known:
    """Answers that are looked up whatever the time."""

    def __init__(self) -> None:
        from senderid_fast._core.answers import AnswerStore

        self.store = AnswerStore(1 << 30)
