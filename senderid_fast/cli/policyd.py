"""senderid-fast policyd: a policy service for Postfix.

What may live here: the command's words, and which server it runs. Its options are in services.py;
what it does is in senderid_fast.policyd and senderid_fast.service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from senderid_fast.cli.services import add_service

if TYPE_CHECKING:
    from collections.abc import Callable

    from senderid_fast.config import Config
    from senderid_fast.policyd.server import PolicyServer
    from senderid_fast.service.words import Current

__all__ = ["register"]

DESCRIPTION = """\
Checks the messages of Postfix by its policy protocol (check_policy_service): HELO and MAIL FROM
(RFC 7208). The PRA needs the header, which only a milter is given. Runs in the foreground until
a signal ends it.
"""
EXAMPLES = """\
examples:
  senderid-fast policyd
  senderid-fast policyd --config /etc/senderid-fast/senderid-fast.toml --check
  senderid-fast policyd --listen inet:127.0.0.1:10031
"""


def register(commands: Any) -> None:
    """Add the command to the parser."""
    add_service(
        commands, "policyd", "serve Postfix as a policy service", _server, DESCRIPTION, EXAMPLES
    )


def _server() -> Callable[[Current, Config], PolicyServer]:
    from senderid_fast.policyd.server import PolicyServer

    def server(current: Current, config: Config) -> PolicyServer:
        return PolicyServer(current)

    return server
