"""senderid-fast verify: messages in files, checked as a receiver would have done it.

What may live here: the command's options, and what it prints. Messages are found by
rows/mailfiles.py, and what is said of one is put together by reports.py.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from senderid_fast.cli.commands import add_command
from senderid_fast.cli.options import (
    add_answer_options,
    add_limit_options,
    engine_of,
    limits_of,
    octets_of,
    read_octets,
)
from senderid_fast.cli.output import complain, json_text, pra_field, shortened, visible, warn, write
from senderid_fast.cli.statuses import BAD_INPUT, DONE, OF_ACTION
from senderid_fast.errors import InputError
from senderid_fast.rows.mailfiles import FORMATS, read_messages

if TYPE_CHECKING:
    from senderid_fast import Verdict
    from senderid_fast.cli.reports import Report, Reporter
    from senderid_fast.rows.mailfiles import Found

__all__ = ["register", "run"]

DESCRIPTION = """\
Checks messages in files: HELO and MAIL FROM (RFC 7208 2.3, 2.4) and the Purported Responsible
Address of the header (RFC 4407, RFC 4406). Prints what a receiver would do with each message, why,
which fields it would add, and which incoming ones it would remove as they claim to be its own.

The client is that of --ip. If that is a relay of --trusted, or there is no --ip, the Received
fields are read from the top: the first address that is no trusted relay is the client's. Without
--ip the topmost Received field is believed, so it has to be your own server's.
"""
EPILOG = """\
exit status:
  0 for every action. With --exit-code that of the strictest action: accept 0, mark 10, defer 11,
  discard 12, reject 13. 2 if a message or other input could not be used, 1 for anything unexpected.

examples:
  senderid-fast verify message.eml
  senderid-fast verify --trusted 192.0.2.0/28 --trusted mx.example.com ~/Maildir
  senderid-fast verify --ip 192.0.2.1 --helo mail.example.com --mail-from user@example.com < message
  senderid-fast verify --policy policy.toml --json archive.mbox
