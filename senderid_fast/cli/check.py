"""senderid-fast check: one session's identities, or a file of connections, one after another.

What may live here: the command's options, and what it prints.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from senderid_fast.cli.commands import add_command
from senderid_fast.cli.options import (
    add_answer_options,
    add_identity_options,
    add_limit_options,
    add_output_options,
    asked_of,
    call,
    engine_of,
    limits_of,
    read_lines,
    session_checks,
)
from senderid_fast.cli.output import (
    complain,
    identity_of,
    json_text,
    verdict_lines,
    visible,
    write,
)
from senderid_fast.cli.statuses import BAD_INPUT, DONE, OF_RESULT, STATUS_HELP
from senderid_fast.errors import InputError
from senderid_fast.results import Scope

if TYPE_CHECKING:
    from senderid_fast import Engine, Verdict
    from senderid_fast.receiver.exchange import SenderIdTest

__all__ = ["register", "run"]

DESCRIPTION = """\
Evaluates check_host() (RFC 7208 4) and prints the result, then why.

With --helo and --mail-from both identities are checked and shown; the result of MAIL FROM
comes first and is the final one. With --scope pra, what Exchange's Test-SenderId would say is
shown, too.
"""
EPILOG = f"""\
{STATUS_HELP}
  With --connections: 0, or 2 if a line could not be used.

examples:
  senderid-fast check --ip 192.0.2.1 --helo mail.example.com --mail-from user@example.com
  senderid-fast check --ip 192.0.2.1 --helo mail.example.com --mail-from ""
  senderid-fast check --ip 2001:db8::1 --domain example.com --json
  senderid-fast check --ip 192.0.2.1 --domain example.com --scope pra
  senderid-fast check --ip 192.0.2.1 --mail-from user@example.com --server 9.9.9.9 --exit-code
  senderid-fast check --connections connections.tsv --zone example.zone

A value that begins with "-" is written with "=": --helo=-x
"""


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands, "check", "check the identities of a session", run, DESCRIPTION, EPILOG
    )
    add_identity_options(parser).add_argument(
        "--connections",
        metavar="FILE",
        help="in place of all of these: a file with a connection on each line, as IP, HELO name "
        'and reverse-path, with tabs or spaces between; "-": standard input; "#" begins a comment',
    )
    add_answer_options(parser, cache=True, stale=True)
    add_limit_options(parser)
    add_output_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check, print, and return the exit status."""
    limits = limits_of(arguments)
    if arguments.connections is not None:
        with engine_of(arguments, limits, arguments.stale) as engine:
            return _run_connections(arguments, engine)
    asked = asked_of(arguments)
    with engine_of(arguments, limits, arguments.stale) as engine:
        verdicts: list[Verdict] = [call(engine, "check", each) for each in asked]
    final = verdicts[-1]
    if arguments.json:
        write([json_text(_values(verdicts))])
    else:
        blocks = [
            "\n".join([*verdict_lines(each, limits), *_test_lines(each)])
            for each in reversed(verdicts)
        ]
        write(["\n\n".join(blocks)])
    return OF_RESULT[final.result] if arguments.exit_code else DONE


def _values(verdicts: list[Verdict]) -> dict[str, Any]:
    values: dict[str, Any] = {
        "checks": [verdict.as_dict() for verdict in verdicts],
        "result": str(verdicts[-1].result),
    }
    test = _test_of(verdicts[-1])
    if test is not None:
        values["test_sender_id"] = {"Status": test.status, "FailReason": test.fail_reason}
    return values


def _test_of(verdict: Verdict) -> SenderIdTest | None:
    """What Test-SenderId of Exchange says; None if the scope is another."""
    if verdict.scope != Scope.PRA:
        return None
    from senderid_fast.receiver.exchange import SenderIdTest

    return SenderIdTest.of(verdict)


def _test_lines(verdict: Verdict) -> list[str]:
    test = _test_of(verdict)
    if test is None:
        return []
    lines = [f"    Status        {test.status}"]
    return lines if test.fail_reason is None else [*lines, f"    FailReason    {test.fail_reason}"]


def _run_connections(arguments: argparse.Namespace, engine: Engine) -> int:
    for option in ("ip", "helo", "mail_from", "domain", "sender", "scope"):
        if getattr(arguments, option) is not None:
            name = option.replace("_", "-")
            raise InputError("--connections", f"cannot be used with --{name}")
    if arguments.exit_code:
        raise InputError("--connections", "cannot be used with --exit-code")
    status = DONE
    for number, line in read_lines(arguments.connections, "--connections"):
        if not line.strip() or line.startswith(b"#"):
            continue
        try:
            ip, helo, mail_from = _connection(line)
            checks = session_checks(ip, helo, mail_from)
            verdicts: list[Verdict] = [call(engine, "check", each) for each in checks]
        except InputError as error:
            complain(f"{arguments.connections}: line {number}: {error}")
            status = BAD_INPUT
            continue
        if arguments.json:
            write([json_text({"line": number, **_values(verdicts)}, indent=None)])
        else:
            write([_connection_line(ip, *verdicts)])
    return status


def _connection(line: bytes) -> tuple[str, bytes, bytes]:
    """IP, HELO name and reverse-path of a line. With tabs a field may be empty or hold spaces."""
    fields = line.rstrip(b"\r\n").split(b"\t") if b"\t" in line else line.split()
    if len(fields) != 3:
        raise InputError(
            "fields", f"IP, HELO name and reverse-path are needed, found {len(fields)}"
        )
    ip, helo, mail_from = (each.strip() for each in fields)
    return ip.decode("utf-8", "backslashreplace"), helo, mail_from


def _connection_line(ip: str, helo: Verdict, final: Verdict) -> str:
    why = f"{visible(final.detail)}; HELO {visible(helo.domain)}: {helo.result}"
    return f"{final.result:<9}  {visible(ip)}  {identity_of(final)}  ({why})"
