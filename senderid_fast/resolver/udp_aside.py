"""Questions that the compiled path puts aside: long answers, odd ones, names that are none.

What may live here: handing such a question to the look-up of SystemResolver, with what is known
already: the octets that came, or that TCP is needed.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING, NamedTuple

from senderid_fast.questions import Answer, Question
from senderid_fast.resolver.servers import Server
from senderid_fast.resolver.system import answer_of, answer_of_async

if TYPE_CHECKING:  # dnspython is imported with the first such question
    from senderid_fast.resolver.lookup import Lookup

__all__ = ["Aside"]

PAYLOAD = 1232


class Aside(NamedTuple):
    """One question, and what is known of it.

    servers  the one that has answered first
    tcp      its answer was truncated
    octets   its answer, which dnspython is to read
    end      when the time is over, in nanoseconds of monotonic_ns()
    """

    question: Question
    servers: tuple[Server, ...]
    tcp: bool
    octets: bytes | None
    try_seconds: float
    tries: int
    end: int

    def resolve(self) -> Answer:
        """The answer; errors are answers too."""
        return answer_of(self._lookup())

    async def resolve_async(self) -> Answer:
        """As resolve(), for asyncio."""
        return await answer_of_async(self._lookup())

    def _lookup(self) -> Lookup:
        from senderid_fast.resolver.lookup import Lookup

        lookup = Lookup(
            self.question,
            self.servers,
            timeout=(self.end - monotonic_ns()) / 1e9,
            try_seconds=self.try_seconds,
            tries=self.tries,
            payload=PAYLOAD,
        )
        if self.tcp:
            lookup.over_tcp()
        if self.octets is not None:
            lookup.adopt(self.octets)
        return lookup
