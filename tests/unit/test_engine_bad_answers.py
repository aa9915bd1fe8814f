"""Whatever a resolver answers or raises: temperror or the right verdict, never a pass by chance."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import dns.exception
import dns.resolver
import pytest
from support.scripted import IP, WAYS, Scripted, address, ask, policy, run_threads

import senderid_fast as sf

OK, TXT = sf.Status.OK, sf.RRType.TXT
ERRORS = (sf.Reason.DNS_ERROR, sf.Reason.RESOLVER_FAILED)


def raises(error: BaseException | type[BaseException]) -> Any:
    def reply(question: sf.Question, timeout: float) -> Any:
        raise error

    return reply


def after_policy(record: str, answer: Any) -> Scripted:
    """TXT of a.example is ``record``; everything else is ``answer``."""
    return Scripted(
        lambda question, _: policy(record) if question.rrtype is TXT else answer,
    )


class Strange:
    """Looks like an Answer, and raises where it is looked at."""

    def __init__(self, **fields: Any) -> None:
        self._fields: dict[str, Any] = {"status": OK, "records": (b"v=spf1 +all",), "ttl": 60}
        self._fields |= {"detail": "", **fields}

    def __getattr__(self, name: str) -> Any:
        value = self._fields[name]
        if isinstance(value, BaseException):
            raise value
        return value


NO_ANSWERS: list[Any] = [
    *(None, 5, "v=spf1 +all", b"v=spf1 +all", (), [], {}, object(), True, sf.Answer, OK),
    *(sf.Answer("weird"), sf.Answer(None), sf.Answer(0), sf.Answer([])),  # type: ignore[arg-type]
    *(sf.Answer(OK, ("v=spf1 +all",)), sf.Answer(OK, (None,))),  # type: ignore[arg-type]
    *(sf.Answer(OK, b"v=spf1 +all"), sf.Answer(OK, "v=spf1 +all")),  # type: ignore[arg-type]
    *(sf.Answer(OK, 7), sf.Answer(OK, None)),  # type: ignore[arg-type]
    *(sf.Answer(OK, ((b"v=spf1 ", b"+all"),)), sf.Answer(OK, (7,))),  # type: ignore[arg-type]
    Strange(status=RuntimeError("status")),
    Strange(records=RuntimeError("records")),
    Strange(records=OSError("records")),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("answer", NO_ANSWERS, ids=lambda answer: ascii(answer)[:40])
def test_what_is_no_answer(way: str, answer: Any) -> None:
    """RFC 7208 4.4: an answer that cannot be read is temperror, and is told as what it is."""
    verdict = ask(way, Scripted(lambda question, _: answer))
    assert verdict.result == "temperror"
    assert verdict.reason in ERRORS
    assert "a.example TXT" in verdict.detail


NO_ADDRESSES: list[Any] = [
    *((None,), (1234,), (True,), ("abcd",), ("::1",), ("192.0.2.1\0",), ("",), (1,), ([],)),
    *(("192.0.2.1", None), (b"",), ("2001:db8::1",), "1234", ("192.0.2",), ("h.example",)),
    ((10, "h.example"),),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("term", "records"),
    [
        *(("a:h.example", records) for records in NO_ADDRESSES),
        *(("exists:h.example", records) for records in NO_ADDRESSES),
        ("mx:h.example", ("m.example",)),
        ("mx:h.example", ((10, None),)),
        ("mx:h.example", ((10, b"m.example"),)),
        ("mx:h.example", ((None, "m.example"), (10, "n.example"))),
        ("mx:h.example", ((10, "m.example", 5),)),
        ("mx:h.example", ((10, "m\u20ac.example"),)),
        ("mx:h.example", (10, "m.example")),
    ],
)
def test_records_that_cannot_be_read(way: str, term: str, records: Any) -> None:
    """Not one of them is an address or an exchange: no term may match by it."""
    verdict = ask(way, after_policy(f"v=spf1 {term} -all", sf.Answer(OK, records, 60)))
    assert (verdict.result, verdict.reason) == ("temperror", sf.Reason.DNS_ERROR)
    assert verdict.mechanism == term


@pytest.mark.parametrize("records", [(None,), (1,), (b"x.example",), ("\u20ac.example",), ([],)])
def test_a_ptr_answer_that_cannot_be_read_is_no_match(records: Any) -> None:
    """RFC 7208 5.5: an error of the PTR query is no match."""
    resolver = after_policy("v=spf1 ptr:x.example ~all", sf.Answer(OK, records, 60))
    assert ask("sync", resolver).result == "softfail"


@pytest.mark.parametrize(
    ("record", "ip"),
    [
        (None, "78.111.110.101"),
        ("abcd", "97.98.99.100"),
        (1234, "49.50.51.52"),
    ],
)
def test_four_characters_are_no_packed_address(record: Any, ip: str) -> None:
    resolver = after_policy("v=spf1 a:h.example -all", sf.Answer(OK, (record,), 60))
    assert ask("sync", resolver, "host", ip, "a.example").result == "temperror"


def test_sixteen_characters_are_no_packed_address() -> None:
    resolver = after_policy("v=spf1 a:h.example -all", sf.Answer(OK, ("abcdefghijklmnop",), 60))
    ip = b"abcdefghijklmnop"
    assert ask("sync", resolver, "host", ip, "a.example").result == "temperror"


def test_two_characters_are_no_preference_and_exchange() -> None:
    def reply(question: sf.Question, timeout: float) -> Any:
        if question.rrtype is sf.RRType.MX:
            return sf.Answer(OK, ("ab",), 60)
        return policy("v=spf1 mx -all") if question.rrtype is TXT else address(IP)

    assert ask("sync", Scripted(reply)).result == "temperror"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "ttl",
    [
        *(0, 1, 2**31 - 1, 2**31, 2**63, -1, -(2**70), 10**400, 0.5, True, None, "60", "soon"),
        *(b"60", [], float("nan"), float("inf"), float("-inf"), 1j, object()),
    ],
    ids=lambda ttl: ascii(ttl)[:20],
)
def test_any_time_to_live(way: str, ttl: Any) -> None:
    """The records are right whatever it says; at worst they are for this check alone."""
    verdict = ask(way, Scripted(lambda question, _: policy("v=spf1 +all", ttl)))
    assert verdict.result == "pass"


class OwnError(Exception):
    """As a resolver may have."""


class OwnBaseError(BaseException):
    """Neither an Exception nor one that ends the program."""


class Unspeakable(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


RAISED: list[Any] = [
    *(dns.exception.Timeout, dns.resolver.NXDOMAIN, dns.resolver.NoNameservers),
    *(
        OSError(111, "refused"),
        ValueError("bad"),
        OwnError("\u20ac {x} %s"),
        OwnError("x" * 10_000),
    ),
    *(
        OwnBaseError("own"),
        TimeoutError(),
        MemoryError(),
        RecursionError(),
        StopIteration(),
        OwnError,
    ),
    *(
        sf.InputError("ip", "odd"),
        AssertionError(),
        Unspeakable(),
        OwnError("\ud800"),
        OwnError("a\nb"),
    ),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error", RAISED, ids=lambda error: ascii(error)[:30])
def test_what_a_resolver_raises_is_temperror(way: str, error: Any) -> None:
    """RFC 7208 4.4; and nobody waits for ever, nor is a thread left."""
    threads = threading.active_count()
    verdict = ask(way, Scripted(raises(error)))
    assert (verdict.result, verdict.reason) == ("temperror", sf.Reason.RESOLVER_FAILED)
    name = error.__name__ if isinstance(error, type) else type(error).__name__
    assert name in verdict.detail
    assert len(verdict.detail) < 1000
    assert verdict.detail.isprintable()
    assert threading.active_count() == threads


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_ends_a_program_is_passed_on(way: str, error: type[BaseException]) -> None:
    with pytest.raises(error):
        ask(way, Scripted(raises(error("stop"))))


def test_an_engine_goes_on_after_an_interrupt() -> None:
    replies: list[Any] = [raises(KeyboardInterrupt), raises(SystemExit)]

    def reply(question: sf.Question, timeout: float) -> Any:
        return replies.pop(0)(question, timeout) if replies else policy("v=spf1 +all")

    engine = sf.Engine(Scripted(reply))
    for error in (KeyboardInterrupt, SystemExit):
        with pytest.raises(error):
            engine.check_host(IP, "a.example")
    assert engine.check_host(IP, "a.example").result == "pass"


def test_who_waits_for_an_interrupted_thread_asks_for_itself() -> None:
    asked = threading.Event()
    calls: list[int] = []

    def reply(question: sf.Question, timeout: float) -> Any:
        calls.append(1)
        if len(calls) > 1:
            return policy("v=spf1 +all")
        asked.set()
        time.sleep(0.1)  # so that the other thread waits
        raise KeyboardInterrupt

    engine = sf.Engine(Scripted(reply))

    def work(number: int) -> None:
        if number == 0:
            with pytest.raises(KeyboardInterrupt):
                engine.check_host(IP, "a.example")
        else:
            assert asked.wait(10)
            assert engine.check_host(IP, "a.example").result == "pass"

    run_threads(3, work)
    assert len(calls) in (2, 3)


@pytest.mark.parametrize("way", WAYS)
def test_a_resolver_that_is_cancelled_by_itself_is_temperror(way: str) -> None:
    """Nobody cancelled the check: the exception is the resolver's own."""
    verdict = ask(way, Scripted(raises(asyncio.CancelledError("mine"))))
    assert (verdict.result, verdict.reason) == ("temperror", sf.Reason.RESOLVER_FAILED)


