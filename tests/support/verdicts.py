"""Verdicts made by hand, for what is decided after a check."""

from __future__ import annotations

from dataclasses import dataclass

from senderid_fast.results import Reason, Result, Scope

__all__ = ["MadeVerdict", "Message", "verdict"]

_REASONS = {
    Result.NONE: Reason.NO_RECORD,
    Result.NEUTRAL: Reason.DEFAULT,
    Result.TEMPERROR: Reason.DNS_TIMEOUT,
    Result.PERMERROR: Reason.SYNTAX_ERROR,
}


@dataclass(frozen=True)
class MadeVerdict:
    """The fields of sf.Verdict that the receiver's modules read."""

    identity: str
    result: Result
    reason: Reason
    scope: Scope
    domain: str
    sender: str
    explanation: str | None
    detail: str


@dataclass(frozen=True)
class Message:
    """What an engine's check_message() gives, made by hand."""

    helo: MadeVerdict | None = None
    mail_from: MadeVerdict | None = None
    pra: MadeVerdict | None = None


def verdict(
    identity: str,
    result: str,
    domain: str = "sender.example",
    *,
    reason: Reason | None = None,
    scope: Scope | None = None,
    sender: str | None = None,
    explanation: str | None = None,
    detail: str | None = None,
) -> MadeVerdict:
    """A verdict of that identity and result, with a likely reason."""
    found = Result(result)
    return MadeVerdict(
        identity=identity,
        result=found,
        reason=reason or _REASONS.get(found, Reason.MATCHED),
        scope=scope or (Scope.PRA if identity == "pra" else Scope.SPF),
        domain=domain,
        sender=sender or f"{'postmaster' if identity == 'helo' else 'robin'}@{domain}",
        explanation=explanation,
        detail=detail or f'"-all" of {domain} matches',
    )
