"""Comparison of runs: every row counted, changes told, runs that cannot be compared refused."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import pyarrow as pa
import pytest

import senderid_fast as sf
from senderid_fast.answersets.zones import publish
from senderid_fast.comparing import compare_answers, compare_runs

RESULTS = [str(result) for result in sf.Result]


def run_of(count: int, seed: int, **columns: Any) -> pa.Table:
    """A run over the rows 0 to count - 1; the results are those of the seed."""
    chance = random.Random(seed)
    results = [chance.choice([*RESULTS, None]) for _ in range(count)]
    return pa.table(
        {
            "ip": [f"192.0.2.{number % 256}" for number in range(count)],
            "helo": [None if number % 7 == 0 else f"h{number}" for number in range(count)],
            "mail_from": [f"user@d{number % 5}.example" for number in range(count)],
            "spf_result": pa.array(results, pa.utf8()).dictionary_encode(),
            "spf_reason": [f"reason-{seed}"] * count,
            "spf_domain": [f"d{number % 5}.example" for number in range(count)],
            "spf_mechanism": pa.array([f"mx/{number}" for number in range(count)]),
            **columns,
        }
    )


@pytest.mark.parametrize("sizes", [(1000, 1000), (7, 13), (1, 1000)])
def test_every_row_is_counted(sizes: tuple[int, int]) -> None:
    before, after = run_of(500, 1), run_of(500, 2)
    found = compare_runs(
        before.to_reader(max_chunksize=sizes[0]), after.to_batches(max_chunksize=sizes[1])
    )
    pairs = list(
        zip(before["spf_result"].to_pylist(), after["spf_result"].to_pylist(), strict=True)
    )
    counts = Counter(pairs)
    assert {(each.before, each.after): each.rows for each in found.results["spf"]} == counts
    assert [each.rows for each in found.results["spf"]] == sorted(counts.values(), reverse=True)
    changed = [number for number, (was, now) in enumerate(pairs) if was != now]
    assert found.rows == 500
    assert found.changed == len(changed)
    assert [change.row for change in found.examples] == changed[:20]
    domains = Counter(f"d{number % 5}.example" for number in changed)
    assert dict(found.domains) == domains
    assert found.domains_error == 0
    first = found.examples[0]
    assert first.ip == f"192.0.2.{first.row}"
    assert first.before == (pairs[first.row][0], "reason-1", f"mx/{first.row}")
    assert first.after.reason == "reason-2"
    again = json.loads(json.dumps(found.as_dict()))
    assert again["changed"] == len(changed)
    assert again["examples"][0]["before"]["reason"] == "reason-1"


def test_equal_runs() -> None:
    found = compare_runs(run_of(50, 1), run_of(50, 1))
    assert (found.rows, found.changed, found.examples, found.domains) == (50, 0, (), ())
    nothing = compare_runs(run_of(0, 1), run_of(0, 1))
    assert (nothing.rows, nothing.changed) == (0, 0)


def test_all_identities_and_their_domains() -> None:
    helo = pa.array(["pass", "fail", None])
    before = run_of(3, 1, helo_result=helo, pra_result=helo)
    after = run_of(3, 1, helo_result=pa.array(["pass", "pass", "pass"]), pra_result=helo)
    found = compare_runs(before, after)
    assert set(found.results) == {"spf", "helo", "pra"}
    assert [(each.row, each.identity) for each in found.examples] == [(1, "helo"), (2, "helo")]
    assert found.changed == 2
    assert dict(found.domains) == {"h1": 1, "h2": 1}  # no column helo_domain: the HELO name
    one = compare_runs(before.drop_columns(["spf_result"]), after)
    assert set(one.results) == {"helo", "pra"}


def test_a_row_that_changes_twice_is_one_row() -> None:
    before = run_of(1, 1, helo_result=["pass"], pra_result=["pass"])
    after = run_of(1, 1, helo_result=["fail"], pra_result=["fail"])
    found = compare_runs(before, after)
    assert found.changed == 1
    assert len(found.examples) == 2


def test_bounds() -> None:
    count = 20_000
    domains = [f"n{number}.example" for number in range(count)]
    before = run_of(count, 1, spf_result=["pass"] * count, spf_domain=domains)
    after = run_of(count, 1, spf_result=["fail"] * count, spf_domain=domains)
    found = compare_runs(before, after, examples=3, domains=2)
    assert len(found.examples) == 3
    assert len(found.domains) <= 2
    assert found.changed == count
    for examples in (-1, 1 << 40, "3", True):
        with pytest.raises(sf.InputError, match="examples: must be a whole number"):
            compare_runs(before, after, examples=examples)  # type: ignore[arg-type]
    long = run_of(1, 1, spf_result=["pass"], spf_mechanism=["x" * 100_000])
    other = run_of(1, 1, spf_result=["fail"])
    mechanism = compare_runs(long, other).examples[0].before.mechanism
    assert mechanism is not None
    assert len(mechanism) == 1000


GOOD = run_of(5, 1)


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (run_of(4, 1), "before: row 4: has no row beside it in after"),
        (run_of(6, 1), "after: row 5: has no row beside it in before"),
        (
            run_of(5, 1, mail_from=["user@d0.example"] + ["x"] * 4),
            "before, after: row 1: column mail_from is 'user@d1.example' before and 'x' after",
        ),
        (run_of(5, 1, helo=[None, None, "h2", "h3", "h4"]), "row 1: column helo is 'h1' before"),
        (
            run_of(5, 1, spf_result=["pass"] * 3 + ["odd", "x"]),
            "after: row 3: .* 'odd' is no",
        ),
        (run_of(5, 1, spf_result=[1] * 5), "row 0: .* '1' is no result"),
        (run_of(5, 1, spf_result=[[1]] * 5), "after: column spf_result must be text"),
        (run_of(5, 1, ip=[[1]] * 5), "column ip must be text"),
        (GOOD.drop_columns(["helo"]), "after: has no column helo, and the other one has"),
        (GOOD.drop_columns(["spf_result"]), "must both have one of the columns spf_result"),
        (GOOD.append_column("ip", GOOD["ip"]), "after: column ip stands there more than once"),
        (5, "after: must be a table, batch or stream"),
        ("file", "after: must be a table, batch or stream"),
        ([5], "after: must hold batches of Arrow, has int"),
    ],
)
def test_runs_that_cannot_be_compared(after: Any, words: str) -> None:
    with pytest.raises(sf.InputError, match=words):
        compare_runs(GOOD, after)


def test_rows_without_a_name() -> None:
    bare = GOOD.drop_columns(["ip", "helo", "mail_from"])
    with pytest.raises(sf.InputError, match="must both have one of the columns ip, helo"):
        compare_runs(bare, bare)
    assert compare_runs(*[GOOD.drop_columns(["ip", "helo"])] * 2).rows == 5
    octets = GOOD.set_column(2, "mail_from", GOOD["mail_from"].cast(pa.binary()))
    assert compare_runs(GOOD, octets).changed == 0


def check(engine: sf.Engine, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Row by row, as Engine.check_batch does it in columns."""
    found = [
        engine.check_mail_from(row["ip"], row["mail_from"], row["helo"])
        for row in batch.to_pylist()
    ]
    for name in ("result", "reason", "domain", "mechanism"):
        values = [getattr(verdict, name) for verdict in found]
        texts = [None if value is None else str(value) for value in values]
        batch = batch.append_column(f"spf_{name}", pa.array(texts, pa.utf8()))
    return batch


