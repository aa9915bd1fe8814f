"""Sets of answers: what they hold, what they refuse, and that they answer as a resolver does."""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pytest
from support.answersets import answer, question, row
from support.scripted import IP, ask

import senderid_fast as sf
from senderid_fast.answersets import answers_schema

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), answers_schema())


def test_the_schema() -> None:
    schema = answers_schema()
    assert [(field.name, str(field.type), field.nullable) for field in schema] == [
        ("name", "string", False),
        ("type", "string", False),
        ("status", "string", False),
        ("fetched_at", "timestamp[us, tz=UTC]", True),
        ("ttl", "uint32", False),
        ("records", "list<item: binary>", False),
        ("detail", "string", True),
    ]


EVERY = [
    (question("t.example"), answer(b"v=spf1 -all", b"\x00\xff")),
    (question("m.example", "MX"), answer((10, "mx.example"), (0, ""))),
    (question("4.example", "A"), answer("192.0.2.1", "192.0.2.2")),
    (question("6.example", "AAAA"), answer("2001:db8::1")),
    (question("p.example", "PTR"), answer("a.example", "\xff.example")),
    (question("\xe9.example"), sf.Answer(sf.Status.NXDOMAIN, ttl=7)),
    (question("s.example"), sf.Answer(sf.Status.SERVFAIL, detail="said so")),
    (question("o.example"), sf.Answer(sf.Status.OK)),
]


def test_what_goes_in_comes_out() -> None:
    answers = sf.AnswerSet(EVERY)
    assert dict(answers) == dict(EVERY)
    assert len(answers) == len(EVERY)
    for asked, found in EVERY:
        assert answers.get(asked) == found
        assert asked in answers
    assert answers.get(question("t.example", "A")) is None
    assert answers.get(question("\u20ac.example")) is None
    assert question("t.example", "A") not in answers
    assert answers.to_arrow().schema.equals(answers_schema())


def test_rows_are_written_as_the_schema_says() -> None:
    found = sf.AnswerSet([EVERY[1], EVERY[5], (*EVERY[2], NOON)]).to_arrow().to_pylist()
    assert [(each["name"], each["records"]) for each in found] == [
        ("4.example", [b"192.0.2.1", b"192.0.2.2"]),
        ("m.example", [b"10 mx.example", b"0 ."]),
        ("\xe9.example", []),
    ]
    assert found[0]["fetched_at"] == NOON
    assert found[2]["detail"] is None


def test_the_last_answer_counts() -> None:
    pairs = [(question("a"), answer(b"%d" % number)) for number in range(20_000)]
    others = [(question("b", kind), answer()) for kind in ("A", "TXT", "A")]
    answers = sf.AnswerSet([*pairs, *others])
    assert len(answers) == 3
    assert answers.get(question("a")) == answer(b"19999")


def test_addresses_in_other_forms_become_text() -> None:
    from ipaddress import ip_address

    records: Any = (ip_address("192.0.2.1"), b"\xc0\x00\x02\x02")
    answers = sf.AnswerSet([(question("a", "A"), sf.Answer(sf.Status.OK, records))])
    assert answers.get(question("a", "A")) == answer("192.0.2.1", "192.0.2.2", ttl=0)


def test_names_are_those_of_a_question() -> None:
    answers = sf.AnswerSet.from_arrow(table(row(name="Example.COM."), row(name="\xc9.example")))
    assert [asked.name for asked, _ in answers] == ["example.com", "\xc9.example"]
    assert answers.get(question("EXAMPLE.com.")) is not None


