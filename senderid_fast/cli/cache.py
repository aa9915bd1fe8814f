"""senderid-fast cache: what is in a shared cache, put there, taken out of it.

What may live here: the command's options, and what it prints. The caches themselves are in
senderid_fast.cache.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from senderid_fast.cli.commands import add_actions, add_command
from senderid_fast.cli.options import add_answer_options, octets_of, read_lines
from senderid_fast.cli.output import json_text, octets_shown, visible, write
from senderid_fast.cli.statuses import DONE
from senderid_fast.errors import InputError
from senderid_fast.questions import Answer, Question, RRType
from senderid_fast.settings import Limits

if TYPE_CHECKING:
    from senderid_fast.cache import CachedAnswer

__all__ = ["register", "run"]

DESCRIPTION = """\
Looks into a cache of answers that processes or machines share, and changes it.
"""
EPILOG = """\
exit status:
  0 when it was done; get: 3 if there is no answer. Input that cannot be used, and a cache that
  cannot be reached, 2, anything unexpected 1.

examples:
  senderid-fast cache stats --cache lmdb:/var/cache/senderid-fast
  senderid-fast cache get example.com TXT --cache valkeys://:secret@cache.example.com
  senderid-fast cache purge --below example.com --cache lmdb:/var/cache/senderid-fast
  senderid-fast cache warm domains.txt --cache lmdb:/var/cache/senderid-fast
"""
NOT_THERE = 3
TYPES = [str(rrtype) for rrtype in RRType]
SECONDS = 2.0  # for one call of a server
PUT_TOGETHER = 2_000
SECONDS_TO_WRITE = 60.0


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "cache",
        "look into a shared cache of answers, fill it, purge it",
        run,
        DESCRIPTION,
        EPILOG,
    )
    action = add_actions(parser, _add_cache)
    stats = action("stats", "how many answers there are, by type and by status")
    stats.add_argument("--json", action="store_true", help="one JSON object in place of text")
    get = action("get", "show the answers of one name")
    get.add_argument("name", metavar="NAME")
    get.add_argument("type", metavar="TYPE", nargs="?", choices=TYPES, help=", ".join(TYPES))
    get.add_argument("--json", action="store_true", help="JSON lines in place of text")
    listed = action("list", "list the names that have answers")
    listed.add_argument("--below", metavar="DOMAIN", help="of this domain and what is below it")
    purge = action("purge", "remove answers")
    what = purge.add_mutually_exclusive_group(required=True)
    what.add_argument("name", metavar="NAME", nargs="?", help="those of this name alone")
    what.add_argument("--below", metavar="DOMAIN", help="of this domain and what is below it")
    what.add_argument("--all", action="store_true", help="all")
    action("export", "write all answers to standard output, as JSON lines")
    put = action("import", "put the answers of a file into the cache; those that are over are not")
    put.add_argument("file", metavar="FILE", help="JSON lines, Arrow, Parquet: docs/replay.md")
    warm = action("warm", "ask DNS all that checks of some domains can ask")
    warm.add_argument("file", metavar="FILE", help='a domain on each line; "-": standard input')
    add_answer_options(warm)


def _add_cache(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cache",
        metavar="CACHE",
        required=True,
        help="lmdb:/path, valkey://host:port or valkeys://user:password@host:port",
    )
    parser.add_argument(
        "--prefix", metavar="TEXT", help="of the keys in a server (default: senderid-fast:)"
    )
    parser.add_argument(
        "--max-octets",
        metavar="N",
        type=int,
        help="size of an lmdb cache that is made, or that nobody has open (default: 256 MiB)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked with the cache, and return the exit status."""
    cache = _opened(arguments)
    try:
        status: int = ACTIONS[arguments.action](cache, arguments)
    finally:
        cache.close()
    return status


def _opened(arguments: argparse.Namespace) -> Any:
    from senderid_fast.cache import open_cache

    text = arguments.cache
    options: dict[str, Any] = {}
    if text.startswith("lmdb:"):
        if arguments.prefix is not None:
            raise InputError("--prefix", "is for caches in a server")
        if arguments.action not in ("import", "warm") and not Path(text[5:]).is_dir():
            raise InputError("--cache", f"there is no folder {text[5:]}")
        if arguments.max_octets is not None:
            options["max_octets"] = arguments.max_octets
    else:
        if arguments.max_octets is not None:
            raise InputError("--max-octets", "is for caches of lmdb")
        options["timeout"] = SECONDS
        if arguments.prefix is not None:
            options["prefix"] = arguments.prefix
    try:
        return open_cache(text, **options)
    except InputError as error:
        option = "--max-octets" if error.field == "max_octets" else "--cache"
        raise InputError(option, error.problem) from None


def _name(text: str, option: str) -> str:
    """A domain of the command line as questions have it. Raises InputError."""
    from senderid_fast.identities import a_labels

    name = a_labels(octets_of(text)).removesuffix(b".").lower()
    if not 0 < len(name) <= 253:
        raise InputError(option, f"must be a domain name, is {text!r}")
    return name.decode("latin-1")


def _is_below(name: str, domain: str | None) -> bool:
    return domain is None or name == domain or name.endswith("." + domain)


