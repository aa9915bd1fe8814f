"""senderid-fast batch: all rows of files checked, written with their results, and summed up.

What may live here: the command's options, and what is said while the job runs and when it ends. The
job itself is in senderid_fast.jobs.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from senderid_fast.cli.commands import add_command
from senderid_fast.cli.interrupts import Interrupts
from senderid_fast.cli.options import (
    add_answer_options,
    add_limit_options,
    cache_of,
    limits_of,
    resolver_of,
)
from senderid_fast.cli.output import (
    PROGRAM,
    complain,
    json_text,
    visible,
    warn,
    write,
    write_remarks,
)
from senderid_fast.cli.statuses import DONE
from senderid_fast.errors import InputError

if TYPE_CHECKING:
    from senderid_fast import Engine, Limits
    from senderid_fast.cli.keeping import KeptAnswers
    from senderid_fast.jobs.job import Job, Outcome
    from senderid_fast.jobs.options import JobOptions
    from senderid_fast.jobs.progress import Progress
    from senderid_fast.receiver.relays import TrustedRelays

__all__ = ["register", "run"]

DESCRIPTION = """\
Checks every row of files: MAIL FROM, or HELO where the reverse-path is null (RFC 7208 2.3, 2.4),
and with --headers the Purported Responsible Address, too (RFC 4407). Writes all rows in their
order, each with its columns as they were and those of the results behind them; sums up at the end.

A job that writes to a file keeps notes beside it (OUT.state). When it was stopped or killed, the
same command with --resume goes on: no row is lost or doubled.
"""
EPILOG = """\
exit status:
  0 when all rows are written, whatever their results. 2 for input that cannot be used, 130 after
  SIGINT, 143 after SIGTERM, 1 for anything unexpected. The first signal ends the job after the
  block in hand, the second one at once; after either it can be resumed.

examples:
  senderid-fast batch rows.parquet -o checked.parquet
  senderid-fast batch rows.parquet -o checked.parquet --resume
  senderid-fast batch mail.csv --columns ip=client,mail_from=sender -o checked.jsonl --json
  senderid-fast batch /var/log/mail.log --format postfix --save-answers answers.arrows -o log.csv
  senderid-fast batch - --format jsonl --zone example.zone < rows.jsonl > checked.jsonl
