"""Zones as answers: each name with what is known of it, and records that would be published.

What may live here: how a Zone becomes answers. How it is read is told in resolver/.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from senderid_fast.answersets.answerset import AnswerSet
from senderid_fast.errors import InputError, ZoneError
from senderid_fast.questions import Answer, Question, RRType, Status
from senderid_fast.resolver.zonedata import Builder, Zone
from senderid_fast.resolver.zonefile import read_zone_text

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["publish", "table_of_zone"]


def table_of_zone(zone: Zone) -> pa.Table:
    """Every name of a zone with an answer for each type, in the schema of answers.

    A name that is an alias of one outside the zone has none: what is there is not known.
    """
    return AnswerSet(_answers_of(zone)).to_arrow()


def _answers_of(zone: Zone) -> Iterator[tuple[Question, Answer]]:
    for name in (*zone.nodes, *zone.inner):
        if not name:
            continue  # the root cannot be asked about
        for rrtype in RRType:
            if _leads_out(zone, name, rrtype):
                continue
            yield Question(name, rrtype), zone.answer(name, rrtype)


def _leads_out(zone: Zone, name: str, rrtype: RRType) -> bool:
    passed: set[str] = set()
    while name not in passed:
        passed.add(name)
        node = zone.nodes.get(name)
        if node is None:
            return name not in zone.inner
        if node.alias is None or rrtype in node.answers:
            return False
        name = node.alias[0]
    return False  # a loop is an answer, too


def publish(answers: AnswerSet, records: Iterable[str], *, ttl: int = 3600) -> AnswerSet:
    """A new set in which these records stand in place of those at their names and of their types.

    records  lines of a master file (RFC 1035 5), such as 'example.com TXT "v=spf1 -all"'; names are
             absolute; several of one name and type are one answer

    A CNAME stands for its target's answers. A name that did not exist does now: for its other types
    an answer NXDOMAIN becomes NODATA. Raises InputError.
    """
    builder = Builder(ttl)
    for number, line in enumerate(records, 1):
        if "\n" in line or line.lstrip().startswith("$"):
            raise InputError("publish", f"record {number}: must be one line with one record")
        single = Builder(ttl)
        try:
            text = line.encode("utf-8", "surrogateescape").decode("latin-1")
            read_zone_text(text, "publish", single)
            read_zone_text(text, "publish", builder)
        except (ZoneError, UnicodeEncodeError) as error:
            problem = error.problem if isinstance(error, ZoneError) else "is no text"
            raise InputError("publish", f"record {number}: {problem}") from None
        if not any(node.answers or node.alias for node in single.build(tree=False).nodes.values()):
            raise InputError(
                "publish", f"record {number}: must be of type TXT, A, AAAA, MX, PTR or CNAME"
            )
    zone = builder.build(tree=False)
    new = AnswerSet(
        (Question(name, RRType(rrtype)), answer)
        for name, node in zone.nodes.items()
        for rrtype, answer in node.answers.items()
    )
    result = answers.overlay(new)
    return result.overlay(AnswerSet(_side_effects(result, zone)))


def _side_effects(answers: AnswerSet, zone: Zone) -> Iterator[tuple[Question, Answer]]:
    """The answers at published names that change though nothing of their type is published."""
    for name, node in zone.nodes.items():
        for rrtype in RRType:
            if rrtype in node.answers:
                continue
            question = Question(name, rrtype)
            if node.alias is not None:
                yield question, _followed(answers, zone, node.alias, rrtype)
            else:
                found = answers.get(question)
                if found is not None and found.status is Status.NXDOMAIN:
                    yield question, Answer(Status.NODATA, ttl=found.ttl)


def _followed(answers: AnswerSet, zone: Zone, alias: tuple[str, int], rrtype: RRType) -> Answer:
    target, ttl = alias
    passed = {target}
    while (node := zone.nodes.get(target)) is not None and node.alias is not None:
        target = node.alias[0]
        if target in passed:
            return Answer(Status.SERVFAIL, detail=f"the CNAMEs at {target} form a loop")
        passed.add(target)
    found = answers.resolve(Question(target, rrtype))
    return found._replace(ttl=min(ttl, found.ttl))
