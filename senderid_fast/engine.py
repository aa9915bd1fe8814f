"""Engine: the driver that blocks. It hands a check to the core, and gets it what it asks for.

What may live here: what callers see of it; the loops that wait are in asking.py. No rule of SPF is
here: the core either gives a verdict or says which question is open (evaluate, or ask). Nothing
starts when this is imported: no thread, no socket; the system's resolver is made when the first
question needs it.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Self

from senderid_fast._core.checks import Check
from senderid_fast._core.verdict import Verdict
from senderid_fast.asking import AskingEngine
from senderid_fast.engine_base import (
    EngineBase,
    address_text,
    client_behind,
    scope_number,
)
from senderid_fast.errors import InputError
from senderid_fast.messages import MessageVerdict, Relays
from senderid_fast.results import Scope

if TYPE_CHECKING:
    from senderid_fast.batch import Answers
    from senderid_fast.engine_base import Address, Octets, Text
    from senderid_fast.settings import Settings
    from senderid_fast.tracing import Trace

__all__ = ["Engine", "engine_for"]


class Engine(AskingEngine):
    """Evaluates SPF policies. One engine may be shared by any number of threads.

        engine = Engine()                       # the system's resolver
        verdict = engine.check_mail_from("192.0.2.1", "user@example.com", "mail.example.com")

    resolver  an object with resolve(question, timeout), such as SystemResolver or ZoneResolver
    The other options are those of Settings. Addresses are text, 4 or 16 octets, or of ipaddress;
    domains and mailboxes are text or octets.

    Checks raise InputError for an argument of the wrong type and for an ip that is no address;
    whatever a stranger can choose becomes a verdict. Time is bounded by limits.seconds as far as
    the resolver keeps the timeout that it is given.
    """

    def _set_up(self, settings: Settings) -> None:
        if settings.resolver is not None and not hasattr(settings.resolver, "resolve"):
            raise InputError("resolver", "has only resolve_async, which an AsyncEngine can use")
        super()._set_up(settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget all answers, and close the cache if there is one. Both may be used again."""
        self.clear()
        if self._tier is not None:
            self._tier.close()

    def check_host(
        self,
        ip: Address,
        domain: Text,
        sender: Text | None = None,
        helo: Text | None = None,
        scope: Scope = Scope.SPF,
    ) -> Verdict:
        """check_host() (RFC 7208 4.1, RFC 4406 4.1).

        sender  a mailbox; without a local part (or None) it is postmaster at the domain (4.3)
        helo    for %{h}
        """
        now = monotonic_ns()
        found = self._evaluator.check_host(ip, domain, sender, helo, scope_number(scope), now)
        return found if type(found) is Verdict else self._finish(found, now)

    def check_helo(self, ip: Address, helo: Text | None) -> Verdict:
        """Check the HELO identity (RFC 7208 2.3): the sender is postmaster at helo."""
        now = monotonic_ns()
        found = self._evaluator.check_helo(ip, helo, now)
        return found if type(found) is Verdict else self._finish(found, now)

    def check_mail_from(self, ip: Address, mail_from: Text, helo: Text | None = None) -> Verdict:
        """Check the MAIL FROM identity (RFC 7208 2.4).

        mail_from  the reverse-path, with or without "<" and ">"; "" or "<>" is the null
                   reverse-path: then the identity is postmaster at helo
        """
        now = monotonic_ns()
        found = self._evaluator.check_mail_from(ip, mail_from, helo, now)
        return found if type(found) is Verdict else self._finish(found, now)

    def check_pra(
        self,
        ip: Address,
        headers: Octets,
        helo: Text | None = None,
        submitter: Text | None = None,
    ) -> Verdict:
        """Check the Purported Responsible Address (RFC 4407 2) under scope pra (RFC 4406 4).

        headers    octets of the header section
        submitter  SUBMITTER= of MAIL, decoded; if it is not the PRA, the result is fail with the
                   reason submitter-mismatch (RFC 4405 4.2)
        A message without a PRA gives none with the reason no-pra and verdict.pra_failure.
        """
        now = monotonic_ns()
        found = self._evaluator.check_pra(ip, headers, helo, submitter, now)
        return found if type(found) is Verdict else self._finish(found, now)

    def check_message(
        self,
        ip: Address | None,
        helo: Text | None,
        mail_from: Text | None,
        headers: Octets,
        submitter: Text | None = None,
        relays: Relays | None = None,
    ) -> MessageVerdict:
        """Check all identities of one message: HELO, MAIL FROM and PRA.

        mail_from  None: not known, so not checked ("" is the null reverse-path)
        relays     if given, the client is looked for in the Received fields, as by
                   receiver.TrustedRelays; if there is none, no identity is checked
        """
        client = None
        if relays is not None:
            client, ip, helo = client_behind(relays, ip, helo, headers)
        if ip is None:
            return MessageVerdict(None, None, None, None, client)
        now = monotonic_ns()
        by_helo, by_mail_from, by_pra = self._evaluator.check_message(
            ip, helo, mail_from, headers, submitter, now
        )
        return MessageVerdict(
            ip if type(ip) is str else address_text(ip),
            by_helo if type(by_helo) is Verdict else self._finish(by_helo),
            by_mail_from
            if by_mail_from is None or type(by_mail_from) is Verdict
            else self._finish(by_mail_from),
            by_pra if type(by_pra) is Verdict else self._finish(by_pra),
            client,
        )

    def check_batch(
        self,
        data: Any,
        *,
        ip: str = "ip",
        helo: str = "helo",
        mail_from: str = "mail_from",
        headers: str | None = None,
        helo_result: bool = False,
        counts: bool = False,
        stale: bool = False,
        explanations: bool = False,
        prefix: str = "",
        answers: Answers | None = None,
        missing: str = "ask",
        threads: int | None = None,
        batch_rows: int = 65_536,
    ) -> Any:
        """Check the rows of columns: MAIL FROM, and HELO and PRA if they are wanted.

        data       a Table of pyarrow gives a Table, a RecordBatch a RecordBatch, a
                   RecordBatchReader a RecordBatchReader that checks as it is read. What has
                   __arrow_c_stream__ (polars, pandas, duckdb) gives a RecordBatchReader, what has
                   only __arrow_c_array__ a RecordBatch.
        ip         its column of addresses: text, or 4 or 16 octets (or a uint32, for IPv4). A row
                   without an address has the result none and the reason invalid-ip.
        helo       its column of HELO names, which may be missing
        mail_from  its column of reverse-paths; null, "" and "<>" are the null reverse-path
        headers    its column of header sections: then the PRA is checked, too. None: "headers", if
                   there is such a column.
        helo_result, counts, stale, explanations   whether helo_result, helo_reason and
                   helo_mechanism; spf_lookups and spf_void_lookups; spf_stale, helo_stale and
                   pra_stale (Settings.stale_seconds); spf_explanation are wanted
        prefix     of the names of the columns that are added
        answers    an AnswerSet: stands in for the answers that the engine keeps, whatever the time
        missing    "ask": answers that are not known are asked for. "emit": nothing is asked; a
                   BatchOutcome has the rows that lack answers and their questions (for a stream,
                   an iterator of BatchOutcomes).
        threads    that evaluate; None: one for each processor. The results are the same.
        batch_rows at most so many rows of a Table or a stream are under way at once

        The columns that came in come out unchanged, then spf_result, spf_scope ("mfrom", or "helo"
        for a null reverse-path), spf_reason, spf_domain and spf_mechanism, and those that are
        wanted; docs/batch.md has them all. Raises InputError for a column that is missing, of a
        type that cannot be checked, or there already. limits.seconds holds for each row: the time
        that its own questions took.
        """
        options = {
            "ip": ip,
            "helo": helo,
            "mail_from": mail_from,
            "headers": headers,
            "helo_result": helo_result,
            "counts": counts,
            "stale": stale,
            "explanations": explanations,
            "prefix": prefix,
            "answers": answers,
            "missing": missing,
            "threads": threads,
            "batch_rows": batch_rows,
        }
        job = self._batch_job(data, options)
        return job.outcome() if missing == "emit" else job.together(job.settled(self._settle))

    def trace_pra(
        self,
        ip: Address,
        headers: Octets,
        helo: Text | None = None,
        submitter: Text | None = None,
    ) -> Trace:
        """check_pra() with the steps that led to its verdict."""
        now = monotonic_ns()
        return self._trace(self._evaluator.check_pra(ip, headers, helo, submitter, now, True), now)

    def trace_host(
        self,
        ip: Address,
        domain: Text,
        sender: Text | None = None,
        helo: Text | None = None,
        scope: Scope = Scope.SPF,
    ) -> Trace:
        """check_host() with the steps that led to its verdict."""
        now = monotonic_ns()
        number = scope_number(scope)
        return self._trace(
            self._evaluator.check_host(ip, domain, sender, helo, number, now, True), now
        )

    def trace_helo(self, ip: Address, helo: Text | None) -> Trace:
        """check_helo() with the steps that led to its verdict."""
        now = monotonic_ns()
        return self._trace(self._evaluator.check_helo(ip, helo, now, True), now)

    def trace_mail_from(self, ip: Address, mail_from: Text, helo: Text | None = None) -> Trace:
        """check_mail_from() with the steps that led to its verdict."""
        now = monotonic_ns()
        return self._trace(self._evaluator.check_mail_from(ip, mail_from, helo, now, True), now)

    def _trace(self, check: Check | Verdict, began: int) -> Trace:
        from senderid_fast.tracing import Trace, tree

        assert isinstance(check, Check)
        verdict = self._finish(check, began)
        return Trace(verdict, tree(check.steps()))


# The engines that settings were last asked for in this process, the oldest first. Without a lock: a
# thread may hold it when another forks. Each of these operations is whole by itself.
_shared: dict[tuple[Settings, type[EngineBase]], EngineBase] = {}
_SHARED_MOST = 16


def engine_for(settings: Settings, kind: type[EngineBase] = Engine) -> Any:
    """This process's engine for the settings: the same one each time, so that a worker that gets
    an engine or its settings by pickle finds its answers again. The last 16 that were made are
    kept."""
    key = settings, kind
    engine = _shared.get(key)
    if engine is None:
        engine = _shared.setdefault(key, kind.from_settings(settings))
        while len(_shared) > _SHARED_MOST:
            _shared.pop(next(iter(list(_shared))), None)
    return engine
