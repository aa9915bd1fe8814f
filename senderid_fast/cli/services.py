"""What the commands milter and policyd share: their options, and how they run a service.

What may live here: the way from options to senderid_fast.service.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from senderid_fast.cli.commands import add_command
from senderid_fast.cli.output import warn, write
from senderid_fast.cli.statuses import DONE
from senderid_fast.errors import InputError

if TYPE_CHECKING:
    from senderid_fast.config import Config
    from senderid_fast.service.words import Current, ProtocolServer

__all__ = ["add_service"]

ENDING = """\
The configuration is read from --config, and from variables of the environment such as
SENDERID_FAST_PROCESS_WORKERS; see senderid-fast config.

signals:
  SIGTERM, SIGINT  take no new message, finish those in hand, and end (a second one: end at once)
  SIGHUP           read the configuration anew and open the log file anew; no connection is
                   dropped. If it cannot be used, the old one stays and the log says why

exit status:
  0 after SIGTERM or SIGINT, 1 if no worker can be started, 2 if the configuration, an address or
  the account cannot be used; 128 + the signal if messages were cut off by a second signal
"""


def add_service(
    commands: Any,
    name: str,
    summary: str,
    server: Callable[[], Callable[[Current, Config], ProtocolServer]],
    description: str,
    examples: str,
) -> None:
    """Add the command that runs a service, with the options that all services have.

    server  imports what the service needs, and returns what makes its server in each worker
    """

    def run(arguments: argparse.Namespace) -> int:
        return _run(arguments, name, server())

    parser = add_command(commands, name, summary, run, description, f"{ENDING}\n{examples}")
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="the configuration (default: /etc/senderid-fast/senderid-fast.toml, if it is there)",
    )
    parser.add_argument(
        "--listen",
        metavar="ADDRESS",
        action="append",
        default=[],
        help="where to listen, in place of what the configuration says: unix:/PATH, "
        "inet:HOST:PORT, inet6:[HOST]:PORT, systemd or systemd:NAME; may be given several times",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="see whether the service could run with this configuration, as the user that it would "
        "become, and end",
    )


def _run(
    arguments: argparse.Namespace, service: str, server: Callable[[Current, Config], ProtocolServer]
) -> int:
    """Run a service until a signal ends it, or check its configuration; the exit status."""
    from senderid_fast.config import load
    from senderid_fast.config.addresses import listen_addresses
    from senderid_fast.service.serving import rehearse, serve

    path = _path(arguments.config)

    def read() -> Config:
        return load(path, os.environ)

    if not arguments.check:
        return serve(service, server, read, arguments.listen)
    config = read()
    listen = listen_addresses("--listen", arguments.listen) or getattr(config, service).listen
    rehearse(service, config)
    for words in config.cautions():
        warn(words)
    write(
        [
            f"{config.source or 'the default configuration'} can be used",
            f"listens at {', '.join(str(address) for address in listen)}",
        ]
    )
    return DONE


def _path(given: str | None) -> str | None:
    """The file to read: the one that is given, else the default one, if it is there."""
    from senderid_fast.config import DEFAULT_PATH

    if given is not None:
        if not given:
            raise InputError("--config", "must be the name of a file")
        return given
    with suppress(FileNotFoundError, NotADirectoryError):
        Path(DEFAULT_PATH).stat()  # what else may be wrong with it is told when it is read
        return DEFAULT_PATH
    return None