def _stats(cache: Any, arguments: argparse.Namespace) -> int:
    types: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    for question, cached in cache.entries():
        types[str(question.rrtype)] += 1
        statuses[str(cached.answer.status)] += 1
    counts = cache.statistics()
    values: dict[str, Any] = {
        "answers": sum(types.values()),
        "types": {name: types[name] for name in TYPES if types[name]},
        "statuses": dict(sorted(statuses.items())),
    }
    values |= {name: counts[name] for name in ("octets", "limit") if name in counts}
    values["unreadable"] = counts["dropped"]
    if arguments.json:
        write([json_text(values)])
        return DONE
    lines = [f"answers     {values['answers']:,}"]
    lines += [f"  {name:<10}{count:,}" for name, count in values["types"].items()]
    lines += [f"  {name:<10}{count:,}" for name, count in values["statuses"].items()]
    if "limit" in values:
        lines.append(f"octets      {values['octets']:,} of {values['limit']:,}")
    lines.append(f"unreadable  {values['unreadable']:,}")
    write(lines)
    return DONE


def _get(cache: Any, arguments: argparse.Namespace) -> int:

    name = _name(arguments.name, "NAME")
    types = list(RRType) if arguments.type is None else [RRType[arguments.type]]
    found: dict[Question, CachedAnswer] = cache.get_many([Question(name, each) for each in types])
    for question, cached in found.items():
        if arguments.json:
            sys.stdout.write(_json(question, cached))
        else:
            write(_answer_lines(question, cached))
    return DONE if found else NOT_THERE


def _answer_lines(question: Question, cached: CachedAnswer) -> Iterator[str]:
    answer = cached.answer
    came = _moment(cached).isoformat(timespec="seconds")
    detail = f": {visible(answer.detail)}" if answer.detail else ""
    yield f"{_shown(question)} {answer.status}{detail} (from {came} on for {answer.ttl} s)"
    for record in answer.records:
        yield f"    {_record(record)}"


def _record(record: bytes | str | tuple[int, str]) -> str:
    if isinstance(record, tuple):
        return f"{record[0]} {''.join(octets_shown(record[1] or '.'))}"
    return "".join(octets_shown(record))


def _shown(question: Question) -> str:
    return f"{''.join(octets_shown(question.name))} {question.rrtype}"


def _moment(cached: CachedAnswer) -> Any:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(cached.fetched_at, UTC)


def _json(question: Question, cached: CachedAnswer) -> str:
    from senderid_fast.answersets.files import json_line
    from senderid_fast.answersets.schema import row_of

    row = row_of(question, cached.answer, _moment(cached))
    return json_line(row._asdict()).decode("ascii")


def _list(cache: Any, arguments: argparse.Namespace) -> int:
    domain = None if arguments.below is None else _name(arguments.below, "--below")
    for question, cached in cache.entries():
        if _is_below(question.name, domain):
            count = len(cached.answer.records)
            records = f", {count} record{'s' * (count != 1)}" if count else ""
            write([f"{_shown(question)} {cached.answer.status}{records}"])
    return DONE


def _purge(cache: Any, arguments: argparse.Namespace) -> int:
    if arguments.all:
        count = cache.purge()
    elif arguments.below is not None:
        count = cache.purge(_name(arguments.below, "--below"))
    else:
        count = cache.purge(_name(arguments.name, "NAME"), below=False)
    write([f"{count:,} removed"])
    return DONE


def _export(cache: Any, arguments: argparse.Namespace) -> int:
    for question, cached in cache.entries():
        sys.stdout.write(_json(question, cached))
    return DONE


def _import(cache: Any, arguments: argparse.Namespace) -> int:
    from time import time

    from senderid_fast import AnswerSet
    from senderid_fast.cache.base import CachedAnswer

    answers = AnswerSet.read(arguments.file)
    now = time()
    some: list[tuple[Question, CachedAnswer]] = []
    over = 0
    for question, answer, moment in answers.timed():
        came = now if moment is None else min(moment.timestamp(), now)
        cached = CachedAnswer(_bounded(answer), came)
        if cached.expires <= now:
            over += 1
            continue
        some.append((question, cached))
        if len(some) >= PUT_TOGETHER:
            _put(cache, some)
            some = []
    _put(cache, some)
    written = _written(cache)
    write([f"{written:,} put, {over:,} over, {len(answers) - written - over:,} dropped"])
    return DONE


def _bounded(answer: Answer) -> Answer:
    from senderid_fast.cache.codec import MOST_TTL

    return answer._replace(ttl=min(answer.ttl, MOST_TTL))


def _put(cache: Any, some: list[tuple[Question, CachedAnswer]]) -> None:
    cache.put_many(some)
    cache.flush(SECONDS_TO_WRITE)


def _written(cache: Any) -> int:
    """How many answers were written; dropped ones are counted on their own."""
    counts = cache.statistics()
    if counts["write_failures"]:
        from senderid_fast.errors import CacheError

        raise CacheError(repr(cache), "cannot be written to")
    return int(counts["written"])


def _warm(cache: Any, arguments: argparse.Namespace) -> int:
    from senderid_fast import Engine
    from senderid_fast.cli.options import resolver_of

    def domains() -> Iterator[bytes]:
        for _, line in read_lines(arguments.file, "FILE"):
            domain = line.strip()
            if domain and not domain.startswith(b"#"):
                counted["domains"] += 1
                yield domain

    counted: Counter[str] = Counter()
    resolver = resolver_of(arguments, bulk=True)
    engine = Engine(resolver, limits=Limits(seconds=arguments.timeout), cache=cache)
    left = engine.fetch(domains())
    cache.flush(SECONDS_TO_WRITE)
    counts = engine.statistics()
    write(
        [
            f"domains     {counted['domains']:,}",
            f"asked       {counts['asked']:,}, of which failed {counts['failed']:,}",
            f"there       {counts['cache_hits']:,}",
            f"written     {_written(cache):,}",
            f"open terms  {len(left.terms):,}, which need a message",
        ]
    )
    return DONE


ACTIONS = {
    "stats": _stats,
    "get": _get,
    "list": _list,
    "purge": _purge,
    "export": _export,
    "import": _import,
    "warm": _warm,
}