ROWS = pa.table(
    {
        "ip": ["192.0.2.1", "192.0.2.2", "192.0.2.1"],
        "helo": ["h.example"] * 3,
        "mail_from": ["a@a.example", "a@a.example", "b@b.example"],
    }
)


def test_what_if_a_record_were_published() -> None:
    zone = sf.ZoneResolver({"a.example": [{"TXT": "v=spf1 ip4:192.0.2.1 ~all"}]})
    names = ("a.example", "b.example")
    questions = [sf.Question(name, sf.RRType.TXT) for name in names]
    saved = sf.AnswerSet((each, zone.resolve(each)) for each in questions)
    after = publish(saved, ['a.example TXT "v=spf1 mx -all"', "a.example MX 1 m.example"])
    found = compare_answers(ROWS.to_reader(max_chunksize=2), saved, after, check=check)
    assert [(each.before, each.after, each.rows) for each in found.results["spf"]] == [
        ("none", "none", 1),
        ("pass", "temperror", 1),
        ("softfail", "temperror", 1),
    ]
    assert found.changed == 2
    assert dict(found.domains) == {"a.example": 2}
    change = found.examples[0]
    assert (change.before.mechanism, change.after.reason) == ("ip4:192.0.2.1", "resolver-failed")


def test_the_limits_are_those_that_are_given() -> None:
    saved = sf.AnswerSet([(sf.Question("a.example", sf.RRType.TXT), sf.Answer(sf.Status.NODATA))])
    after = publish(saved, ['a.example TXT "v=spf1 a -all"', "a.example A 192.0.2.1"])
    rows = ROWS.slice(0, 2)
    strict = compare_answers(rows, saved, after, limits=sf.Limits(lookups=0), check=check)
    assert {each.after for each in strict.results["spf"]} == {"permerror"}
    usual = compare_answers(rows, saved, after, check=check)
    assert {each.after for each in usual.results["spf"]} == {"pass", "fail"}


def test_check_batch_is_what_checks() -> None:
    if not hasattr(sf.Engine, "check_batch"):
        pytest.skip("this build has no batches")
    saved = sf.AnswerSet([(sf.Question("a.example", sf.RRType.TXT), sf.Answer(sf.Status.NODATA))])
    after = publish(saved, ['a.example TXT "v=spf1 a -all"', "a.example A 192.0.2.1"])
    by_columns = compare_answers(ROWS, saved, after)
    assert by_columns == compare_answers(ROWS, saved, after, check=check)
    assert by_columns.changed == 2
    lacking = publish(saved, ['a.example TXT "v=spf1 mx -all"'])
    by_columns = compare_answers(ROWS, saved, lacking)
    assert by_columns == compare_answers(ROWS, saved, lacking, check=check)
    assert {each.after.result for each in by_columns.examples} == {"temperror"}
