"""Answers for tests of sets of answers: short ways to write them, and random ones."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from hypothesis import strategies as st

import senderid_fast as sf

__all__ = ["answer", "answers", "question", "row", "rows"]


def question(name: str, rrtype: str = "TXT") -> sf.Question:
    return sf.Question(name, sf.RRType[rrtype])


def answer(*records: Any, ttl: int = 60) -> sf.Answer:
    return sf.Answer(sf.Status.OK, records, ttl)


def row(**changes: Any) -> dict[str, Any]:
    """A good row of the schema of answers, changed."""
    return {
        "name": "example.com",
        "type": "TXT",
        "status": "ok",
        "fetched_at": datetime(2026, 1, 31, 12, tzinfo=UTC),
        "ttl": 300,
        "records": [b"v=spf1 -all"],
        "detail": None,
        **changes,
    }


# One character is one octet; upper case is what a Question never has.
_OCTETS = st.characters(min_codepoint=0, max_codepoint=0xFF).filter(
    lambda each: not "A" <= each <= "Z"
)
_NAMES = st.text(_OCTETS, min_size=1, max_size=40).filter(lambda name: not name.endswith("."))
_RECORDS = {
    sf.RRType.TXT: st.binary(max_size=60),
    sf.RRType.A: st.integers(0, (1 << 32) - 1).map(lambda number: str(IPv4Address(number))),
    sf.RRType.AAAA: st.integers(0, (1 << 128) - 1).map(lambda number: str(IPv6Address(number))),
    sf.RRType.MX: st.tuples(st.integers(0, 65_535), _NAMES),
    sf.RRType.PTR: _NAMES,
}


@st.composite
def answers(draw: st.DrawFn) -> tuple[sf.Question, sf.Answer, datetime | None]:
    """A question with an answer, and when it came."""
    rrtype = draw(st.sampled_from(list(sf.RRType)))
    status = draw(st.sampled_from(list(sf.Status)))
    records: Any = ()
    if status is sf.Status.OK:
        records = tuple(draw(st.lists(_RECORDS[rrtype], max_size=4)))
    detail = draw(st.text(st.characters(exclude_categories=("Cs",)), max_size=40))
    ttl = draw(st.integers(0, (1 << 32) - 1))
    moments = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
    return (
        sf.Question(draw(_NAMES), rrtype),
        sf.Answer(status, records, ttl, detail),
        draw(st.none() | moments),
    )


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    """A row whose fields are of the right types, and mostly good."""
    return {
        "name": draw(st.none() | _NAMES | st.text(max_size=300)),
        "type": draw(st.sampled_from([*(each.name for each in sf.RRType), "SPF", "", None])),
        "status": draw(st.sampled_from([*map(str, sf.Status), "yes", None])),
        "fetched_at": draw(st.none() | st.datetimes(timezones=st.just(UTC))),
        "ttl": draw(st.none() | st.integers(-(1 << 63), (1 << 63) - 1)),
        "records": draw(
            st.none()
            | st.lists(st.none() | st.binary(max_size=30) | st.just(b"192.0.2.1"), max_size=3)
        ),
        "detail": draw(st.none() | st.text(st.characters(exclude_categories=("Cs",)), max_size=9)),
    }
