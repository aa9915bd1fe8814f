"""The metrics of a service: what is counted, by which labels. docs/operations.md lists them.

What may live here: their declaration. Labels have few values, all known here: none is ever a
domain, an address or anything else that strangers choose.
"""

from __future__ import annotations

from itertools import product

from senderid_fast.receiver.actions import Action
from senderid_fast.results import Result

__all__ = [
    "ACTIONS",
    "FAMILIES",
    "IDENTITIES",
    "SERVICES",
    "Family",
    "Histogram",
    "Places",
]

SERVICES = ("milter", "policyd")
IDENTITIES = ("helo", "mailfrom", "pra")
OTHER = "other"
# What a service can answer: the actions, and what a milter may do in place of discarding.
ACTIONS = (*(str(action) for action in Action), "quarantine", OTHER)


class Family:
    """Numbers of one name.

    name    without the prefix senderid_fast_
    kind    counter, gauge or histogram
    help    one sentence
    labels  each label with all its values; a value that is not among them counts as "other" where
            there is that, else as the last one

    places  where a row begins, by the values of its labels
    """

    def __init__(self, name: str, kind: str, help: str, **labels: tuple[str, ...]) -> None:  # noqa: A002 - the word of the format
        self.name = name
        self.kind = kind
        self.help = help
        self.labels = tuple(labels)
        self.rows: tuple[tuple[str, ...], ...] = tuple(product(*labels.values()))
        self.begin = 0
        self.places = Places(tuple(labels.values()))

    @property
    def width(self) -> int:
        """Numbers of one row."""
        return 1

    @property
    def size(self) -> int:
        """Numbers of all rows."""
        return len(self.rows) * self.width

    def lay_out(self, begin: int) -> None:
        """Take the places from ``begin`` on, among the numbers of a process."""
        self.begin = begin
        self.places.update((row, begin + at * self.width) for at, row in enumerate(self.rows))


class Places(dict[tuple[str, ...], int]):
    """Where the numbers of each row begin, by the values of its labels.

    values  those that each label has
    """

    def __init__(self, values: tuple[tuple[str, ...], ...]) -> None:
        self._values = values

    def __missing__(self, labels: tuple[str, ...]) -> int:
        """Of labels with a value that is unknown."""
        return self[
            tuple(
                value if value in values else values[-1]
                for value, values in zip(labels, self._values, strict=True)
            )
        ]


class Histogram(Family):
    """A histogram: a number for each bucket, one for what is beyond, and the sum.

    bounds  the upper bounds of the buckets
    """

    def __init__(
        self,
        name: str,
        help: str,  # noqa: A002 - the word of the format
        bounds: tuple[float, ...],
        **labels: tuple[str, ...],
    ) -> None:
        super().__init__(name, "histogram", help, **labels)
        self.bounds = bounds

    @property
    def width(self) -> int:
        """Numbers of one row."""
        return len(self.bounds) + 2


CHECKS = Family(
    "checks_total",
    "counter",
    "Checks of an identity, by their result.",
    identity=IDENTITIES,
    result=tuple(Result),
)
MESSAGES = Family(
    "messages_total",
    "counter",
    "Messages that were answered, by what was answered.",
    service=SERVICES,
    action=ACTIONS,
)
SECONDS = Histogram(
    "message_seconds",
    "Seconds from the first check of a message to its decision.",
    (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30),
    service=SERVICES,
)
SKIPPED = Family(
    "messages_skipped_total",
    "counter",
    "Messages that were not checked: of authenticated or internal clients, or by an override.",
    service=SERVICES,
)
TROUBLE = Family(
    "trouble_total",
    "counter",
    "Messages of which a check could not be made: the time was over, or an error of our own.",
    service=SERVICES,
)
FAULTS = Family(
    "faults_total",
    "counter",
    "Broken connections and what is not of the protocol.",
    service=SERVICES,
)
CONNECTIONS = Family("connections", "gauge", "Connections that are open.")
OPENED = Family("connections_total", "counter", "Connections that came.")
REFUSED = Family(
    "connections_refused_total", "counter", "Connections closed at once: there were too many."
)
ACCEPT_ERRORS = Family(
    "accept_errors_total",
    "counter",
    "Times that no connection could be accepted, for want of file descriptors or memory.",
)
BUSY = Family("messages_in_hand", "gauge", "Messages that are being checked.")
QUESTIONS = Family("dns_questions_total", "counter", "Questions that the resolver was asked.")
FAILURES = Family("dns_failures_total", "counter", "Of these, those without a usable answer.")
STALE = Family(
    "dns_stale_total", "counter", "Failures that answers whose time is over stood in for."
)
HITS = Family("cache_hits_total", "counter", "Answers found in the shared cache.")
MISSES = Family(
    "cache_misses_total", "counter", "Questions that the shared cache had no answer to."
)
DROPPED = Family(
    "cache_dropped_total", "counter", "Entries of the shared cache that could not be used."
)
CACHE_FAILURES = Family(
    "cache_failures_total", "counter", "Calls of the shared cache that failed or were late."
)
ANSWERS = Family("store_answers", "gauge", "Answers in the memory of the workers.")
OCTETS = Family("store_octets", "gauge", "Octets of memory that they take.")
STORED = Family("store_stored_total", "counter", "Answers that were put into memory.")
EVICTED = Family("store_evicted_total", "counter", "Answers that went before their time.")
EXPIRED = Family("store_expired_total", "counter", "Answers whose time was over.")
TABLES = Family("policy_tables", "gauge", "Policies kept as tables of addresses.")
LOST = Family("log_lines_lost_total", "counter", "Log lines that could not be written.")
RELOADS = Family(
    "reloads_total", "counter", "Reloads, by their outcome.", outcome=("done", "refused")
)
RESTARTS = Family("worker_restarts_total", "counter", "Workers started in place of others.")
FAMILIES: tuple[Family, ...] = (
    CHECKS,
    MESSAGES,
    SECONDS,
    SKIPPED,
    TROUBLE,
    FAULTS,
    CONNECTIONS,
    OPENED,
    REFUSED,
    ACCEPT_ERRORS,
    BUSY,
    QUESTIONS,
    FAILURES,
    STALE,
    HITS,
    MISSES,
    DROPPED,
    CACHE_FAILURES,
    ANSWERS,
    OCTETS,
    STORED,
    EVICTED,
    EXPIRED,
    TABLES,
    LOST,
    RELOADS,
    RESTARTS,
)

# Names of engine.statistics(): counters, which begin anew with each engine, and gauges.
OF_ENGINE: dict[str, Family] = {
    "asked": QUESTIONS,
    "failed": FAILURES,
    "stale": STALE,
    "cache_hits": HITS,
    "cache_misses": MISSES,
    "cache_dropped": DROPPED,
    "cache_failures": CACHE_FAILURES,
    "answers": ANSWERS,
    "octets": OCTETS,
    "stored": STORED,
    "evicted": EVICTED,
    "expired": EXPIRED,
    "tables": TABLES,
}
