"""Nothing is kept that nobody needs: the size of a process, counts of references and of objects."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import pytest
from support.scripted import IP, Scripted, policy

import senderid_fast as sf

HEAD = """
import asyncio, os, sys
import senderid_fast as sf

def resident():
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

class Resolver:
    def resolve(self, question, timeout):
        OK, T = sf.Status.OK, sf.RRType
        if question.rrtype is T.TXT:
            if question.name.startswith("w"):
                return sf.Answer(OK, (b"%{s} of %{i} is not ours",), 60)
            return sf.Answer(OK, (b"v=spf1 ip4:192.0.2.0/25 a:h.example mx exists:%{l}.x.example"
                                  b" ptr ~ip6:2001:db8::/32 -all exp=w.example",), 60)
        if question.rrtype is T.MX:
            return sf.Answer(OK, ((1, "m.example"), (2, "n.example")), 60)
        if question.rrtype is T.PTR:
            return sf.Answer(OK, ("p.example",), 60)
        return sf.Answer(OK, ("198.51.100.1",), 60)
    async def resolve_async(self, question, timeout):
        return self.resolve(question, timeout)

def grown(work, warm, count):
    for number in range(warm):
        work(number)
    before = resident()
    for number in range(warm, warm + count):
        work(number)
    print(resident() - before)
"""
# What is done again and again -> (script, how often before and while it is measured)
WORK = {
    "all known": (
        """
        engine = sf.Engine(Resolver())
        def work(n):
            v = engine.check_mail_from("192.0.2.200", "u@a.example", "h.example")
            if n % 10 == 0:
                v.detail, v.mechanism, v.domain, v.sender, v.as_dict(), hash(v), v == v
        grown(work, 5000, 200_000)
        """
    ),
    "always new domains": (
        """
        engine = sf.Engine(Resolver(), store_octets=65_536)
        def work(n):
            engine.check_mail_from(f"192.0.2.{n % 256}", f"u{n}@d{n}.example", f"h{n}.example")
        grown(work, 10_000, 100_000)
        """
    ),
    "traces": (
        """
        engine = sf.Engine(Resolver(), store_octets=65_536)
        def work(n):
            engine.trace_mail_from("192.0.2.200", f"u@d{n}.example", "h.example").as_dict()
        grown(work, 1000, 8000)
        """
    ),
    "records, good and broken": (
        """
        def work(n):
            record = sf.parse_record(b"v=spf1 a:%{d}/24 ip4:192.0.2.0/24 mx -all exp=w.example")
            [str(term) for term in record.terms], bytes(record), str(record)
            for broken in (b"v=spf1 a:%{d}/33", b"x", b"v=spf1 x=" + b"y" * 70_000):
                try:
                    sf.parse_record(broken)
                except sf.RecordSyntaxError:
                    pass
            try:
                sf.select_record([b"v=spf1", b"v=spf1"])
            except sf.RecordSelectionError:
                pass
        grown(work, 2000, 30_000)
        """
    ),
    "errors and failures": (
        """
        class Bad:
            def resolve(self, question, timeout):
                number = int(question.name.split(".")[0][1:]) % 4
                if number == 0:
                    raise OSError("x" * 1000)
                records = [(None,), ("x",), (b"v=spf1 a:",)][number - 1]
                return sf.Answer(sf.Status.OK, records, 60)
        engine = sf.Engine(Bad(), store_octets=65_536)
        def work(n):
            engine.check_host("192.0.2.1", f"d{n}.example").detail
            for wrong in ((None, "a.example"), ("192.0.2.1", 5)):
                try:
                    engine.check_host(*wrong)
                except sf.InputError:
                    pass
        grown(work, 5000, 50_000)
        """
    ),
    "engines": (
        """
        def work(n):
            engine = sf.Engine(Resolver())
            engine.check_mail_from("192.0.2.200", "u@a.example", "h.example")
        grown(work, 1000, 10_000)
        """
    ),
    "tasks, many of them cancelled": (
        """
        class Slow(Resolver):
            async def resolve_async(self, question, timeout):
                await asyncio.sleep(0)
                return self.resolve(question, timeout)
        engine = sf.AsyncEngine(Slow(), store_octets=65_536)
        async def round_of(n):
            tasks = [asyncio.create_task(engine.check_host("192.0.2.200", f"d{n}.{m}.example"))
                     for m in range(10)]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        with asyncio.Runner() as runner:
            grown(lambda n: runner.run(round_of(n)), 300, 2000)
        """
    ),
}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/statm")
@pytest.mark.parametrize("name", WORK)
def test_a_process_does_not_grow(name: str) -> None:
    script = HEAD + textwrap.dedent(WORK[name])
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    # 400 octets lost each time would be more, in every one of them.
    assert int(done.stdout) < 3 << 20


def counted(work: Callable[[], Any], objects: list[Any], times: int = 300) -> None:
    """``work`` leaves no reference to ``objects`` and no object behind."""
    work()
    gc.collect()
    before = [sys.getrefcount(each) for each in objects], len(gc.get_objects())
    for _ in range(times):
        work()
    gc.collect()
    after = [sys.getrefcount(each) for each in objects], len(gc.get_objects())
    assert after[0] == before[0]
    assert abs(after[1] - before[1]) < 30 + times / 3


@pytest.mark.parametrize("method", ["check_host", "trace_host"])
@pytest.mark.parametrize("make", [str, str.encode, lambda text: bytearray(text.encode())])
def test_arguments_are_let_go(method: str, make: Callable[[str], Any]) -> None:
    resolver = Scripted(lambda question, _: policy("v=spf1 a:%{l}.x.example -all exp=%{h}", 0))
    engine = sf.Engine(resolver)
    texts = [make("".join(part)) for part in (("a.", "example"), ("u@", "b.example"), ("h.", "x"))]
    ip = "".join(["192.0.", "2.1"])

    def work() -> None:
        resolver.questions.clear()
        resolver.timeouts.clear()
        outcome = getattr(engine, method)(ip, *texts)
        verdict = getattr(outcome, "verdict", outcome)
        assert verdict.as_dict()
        assert repr(verdict)
        assert hash(verdict) == hash(verdict)

    counted(work, [ip, *texts])


def test_a_check_that_is_broken_off_is_let_go() -> None:
    texts = [part + "example" for part in ("a.", "u@a.", "h.")]
    answer = policy("v=spf1 a:h.example -all", 0)

    def reply(question: sf.Question, timeout: float) -> Any:
        if question.rrtype is sf.RRType.TXT:
            return answer
        raise KeyboardInterrupt

    resolver = Scripted(reply)
    engine = sf.Engine(resolver)

    def work() -> None:
        resolver.questions.clear()
        resolver.timeouts.clear()
        with pytest.raises(KeyboardInterrupt):
            engine.check_host(IP, texts[0], texts[1], texts[2])

    counted(work, [*texts, answer, answer.records, answer.records[0]])


def test_bad_arguments_are_let_go() -> None:
    engine = sf.Engine(sf.ZoneResolver({}))
    wrong, good = object(), "".join(["a.", "example"])

    def work() -> None:
        calls: list[tuple[Any, ...]] = [(wrong, good), (IP, wrong), (IP, good, wrong)]
        for args in (*calls, (IP, good, good, wrong)):
            for method in (engine.check_host, engine.trace_host):
                with pytest.raises(sf.InputError):
                    method(*args)

    counted(work, [wrong, good])


def test_answers_are_let_go_when_they_are_compiled() -> None:
    records: list[Any] = [
        *(
            (b"v=spf1 -all",),
            ("192.0.2.1",),
            ((10, "m.example"),),
            ("p.example",),
            (None,),
            (b"\xff",),
        ),
    ]
    answers = [sf.Answer(sf.Status.OK, each, 60) for each in records]
    resolver = Scripted(lambda question, _: answers[len(question.name) % len(answers)])
    engine = sf.Engine(resolver)

    def work() -> None:
        engine.clear()
        resolver.questions.clear()
        resolver.timeouts.clear()
        for size in range(1, 13):
            engine.check_host(IP, "x" * size + ".example")

    counted(work, [*answers, *records], 50)


def test_an_async_check_leaves_no_cycle_to_the_collector() -> None:
    engine = sf.AsyncEngine(sf.ZoneResolver({"a.example": [{"TXT": "v=spf1 a mx ptr -all"}]}))

    async def checks() -> None:
        for _ in range(5):
            engine.clear()
            assert (await engine.check_host(IP, "a.example")).result == "permerror"

    def work() -> None:
        asyncio.run(checks())

    counted(work, [engine], 50)


NO_ROOM = """
import resource, threading
import pyarrow as pa
import senderid_fast as sf
from senderid_fast._core.answers import AnswerStore
from senderid_fast._core.arrow import Column
from senderid_fast._core.checks import Evaluator
from senderid_fast._core.columns import Batch

