"""Mistakes: mypy --strict must report each line that is marked, and no other. Nothing is run."""

from __future__ import annotations

import senderid_fast as sf


class NoResolver:
    def resolve(self, question: str) -> bytes:
        return question.encode()


class WrongAnswer:
    def resolve(self, question: sf.Question, timeout: float) -> str:
        return str(question)


def mistakes(engine: sf.Engine, verdict: sf.Verdict) -> None:
    sf.Engine(NoResolver())  # error: arg-type
    sf.Engine(WrongAnswer())  # error: arg-type
    sf.Engine(limits=20)  # error: arg-type
    sf.Engine(max_ttl="60")  # error: arg-type
    sf.Engine(timeout=5)  # error: call-arg
    engine.check_host("192.0.2.1")  # error: call-arg
    engine.check_host(5, "a.example")  # error: arg-type
    engine.check_host("192.0.2.1", None)  # error: arg-type
    engine.check_mail_from("192.0.2.1", None)  # error: arg-type
    engine.check_mail_from("192.0.2.1", "", scope=sf.Scope.SPF)  # error: call-arg
    engine.check_pra("192.0.2.1")  # error: call-arg
    verdict.result = sf.Result.PASS  # error: misc
    print(verdict.score)  # error: attr-defined
    verdict.lookups + "1"  # error: operator
    verdict.mechanism.upper()  # error: union-attr
    sf.Settings(limits=sf.Limits(lookups=2.5))  # error: arg-type
    sf.Settings().max_ttl = 5  # error: misc
    print(sf.Result.REJECT)  # error: attr-defined
    sf.parse_record(5)  # error: arg-type
    sf.parse_record(b"v=spf1").terms[0].offset = 3  # error: misc
    sf.select_record(5)  # error: arg-type
    sf.Question("a.example")  # error: call-arg
    sf.Answer("ok")  # error: arg-type
    print(sf.no_such_name)  # error: attr-defined


async def not_awaited(engine: sf.AsyncEngine) -> None:
    print(engine.check_host("192.0.2.1", "a.example").result)  # error: attr-defined
    verdict: sf.Verdict = engine.check_helo("192.0.2.1", "a.example")  # error: assignment
    print(verdict)
    with engine:  # error: attr-defined
        pass


class Mine(sf.Verdict):  # error: misc
    pass
