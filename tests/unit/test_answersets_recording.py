"""Recording a run: every answer as it came, in files that a kill does not spoil; replaying it."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.answersets import answer, question
from support.drivers import DRIVERS
from support.scripted import IP, Scripted, run_threads, zone_reply
from support.vectors import Vector, load_vectors

import senderid_fast as sf
from senderid_fast.answersets import AnswerCollector, AnswerWriter, RecordingResolver

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
ZONE = {
    "a.example": [{"TXT": "v=spf1 mx a:b.example -all"}, {"MX": [10, "m.example"]}],
    "m.example": [{"A": "192.0.2.77"}],
    "b.example": ["TIMEOUT"],
}


@pytest.mark.parametrize("driver", DRIVERS)
def test_every_vector_has_the_same_verdict_when_replayed(driver: str) -> None:
    vectors = load_vectors()
    assert len(vectors) > 900
    check = DRIVERS[driver]
    for vector in vectors[:: 1 if driver == "sync" else 11]:
        collector = AnswerCollector()
        recorded: Any = RecordingResolver(sf.ZoneResolver(vector.zone), collector)
        before = check(recorded, vector.ip, vector.helo, vector.mail_from)
        after = check(_stored(collector), vector.ip, vector.helo, vector.mail_from)
        assert after.as_dict() == before.as_dict(), vector.name
        assert before.result in vector.results, vector.name


def _stored(collector: AnswerCollector) -> Any:
    """The answers after a way through Arrow."""
    answers = collector.answers()
    return sf.AnswerSet.from_arrow(answers.to_arrow().to_reader(max_chunksize=1))


def test_the_store_gives_the_same_verdicts() -> None:
    """Without a resolver: what Engine.check_batch(answers=...) evaluates against."""
    from senderid_fast._core.checks import Evaluator
    from senderid_fast._core.verdict import Verdict
    from senderid_fast.identities import a_labels

    def verdict_of(vector: Vector) -> Verdict:
        collector = AnswerCollector()
        engine = sf.Engine(RecordingResolver(sf.ZoneResolver(vector.zone), collector))
        before = engine.check_mail_from(vector.ip, vector.mail_from, vector.helo)
        store = _stored(collector).store
        limits = (10, 2, 10, 10, 20.0)
        evaluator = Evaluator(store, limits, b"unknown", True, 0, a_labels)
        found = evaluator.check_mail_from(vector.ip, vector.mail_from, vector.helo, 1 << 62)
        assert type(found) is Verdict, vector.name
        assert str(found.result) == str(before.result), vector.name
        assert found.mechanism == before.mechanism, vector.name
        return found

    results = {str(verdict_of(vector).result) for vector in load_vectors()[::5]}
    assert len(results) == 7


def test_only_the_methods_that_the_resolver_has() -> None:
    class One:
        def resolve(self, question: sf.Question, timeout: float) -> sf.Answer:
            return answer(b"x")

    recording = RecordingResolver(One(), AnswerCollector())
    assert hasattr(recording, "resolve")
    assert not hasattr(recording, "resolve_async")
    assert not hasattr(recording, "resolve_many")
    zone = RecordingResolver(sf.ZoneResolver({}), AnswerCollector())
    assert hasattr(zone, "resolve_async")
    with pytest.raises(sf.InputError, match="must have resolve"):
        sf.Engine(RecordingResolver(object(), AnswerCollector()))  # type: ignore[arg-type]


def test_answers_are_passed_on_as_they_are() -> None:
    collector = AnswerCollector()
    replies: dict[str, Any] = {
        "good": answer(b"v=spf1 -all", ttl=9),
        "none": None,
        "wrong": sf.Answer(sf.Status.OK, (5,)),  # type: ignore[arg-type]
        "status": sf.Answer("odd"),  # type: ignore[arg-type]
        "large": answer(b"x" * 70_000),
        "ttl": answer(b"x", ttl=-5),
        "words": sf.Answer(sf.Status.ERROR, detail="\ud800" + "x" * 9000),
        "both": sf.Answer(sf.Status.NXDOMAIN, (b"x",)),
    }
    recording = RecordingResolver(Scripted(lambda asked, _: replies[asked.name]), collector)
    for name, reply in replies.items():
        assert recording.resolve(question(name), 1.0) is reply
        assert asyncio.run(recording.resolve_async(question(name), 1.0)) is reply  # type: ignore[arg-type]
    answers = collector.answers()
    assert len(answers) == len(replies)
    assert answers.get(question("good")) == replies["good"]
    assert answers.resolve(question("none")).detail == "the resolver returned None"
    for name in ("wrong", "status", "large"):
        found = answers.resolve(question(name))
        assert found.status == sf.Status.MALFORMED
        assert found.detail.startswith("the resolver's answer cannot be read: ")
    assert answers.resolve(question("ttl")).ttl == 0
    assert answers.resolve(question("words")).detail.startswith("\\ud800xxx")
    assert answers.resolve(question("both")) == sf.Answer(sf.Status.NXDOMAIN)
    assert all(moment is not None for _, _, moment in answers.timed())


def test_what_is_raised_is_recorded_and_raised() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise ValueError

    errors: dict[str, Exception] = {"a.example": OSError("no network"), "b": Odd()}

    def reply(asked: sf.Question, _: float) -> Any:
        raise errors[asked.name]

    collector = AnswerCollector()
    recording = RecordingResolver(Scripted(reply), collector)
    for name, error in errors.items():
        with pytest.raises(type(error)):
            recording.resolve(question(name), 1.0)
    live = sf.Engine(Scripted(reply)).check_host(IP, "a.example")
    again = sf.Engine(collector.answers()).check_host(IP, "a.example")
    assert (again.result, again.detail) == (live.result, live.detail)
    assert again.result == "temperror"


def test_many_at_once() -> None:
    class Many(Scripted):
        def resolve_many(self, questions: list[sf.Question], timeout: float) -> list[Any]:
            return [self.resolve(each, timeout) for each in questions]

    collector = AnswerCollector()
    recording = RecordingResolver(Many(zone_reply(ZONE)), collector)
    asked = [question("a.example"), question("b.example"), question("none")]
    found = recording.resolve_many(asked, 1.0)
    assert found == collector.answers().resolve_many(asked, 1.0)

    def refuse(asked: sf.Question, timeout: float) -> Any:
        raise OSError("down")

    with pytest.raises(OSError, match="down"):
        RecordingResolver(Many(refuse), collector).resolve_many(asked, 1.0)
    details = {each.detail for each in collector.answers().resolve_many(asked)}
    assert details == {"the resolver raised OSError: down"}


def test_threads(tmp_path: Path) -> None:
    path = tmp_path / "a.arrows"
    with AnswerWriter(path) as sink:

        def work(thread: int) -> None:
            for number in range(3000):
                sink.add(question(f"n{number}"), answer(b"%d" % thread))
                if number % 1000 == 0:
                    sink.flush()

        run_threads(4, work)
    answers = sf.AnswerSet.read(path)
    assert len(answers) == 3000
    assert {found.records[0] for _, found in answers} <= {b"0", b"1", b"2", b"3"}


def test_memory_is_bounded_and_the_file_can_be_read_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "a.arrows"
    sink = AnswerWriter(path)
    assert len(sf.AnswerSet.read(path)) == 0
    for number in range(300):
        sink.add(question(f"n{number}"), answer(b"x" * 60_000))
    kept = len(sf.AnswerSet.read(path))
    assert 150 < kept < 300  # 4 MiB may still wait
    sink.add(question("n0"), answer(b"last"))
    place = sink.place()
    assert path.stat().st_size == place
    assert sf.AnswerSet.read(path).get(question("n0")) == answer(b"last")
    sink.close()
    sink.close()
    assert len(sf.AnswerSet.read(path)) == 300
    os.truncate(path, place)
    assert len(sf.AnswerSet.read(path)) == 300


def test_a_file_that_was_cut_anywhere_is_gone_on_with(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.arrows", tmp_path / "cut.arrows"
    with AnswerWriter(whole) as sink:
        for number in range(3):
            sink.add(question(f"n{number}"), answer(b"v=spf1 -all"), NOON)
            sink.flush()
    octets = whole.read_bytes()
    found = []
    for length in (*range(0, len(octets), 29), len(octets)):
        cut.write_bytes(octets[:length])
        try:
            found.append(len(sf.AnswerSet.read(cut)))
        except sf.RowsError as error:
            assert "holds no stream of Arrow" in str(error)  # noqa: PT017
            found.append(-1)
        with AnswerWriter(cut) as sink:
            sink.add(question("more"), answer(b"x"))
        assert len(sf.AnswerSet.read(cut)) == max(found[-1], 0) + 1
    assert found == sorted(found)
    assert set(found) == {-1, 0, 1, 2, 3}


def test_a_file_that_is_none_of_answers_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.arrows"
    other = pa.table({"x": [1]})
    with pa.ipc.new_stream(path, other.schema) as writer:
        writer.write_table(other)
    for octets in (
        path.read_bytes(),
        b"some text that somebody needs",
        b"\xff\xff\xff\xff" + b"y" * 90,
    ):
        path.write_bytes(octets)
        with pytest.raises(sf.RowsError, match=r"a\.arrows"):
            AnswerWriter(path)
        assert path.read_bytes() == octets


def test_a_file_that_is_damaged_in_the_middle_is_not_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.arrows"
    with AnswerWriter(path) as sink:
        sink.add(question("a"), answer(b"x"))
        place = sink.place()
        sink.add(question("b"), answer(b"x"))
    octets = bytearray(path.read_bytes())
    octets[place : place + 4] = b"oops"
    path.write_bytes(octets)
    for use in (AnswerWriter, sf.AnswerSet.read):
        with pytest.raises(sf.RowsError, match=f"octet {place}: is not where a message"):
            use(path)
    assert path.read_bytes() == octets


def test_a_writer_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "a.arrows"
    script = (
        "import sys, itertools, senderid_fast as sf\n"
        "from senderid_fast.answersets import AnswerWriter\n"
        "sink = AnswerWriter(sys.argv[1])\n"
        "for n in itertools.count():\n"
        "    asked = sf.Question(f'n{n}', sf.RRType.TXT)\n"
        "    sink.add(asked, sf.Answer(sf.Status.OK, (b'x' * 999,)))\n"
        "    if n == 20_000:\n"
        "        print(flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    before = len(sf.AnswerSet.read(path))
    assert before > 10_000
    with AnswerWriter(path) as sink:
        sink.add(question("more"), answer(b"x"))
    assert len(sf.AnswerSet.read(path)) == before + 1


def test_what_a_full_disk_took_half_of_spoils_nothing(tmp_path: Path) -> None:
    path = tmp_path / "answers.arrows"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with AnswerWriter(path) as writer:
        writer.add(question("first.example"), answer(b"v=spf1 -all"), NOON)
        full = writer.place() + 500
        for number in range(100):
            writer.add(question(f"n{number}.example"), answer(b"v=spf1 -all"), NOON)
        resource.setrlimit(resource.RLIMIT_FSIZE, (full, before[1]))
        try:
            with pytest.raises(sf.RowsError, match="cannot be written"):
                writer.flush()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        writer.add(question("last.example"), answer(b"v=spf1 -all"), NOON)
    assert len(sf.AnswerSet.read(path)) == 102


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(sf.RowsError, match="cannot be written: No such file"):
        AnswerWriter(tmp_path / "nowhere" / "a.arrows")
    with pytest.raises(sf.RowsError, match="cannot be written"):
        AnswerWriter(tmp_path)
    sink = AnswerWriter(tmp_path / "a.arrows")
    sink.close()
    sink.add(question("a"), answer(b"x"))
    with pytest.raises(sf.RowsError, match="cannot be written"):
        sink.flush()