"""
# How often the end of the job and signals are looked for.
LOOK_SECONDS = 0.05


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = add_command(commands, "batch", "check all rows of files", run, DESCRIPTION, EPILOG)
    parser.add_argument(
        "rows", metavar="ROWS", nargs="+", help='a file with rows; "-": standard input'
    )
    _add_row_options(parser)
    _add_job_options(parser)
    answers = add_answer_options(parser, cache=True, stale=True)
    answers.source.add_argument(
        "--answers",
        metavar="FILE",
        help="answer from this file alone, which --save-answers wrote; what it does not hold is "
        "temperror",
    )
    answers.group.add_argument(
        "--save-answers",
        metavar="FILE",
        help="keep every answer in this file (.arrows), for --answers; it has its name at the end",
    )
    answers.group.add_argument(
        "--concurrency",
        metavar="N",
        type=int,
        default=64,
        help="questions under way at once, where the servers cannot be asked in bulk "
        "(default: %(default)s)",
    )
    add_limit_options(parser)


def _add_row_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("rows")
    group.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        help="file that is written; it has its name when it is whole (default: standard output)",
    )
    group.add_argument(
        "--format",
        metavar="F",
        help="of the inputs: csv, tsv, jsonl, parquet, arrow, postfix, exim, sendmail, exchange, "
        "mbox, maildir, eml (default: by their names)",
    )
    group.add_argument(
        "--output-format",
        metavar="F",
        help="csv, tsv, jsonl, parquet or arrow (default: by the name of OUT; else that of the "
        "inputs; else csv)",
    )
    group.add_argument(
        "--columns",
        metavar="ip=A,helo=B,mail_from=C",
        help="what these columns are called in the inputs, where they are called otherwise",
    )
    group.add_argument(
        "--headers",
        metavar="COLUMN",
        help="column with the header section of each message: its PRA is checked, too",
    )
    group.add_argument(
        "--trusted",
        metavar="NET|NAME",
        action="append",
        default=[],
        help="mail: own relays, as for verify; the client is looked for behind them",
    )
    group.add_argument(
        "--helo-result",
        action="store_true",
        help="check HELO for every row, too (columns helo_result, helo_reason)",
    )
    group.add_argument(
        "--counts", action="store_true", help="add columns of lookups and void lookups"
    )
    group.add_argument(
        "--explanations", action="store_true", help="add the column of explanations (exp=)"
    )
    group.add_argument(
        "--receiver",
        metavar="NAME",
        default="unknown",
        help="the receiver's host name in explanations, %%{r} (default: %(default)s)",
    )


def _add_job_options(parser: argparse.ArgumentParser) -> None:
    from senderid_fast.jobs.options import BATCH_ROWS

    group = parser.add_argument_group("the job")
    group.add_argument(
        "--workers",
        metavar="N",
        type=int,
        help="threads that check (default: one for each core but one, which reads and writes)",
    )
    group.add_argument(
        "--batch-rows",
        metavar="N",
        type=int,
        help=f"rows of a block (default: {BATCH_ROWS})",
    )
    again = group.add_mutually_exclusive_group()
    again.add_argument(
        "--resume", action="store_true", help="go on with a job that was stopped or killed"
    )
    again.add_argument(
        "--overwrite", action="store_true", help="replace an output, or a job, that is there"
    )
    group.add_argument(
        "--checkpoint-seconds",
        metavar="S",
        type=float,
        default=5.0,
        help="a note is kept so often; what came after it is done again (default: %(default)g)",
    )
    group.add_argument(
        "--no-policy-tables",
        action="store_true",
        help="evaluate each row by its record's terms, without tables of networks made beforehand",
    )
    group.add_argument("--json", action="store_true", help="the summary as one JSON object")
    group.add_argument("--quiet", action="store_true", help="show no progress and no summary")


def run(arguments: argparse.Namespace) -> int:
    """Do the job, sum up, and return the exit status."""
    from senderid_fast.jobs.job import Job
    from senderid_fast.jobs.progress import progress_for

    options = _options_of(arguments)
    if arguments.resume:
        options.check_resumable()
    if not 0 <= arguments.checkpoint_seconds <= 86_400:
        raise InputError("--checkpoint-seconds", "must be from 0 to 86400 seconds")
    kept = _kept_of(arguments)
    try:
        job = Job(
            _engine_of(arguments, limits_of(arguments), kept),
            options,
            resume=arguments.resume,
            overwrite=arguments.overwrite,
            note_seconds=arguments.checkpoint_seconds,
            beside=kept,
        )
        if kept is not None and arguments.resume:
            kept.go_on(job.written)
        if arguments.resume and not job.resumed and not job.ended:
            warn(f"no job for {options.output} was begun: this one begins afresh")
        with Interrupts() as interrupts:
            outcome = _run_job(job, interrupts, progress_for(sys.stderr, arguments.quiet))
        if kept is not None and not job.resumable:
            kept.finish()  # a job that cannot go on has all the answers it will ever have
    finally:
        if kept is not None:
            kept.close()
    return _report(arguments, options, job, outcome, interrupts)


def _options_of(arguments: argparse.Namespace) -> JobOptions:
    from senderid_fast.jobs.options import BATCH_ROWS, JobOptions

    source = ("zone", arguments.zone), ("answers", arguments.answers)
    return JobOptions(
        inputs=tuple(arguments.rows),
        output=arguments.output,
        format=arguments.format,
        output_format=arguments.output_format,
        columns=_columns_of(arguments.columns),
        headers=arguments.headers,
        trusted=_relays_of(arguments.trusted),
        helo_result=arguments.helo_result,
        counts=arguments.counts,
        stale=arguments.stale > 0,
        explanations=arguments.explanations,
        workers=arguments.workers,
        batch_rows=BATCH_ROWS if arguments.batch_rows is None else arguments.batch_rows,
        answers_from=next((f"{kind} {name}" for kind, name in source if name), "DNS"),
    )


def _relays_of(entries: list[str]) -> TrustedRelays | None:
    if not entries:
        return None
    from senderid_fast.cli.reports import relays_of

    return relays_of(entries)


def _columns_of(text: str | None) -> dict[str, str]:
    columns: dict[str, str] = {}
    for part in text.split(",") if text is not None else ():
        name, equals, called = part.strip().partition("=")
        if not equals or not name or not called:
            raise InputError("--columns", f"{part!r} is not of the form ip=NAME")
        if name in columns:
            raise InputError("--columns", f"{name} is there twice")
        columns[name] = called
    return columns


def _kept_of(arguments: argparse.Namespace) -> KeptAnswers | None:
    name = arguments.save_answers
    if name is None:
        return None
    from senderid_fast.cli.keeping import KeptAnswers
    from senderid_fast.jobs.checkpoint import state_path
    from senderid_fast.rows.outputs import files_of, partial_of

    if arguments.answers is not None:
        raise InputError("--save-answers", "cannot be used with --answers")
    inputs = (each for each in (*arguments.rows, arguments.zone) if each not in (None, "-"))
    others = {Path(os.path.realpath(each)) for each in inputs}
    if arguments.output not in (None, "-"):
        others |= {*files_of(arguments.output), state_path(arguments.output)}
    if not others.isdisjoint((Path(os.path.realpath(name)), partial_of(name))):
        raise InputError("--save-answers", f"{name} is another file of this command")
    kept = KeptAnswers(name)
    if not (arguments.overwrite or arguments.resume):
        kept.check_new()
    return kept


def _engine_of(arguments: argparse.Namespace, limits: Limits, kept: KeptAnswers | None) -> Engine:
    from senderid_fast import Engine

    resolver: Any
    if arguments.answers is not None:
        from senderid_fast.answersets import AnswerSet

        resolver = AnswerSet.read(arguments.answers)
    else:
        resolver = resolver_of(arguments, bulk=True)
        if kept is not None:
            from senderid_fast.answersets import RecordingResolver

            resolver = RecordingResolver(resolver, kept)
    return Engine(
        resolver,
        limits=limits,
        receiver=arguments.receiver,
        policy_tables=not arguments.no_policy_tables,
        concurrency=arguments.concurrency,
        cache=cache_of(arguments, arguments.stale),
        stale_seconds=arguments.stale,
    )


def _run_job(job: Job, interrupts: Interrupts, progress: Progress) -> Outcome:
    """Run the job in a thread, so that this one can draw and hear signals whatever a check waits
    for."""
    found: list[Outcome] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            found.append(job.run(interrupts.stop))
        except BaseException as error:  # noqa: BLE001 - raised again by the main thread
            failed.append(error)

    thread = threading.Thread(target=work, name=f"{PROGRAM} job", daemon=True)
    thread.start()
    shown = began = monotonic()
    told = False
    while thread.is_alive():
        thread.join(LOOK_SECONDS)
        now = monotonic()
        if now - shown >= progress.period and now > began:
            progress.show(job.figures(), now)
            shown = now
        if interrupts.stop.is_set() and not told:
            progress.end()
            warn("stops after the block in hand; interrupt again to stop at once")
            told = True
    if not told:
        progress.show_last(job.figures(), monotonic())
    progress.end()
    if failed:
        if job.resumable and not isinstance(failed[0], InputError):
            warn("what was written before is kept: --resume goes on with it")
        raise failed[0]
    return found[0]


def _report(
    arguments: argparse.Namespace,
    options: JobOptions,
    job: Job,
    outcome: Outcome,
    interrupts: Interrupts,
) -> int:
    """Say how the job ended; its exit status."""
    if outcome.already:
        write_remarks([f"{PROGRAM}: {options.output} is whole: the job was finished before"])
    if outcome.summary is not None and not arguments.quiet:
        if arguments.json:
            lines = [json_text(outcome.summary.as_dict())]
        else:
            lines = [visible(line) for line in outcome.summary.lines()]
        # Rows and summary do not go the same way.
        (write if options.output is not None else write_remarks)(lines)
    if outcome.finished:
        return DONE
    rows = 0 if outcome.summary is None else outcome.summary.rows
    if job.resumable:
        complain(
            f"stopped after {rows:,} rows; to go on, give the same command with --resume"
            + (" in place of --overwrite" if arguments.overwrite else "")
        )
    else:
        complain(f"stopped after {rows:,} rows")
    return DONE if interrupts.status is None else interrupts.status
