"""How a command stands on the command line, and how the actions of one that has several do.

What may live here: making their parsers. What a command does, and its options, are its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

__all__ = ["add_actions", "add_command"]


def add_command(
    commands: Any,
    name: str,
    summary: str,
    run: Callable[[argparse.Namespace], int],
    description: str,
    epilog: str,
) -> argparse.ArgumentParser:
    """Add a command, which run() does; its options are to be added to the parser.

    summary  its line in senderid-fast --help
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=description, epilog=epilog
    )
    parser.set_defaults(run=run)
    return parser


def add_actions(
    parser: argparse.ArgumentParser, add_options: Callable[[argparse.ArgumentParser], None]
) -> Callable[[str, str], argparse.ArgumentParser]:
    """What adds an action to a command, by its name and what it does; arguments.action tells which.

    add_options  adds those that every action has
    """
    actions = parser.add_subparsers(
        title="actions", dest="action", metavar="ACTION", required=True, parser_class=type(parser)
    )

    def add_action(name: str, words: str) -> argparse.ArgumentParser:
        said = f"{words[:1].upper()}{words[1:]}."
        action: argparse.ArgumentParser = actions.add_parser(name, help=words, description=said)
        add_options(action)
        return action

    return add_action