def test_it_is_a_resolver() -> None:
    answers = sf.AnswerSet([(question("a.example"), answer(b"v=spf1 a:b.example -all"))])
    for way in ("sync", "asyncio", "trace", "async-trace"):
        verdict = ask(way, answers)
        assert verdict.result == "temperror"
        assert verdict.reason == "resolver-failed"
        assert "b.example A is not among the saved answers" in verdict.detail
    questions = [question("x"), question("a.example")]
    missing, there = answers.resolve_many(questions, 1.0)
    assert (
        missing
        == sf.Answer(sf.Status.ERROR, detail="x TXT is not among the saved answers")
        == answers.resolve(questions[0], 1.0)
    )
    assert there == asyncio.run(answers.resolve_async(questions[1], 1.0))
    assert "\\x1b" in answers.resolve(question("\x1b[0m"), 1.0).detail
    assert bool(sf.AnswerSet())


def test_the_store_holds_every_answer_for_good() -> None:
    count = 3000
    large = b" ip4:192.0.2.0/24" * 2000
    answers = sf.AnswerSet(
        (question(f"n{n}"), answer(b"v=spf1 a:n%d%s" % (n, large), ttl=0)) for n in range(count)
    )
    counts = answers.store.statistics()
    assert counts["answers"] == len(answers.store) == count
    assert counts["refused"] == counts["evicted"] == counts["expired"] == 0
    assert counts["octets"] > 64 << 20  # more than an engine's own would take
    assert answers.store is answers.store


def test_overlay() -> None:
    before = sf.AnswerSet(EVERY)
    after = before.overlay(
        sf.AnswerSet([(EVERY[0][0], answer(b"new")), (question("new.example"), answer())])
    )
    assert after.get(EVERY[0][0]) == answer(b"new")
    assert len(after) == len(before) + 1
    assert before.get(EVERY[0][0]) == EVERY[0][1]
    with pytest.raises(sf.InputError, match="other: must be an AnswerSet"):
        before.overlay({})  # type: ignore[arg-type]


def test_equal_sets_and_pickles() -> None:
    answers = sf.AnswerSet(EVERY)
    again = sf.AnswerSet(reversed(EVERY))
    assert answers == again == pickle.loads(pickle.dumps(answers))
    assert hash(answers) == hash(again)
    assert answers != sf.AnswerSet(EVERY[1:])
    assert answers != EVERY
    assert len({answers, again, sf.AnswerSet()}) == 2
    engine = pickle.loads(pickle.dumps(sf.Engine(answers)))
    assert engine.check_host(IP, "t.example").result == "fail"


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (("a", answer(b"x")), "answers: item 1: "),
        ((question("a"), None), "answers: item 1: "),
        ((question("a"),), "answers: item 1: "),
        (None, "answers: item 1: "),
        (
            (question("a"), answer("text")),
            "answers: item 1: TypeError: a TXT record must be octets",
        ),
        ((question("a"), answer(b"x"), 5), "item 1: .*fetched_at must be a datetime"),
        ((question("a"), answer(b"x"), datetime(2026, 1, 1)), "a datetime with a time zone"),
        ((question("a", "A"), answer("192.0.2.300")), "records: item 1: b'192.0.2.300' is no IPv4"),
        ((question("a", "A"), answer("2001:db8::1")), "records: item 1: .* is no IPv4 address"),
        ((question("a", "MX"), answer((70_000, "b"))), "records: item 1: .* is no MX record"),
        ((question(""), answer(b"x")), "name: item 1: must have 1 to 253 octets"),
        ((question("x" * 254), answer(b"x")), "name: item 1: must have 1 to 253 octets"),
        ((question("\u20ac"), answer(b"x")), "name: item 1: .* above U\\+00FF"),
    ],
)
def test_an_item_that_is_no_answer(item: Any, words: str) -> None:
    with pytest.raises(sf.InputError, match=words):
        sf.AnswerSet([EVERY[0], item])


