"""Options that several commands have: what is checked, where answers come from, the limits.

What may live here: options and what is made of them. Nothing is printed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from senderid_fast.errors import InputError
from senderid_fast.results import Scope
from senderid_fast.settings import Limits

if TYPE_CHECKING:
    from senderid_fast import Engine, Resolver

__all__ = [
    "OPTION_OF_FIELD",
    "AnswerOptions",
    "Asked",
    "add_answer_options",
    "add_identity_options",
    "add_limit_options",
    "add_output_options",
    "add_timeout_option",
    "asked_of",
    "cache_of",
    "call",
    "engine_of",
    "limits_of",
    "octets_of",
    "read_lines",
    "read_octets",
    "resolver_of",
    "session_checks",
]

# What the fields of an InputError are called on the command line.
OPTION_OF_FIELD = {
    "ip": "--ip",
    "nameservers": "--server",
    "servers": "--server",
    "seconds": "--timeout",
    "stale_seconds": "--stale",
    "lookups": "--lookups",
    "examples": "--examples",
    "publish": "--publish",
    "void_lookups": "--void-lookups",
    "authserv_id": "--authserv-id",
    "receiver": "--receiver",
    "inputs": "ROWS",
    "output": "--output",
    "format": "--format",
    "output_format": "--output-format",
    "columns": "--columns",
    "headers": "--headers",
    "trusted": "--trusted",
    "helo_result": "--helo-result",
    "counts": "--counts",
    "explanations": "--explanations",
    "workers": "--workers",
    "concurrency": "--concurrency",
    "batch_rows": "--batch-rows",
    "resume": "--resume",
    "answers_from": "--zone, --answers, --server",
}


class Asked(NamedTuple):
    """One check: Engine.check_<method>(*arguments), or Engine.trace_<method>(*arguments)."""

    method: str
    arguments: tuple[Any, ...]


class AnswerOptions(NamedTuple):
    """The group of options that say where answers come from, and those that exclude each other."""

    group: argparse._ArgumentGroup
    source: argparse._MutuallyExclusiveGroup


def add_identity_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """--ip, --helo, --mail-from, --domain, --sender, --scope; their group is returned."""
    group = parser.add_argument_group("what is checked")
    group.add_argument("--ip", metavar="IP", help="address of the client, IPv4 or IPv6")
    group.add_argument(
        "--helo",
        metavar="NAME",
        help="name that the client gave with HELO or EHLO (RFC 7208 2.3)",
    )
    group.add_argument(
        "--mail-from",
        metavar="ADDR",
        help='reverse-path of MAIL FROM (RFC 7208 2.4); "" or "<>" is the null reverse-path, '
        "whose identity is postmaster at the HELO name",
    )
    group.add_argument(
        "--domain",
        metavar="D",
        help="in place of --mail-from: plain check_host() with this <domain> (RFC 7208 4.1)",
    )
    group.add_argument("--sender", metavar="S", help="<sender> of --domain (default: postmaster)")
    group.add_argument(
        "--scope",
        choices=[str(scope) for scope in Scope],
        help="for --domain: which records apply, those of SPF or of a scope of Sender ID "
        "(RFC 4406 3.1, 4.4; default: spf)",
    )
    return group


def add_answer_options(
    parser: argparse.ArgumentParser, *, cache: bool = False, stale: bool = False
) -> AnswerOptions:
    """--zone, --server, --timeout; if wanted --cache, and --stale for commands that make many
    checks."""
    group = parser.add_argument_group("where answers come from")
    source = group.add_mutually_exclusive_group()
    source.add_argument(
        "--zone",
        metavar="FILE",
        help="answer from this file alone: a master file (RFC 1035 5), or JSON lines if it is "
        "named .jsonl; either may end in .gz",
    )
    source.add_argument(
        "--server",
        metavar="ADDR[:PORT]",
        action="append",
        help="recursive DNS server, asked in place of those of /etc/resolv.conf; may be given "
        "several times",
    )
    add_timeout_option(group)
    if cache:
        group.add_argument(
            "--cache",
            metavar="CACHE",
            help="look for answers here first, and keep them here: lmdb:FOLDER or valkey://HOST",
        )
    if stale:
        group.add_argument(
            "--stale",
            metavar="S",
            type=float,
            default=0,
            help="where DNS gives an error, use an answer whose time to live ended at most S "
            "seconds ago, and say so (RFC 8767, which recommends 86400 to 259200; default: none "
            "is used)",
        )
    return AnswerOptions(group, source)


def add_timeout_option(group: argparse._ArgumentGroup) -> None:
    """--timeout."""
    group.add_argument(
        "--timeout",
        metavar="S",
        type=float,
        default=Limits().seconds,
        help="seconds for one check; more is temperror (default: %(default)g)",
    )


def add_limit_options(parser: argparse.ArgumentParser) -> None:
    """--lookups, --void-lookups."""
    group = parser.add_argument_group("limits (RFC 7208 4.6.4; others may use other ones)")
    group.add_argument(
        "--lookups",
        metavar="N",
        type=int,
        default=Limits().lookups,
        help="terms that ask DNS; more is permerror (default: %(default)s)",
    )
    group.add_argument(
        "--void-lookups",
        metavar="N",
        type=int,
        default=Limits().void_lookups,
        help="of these, terms without an answer; more is permerror (default: %(default)s)",
    )


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """--json, --exit-code."""
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="one JSON object in place of text")
    group.add_argument(
        "--exit-code", action="store_true", help="exit with a status of its own for each result"
    )


def octets_of(text: str) -> bytes:
    """The octets of an argument, as they were typed (they need not be UTF-8)."""
    try:
        return os.fsencode(text)
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def session_checks(ip: str, helo: bytes | None, mail_from: bytes | None) -> list[Asked]:
    """The checks of an SMTP session in their order; the last one's result is the final one."""
    checks = []
    if helo is not None:
        checks.append(Asked("helo", (ip, helo)))
    if mail_from is not None:
        checks.append(Asked("mail_from", (ip, mail_from, helo)))
    return checks


