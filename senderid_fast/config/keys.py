"""The keys of the configuration file: of which type each is and what it means.

What may live here: that table, from which the documentation, the commented file and the names of
variables are made. Defaults are those of the classes; no value is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import StrEnum

from senderid_fast.config.sections import LOG_FORMATS, LOG_LEVELS
from senderid_fast.receiver.actions import DISCARDS, Action
from senderid_fast.receiver.exchange import ExchangeAction
from senderid_fast.receiver.overrides import TABLES, Override
from senderid_fast.receiver.replies import Codes
from senderid_fast.reception.receiver import CHECKS, FIELDS
from senderid_fast.resolver.udp_home import STRATEGIES
from senderid_fast.results import Result

__all__ = ["KEYS", "PREFIX", "SECTIONS", "Key", "Kind", "key_of_variable", "known"]

PREFIX = "SENDERID_FAST_"


class Kind(StrEnum):
    """What a value is in TOML."""

    TEXT = "text"
    LIST = "list of text"  #: or one text with commas
    WHOLE = "whole number"
    NUMBER = "number"
    SECONDS = "seconds"
    FLAG = "true or false"


@dataclass(frozen=True, slots=True)
class Key:
    """One key.

    section, name  "receiver", "relays.depth"
    kind           Kind
    words          what it means
    choices        the words that may stand there; empty: any
    heading        what stands once above several keys, in place of the words of each
    """

    section: str
    name: str
    kind: Kind
    words: str
    choices: tuple[str, ...] = ()
    heading: str = ""

    @property
    def path(self) -> tuple[str, ...]:
        """Where it is in the file."""
        return (self.section, *self.name.split("."))

    @property
    def variable(self) -> str:
        """The variable of the environment that takes its place."""
        return PREFIX + "_".join(self.path).upper()

    @property
    def type_words(self) -> str:
        """What may stand there, for people."""
        if not self.choices:
            return str(self.kind)
        words = ", ".join(self.choices)
        return f"list of {words}" if self.kind is Kind.LIST else words


SECTIONS = {
    "milter": "the milter: senderid-fast milter",
    "policyd": "the policy service of Postfix: senderid-fast policyd",
    "process": "processes, privileges, and what bounds a service",
    "receiver": "what is checked, and what is written into messages",
    "policy": "what is done about results (docs/receiver-policy.md)",
    "exchange": "Sender ID as in Exchange Server, its settings by their own names, in any case "
    "(docs/exchange.md)",
    "dns": "how DNS is asked (docs/dns.md)",
    "limits": "the limits of one check (RFC 7208 4.6.4); others may see other results with other "
    "values",
    "engine": "how long answers are kept, and how records are evaluated",
    "cache": "a cache that processes or machines share (docs/cache.md)",
    "log": "what is logged",
    "metrics": "figures for Prometheus, and health",
}

T, L, W, N, S, F = Kind.TEXT, Kind.LIST, Kind.WHOLE, Kind.NUMBER, Kind.SECONDS, Kind.FLAG
_LISTEN = "unix:/PATH, inet:HOST:PORT, inet6:[HOST]:PORT, systemd or systemd:NAME (a socket that "
_LISTEN += "systemd opened, by its FileDescriptorName=)"
_MILD = (Action.ACCEPT, Action.MARK)
_EXCHANGE_ACTIONS = tuple(str(action) for action in ExchangeAction)

_ACTION_NOTE = (
    f": {', '.join(Action)}; pass is accept or mark, temperror accept, mark or defer, and neutral "
    "as none"
)
_TABLE_WORDS = {
    "helo": "HELO",
    "null_sender": "the null reverse-path (what is not set is as for helo)",
    "mailfrom": "MAIL FROM",
    "pra": "the Purported Responsible Address",
}
_TEXT_WORDS = {
    "fail": "SPF fail",
    "other": "any other SPF result that is refused",
    "temperror": "SPF temperror",
    "permerror": "SPF permerror",
    "several": "several checks that failed",
    "sender_id_fail": "Sender ID fail",
    "sender_id_other": "any other Sender ID result that is refused",
    "sender_id_temperror": "Sender ID temperror",
    "missing_pra": "a message without a Purported Responsible Address",
    "explained": "the explanation of a domain; it must hold {domain} and {explanation}",
    "unexplained": "a domain without an explanation",
}


def _policy_keys() -> Iterator[Key]:
    for table, words in _TABLE_WORDS.items():
        for result in Result:
            allowed: tuple[str, ...] = tuple(Action)
            if result is Result.PASS:
                allowed = _MILD
            elif result is Result.TEMPERROR:
                allowed = (*_MILD, Action.DEFER)
            yield Key(
                *("policy", f"{table}.{result}", T, f"{result} for {words}"),
                choices=allowed,
                heading=f"for {words}, by result{_ACTION_NOTE}",
            )
    words = "a message without a Purported Responsible Address (RFC 4406 4)"
    yield Key("policy", "no_pra", T, words, tuple(Action))
    words = "whether the policy is for clients, too, that have authenticated themselves"
    yield Key("policy", "check_authenticated", F, words)
    yield Key("policy", "test_only", F, "decide, and log what would be done, but accept")
    words = "enhanced status codes for SPF: those registered for it, or those of RFC 7208"
    yield Key("policy", "codes", T, words, tuple(Codes))
    for name, words in _TEXT_WORDS.items():
        yield Key("policy", f"texts.{name}", T, f"text of the reply: {words}")


KEYS = (
    Key("milter", "listen", L, f"where it listens: {_LISTEN}"),
    Key(
        "milter",
        "discard",
        T,
        "what becomes of a message that the policy discards: nobody gets it, or it waits in the "
        "mail server's quarantine (Postfix: its hold queue)",
        DISCARDS,
    ),
    Key("policyd", "listen", L, "where it listens; as in [milter]"),
    Key("process", "workers", W, "processes that serve; they share the sockets and the cache"),
    Key("process", "user", T, 'name of the user to become when sockets are bound; "": none'),
    Key("process", "group", T, 'name of the group to become; "": that of the user'),
    Key("process", "socket_mode", T, 'mode of unix sockets: "0660" or 0o660, not 660'),
    Key("process", "socket_group", T, 'group of unix sockets, such as postfix; "": group'),
    Key("process", "grace_seconds", S, "at a stop, how long messages in hand may take"),
    Key("process", "max_connections", W, "of all workers together; more are closed at once"),
    Key("process", "idle_seconds", S, "a connection that says nothing for so long is closed"),
    Key(
        "process",
        "max_header_octets",
        W,
        "of a message's header; what is behind them is not looked at",
    ),
    Key("receiver", "authserv_id", T, 'name of this server in fields; "": its host name'),
    Key("receiver", "own_names", L, "further names whose fields are removed as forged ones"),
    Key("receiver", "checks", L, "what is checked", CHECKS),
    Key("receiver", "internal", L, "clients that are never checked: addresses, networks, ranges"),
    Key(
        "receiver",
        "relays.networks",
        L,
        "own relays, behind which the client is looked for (docs/trusted-relays.md)",
    ),
    Key("receiver", "relays.names", L, 'names of the relays in their "by" clauses'),
    Key("receiver", "relays.depth", W, "Received fields that are read at most"),
    Key(
        "receiver",
        "submitter.enabled",
        F,
        "whether SUBMITTER (RFC 4405) is looked at; true where another of these keys is set",
    ),
    Key(
        "receiver",
        "submitter.not_allowed",
        T,
        "the client may not use the domain of SUBMITTER",
        (*_MILD, Action.REJECT),
    ),
    Key(
        "receiver",
        "submitter.no_pra",
        T,
        "the message has no PRA to compare SUBMITTER with",
        (*_MILD, Action.REJECT),
    ),
    Key(
        "receiver",
        "submitter.temperror",
        T,
        "SUBMITTER could not be checked",
        (*_MILD, Action.DEFER),
    ),
    Key("receiver", "submitter.test_only", F, "decide about SUBMITTER, but accept"),
    Key("receiver", "fields", L, "fields that are written at the top of messages", FIELDS),
    Key("receiver", "remove_forged", F, "remove fields of messages that claim to be ours"),
    Key(
        "receiver",
        "on_trouble",
        T,
        "a check could not be made at all; accept: the message says temperror",
        (Action.ACCEPT, Action.DEFER),
    ),
    Key("receiver", "seconds", S, "for all that is done for one message"),
    *_policy_keys(),
    Key(
        "exchange",
        "Enabled",
        F,
        "Exchange's Sender ID agent decides about the PRA, in place of pra and no_pra in [policy]",
    ),
    Key("exchange", "ExternalMailEnabled", F, "check mail of clients that are not authenticated"),
    Key("exchange", "InternalMailEnabled", F, "check mail of clients that are"),
    Key("exchange", "SpoofedDomainAction", T, "the status Fail", _EXCHANGE_ACTIONS),
    Key("exchange", "TempErrorAction", T, "the status TempError", _EXCHANGE_ACTIONS),
    Key("exchange", "BypassedRecipients", L, "addresses whose mail is not checked, at most 100"),
    Key("exchange", "BypassedSenderDomains", L, "domains whose mail is not checked, at most 100"),
    Key("exchange", "InternalSMTPServers", L, "own servers; they count as relays.networks do"),
    Key(
        "dns",
        "servers",
        L,
        'recursive servers: "ip", "ip:port", "[ipv6]:port"; none: those of config_file',
    ),
    Key("dns", "fast", F, "ask by the compiled path where the servers are known"),
    Key("dns", "try_seconds", S, "how long one server is waited for in the first round"),
    Key("dns", "tries", W, "rounds through the servers"),
    Key("dns", "sockets", W, "fast: to each server"),
    Key("dns", "in_flight", W, "fast: questions under way at once"),
    Key("dns", "rate", N, "fast: questions a second of one worker; 0: no limit"),
    Key("dns", "strategy", T, "fast: which server is asked first", tuple(STRATEGIES)),
    Key("dns", "edns_payload", W, "not fast: size of answers that is announced; 0: no EDNS"),
    Key("dns", "config_file", T, "where the nameservers of the system stand"),
    Key("limits", "lookups", W, "terms that ask DNS; more is permerror"),
    Key("limits", "void_lookups", W, "of these, terms without an answer; more is permerror"),
    Key("limits", "mx_names", W, "exchanges of one mx term; more is permerror"),
    Key("limits", "ptr_names", W, "names of one ptr term; further ones are not looked at"),
    Key("limits", "seconds", S, "for one check; more is temperror"),
    Key("engine", "min_ttl", S, "answers with a shorter time to live are kept so long"),
    Key("engine", "max_ttl", S, "answers with a longer time to live are kept so long"),
    Key("engine", "failure_ttl", S, "how long an error of DNS is kept; 0: not at all"),
    Key("engine", "store_octets", W, "memory of one worker for answers"),
    Key("engine", "plain_for_pra", F, "whether v=spf1 may apply to the PRA (RFC 4406 4.4)"),
    Key("engine", "policy_tables", F, "make tables of policies that are asked for often"),
    Key(
        "engine",
        "prefetch",
        W,
        "questions of later terms that a check asks ahead, where the recursor is far; 0: none",
    ),
    Key(
        "engine",
        "stale_seconds",
        S,
        "how long after its end an answer may stand in for an error (RFC 8767); 0: not at all",
    ),
    Key("cache", "url", T, "lmdb:/PATH, valkey://HOST:PORT, valkeys:// (TLS), unix:///SOCKET; "
        '"": none'),
    Key("cache", "max_octets", W, "lmdb: size of the file"),
    Key("cache", "prefix", T, "server: of all keys"),
    Key("cache", "timeout", S, "server: how long a check waits; then DNS is asked"),
    Key("cache", "most_waiting", W, "answers that may wait to be written; more are dropped"),
    Key("log", "format", T, "of lines", LOG_FORMATS),
    Key("log", "to", T, "stderr, syslog, or the path of a file"),
    Key("log", "level", T, "what is logged, from here on", LOG_LEVELS),
    Key("log", "messages", F, "a line for each message"),
    Key("metrics", "listen", T, "where /metrics, /healthz and /readyz are: inet:HOST:PORT or "
        'unix:/PATH; "": nowhere'),
)  # fmt: skip

_BY_VARIABLE = {key.variable: key for key in KEYS}
# [[policy.override]]: what may stand in one.
_OVERRIDE: dict[str, object] = {each.name: None for each in fields(Override)}
_OVERRIDE |= {table: dict.fromkeys(map(str, Result)) for table in TABLES}


def key_of_variable(name: str) -> Key | None:
    """The key that a variable of the environment is for."""
    return _BY_VARIABLE.get(name)


def known() -> dict[str, object]:
    """All that may stand in a file: tables as dicts, a list of tables as a list with one dict, and
    None for values."""
    tree: dict[str, object] = {}
    for key in KEYS:
        table = tree
        *around, last = key.path
        for name in around:
            inner = table.setdefault(name, {})
            assert isinstance(inner, dict)
            table = inner
        table[last] = None
    policy = tree["policy"]
    assert isinstance(policy, dict)
    policy["override"] = [_OVERRIDE]
    return tree