"""
# Longer ones are shortened; --json has them whole.
ADDRESS_COLUMNS = 320
FIELD_COLUMNS = 100
LABEL = 12
LINE_END = "\n"


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = add_command(commands, "verify", "check messages in files", run, DESCRIPTION, EPILOG)
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        help='a message, an mbox file or a Maildir folder; "-" or none: standard input',
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="auto",
        help='what the files are (default: auto, by what they hold: a folder is a Maildir, "From " '
        "begins an mbox, all else is one message)",
    )
    group = parser.add_argument_group("the session")
    group.add_argument("--ip", metavar="IP", help="address that connected, IPv4 or IPv6")
    group.add_argument("--helo", metavar="NAME", help="name that it gave with HELO or EHLO")
    group.add_argument(
        "--mail-from",
        metavar="ADDR",
        help='reverse-path of MAIL FROM; "" or "<>" is the null reverse-path (default: that of the '
        "topmost Return-Path field)",
    )
    group = parser.add_argument_group("the receiver")
    group.add_argument(
        "--trusted",
        metavar="NET|NAME",
        action="append",
        default=[],
        help="own relays: an address, network or range; or a name by which they call themselves in "
        "their Received fields. May be given several times",
    )
    group.add_argument(
        "--authserv-id",
        metavar="NAME",
        default="localhost",
        help="the receiver's name in the fields it adds (RFC 8601 2.5; default: %(default)s)",
    )
    decides = group.add_mutually_exclusive_group()
    decides.add_argument("--policy", metavar="FILE", help="what is done about results, as TOML")
    decides.add_argument(
        "--exchange",
        action="store_true",
        help="decide as the Sender ID agent of Exchange Server does by default, and add its fields",
    )
    add_answer_options(parser, cache=True, stale=True)
    add_limit_options(parser)
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="a line of JSON for each message")
    group.add_argument(
        "--exit-code", action="store_true", help="exit with a status of its own for each action"
    )


def run(arguments: argparse.Namespace) -> int:
    """Check each message, print, and return the exit status."""
    reporter = _reporter(arguments)
    with reporter.engine:
        return _run(arguments, reporter)


def _run(arguments: argparse.Namespace, reporter: Reporter) -> int:
    status = strictest = DONE
    shown = False
    for found in read_messages(arguments.files, arguments.format):
        if found.problem is not None:
            complain(f"{found.place}: {found.problem}")
            status = BAD_INPUT
            continue
        report = reporter.report(found)
        strictest = max(strictest, OF_ACTION[report.decision.action])
        if arguments.json:
            write([json_text(report.as_dict(found), indent=None)])
        else:
            write([*([""] if shown else []), *_lines(found, report)])
        shown = True
    return strictest if arguments.exit_code and status == DONE else status


def _reporter(arguments: argparse.Namespace) -> Reporter:
    """Who verifies, as the options want it. Raises a SenderIDError."""
    from senderid_fast._core.cidr import parse_address
    from senderid_fast.cli.reports import Reporter, policy_of, relays_of
    from senderid_fast.receiver.exchange import ExchangeSenderId
    from senderid_fast.receiver.networks import Networks
    from senderid_fast.receiver.policy import ReceiverPolicy
    from senderid_fast.reception.receiver import Receiver

    if arguments.helo is not None and arguments.ip is None:
        raise InputError("--helo", "is of the connection, so it needs --ip")
    if arguments.ip is not None and parse_address(arguments.ip) is None:
        raise InputError("--ip", f"is no IPv4 or IPv6 address: {arguments.ip!r}")
    policy = ReceiverPolicy()
    if arguments.policy is not None:
        policy = policy_of(arguments.policy, read_octets(arguments.policy, "--policy"))
        for caution in policy.cautions():
            warn(f"{arguments.policy}: {caution}")
    return Reporter(
        engine=engine_of(arguments, limits_of(arguments), arguments.stale),
        receiver=Receiver(
            arguments.authserv_id,
            policy=policy,
            exchange=ExchangeSenderId() if arguments.exchange else None,
            relays=relays_of(arguments.trusted),
            internal=Networks(),  # whoever asks about an address wants to know
        ),
        ip=arguments.ip,
        helo=None if arguments.helo is None else octets_of(arguments.helo),
        mail_from=None if arguments.mail_from is None else octets_of(arguments.mail_from),
    )


def _lines(found: Found, report: Report) -> Iterator[str]:
    """What is said of a message: the action, and below it why."""
    decision, verdicts = report.decision, report.verdicts
    yield f"{decision.action} ({visible(found.place)})"
    yield _line("why", decision.reason)
    if decision.reply is not None:
        for text in str(decision.reply).split(LINE_END):
            yield _line("reply", text)
    if getattr(decision, "would_reply", None) not in (None, decision.reply):
        for text in str(decision.would_reply).split(LINE_END):  # type: ignore[union-attr]
            yield _line("would reply", text)
    yield _line("client", f"{report.client.ip or 'none'}: {report.client.detail}")
    if verdicts.helo is not None:
        yield _line("HELO", _check_text(verdicts.helo, verdicts.helo.domain, ""))
    yield _mail_from_line(report)
    yield _pra_line(report)
    for verdict in (verdicts.helo, verdicts.mail_from, verdicts.pra):
        if verdict is not None and verdict.explanation is not None:
            # RFC 7208 6.2: the text is that of the domain, and must be told apart from our own.
            text = f"the domain {verdict.domain} explains: {verdict.explanation}"
            yield _line("explanation", text)
    if found.junk_at is not None:
        yield _line("note", f"a line that is no field ends the header, at octet {found.junk_at}")
    for field in report.add:
        first, *others = field.text(LINE_END).rstrip(LINE_END).split(LINE_END)
        yield _line("add", first)
        for other in others:
            yield _line("", other)
    for at in report.remove:
        name, body, *_ = found.fields[at]
        text = f"{name}:{body.decode('utf-8', 'surrogateescape')}"
        yield _line("remove", shortened(f"field {at}, {_unfolded(text)}", FIELD_COLUMNS))


def _line(label: str, text: str) -> str:
    return f"    {label:<{LABEL}}{visible(text)}"


def _unfolded(text: str) -> str:
    return text.replace("\r\n", "").replace("\n", "").replace("\t", " ").rstrip(" ")


def _check_text(verdict: Verdict, who: str, source: str) -> str:
    """Such as "pass, user@example.com (Return-Path, field 0): ..."."""
    about = f", {shortened(visible(who), ADDRESS_COLUMNS)}" if who else ""
    return f"{verdict.result}{about}{source}: {verdict.detail}"


def _mail_from_line(report: Report) -> str:
    verdict = report.verdicts.mail_from
    if report.mail_from is None:
        return _line("MAIL FROM", "not known: there is no Return-Path field (see --mail-from)")
    source = "" if report.path_at is None else f" (Return-Path, field {report.path_at})"
    path = report.mail_from.decode("utf-8", "surrogateescape")
    if verdict is not None:
        who = verdict.sender if verdict.domain else path
        return _line("MAIL FROM", _check_text(verdict, who, source))
    return _line("MAIL FROM", f"not checked, {shortened(visible(path), ADDRESS_COLUMNS)}{source}")


def _pra_line(report: Report) -> str:
    verdict, pra = report.verdicts.pra, report.pra
    if pra is None:
        return _line("PRA", f"none: {report.no_pra} (RFC 4407 2)")
    source = f" ({pra_field(pra)})"
    if verdict is not None:
        return _line("PRA", _check_text(verdict, pra.mailbox, source))
    mailbox = shortened(visible(pra.mailbox), ADDRESS_COLUMNS)
    return _line("PRA", f"not checked, {mailbox}{source}")