BAD = [
    ("name", {"name": None}, "is null"),
    ("name", {"name": ""}, "must have 1 to 253 octets"),
    ("name", {"name": "."}, "must have 1 to 253 octets"),
    ("name", {"name": "x" * 254}, "must have 1 to 253 octets"),
    ("name", {"name": "\u0100"}, "a character stands for an octet"),
    ("type", {"type": "SPF"}, "must be one of A, PTR, MX, TXT, AAAA, is 'SPF'"),
    ("type", {"type": None}, "must be one of"),
    ("status", {"status": "OK"}, "must be one of ok, nodata"),
    ("status", {"status": None}, "must be one of"),
    ("ttl", {"ttl": None}, "must be 0 to 4294967295 seconds, is None"),
    ("ttl", {"ttl": -1}, "must be 0 to 4294967295 seconds, is -1"),
    ("ttl", {"ttl": 1 << 32}, "is 4294967296"),
    ("fetched_at", {"fetched_at": datetime(1969, 12, 31, tzinfo=UTC)}, "years 1970 to 9999"),
    ("records", {"records": [None]}, "a record is null"),
    ("records", {"records": [b"x" * 65_536]}, "more than 65535 octets"),
    ("records", {"records": [b""] * 8193}, "more than 8192 records"),
    ("records", {"status": "nodata"}, "only an answer with the status ok has records"),
    ("records", {"type": "A", "records": [b"192.0.2.1", b"mail"]}, "b'mail' is no IPv4 address"),
    ("records", {"type": "A", "records": [b"2001:db8::1"]}, "is no IPv4 address"),
    ("records", {"type": "A", "records": [b""]}, "is no IPv4 address"),
    ("records", {"type": "AAAA", "records": [b"192.0.2.1"]}, "is no IPv6 address"),
    ("records", {"type": "AAAA", "records": [b"\xff:"]}, "is no IPv6 address"),
    ("records", {"type": "AAAA", "records": [b"fe80::1%eth0"]}, "is no IPv6 address"),
    ("records", {"type": "MX", "records": [b"mx.example"]}, "is no MX record"),
    ("records", {"type": "MX", "records": [b"65536 mx.example"]}, "is no MX record"),
    ("records", {"type": "MX", "records": [b"10 "]}, "is no MX record"),
    ("records", {"type": "PTR", "records": [b""]}, "is no name"),
    ("detail", {"detail": "x" * 4097}, "more than 4096 octets"),
]
LOOSE = pa.schema(
    [
        pa.field(field.name, pa.int64() if field.name == "ttl" else field.type)
        for field in answers_schema()
    ]
)


@pytest.mark.parametrize(("field", "changes", "words"), BAD)
@pytest.mark.parametrize("before", [0, 2, 8192])
def test_a_bad_row_is_named(field: str, changes: dict[str, Any], words: str, before: int) -> None:
    good = [row(name=f"n{number}", records=[b"a", b"b"]) for number in range(before)]
    data = pa.Table.from_pylist([*good, row(**changes), row()], LOOSE)
    with pytest.raises(sf.InputError) as caught:
        sf.AnswerSet.from_arrow(data)
    assert caught.value.field == field
    assert f"row {before}: " in caught.value.problem
    assert words in caught.value.problem


@pytest.mark.parametrize(
    ("name", "column", "words"),
    [
        ("name", pa.array([1]), "must be text, is int64"),
        ("name", pa.array([b"a"]), "must be text, is binary"),
        ("ttl", pa.array([1.5]), "must be whole numbers, is double"),
        ("fetched_at", pa.array([NOON.replace(tzinfo=None)]), "must have a time zone"),
        ("fetched_at", pa.array(["2026"]), "must be a timestamp, is string"),
        ("records", pa.array([["text"]]), r"must be lists of octets \(list<binary>\)"),
        ("records", pa.array([b"octets"]), "must be lists of octets"),
        ("detail", pa.array([[b"a"]]), "must be text"),
    ],
)
def test_a_column_of_the_wrong_type(name: str, column: pa.Array, words: str) -> None:
    good = table(row())
    at = good.schema.get_field_index(name)
    with pytest.raises(sf.InputError, match=words) as caught:
        sf.AnswerSet.from_arrow(good.set_column(at, name, column))
    assert caught.value.field == name
    assert "row" not in caught.value.problem


