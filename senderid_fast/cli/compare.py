"""senderid-fast compare: what differs between two outputs of batch, or two sets of answers.

What may live here: the command's options, and what it prints. The comparison itself is in
senderid_fast.comparing.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from senderid_fast.cli.commands import add_command
from senderid_fast.cli.options import add_limit_options, add_timeout_option, limits_of, octets_of
from senderid_fast.cli.output import json_text, visible, write
from senderid_fast.cli.statuses import DONE
from senderid_fast.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

    from senderid_fast.comparing import Change, Comparison, Verdicts

__all__ = ["register", "run"]

DESCRIPTION = """\
Compares two outputs of the command batch over the same rows: which results became which others,
in which rows, of which domains.

With --answers: checks the rows of one file with saved answers, and again with other answers in
place of some of them. That tells what would change if a record were published. DNS is not asked;
what is not among the answers is temperror.
"""
EPILOG = """\
exit status:
  0 when the comparison was made, whatever it found. With --exit-code: 3 if any result changed.
  Input that cannot be used 2, anything unexpected 1.

examples:
  senderid-fast compare monday.parquet tuesday.parquet
  senderid-fast compare rows.csv --answers answers.arrows --with example.zone
  senderid-fast compare rows.csv --answers answers.arrows \\
      --publish 'example.com TXT "v=spf1 mx -all"'
"""
CHANGED = 3
NAMES = {"spf": "SPF", "helo": "HELO", "pra": "PRA"}


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "compare",
        "what differs between two runs, or would with other records",
        run,
        DESCRIPTION,
        EPILOG,
    )
    parser.add_argument("before", metavar="BEFORE", help="output of batch; with --answers: rows")
    parser.add_argument("after", metavar="AFTER", nargs="?", help="output of a later run")
    group = parser.add_argument_group("answers")
    group.add_argument(
        "--answers",
        metavar="SAVED",
        help="check the rows with these answers: a file of --save-answers, or a zone",
    )
    group.add_argument(
        "--with",
        dest="with_answers",
        metavar="OTHER",
        help="the same, with these in place of SAVED where both have an answer: a file of answers, "
        "or a zone (RFC 1035 5; JSON lines if it is named .jsonl)",
    )
    group.add_argument(
        "--publish",
        metavar="RECORD",
        action="append",
        default=[],
        help="a record as in a zone, in place of those of its name and type; may be given several "
        "times",
    )
    add_timeout_option(group)
    add_limit_options(parser)
    output = parser.add_argument_group("output")
    output.add_argument(
        "--examples",
        metavar="N",
        type=int,
        default=10,
        help="how many of the changed rows are shown (default: %(default)s)",
    )
    output.add_argument("--json", action="store_true", help="one JSON object in place of text")
    output.add_argument(
        "--exit-code", action="store_true", help="exit with status 3 if any result changed"
    )


def run(arguments: argparse.Namespace) -> int:
    """Compare, print, and return the exit status."""
    found = _of_answers(arguments) if arguments.answers is not None else _of_runs(arguments)
    if arguments.json:
        write([json_text(found.as_dict())])
    else:
        write(_lines(found))
    return CHANGED if arguments.exit_code and found.changed else DONE


def _of_runs(arguments: argparse.Namespace) -> Comparison:
    from senderid_fast.comparing import compare_runs

    if arguments.after is None:
        raise InputError("AFTER", "is needed: a second output, or --answers")
    if arguments.with_answers is not None or arguments.publish:
        option = "--publish" if arguments.publish else "--with"
        raise InputError(option, "is for --answers")
    before, after = _blocks(arguments.before), _blocks(arguments.after)
    return compare_runs(before, after, examples=arguments.examples)


def _of_answers(arguments: argparse.Namespace) -> Comparison:
    from senderid_fast.answersets import AnswerSet
    from senderid_fast.answersets.zones import publish
    from senderid_fast.comparing import compare_answers

    if arguments.after is not None:
        raise InputError(
            "AFTER", "cannot be used with --answers, which checks the rows of one file"
        )
    if arguments.with_answers is None and not arguments.publish:
        raise InputError("--answers", "needs --with or --publish: with what they are compared")
    limits = limits_of(arguments)
    before = AnswerSet.read(arguments.answers)
    after = before
    if arguments.with_answers is not None:
        after = after.overlay(AnswerSet.read(arguments.with_answers))
    if arguments.publish:
        records = [octets_of(each).decode("utf-8", "surrogateescape") for each in arguments.publish]
        after = publish(after, records)
    rows = _blocks(arguments.before)
    return compare_answers(rows, before, after, limits=limits, examples=arguments.examples)


def _blocks(name: str) -> Iterator[pa.RecordBatch]:
    """The rows of a file of any format, a block at a time."""
    from senderid_fast.rows.formats import open_source

    source = open_source(name)
    try:
        for block in source.blocks():
            yield block.batch
    finally:
        source.close()


def _lines(found: Comparison) -> Iterator[str]:
    yield f"{found.rows:,} rows, {found.changed:,} with another result"
    for identity, transitions in found.results.items():
        yield ""
        yield f"{NAMES[identity]:<11}  before       after"
        for each in transitions:
            mark = "" if each.before == each.after else "  changed"
            said = f"{each.before or '-':<9} -> {each.after or '-':<9}{mark}"
            yield f"{each.rows:>11,}  {said}".rstrip()
    if found.domains:
        yield ""
        yield f"changes by domain{' (counts are approximate)' if found.domains_error else ''}"
        for domain, rows in found.domains:
            yield f"{rows:>11,}  {visible(domain)}"
    if found.examples:
        yield ""
        yield f"the first {len(found.examples)} changes"
        for change in found.examples:
            yield from _change_lines(change)


def _change_lines(change: Change) -> Iterator[str]:
    said = [each for each in (change.ip, change.helo, change.mail_from) if each is not None]
    yield visible(f"  row {change.row}, {NAMES[change.identity]}: {'  '.join(said)}")
    yield f"    before  {_verdict(change.before)}"
    yield f"    after   {_verdict(change.after)}"


def _verdict(verdicts: Verdicts) -> str:
    why = ", ".join(each for each in (verdicts.reason, verdicts.mechanism) if each is not None)
    return visible(f"{verdicts.result or '-'} ({why})" if why else verdicts.result or "-")