ROWS, TXT = 100_000, sf.RRType.TXT
store = AnswerStore()

def put(name, text):
    store.put(sf.Question(name, TXT), sf.Answer(sf.Status.OK, (text,), 300), 1 << 60, 0)

def put_on():
    while True:
        put("b.example", b"v=spf1 -all")

def column(name, value):
    return Column(name, pa.array([value] * ROWS).__arrow_c_array__(), ROWS)

put("a.example", b"v=spf1 exp=why.example -all")
put("why.example", b"x" * 4096)
evaluator = Evaluator(store, (10, 2, 10, 10, 20.0), b"mx.example", False, 0, None)
values = {"ip": "192.0.2.1", "mail_from": "x@a.example", "helo": "h"}
columns = [column(*each) for each in values.items()]
batch = Batch(evaluator, store, 1, 1, 1 << 40, *columns, None, False, False, False, True, 1)
with open("/proc/self/statm") as pages:
    most = int(pages.read().split()[0]) * resource.getpagesize() + (1 << 28)
resource.setrlimit(resource.RLIMIT_AS, (most, most))
threading.Thread(target=put_on, daemon=True).start()
try:
    batch.run(0)
except MemoryError:
    print("no room")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/statm")
def test_a_batch_without_room_for_its_text_holds_nobody_up() -> None:
    """It raises, and needs the GIL for that, which a thread has that writes to the store."""
    done = subprocess.run(
        [sys.executable, "-c", NO_ROOM], capture_output=True, text=True, check=False, timeout=100
    )
    assert (done.returncode, done.stdout) == (0, "no room\n"), done.stderr