def asked_of(arguments: argparse.Namespace) -> list[Asked]:
    """The checks that the identity options ask for. Raises InputError."""
    ip, domain, sender = arguments.ip, arguments.domain, arguments.sender
    if ip is None:
        raise InputError("--ip", "is needed")
    helo = None if arguments.helo is None else octets_of(arguments.helo)
    if domain is not None:
        if arguments.mail_from is not None:
            raise InputError("--domain", "cannot be used with --mail-from")
        who = None if sender is None else octets_of(sender)
        scope = Scope.SPF if arguments.scope is None else Scope(arguments.scope)
        return [Asked("host", (ip, octets_of(domain), who, helo, scope))]
    if sender is not None:
        raise InputError("--sender", "is for --domain; otherwise use --mail-from")
    if arguments.scope is not None:
        raise InputError("--scope", "is for --domain")
    mail_from = None if arguments.mail_from is None else octets_of(arguments.mail_from)
    checks = session_checks(ip, helo, mail_from)
    if not checks:
        raise InputError("--helo, --mail-from, --domain", "one of them is needed")
    return checks


def limits_of(arguments: argparse.Namespace) -> Limits:
    """Limits from the options. Raises InputError."""
    return Limits(
        lookups=arguments.lookups,
        void_lookups=arguments.void_lookups,
        seconds=arguments.timeout,
    )


def resolver_of(arguments: argparse.Namespace, *, bulk: bool = False) -> Resolver:
    """What answers: a zone file, the servers named, or the system's. Raises a SenderIDError.

    bulk  many questions will be asked: by UdpResolver, wherever the servers are known
    """
    from senderid_fast import SystemResolver, ZoneResolver

    if arguments.zone is not None:
        return ZoneResolver.from_file(arguments.zone)
    if bulk:
        from senderid_fast.resolver.choosing import bulk_resolver

        return bulk_resolver(arguments.server or ())
    return SystemResolver(arguments.server)


def cache_of(arguments: argparse.Namespace, stale: float = 0) -> Any:
    """The cache of --cache, or None. Raises a SenderIDError."""
    if arguments.cache is None:
        return None
    from senderid_fast.cache import open_cache

    try:
        return open_cache(arguments.cache, stale_seconds=stale)
    except InputError as error:
        if error.field == "stale_seconds":
            raise
        raise InputError("--cache", error.problem) from None


def engine_of(arguments: argparse.Namespace, limits: Limits, stale: float = 0) -> Engine:
    """An engine as the options want it, to be closed at the end. Raises a SenderIDError."""
    from senderid_fast import Engine

    cache = cache_of(arguments, stale)
    return Engine(resolver_of(arguments), limits=limits, cache=cache, stale_seconds=stale)


def read_octets(name: str, option: str) -> bytes:
    """All octets of a file, or of standard input for "-". Raises InputError."""
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise InputError(option, f"cannot read {name}: {error.strerror or error}") from None


def read_lines(name: str, option: str) -> Iterator[tuple[int, bytes]]:
    """Lines of a file with their numbers, or of standard input for "-" as they come."""
    try:
        if name == "-":
            yield from enumerate(sys.stdin.buffer, 1)
            return
        with Path(name).open("rb") as file:
            yield from enumerate(file, 1)
    except OSError as error:
        raise InputError(option, f"cannot read {name}: {error.strerror or error}") from None


def call(engine: Engine, kind: str, asked: Asked) -> Any:
    """engine.check_<method> or engine.trace_<method>, as ``kind`` says."""
    return getattr(engine, f"{kind}_{asked.method}")(*asked.arguments)