def test_an_async_resolver_that_awaits_nothing() -> None:
    class Sync:
        def resolve_async(self, question: sf.Question, timeout: float) -> sf.Answer:
            return policy("v=spf1 +all")

    for way in ("asyncio", "async-trace"):
        verdict = ask(way, Sync())
        assert (verdict.result, verdict.reason) == ("temperror", sf.Reason.RESOLVER_FAILED)


def test_an_async_engine_calls_a_plain_resolver_in_a_thread() -> None:
    threads: set[str] = set()

    class Plain:
        def resolve(self, question: sf.Question, timeout: float) -> sf.Answer:
            threads.add(threading.current_thread().name)
            return policy("v=spf1 +all")

    assert ask("asyncio", Plain()).result == "pass"
    assert threading.main_thread().name not in threads


def sized(octets: int) -> bytes:
    """A record of exactly so many octets, whose last term is +all."""
    return b"v=spf1 x=" + b"y" * (octets - 14) + b" +all"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [65_534, 65_535, 65_536, 70_000, 1 << 20])
def test_the_largest_record(way: str, size: int) -> None:
    """RFC 7208 3.4: what a message can hold; more comes from no DNS."""
    record = sized(size)
    assert len(record) == size
    verdict = ask(way, Scripted(lambda question, _: policy(record)))
    if size <= 65_535:
        assert verdict.result == "pass"
    else:
        assert (verdict.result, verdict.reason) == ("permerror", sf.Reason.SYNTAX_ERROR)
        assert len(verdict.detail) < 2000


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("record", ["include:a.example", "redirect=a.example", "?include:%{d}"])
def test_a_loop_ends(way: str, record: str) -> None:
    """RFC 7208 4.6.4."""
    resolver = Scripted(lambda question, _: policy(f"v=spf1 {record}"))
    verdict = ask(way, resolver)
    assert (verdict.result, verdict.reason) == ("permerror", sf.Reason.LOOKUP_LIMIT)
    assert verdict.lookups == 11
    assert len(resolver.questions) == 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("ip", "result"), [("10.0.39.15", "pass"), ("10.0.39.16", "fail")])
