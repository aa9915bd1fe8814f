"""Sets of answers with random data: nothing is lost on the way, and what is wrong is refused."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from support.answersets import answers, rows

import senderid_fast as sf
from senderid_fast.answersets import answers_schema

Timed = tuple[sf.Question, sf.Answer, datetime | None]


@given(st.lists(answers(), max_size=12), st.integers(1, 5))
def test_random_answers_come_back_the_same(items: list[Timed], chunk: int) -> None:
    made = sf.AnswerSet(items)
    wanted = {asked: (found, moment) for asked, found, moment in items}
    again = sf.AnswerSet.from_arrow(made.to_arrow().to_reader(max_chunksize=chunk))
    assert {asked: (found, moment) for asked, found, moment in again.timed()} == wanted
    assert again == made
    assert len(again.store) == len(wanted)
    for asked, (found, _) in wanted.items():
        assert again.resolve(asked) == found


@given(st.lists(answers(), max_size=6), st.sampled_from(["jsonl", "arrows", "parquet"]))
def test_random_answers_come_back_from_files(items: list[Timed], ending: str) -> None:
    made = sf.AnswerSet(items)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{ending}"
        made.write(path)
        assert sf.AnswerSet.read(path) == made


@given(st.lists(answers(), max_size=6), st.lists(answers(), max_size=6))
def test_an_overlay_has_the_answers_of_both(below: list[Timed], above: list[Timed]) -> None:
    laid = sf.AnswerSet(below).overlay(sf.AnswerSet(above))
    assert laid == sf.AnswerSet([*below, *above])


LOOSE = pa.schema(
    [
        pa.field(field.name, pa.int64() if field.name == "ttl" else field.type)
        for field in answers_schema()
    ]
)


@given(st.lists(rows(), min_size=1, max_size=6))
def test_random_rows_are_taken_or_refused(values: list[dict[str, Any]]) -> None:
    try:
        made = sf.AnswerSet.from_arrow(pa.Table.from_pylist(values, LOOSE))
    except sf.InputError as error:
        refused = error
    else:
        refused = None
    if refused is not None:
        assert refused.field in LOOSE.names
        assert refused.problem.startswith("row ")
    else:
        assert len(made.store) == len(made) <= len(values)


@st.composite
def columns(draw: st.DrawFn) -> pa.Array:
    values = draw(
        st.sampled_from(
            [
                [None],
                ["a"],
                [b"a"],
                [5],
                [-5],
                [(1 << 63) - 1],
                [0.5],
                [True],
                [[b"a"]],
                [["a"]],
                [[None]],
                [[[b"a"]]],
                [{"a": 1}],
                [datetime(2026, 1, 1)],
            ]
        )
    )
    array = pa.array(values)
    if draw(st.booleans()) and not pa.types.is_nested(array.type):
        return array.dictionary_encode()
    return array


@given(st.lists(columns(), min_size=7, max_size=7))
def test_columns_of_any_type_are_refused(arrays: list[pa.Array]) -> None:
    table = pa.table(arrays, names=LOOSE.names)
    try:
        made = sf.AnswerSet.from_arrow(table)
    except sf.InputError as error:
        refused = error
    else:
        refused = None
    assert refused.field in LOOSE.names if refused is not None else len(made) == 1
