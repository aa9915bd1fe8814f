"""Code as users write it: mypy --strict must accept all of it. Nothing of it is run."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any, assert_type

import senderid_fast as sf


class MyResolver:
    """A resolver need not inherit from anything."""

    def resolve(self, question: sf.Question, timeout: float) -> sf.Answer:
        if question.rrtype is sf.RRType.TXT:
            return sf.Answer(sf.Status.OK, (b"v=spf1 -all",), ttl=60)
        if question.rrtype is sf.RRType.MX:
            return sf.Answer(sf.Status.OK, ((10, "mx.example"),), 60)
        return sf.Answer(sf.Status.TIMEOUT, detail=f"{question.name} {timeout:g}")


class MyAsyncResolver:
    async def resolve_async(self, question: sf.Question, timeout: float) -> sf.Answer:
        await asyncio.sleep(0)
        return MyResolver().resolve(question, timeout)


def protocols() -> tuple[sf.Resolver, sf.AsyncResolver]:
    return MyResolver(), MyAsyncResolver()


def engines() -> None:
    with sf.Engine() as engine:
        assert_type(engine, sf.Engine)
    sf.Engine(MyResolver(), limits=sf.Limits(seconds=5), min_ttl=0.5, receiver="mx.example")
    sf.Engine(resolver=sf.SystemResolver())
    sf.Engine(sf.ZoneResolver({"a.example": [{"TXT": "v=spf1 -all"}, "TIMEOUT"]}, ttl=5))
    sf.Engine(sf.ZoneResolver.from_file(Path("zone.db"), origin="example."))
    sf.AsyncEngine(MyAsyncResolver())
    sf.AsyncEngine(MyResolver())
    settings = sf.Settings(resolver=MyResolver(), store_octets=1 << 20)
    assert_type(sf.Engine.from_settings(settings), sf.Engine)
    assert_type(sf.AsyncEngine.from_settings(settings), sf.AsyncEngine)
    assert_type(sf.Engine().settings, sf.Settings)
    assert_type(sf.Engine().statistics(), dict[str, int])


def checks(engine: sf.Engine) -> None:
    assert_type(engine.check_host("192.0.2.1", "a.example"), sf.Verdict)
    engine.check_host(b"\xc0\x00\x02\x01", b"a.example", b"u@a.example", b"h.example")
    engine.check_host(ipaddress.ip_address("::1"), "a.example", None, None, sf.Scope.PRA)
    engine.check_host(ip="192.0.2.1", domain="a.example", sender="u", helo="h", scope=sf.Scope.SPF)
    assert_type(engine.check_helo("192.0.2.1", "h.example"), sf.Verdict)
    engine.check_helo(ipaddress.IPv4Address("192.0.2.1"), None)
    assert_type(engine.check_mail_from("192.0.2.1", "<>", "h.example"), sf.Verdict)
    assert_type(engine.trace_mail_from("192.0.2.1", ""), sf.Trace)
    assert_type(engine.trace_helo("192.0.2.1", b"h.example"), sf.Trace)
    assert_type(engine.trace_host("192.0.2.1", "a.example").verdict, sf.Verdict)


async def checks_awaited() -> sf.Verdict:
    async with sf.AsyncEngine(MyAsyncResolver()) as engine:
        assert_type(engine, sf.AsyncEngine)
        verdict = await engine.check_mail_from("192.0.2.1", "u@a.example", helo="h.example")
        assert_type(verdict, sf.Verdict)
        assert_type(await engine.trace_host("192.0.2.1", "a.example"), sf.Trace)
        both = await asyncio.gather(
            engine.check_helo("192.0.2.1", "h.example"), engine.check_host("192.0.2.1", "a.example")
        )
        assert_type(both, tuple[sf.Verdict, sf.Verdict])
        return verdict


def verdicts(verdict: sf.Verdict) -> str:
    assert_type(verdict.result, sf.Result)
    assert_type(verdict.reason, sf.Reason)
    assert_type(verdict.scope, sf.Scope)
    assert_type(verdict.mechanism, str | None)
    assert_type(verdict.explanation, str | None)
    assert_type(verdict.domain, str)
    assert_type(verdict.lookups, int)
    assert_type(verdict.as_dict(), dict[str, Any])
    match verdict.result:
        case sf.Result.FAIL:
            return verdict.explanation or verdict.detail
        case sf.Result.TEMPERROR | sf.Result.PERMERROR:
            return str(verdict.reason)
        case _:
            return f"{verdict.result} {verdict.sender} {verdict.identity}"


def steps(trace: sf.Trace) -> list[str]:
    lines = []
    for depth, step in trace.walk():
        assert_type(depth, int)
        assert_type(step, sf.Step)
        lines.append("  " * depth + f"{step.kind} {step.text} {step.outcome}")
    assert_type(trace.questions, tuple[str, ...])
    return lines


def records(octets: bytes | bytearray) -> list[str]:
    try:
        record = sf.parse_record(octets, scope=sf.Scope.PRA)
        assert_type(sf.select_record([octets, b"x"]), bytes | None)
    except sf.RecordSyntaxError as error:
        assert_type(error.offset, int)
        return [error.term, error.section, error.problem, error.record.decode("latin-1")]
    except sf.RecordSelectionError as error:
        assert_type(error.records, tuple[bytes, ...])
        return [error.section]
    assert_type(record, sf.Record)
    assert_type(record.scopes, tuple[sf.Scope, ...])
    assert_type(record.terms, tuple[sf.Term, ...])
    texts = [str(record), bytes(record).decode(), record.version]
    for term in record.terms:
        assert_type(term.qualifier, str | None)
        assert_type(term.prefix4, int | None)
        assert_type(term.is_modifier, bool)
        texts += [term.text, term.name, term.domain_spec or term.network or term.value or ""]
        texts.append(str(term.offset))
    return texts


def errors(work: Callable[[], None]) -> str:
    try:
        work()
    except sf.InputError as error:
        return assert_type(error.field, str)
    except sf.ZoneError as error:
        return error.source + error.place
    except (sf.MissingExtraError, sf.SenderIDError) as error:
        return str(error)
    return str(sf.engine_for(sf.Settings()))
