"""senderid-fast milter: a milter for Postfix and Sendmail, as a service.

What may live here: the command's words, and which server it runs. Its options are in services.py;
what it does is in senderid_fast.milter and senderid_fast.service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from senderid_fast.cli.services import add_service

if TYPE_CHECKING:
    from collections.abc import Callable

    from senderid_fast.config import Config
    from senderid_fast.milter.server import MilterServer
    from senderid_fast.service.words import Current

__all__ = ["register"]

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
    add_service(
        commands, "milter", "serve a mail server as a milter", _server, DESCRIPTION, EXAMPLES
    )


def _server() -> Callable[[Current, Config], MilterServer]:
    from senderid_fast.milter.server import MilterServer

    def server(current: Current, config: Config) -> MilterServer:
        return MilterServer(current, discard=config.milter.discard)

    return server
