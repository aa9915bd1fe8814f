"""senderid-fast milter: a milter for Postfix and Sendmail, as a service.

What may live here: the command's options. What it does is in senderid_fast.milter and
senderid_fast.service.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from senderid_fast.cli.services import add_command, run_service

if TYPE_CHECKING:
    from senderid_fast.config import Config
    from senderid_fast.service.words import Current

__all__ = ["register", "run"]

DESCRIPTION = """\
Checks the messages of a mail server by the milter protocol: HELO and MAIL FROM (RFC 7208) and
the PRA (RFC 4406); adds fields, removes forged ones, and answers as the policy says. Runs in the
foreground until a signal ends it.
"""
EXAMPLES = """\
examples:
  senderid-fast milter
  senderid-fast milter --config /etc/senderid-fast/senderid-fast.toml --check
  senderid-fast milter --listen inet:127.0.0.1:8891
"""


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands, "milter", "serve a mail server as a milter", DESCRIPTION, EXAMPLES
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve, and return the exit status."""
    from senderid_fast.milter.server import MilterServer

    def server(current: Current, config: Config) -> MilterServer:
        return MilterServer(current, discard=config.milter.discard)

    return run_service(arguments, "milter", server)
