"""ZoneResolver: answers from data that the caller gives, without a network.

What may live here: the public class. Its data and the rules of a look-up are in zonedata.py, the
reading of files in zonefile.py.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from senderid_fast.errors import InputError
from senderid_fast.questions import Answer, Question

if TYPE_CHECKING:  # most programs have no zone data: it is imported with the first zone
    from senderid_fast.resolver.zonedata import Zone

__all__ = ["ZoneResolver"]


class ZoneResolver:
    """Answers every question at once, from zone data in the form of the OpenSPF test suites.

    zonedata  name -> list of {TYPE: data}. Types are A, AAAA, MX ([preference, exchange]), PTR,
              CNAME and TXT: text, octets, or a list of them, which is one record of several
              strings. In text a character up to U+00FF stands for one octet.
    ttl       of every answer, in seconds

    A name that is not there is NXDOMAIN; a type that the name lacks is NODATA. In place of data
    stand the words TIMEOUT, SERVFAIL, REFUSED, MALFORMED, ERROR and NXDOMAIN: the question ends so.
    A word in place of {TYPE: data}, or {WORD: true}, is for all types that the name has no data
    for. (A TXT record of such a text is written as a list: ["TIMEOUT"].)

    The type SPF (99) is never asked for. As in the suites, its data stands for TXT at a name that
    has no TXT; {TXT: NONE} there means that there is none.

    The data is copied and cannot be changed. Equal data makes equal resolvers; they can be hashed
    and pickled. Raises ZoneError, which names the place.
    """

    __slots__ = ("_hash", "_zone")

    def __init__(self, zonedata: Mapping[str, object], *, ttl: int = 3600) -> None:
        from senderid_fast.resolver.zonedata import Builder, read_mapping

        builder = Builder(_check_ttl(ttl))
        read_mapping(zonedata, builder)
        self._set(builder.build(tree=False))

    @classmethod
    def from_file(
        cls, path: str | os.PathLike[str], *, origin: str = ".", ttl: int = 3600
    ) -> ZoneResolver:
        """Reads a file: JSON lines (.jsonl) or a master file (any other name); .gz is unpacked.

        JSON lines: [name, type, data] on each, with data, words and missing names as in a mapping.
        SPF and other types are ignored: they do not stand for TXT. Text that has a character above
        U+00FF stands for its octets in UTF-8. ``ttl`` is that of all answers.

        Master file (RFC 1035 5): one or several zones with $ORIGIN, $TTL, relative names, quoted
        strings and parentheses. Names are relative to ``origin`` before the first $ORIGIN, and
        ``ttl`` is for records before any TTL and for negative answers of zones without SOA. Other
        types are ignored, SPF among them; $INCLUDE and $GENERATE are errors. A name that has only
        names below it is NODATA. A wildcard answers for missing names below the closest name that
        exists (RFC 4592 3.3.1); delegations are not followed.

        Raises ZoneError, which names file and line.
        """
        from senderid_fast.resolver.zonefile import read_zone_file

        resolver = cls.__new__(cls)
        resolver._set(read_zone_file(Path(path), origin, _check_ttl(ttl)))
        return resolver

    def resolve(self, question: Question, timeout: float = 0.0) -> Answer:
        """The answer to ``question``; ``timeout`` is not needed."""
        try:
            return self._zone.answer_to(question)
        except UnicodeEncodeError:  # a character above U+00FF: not the name of anything here
            return self._zone.missing()

    def resolve_many(self, questions: Sequence[Question], timeout: float = 0.0) -> list[Answer]:
        """As resolve(), for many questions."""
        return [self.resolve(question) for question in questions]

    async def resolve_async(self, question: Question, timeout: float = 0.0) -> Answer:
        """As resolve(); nothing in it waits."""
        return self.resolve(question, timeout)

    def _set(self, zone: Zone) -> None:
        self._zone = zone
        self._hash: int | None = None

    def __len__(self) -> int:
        """The number of names."""
        return len(self._zone.nodes)

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ZoneResolver):
            return NotImplemented
        return self._zone is other._zone or self._zone == other._zone

    def __hash__(self) -> int:
        if self._hash is None:  # of the names alone: equal resolvers have equal names
            self._hash = hash((self._zone.ttl, frozenset(self._zone.nodes)))
        return self._hash

    def __getstate__(self) -> Zone:
        return self._zone

    def __setstate__(self, zone: Zone) -> None:
        self._set(zone)

    def __repr__(self) -> str:
        return f"<ZoneResolver {len(self)} names>"


def _check_ttl(ttl: object) -> int:
    if type(ttl) is not int or not 0 <= ttl <= 0x7FFFFFFF:  # RFC 2181 8
        raise InputError("ttl", f"must be a whole number from 0 to 2147483647, is {ttl!r}")
    return ttl