def test_ten_thousand_addresses(way: str, ip: str, result: str) -> None:
    """RFC 7208 5.3: no limit."""
    addresses = [f"10.0.{number >> 8}.{number & 255}" for number in range(10_000)]
    resolver = after_policy("v=spf1 a:h.example -all", address(*reversed(addresses)))
    assert ask(way, resolver, "host", ip, "a.example").result == result


@pytest.mark.parametrize("place", [0, 500, 999])
def test_a_thousand_txt_records(place: int) -> None:
    """RFC 7208 4.5: one of them is the policy, wherever it stands."""
    records = [b"note=%d" % number for number in range(1000)]
    records[place] = b"v=spf1 +all"
    assert ask("sync", Scripted(lambda *_: sf.Answer(OK, tuple(records), 60))).result == "pass"
    records[place - 1] = b"V=SPF1"
    verdict = ask("sync", Scripted(lambda *_: sf.Answer(OK, tuple(records), 60)))
    assert verdict.reason is sf.Reason.MULTIPLE_RECORDS


def test_a_thousand_exchanges_and_pointers() -> None:
    exchanges = tuple((number, f"m{number}.example") for number in range(100_000))
    verdict = ask("sync", after_policy("v=spf1 mx:h.example +all", sf.Answer(OK, exchanges)))
    assert verdict.reason is sf.Reason.MX_LIMIT

    def reply(question: sf.Question, timeout: float) -> Any:
        if question.rrtype is sf.RRType.PTR:
            return sf.Answer(OK, tuple(f"p{number}.example" for number in range(100_000)), 60)
        return (
            policy("v=spf1 ptr:example.org ~all") if question.rrtype is TXT else address("10.0.0.1")
        )

    resolver = Scripted(reply)
    assert ask("sync", resolver).result == "softfail"
    assert len(resolver.questions) <= 2 + 10  # RFC 7208 4.6.4: the first ten names


def test_an_ok_without_records_is_nodata() -> None:
    assert ask("sync", Scripted(lambda *_: sf.Answer(OK))).reason is sf.Reason.NO_RECORD
    for status in (sf.Status.NODATA, sf.Status.NXDOMAIN):
        answer = sf.Answer(status, (b"v=spf1 +all",))
        assert ask("sync", Scripted(lambda *_, answer=answer: answer)).result == "none"


def test_an_engine_says_so_when_its_resolver_is_of_the_other_kind() -> None:
    class OnlyAsync:
        async def resolve_async(self, question: sf.Question, timeout: float) -> sf.Answer:
            return policy("v=spf1 +all")

    with pytest.raises(sf.InputError) as caught:
        sf.Engine(OnlyAsync())
    assert caught.value.field == "resolver"
