"""The command line: senderid-fast and its commands, from check to policyd.

What may live here: the parser of the command's name, and the one place where an error becomes a
line and a status. Each command is a module whose register() adds it; what they share is in
commands.py, options.py, output.py and statuses.py, and what services share in services.py.
Nothing but argparse is imported for them all: a command imports the rest when it needs it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from senderid_fast import __version__
from senderid_fast.cli import (
    batch,
    cache,
    check,
    compare,
    config,
    milter,
    policyd,
    record,
    trace,
    verify,
)
from senderid_fast.cli.options import OPTION_OF_FIELD
from senderid_fast.cli.output import PROGRAM, complain
from senderid_fast.cli.statuses import BAD_INPUT, DONE, INTERRUPTED, NO_READER, TROUBLE
from senderid_fast.errors import ConfigError, InputError, SenderIDError

__all__ = ["main", "program"]

COMMANDS = (check, trace, record, verify, compare, batch, cache, config, milter, policyd)

DESCRIPTION = """\
Evaluates SPF (RFC 7208) and Sender ID (RFC 4406): what a receiver of mail makes of them, and why.
"""
EPILOG = """\
examples:
  senderid-fast check --ip 192.0.2.1 --helo mail.example.com --mail-from user@example.com
  senderid-fast trace --ip 192.0.2.1 --mail-from user@example.com --zone example.zone
  senderid-fast record "v=spf1 mx -all"
  senderid-fast verify --trusted 192.0.2.0/28 message.eml
  senderid-fast batch rows.parquet -o checked.parquet

Each command tells its options and exit statuses: senderid-fast check --help
"""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, like all others of this program."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        # No abbreviations: a script that uses one breaks when an option is added.
        options.setdefault("allow_abbrev", False)
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*arguments, **options)

    def error(self, message: str) -> NoReturn:
        complain(f"{message} (see {self.prog} --help)")
        raise SystemExit(BAD_INPUT)


def parser() -> Parser:
    """The parser of the whole command line."""
    top = Parser(prog=PROGRAM, description=DESCRIPTION, epilog=EPILOG)
    top.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = top.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True, parser_class=Parser
    )
    for command in COMMANDS:
        command.register(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status. No exception leaves this function."""
    try:
        status = _run(argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        return NO_READER
    except OSError as error:  # most likely of standard output: a full disk
        complain(f"{error.strerror or error}")
        _silence_stdout()
        return TROUBLE
    return status


def _run(argv: Sequence[str] | None) -> int:
    try:
        arguments = parser().parse_args(argv)
        status: int = arguments.run(arguments)
    except SystemExit as end:  # of argparse: --help, --version, a wrong option
        return end.code if isinstance(end.code, int) else DONE
    except InputError as error:
        complain(f"{OPTION_OF_FIELD.get(error.field, error.field)}: {error.problem}")
        return BAD_INPUT
    except ConfigError as error:
        for problem in error.problems:
            complain(problem)
        return BAD_INPUT
    except SenderIDError as error:
        complain(str(error))
        return BAD_INPUT
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - the boundary: no traceback for users
        complain(f"unexpected {type(error).__name__}: {error}")
        return TROUBLE
    return status


def program() -> NoReturn:
    """main() as a process of its own."""
    _standard_streams()
    sys.meta_path.insert(0, _WithoutPandas())
    sys.exit(main())


def _standard_streams() -> None:
    """Have all three. In the place of one that whoever started us closed, what is opened next would
    be standard error, and have errors written into it. To read or write one that is closed fails
    as it does elsewhere; what would be said on standard error is lost."""
    for name, flags, mode in (
        ("stdin", os.O_WRONLY, "r"),
        ("stdout", os.O_RDONLY, "w"),
        ("stderr", os.O_WRONLY, "w"),
    ):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, flags)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


class _WithoutPandas:
    """pyarrow looks for pandas whenever it meets a list. To load it takes longer than most jobs,
    and nothing here has a use for it."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError("senderid-fast does without pandas", name=fullname)


def _silence_stdout() -> None:
    """Nobody reads our output any more: what is left in the buffer must not raise at exit."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError):  # stdout has no file descriptor
        pass
