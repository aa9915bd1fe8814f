"""Sources and sinks in memory, a check that goes row by row, and a summary counted in plain Python.

They stand for the real ones where a test is about the job itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_network
from typing import Any

import pyarrow as pa

from senderid_fast import Engine, InputError
from senderid_fast.rows.base import Block, Fault, Place

SCHEMA = pa.schema({"ip": pa.string(), "helo": pa.string(), "mail_from": pa.string()})
WORDS = pa.dictionary(pa.int8(), pa.string())


class MemorySource:
    """Rows of a list; one that is text is a row at fault, with that reason."""

    schema = SCHEMA
    may_fault = True
    octets: int | None = None

    def __init__(
        self,
        rows: list[Any],
        batch_rows: int = 10,
        place: Place | None = None,
        broken_at: int | None = None,
    ) -> None:
        self.rows: int | None = len(rows)
        self._rows = rows
        self._batch_rows = batch_rows
        self._begin = int(str(place["row"])) if place else 0
        self._broken_at = broken_at
        self.closed = False

    def blocks(self) -> Iterator[Block]:
        for at in range(self._begin, len(self._rows), self._batch_rows):
            if self._broken_at is not None and at >= self._broken_at:
                raise InputError("row", f"{at} cannot be read")
            rows = self._rows[at : at + self._batch_rows]
            faults = tuple(
                Fault(row, reason) for row, reason in enumerate(rows) if isinstance(reason, str)
            )
            values = [dict.fromkeys(SCHEMA.names) if isinstance(row, str) else row for row in rows]
            batch = pa.RecordBatch.from_pylist(values, SCHEMA)
            end = at + len(rows)
            yield Block(batch, faults, {"row": end}, end * 100)

    def close(self) -> None:
        self.closed = True


class MemorySink:
    """Rows in a list that outlives the sink, as a file does."""

    def __init__(self, disk: list[dict[str, Any]], place: Place | None = None) -> None:
        self.disk = disk
        del disk[int(str(place["rows"])) if place else 0 :]
        self.ended = ""
        self.places = 0
        self.fail_at: int | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        if self.fail_at is not None and len(self.disk) >= self.fail_at:
            raise InputError("output", "the disk is full")
        self.disk += batch.to_pylist()

    def place(self) -> Place:
        self.places += 1
        return {"rows": len(self.disk)}

    def close(self) -> None:
        self.ended = "closed"

    def abandon(self) -> None:
        self.ended = "abandoned"


def check_rows(engine: Engine, helo: bool = False) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    """A check of blocks that asks the engine for each row."""

    def check(batch: pa.RecordBatch) -> pa.RecordBatch:
        found: list[dict[str, Any]] = []
        for row in batch.to_pylist():
            scope = "mfrom" if (row["mail_from"] or "<>") != "<>" else "helo"
            try:
                verdict = engine.check_mail_from(
                    row["ip"] or "", row["mail_from"] or "", row["helo"]
                )
            except InputError:
                found.append({"spf_result": "none", "spf_scope": scope, "spf_reason": "invalid-ip"})
                continue
            found.append(
                {
                    "spf_result": str(verdict.result),
                    "spf_scope": scope,
                    "spf_reason": str(verdict.reason),
                    "spf_domain": verdict.domain or None,
                }
            )
            if helo:
                by_helo = engine.check_helo(row["ip"], row["helo"])
                found[-1] |= {
                    "helo_result": str(by_helo.result),
                    "helo_reason": str(by_helo.reason),
                }
        names = ["spf_result", "spf_scope", "spf_reason", "spf_domain"]
        names += ["helo_result", "helo_reason"] * helo
        for name in names:
            kind = pa.string() if name == "spf_domain" else WORDS
            batch = batch.append_column(
                name, pa.array([row.get(name) for row in found], pa.string()).cast(kind)
            )
        return batch

    return check


def recount(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What a summary should say of output rows, counted one by one."""
    results: dict[str, Counter[str]] = {}
    domains: Counter[str] = Counter()
    networks: Counter[str] = Counter()
    errors: dict[str, Counter[str]] = {"permerror": Counter(), "temperror": Counter()}
    for row in rows:
        identities = [("spf", row["spf_scope"])]
        if "pra_result" in row and row["pra_result"] is not None:
            identities.append(("pra", "pra"))
        if row.get("helo_result") is not None:
            identities.append(("helo", "helo"))
            if row.get("spf_scope") == "helo":
                identities.pop(0)
        for prefix, identity in identities:
            result, reason = row[f"{prefix}_result"], row[f"{prefix}_reason"]
            if result is None:
                continue
            results.setdefault(identity, Counter())[result] += 1
            if result in errors:
                errors[result][reason] += 1
        failing = [
            prefix
            for prefix in ("spf", "pra")
            if row.get(f"{prefix}_result") in ("fail", "softfail")
        ]
        for prefix in failing:
            domains[row[f"{prefix}_domain"]] += 1
        if failing:
            address = ip_address(row["ip"].strip())
            address = getattr(address, "ipv4_mapped", None) or address
            length = 24 if address.version == 4 else 48
            networks[str(ip_network((address, length), strict=False))] += 1
    return {
        "rows": len(rows),
        "faults": sum(row.get("row_error") is not None for row in rows),
        "results": {
            name: {result: rows for result, rows in counts.items() if rows}
            for name, counts in results.items()
        },
        "domains": domains,
        "networks": networks,
        "errors": {name: dict(counts) for name, counts in errors.items()},
    }
