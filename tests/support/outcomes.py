"""Verdicts for tests of what is written about them: real ones, and stand-ins with any text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import senderid_fast as sf

__all__ = ["IP", "Address", "Said", "mail_from_verdict", "verdict_of"]

IP = "192.0.2.1"


@dataclass
class Address:
    """What the writers read of a PRA."""

    header: str = "from"
    mailbox: str = "user@example.com"


@dataclass
class Said:
    """What the writers read of a Verdict, with whatever a test puts into it."""

    result: sf.Result = sf.Result.PASS
    reason: sf.Reason = sf.Reason.MATCHED
    scope: sf.Scope = sf.Scope.SPF
    identity: str = "mailfrom"
    domain: str = "example.com"
    sender: str = "user@example.com"
    mechanism: str | None = "ip4:192.0.2.1"
    detail: str = '"ip4:192.0.2.1" of example.com matches'
    pra: Address | None = None


def verdict_of(record: str | None, ip: str = IP, **names: Any) -> sf.Verdict:
    """The verdict on user@example.com under that record; None: the domain has none."""
    zone: dict[str, Any] = {"example.com": [{"TXT": record}] if record else [{"A": "192.0.2.9"}]}
    zone |= {f"{name}.example": data for name, data in names.items()}
    return mail_from_verdict(zone, "user@example.com", "mta.example.org", ip)


def mail_from_verdict(
    zone: dict[str, Any], mail_from: str | bytes, helo: str | bytes, ip: str = IP
) -> sf.Verdict:
    with sf.Engine(sf.ZoneResolver(zone)) as engine:
        return engine.check_mail_from(ip, mail_from, helo)