def test_columns_missing_or_doubled() -> None:
    good = table(row(fetched_at=None))
    assert sf.AnswerSet.from_arrow(good.drop_columns(["fetched_at", "detail"])).to_arrow() == good
    assert sf.AnswerSet.from_arrow(good.append_column("more", pa.array([1]))).to_arrow() == good
    for name in ("name", "type", "status", "ttl", "records"):
        with pytest.raises(sf.InputError, match=f"{name}: is missing"):
            sf.AnswerSet.from_arrow(good.drop_columns([name]))
        with pytest.raises(sf.InputError, match=f"{name}: is missing"):
            sf.AnswerSet.from_arrow(
                good.schema.remove(good.schema.get_field_index(name)).empty_table()
            )
        with pytest.raises(sf.InputError, match=f"{name}: stands for more than one column"):
            sf.AnswerSet.from_arrow(good.append_column(name, good[name]))


class Stream:
    """What any library with the PyCapsule interface hands over."""

    def __init__(self, data: pa.Table) -> None:
        self.data = data

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.data.__arrow_c_stream__(requested_schema)


class Batch:
    def __init__(self, data: pa.RecordBatch) -> None:
        self.data = data

    def __arrow_c_array__(self, requested_schema: object = None) -> object:
        return self.data.__arrow_c_array__(requested_schema)


def test_every_kind_of_arrow_data() -> None:
    good = table(row(), row(name="b", records=None, status="nxdomain"), row(name="c", records=[]))
    wanted = sf.AnswerSet.from_arrow(good)
    batch = good.combine_chunks().to_batches()[0]
    for data in (batch, good.to_reader(max_chunksize=1), Stream(good), Batch(batch)):
        assert sf.AnswerSet.from_arrow(data) == wanted
    wide = pa.table(
        {
            "name": good["name"].cast(pa.large_string()),
            "type": good["type"].dictionary_encode(),
            "status": good["status"].cast(pa.string_view()),
            "fetched_at": good["fetched_at"].cast(pa.timestamp("ns", "Europe/Berlin")),
            "ttl": good["ttl"].cast(pa.uint64()),
            "records": good["records"].cast(pa.large_list(pa.binary_view())),
            "detail": pa.nulls(3),
        }
    )
    assert sf.AnswerSet.from_arrow(wide) == wanted
    for data in (None, "name", [row()], 5, {"name": ["a"]}):
        with pytest.raises(sf.InputError, match="answers: must be a table, batch or stream"):
            sf.AnswerSet.from_arrow(data)


def test_data_that_is_damaged_within() -> None:
    def column(middle: int, octets: bytes) -> pa.Array:
        ends = (0, middle, len(octets))
        offsets = pa.py_buffer(b"".join(end.to_bytes(4, "little") for end in ends))
        return pa.Array.from_buffers(pa.utf8(), 2, [None, offsets, pa.py_buffer(octets)])

    good = table(row(), row())
    for name in (column(1 << 30, b"a"), column(1, b"\xff\xff")):
        with pytest.raises(sf.InputError, match="answers: are damaged"):
            sf.AnswerSet.from_arrow(good.set_column(0, "name", name))


def test_times_of_other_zones() -> None:
    berlin = NOON.astimezone(timezone(timedelta(hours=1)))
    answers = sf.AnswerSet([(*EVERY[0], berlin)])
    assert [moment for _, _, moment in answers.timed()] == [NOON]


def test_without_pyarrow() -> None:
    script = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "import senderid_fast as sf\n"
        "for make in (sf.AnswerSet, lambda: sf.AnswerSet.read('x.arrow'),\n"
        "             lambda: sf.AnswerSet.from_arrow(1), lambda: sf.Engine().load(1)):\n"
        "    try:\n"
        "        make()\n"
        "    except sf.MissingExtraError as error:\n"
        "        assert 'senderid-fast[batch]' in str(error)\n"
        "    else:\n"
        "        raise SystemExit('no error')\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
