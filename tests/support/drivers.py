"""The three drivers behind one signature, so that a case runs through each of them unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import senderid_fast as sf

__all__ = ["DRIVERS", "Check", "RecordingResolver", "Zone"]

Zone = Mapping[str, Any]
"""Zone data in the OpenSPF form: name -> list of {TYPE: data} or "TIMEOUT"."""


class RecordingResolver:
    """Passes every question on to a ZoneResolver and keeps it, for "must not be asked" cases."""

    def __init__(self, zone: Zone) -> None:
        self._resolver = sf.ZoneResolver(zone)
        self.questions: list[sf.Question] = []

    @property
    def names(self) -> set[str]:
        return {question.name for question in self.questions}

    def resolve(self, question: sf.Question, timeout: float) -> sf.Answer:
        self.questions.append(question)
        return self._resolver.resolve(question, timeout)

    async def resolve_async(self, question: sf.Question, timeout: float) -> sf.Answer:
        self.questions.append(question)
        return await self._resolver.resolve_async(question, timeout)


class Check(Protocol):
    """check_host() for a MAIL FROM identity (RFC 7208 2.4), over a zone or a resolver."""

    def __call__(
        self, zone: Zone | RecordingResolver, ip: str, helo: str, mail_from: str
    ) -> sf.Verdict: ...


def _resolver(zone: Zone | RecordingResolver) -> Any:
    return sf.ZoneResolver(zone) if isinstance(zone, Mapping) else zone


def check_sync(zone: Zone | RecordingResolver, ip: str, helo: str, mail_from: str) -> sf.Verdict:
    return sf.Engine(resolver=_resolver(zone)).check_mail_from(ip, mail_from, helo)


def check_asyncio(zone: Zone | RecordingResolver, ip: str, helo: str, mail_from: str) -> sf.Verdict:
    async def run() -> sf.Verdict:
        async with sf.AsyncEngine(resolver=_resolver(zone)) as engine:
            return await engine.check_mail_from(ip, mail_from, helo)

    return asyncio.run(run())


def check_trace(zone: Zone | RecordingResolver, ip: str, helo: str, mail_from: str) -> sf.Verdict:
    return sf.Engine(resolver=_resolver(zone)).trace_mail_from(ip, mail_from, helo).verdict


DRIVERS: dict[str, Callable[..., sf.Verdict]] = {
    "sync": check_sync,
    "asyncio": check_asyncio,
    "trace": check_trace,
}
