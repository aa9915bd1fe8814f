"""senderid-fast config: whether a configuration can be used, and what is in effect.

What may live here: the command's options, and what it prints. The configuration itself is in
senderid_fast.config.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from senderid_fast.cli.commands import add_actions, add_command
from senderid_fast.cli.output import visible, warn, write
from senderid_fast.cli.statuses import DONE
from senderid_fast.errors import InputError

if TYPE_CHECKING:
    from senderid_fast.config import Config

__all__ = ["register", "run"]

DESCRIPTION = """\
Looks at the configuration of the services: one TOML file, and variables of the environment
(SENDERID_FAST_SECTION_KEY) that stand in for its keys.
"""
EPILOG = """\
exit status:
  0 when the configuration can be used, whatever it is to be cautious about; 2 when it cannot, with
  a line for each error; 1 for anything unexpected.

examples:
  senderid-fast config check
  senderid-fast config check ./new.toml
  senderid-fast config show
  senderid-fast config show --defaults > senderid-fast.toml
"""


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "config",
        "check the configuration of the services, and show it",
        run,
        DESCRIPTION,
        EPILOG,
    )
    action = add_actions(parser, _add_file)
    action("check", "tell what is wrong with a configuration, and what may not be meant")
    show = action("show", "show every key, its value and where that is from")
    show.add_argument(
        "--defaults",
        action="store_true",
        help="a file with every key at its default, commented out, and what it means",
    )


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        help="the file (default: /etc/senderid-fast/senderid-fast.toml)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Check or show the configuration, and return the exit status."""
    if arguments.action == "check":
        config = _loaded(arguments)
        for caution in config.cautions():
            warn(caution)
        write([f"{visible(config.source)}: can be used"])
        return DONE
    if arguments.defaults:
        if arguments.file is not None:
            raise InputError("FILE", "cannot be used with --defaults")
        from senderid_fast.config.showing import commented

        write(commented().splitlines())
        return DONE
    from senderid_fast.config.showing import shown

    write(shown(_loaded(arguments)))
    return DONE


def _loaded(arguments: argparse.Namespace) -> Config:
    from senderid_fast.config import DEFAULT_PATH, load

    return load(DEFAULT_PATH if arguments.file is None else arguments.file)
