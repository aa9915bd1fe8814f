"""The project's own vectors: tests/vectors/*.yml.

A file holds families, a family vectors. A vector is a check_host() call for a MAIL FROM identity:

  id            unique over all files
  record        the record of the sender's domain; a list is the strings of one TXT record
  each          name -> record: one vector for each, all else alike
  zone          further zone data (OpenSPF form), added to that of the family
  ip helo mail_from    as below where they are left out
  result        the result, or a list where the RFC leaves more than one open
  explanation   the text of exp=, or DEFAULT for none
  lookups void_lookups not_queried    what the verdict counts (RFC 7208 4.6.4); names never asked
  rfc why       the section (also at the family) and what it says

In a record one character stands for one octet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from support.openspf import Case

__all__ = ["Vector", "load_vectors"]

FOLDER = Path(__file__).resolve().parents[1] / "vectors"
IP = "203.0.113.25"
HELO = "mta.relay.example"
MAIL_FROM = "robin@sender.example"
FAMILY_KEYS = {"family", "about", "rfc", "zone", "vectors", "ip", "helo", "mail_from"}
VECTOR_KEYS = {
    *("id", "record", "each", "zone", "ip", "helo", "mail_from", "result", "explanation"),
    *("lookups", "void_lookups", "not_queried", "rfc", "why"),
}


@dataclass(frozen=True)
class Vector(Case):
    """A Case, and what else is to be true of its verdict."""

    lookups: int | None = None
    void_lookups: int | None = None
    not_queried: frozenset[str] = field(default_factory=frozenset)
    why: str = ""


class _Loader(yaml.SafeLoader):
    """Refuses a repeated key, which YAML would resolve by losing a vector without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        repeated = {key for key in keys if keys.count(key) > 1}
        if repeated:
            raise ValueError(f"repeated keys {repeated} at {node.start_mark}")
        return super().construct_mapping(node, deep)


def _merged(*zones: dict[str, Any]) -> dict[str, list[Any]]:
    zone: dict[str, list[Any]] = {}
    for part in zones:
        for name, records in part.items():
            zone.setdefault(name.lower(), []).extend(records)
    return zone


def _vectors(file: str, family: dict[str, Any], raw: dict[str, Any]) -> Iterator[Vector]:
    unknown = raw.keys() - VECTOR_KEYS
    if unknown or "result" not in raw or ("record" in raw and "each" in raw):
        raise ValueError(f"{file}: {raw.get('id')}: keys {sorted(unknown)}")
    settings = {"ip": IP, "helo": HELO, "mail_from": MAIL_FROM, **family, **raw}
    domain = settings["mail_from"].rpartition("@")[2].removesuffix(".")
    for suffix, record in raw.get("each", {"": raw.get("record")}).items():
        own = {} if record is None else {domain: [{"TXT": record}]}
        result = raw["result"]
        yield Vector(
            scenario=f"{file}: {family['family']}",
            name=f"{raw['id']}-{suffix}" if suffix else raw["id"],
            zone=_merged(own, family.get("zone", {}), raw.get("zone", {})),
            ip=settings["ip"],
            helo=settings["helo"],
            mail_from=settings["mail_from"],
            results=(result,) if isinstance(result, str) else tuple(result),
            explanation=raw.get("explanation"),
            section=str(settings["rfc"]),
            lookups=raw.get("lookups"),
            void_lookups=raw.get("void_lookups"),
            not_queried=frozenset(raw.get("not_queried", ())),
            why=raw.get("why", ""),
        )


def load_vectors() -> list[Vector]:
    """All vectors of all files."""
    vectors: list[Vector] = []
    for path in sorted(FOLDER.glob("*.yml")):
        families = yaml.load(path.read_text(encoding="utf-8"), _Loader)
        for family in families:
            if family.keys() - FAMILY_KEYS:
                raise ValueError(f"{path.name}: {family['family']}: {sorted(family.keys())}")
            for raw in family["vectors"]:
                vectors.extend(_vectors(path.stem, family, raw))
    names = [vector.name for vector in vectors]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ValueError(f"repeated ids {sorted(repeated)}")
    return vectors
