"""Failure: why a server's reply is no answer; and what is told when no server gave one.

What may live here: words about what servers did. No I/O, and nothing heavy is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from senderid_fast.questions import Answer, Status
from senderid_fast.resolver.servers import Server

__all__ = ["NO_TIME", "Failure", "failure_answer"]

# Of several servers' failures, the one that is told: a reply says more than silence.
TELLING = (Status.SERVFAIL, Status.REFUSED, Status.MALFORMED, Status.ERROR, Status.TIMEOUT)
NO_TIME = Answer(Status.TIMEOUT, detail="no time was left to ask a DNS server")


class Failure(NamedTuple):
    """Why one server's reply is no answer. ``text`` follows the server's name in a sentence."""

    status: Status
    text: str


def failure_answer(failures: Mapping[tuple[Server, Failure], int], alias: str = "") -> Answer:
    """The answer when no server has given one: the most telling status, all that happened.

    failures  and how often each came
    alias     words about the alias that was asked for, if it was one
    """
    if not failures:
        return NO_TIME
    statuses = {failure.status for _, failure in failures}
    status = next(status for status in TELLING if status in statuses)
    parts = []
    for (server, failure), times in failures.items():
        again = f" ({times} times)" if times > 1 else ""
        parts.append(f"{server} {failure.text}{again}")
    return Answer(status, detail="; ".join(parts) + alias)
