"""What a job found in all: results by identity, why there were errors, and who fails most.

What may live here: counting of checked blocks, and the summary as values and as text.

A block is counted by column operations on the codes of its result columns; only rows that fail are
looked at more closely. All of it is bounded, and can be kept in JSON for a job that goes on later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from senderid_fast.jobs.networks import count_networks, network_name
from senderid_fast.jobs.tops import BOUND, Tops

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TOP", "Summary"]

TOP = 10
RESULTS = ("pass", "fail", "softfail", "neutral", "none", "temperror", "permerror")
# What says that the client may not use the domain (RFC 7208 2.6.4, 2.6.5).
FAILING = frozenset(("fail", "softfail"))
IDENTITIES = ("mfrom", "helo", "pra")
ERRORS = ("permerror", "temperror")
# One of so many failing rows is counted when networks are too many.
SAMPLED = 8


class Summary:
    """Counts of a job.

    rows      rows that were written
    faults    of these, rows that the source could not read
    asked     questions that DNS, or what stands for it, was asked
    failed    of these, questions whose answer was an error
    cached    questions that a shared cache answered in place of DNS
    seconds   time that the job took, with that before it was resumed
    """

    def __init__(self, helo_result: bool = False) -> None:
        self.rows = 0
        self.faults = 0
        self.asked = 0
        self.failed = 0
        self.cached = 0
        self.seconds = 0.0
        self._helo_result = helo_result
        self._results: dict[tuple[str, str], int] = {}  # by identity and result
        self._reasons: dict[tuple[str, str], int] = {}  # by result and reason
        self._domains = Tops()
        self._networks = Tops()
        self._shift = 0  # so that it is not always the same place of a block that is looked at

    def add(self, batch: pa.RecordBatch, faults: int, ip: pa.Array | None) -> None:
        """Count a checked block.

        faults  how many of its rows could not be read
        ip      the column of addresses, if the source has one
        """
        self.rows += batch.num_rows
        self.faults += faults
        names = set(batch.schema.names)
        self._count(batch, "spf")
        if self._helo_result:
            self._count(batch, "helo")
        if "pra_result" in names:
            self._count(batch, "pra")
        failing = _failing(batch["spf_result"])
        if "pra_result" in names:
            self._add_failing(batch, "pra_domain", _failing(batch["pra_result"]), None)
            either = _failing(batch["pra_result"], failing)
        else:
            either = failing
        self._add_failing(batch, "spf_domain", failing, None)
        if ip is not None:
            self._add_failing(batch, None, either, ip)

    def _add_failing(
        self, batch: pa.RecordBatch, domain: str | None, failing: pa.Array, ip: pa.Array | None
    ) -> None:
        if not failing.true_count:
            return
        if domain is not None:
            self._domains.add(batch[domain].filter(failing))
        if ip is not None:
            self._add_networks(ip.filter(failing))

    def _add_networks(self, ip: pa.Array) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        weight = 1
        if self._networks.error:
            # There are more networks than can be counted one by one. Their counts are not exact any
            # more, and need not be: some of the rows tell as much, and cost less.
            weight = SAMPLED
            ip = ip.take(pa.array(range(self._shift % weight, len(ip), weight), pa.int32()))
            self._shift += 1
        for keys, rows in count_networks(ip):
            self._networks.add_counts(keys, rows if weight == 1 else pc.multiply(rows, weight))

    def _count(self, batch: pa.RecordBatch, prefix: str) -> None:
        """Count the results of each identity, and the reasons of errors, by their codes."""
        import pyarrow as pa
        import pyarrow.compute as pc

        result, reason = batch[f"{prefix}_result"], batch[f"{prefix}_reason"]
        results = result.dictionary.to_pylist()
        identities = [prefix]
        # There are so few results and scopes that both together are one octet.
        codes = result.indices
        if prefix == "spf":
            scope = batch["spf_scope"]
            identities = scope.dictionary.to_pylist()
            many = pa.scalar(len(identities), pa.int8())
            codes = pc.add(pc.multiply(codes, many), scope.indices)
        for code, rows in _pairs(pc.value_counts(codes)):
            if code is None:
                continue  # no identity was there to be checked
            number, which = divmod(code, len(identities))
            if self._helo_result and prefix == "spf" and identities[which] == "helo":
                continue  # the columns of HELO tell it for every row
            key = identities[which], results[number]
            self._results[key] = self._results.get(key, 0) + rows
        if self._helo_result and prefix == "spf":
            mine = pc.not_equal(scope.indices, identities.index("helo"))
            result, reason = result.filter(mine), reason.filter(mine)
        self._count_reasons(result, reason)

    def _count_reasons(self, result: pa.DictionaryArray, reason: pa.DictionaryArray) -> None:
        import pyarrow.compute as pc

        reasons = reason.dictionary.to_pylist()
        for number, word in enumerate(result.dictionary.to_pylist()):
            if word not in ERRORS:
                continue
            here = pc.equal(result.indices, number)
            if here.true_count:
                for code, rows in _pairs(pc.value_counts(reason.indices.filter(here))):
                    key = word, reasons[code]
                    self._reasons[key] = self._reasons.get(key, 0) + rows

    def state(self) -> dict[str, Any]:
        """All of it, as JSON can hold it."""
        return {
            "rows": self.rows,
            "faults": self.faults,
            "asked": self.asked,
            "failed": self.failed,
            "cached": self.cached,
            "seconds": self.seconds,
            "results": [[*key, rows] for key, rows in self._results.items()],
            "reasons": [[*key, rows] for key, rows in self._reasons.items()],
            "domains": self._domains.state(),
            "networks": self._networks.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what state() gave. Raises KeyError, TypeError, ValueError
        or OverflowError if it is none."""
        for name in ("rows", "faults", "asked", "failed", "cached"):
            setattr(self, name, int(state[name]))
        self.seconds = float(state["seconds"])
        for name, counts in (("results", self._results), ("reasons", self._reasons)):
            for one, other, rows in state[name]:
                counts[str(one), str(other)] = int(rows)
        self._domains.restore(state["domains"])
        self._networks.restore(state["networks"])

    def as_dict(self) -> dict[str, Any]:
        """The summary as values for JSON; see docs/batch-command.md."""
        results: dict[str, dict[str, int]] = {}
        reasons: dict[str, dict[str, int]] = {name: {} for name in ERRORS}
        for (identity, result), rows in self._results.items():
            results.setdefault(identity, dict.fromkeys(RESULTS, 0))[result] += rows
        for (result, reason), rows in self._reasons.items():
            reasons[result][reason] = rows
        domains = [{"domain": top.value, "rows": top.rows} for top in self._domains.most(TOP)]
        by_network: dict[str, int] = {}
        for top in self._networks.most(BOUND):
            name = network_name(top.value)
            by_network[name] = by_network.get(name, 0) + top.rows
        networks = [
            {"network": name, "rows": rows}
            for name, rows in list(_by_rows(by_network).items())[:TOP]
        ]
        return {
            "rows": self.rows,
            "faults": self.faults,
            "results": {name: results[name] for name in IDENTITIES if name in results},
            "failing_domains": domains,
            "failing_domains_error": self._domains.error,
            "failing_networks": networks,
            "failing_networks_error": self._networks.error,
            **{name: _by_rows(reasons[name]) for name in ERRORS},
            "questions_asked": self.asked,
            "questions_failed": self.failed,
            "questions_cached": self.cached,
            "seconds": round(self.seconds, 3),
            "rows_per_second": round(self.rows / self.seconds) if self.seconds > 0 else None,
        }

    def lines(self) -> Iterator[str]:
        """The summary as text. Names in it come from strangers, and are shown as they are."""
        values = self.as_dict()
        yield f"rows               {self.rows:,}"
        if self.faults:
            yield f"  at fault         {self.faults:,}"
        for identity, counts in values["results"].items():
            said = ", ".join(f"{name} {rows:,}" for name, rows in counts.items() if rows)
            yield f"{identity:<18} {said}"
        for name in ERRORS:
            if values[name]:
                said = ", ".join(f"{reason} {rows:,}" for reason, rows in values[name].items())
                yield f"{name:<18} {said}"
        yield from self._top_lines("domains", "domain", values)
        yield from self._top_lines("networks", "network", values)
        cached = f", {self.cached:,} answered by the cache" if self.cached else ""
        yield f"DNS                {self.asked:,} questions asked, {self.failed:,} failed{cached}"
        rate = values["rows_per_second"]
        yield f"time               {self.seconds:,.1f} s" + (f", {rate:,} rows/s" if rate else "")

    @staticmethod
    def _top_lines(kind: str, name: str, values: Mapping[str, Any]) -> Iterator[str]:
        about = "about " if values[f"failing_{kind}_error"] else ""
        label = f"failing {kind}"
        for top in values[f"failing_{kind}"]:
            yield f"{label:<18} {about}{top['rows']:,}  {top[name]}"
            label = ""


def _failing(column: pa.DictionaryArray, other: pa.Array | None = None) -> pa.Array:
    """Which rows fail, or did already."""
    import pyarrow as pa
    import pyarrow.compute as pc

    fails = [word in FAILING for word in column.dictionary.to_pylist()]
    found = pa.array(fails, pa.bool_()).take(column.indices).fill_null(False)
    return found if other is None else pc.or_(found, other)


def _pairs(counted: pa.StructArray) -> Iterator[tuple[Any, int]]:
    return zip(counted.field(0).to_pylist(), counted.field(1).to_pylist(), strict=True)


def _by_rows(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
