"""Sendmail from Debian on a free port of the loopback address, with folders of its own.

What may live here: its configuration, and starting, asking and ending it. It runs from
.cache/sendmail, where scripts/install-test-servers.sh has unpacked it, as it cannot be installed
beside Postfix. Every domain is one of ours, so no mail ever leaves.

It has no XCLIENT: the client is the address of the loopback network that a test connects from.

    with Sendmail(milters=[f"local:{folder}/milter"]) as server:
        with Client(server.port, source="127.0.0.7") as client:
            reply = client.send("user@example.com", ["bob@example.org"], MESSAGE)
        (message,) = server.wait_delivered(1)
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Literal, Self

import pytest

from .faulty import free_port
from .mailservers import (
    CHECKOUT,
    INSTALL,
    NOBODY,
    Delivered,
    end_group,
    need_root,
    open_folder,
    program,
    wait_for,
    wait_for_greeting,
)

__all__ = ["HOSTNAME", "Sendmail"]

HOSTNAME = "mx.example.org"
UNPACKED = CHECKOUT / ".cache" / "sendmail" / "usr"

# Sendmail refuses folders that others may write to, and /tmp is one above ours.
CONFIGURATION = """
define(`_CF_DIR_', `{unpacked}/share/sendmail/cf/')dnl
include(`{unpacked}/share/sendmail/cf/m4/cf.m4')dnl
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `{hostname}')dnl
define(`QUEUE_DIR', `{folder}/queue')dnl
define(`confPID_FILE', `{folder}/pid')dnl
define(`STATUS_FILE', `')dnl
define(`HELP_FILE', `')dnl
define(`ALIAS_FILE', `')dnl
define(`confERROR_MESSAGE', `')dnl
define(`confSERVICE_SWITCH_FILE', `{folder}/switch')dnl
define(`confDEF_USER_ID', `{nobody}:{nobody}')dnl
define(`confDONT_BLAME_SENDMAIL', `GroupWritableDirPathSafe,TrustStickyBit')dnl
define(`confPRIVACY_FLAGS', `noetrn,authwarnings')dnl
define(`confTO_IDENT', `0')dnl
define(`confREFUSE_LA', `0')dnl
define(`confQUEUE_LA', `10000')dnl
define(`confDELAY_LA', `0')dnl
define(`confMAX_DAEMON_CHILDREN', `0')dnl
define(`confMIN_QUEUE_AGE', `0')dnl
define(`confBIND_OPTS', `-DNSRCH -DEFNAMES')dnl
define(`confDELIVERY_MODE', `{mode}')dnl
define(`confLOG_LEVEL', `9')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`accept_unqualified_senders')dnl
FEATURE(`promiscuous_relay')dnl
DAEMON_OPTIONS(`Family=inet, Name=tests, Port={port}, Addr=127.0.0.1')dnl
{milters}
{settings}
MAILER(`smtp')dnl
MAILER_DEFINITIONS
Mkeep, P=/bin/sh, F=DFMlsnPqS9, E=\\n, U={nobody}:{nobody},
	T=DNS/RFC822/X-Unix, A=sh {folder}/keep $u
LOCAL_RULE_0
R$* < @ $+ . > $*\t$#keep $: $1 @ $2
R$* < @ $+ > $*\t$#keep $: $1 @ $2
R$+\t$#keep $: $1
"""

# It sleeps for a minute if the machine's name has no dot or is unknown. So it gets a name, and a
# table of hosts, that no other process sees.
ALONE = """
echo {hostname} >/proc/sys/kernel/hostname && mount --bind {folder}/hosts /etc/hosts && exec "$@"
"""

# The recipient stands in the first line; a file has its name only when it is whole.
KEEP = """
file=$(mktemp {mail}/tmp/XXXXXXXXXX) || exit 75
{{ printf '%s\\n' "$1" && cat; }} >"$file" || exit 75
mv "$file" {mail}/new/
"""


class Sendmail:
    """A server. Several can run side by side.

    milters   what follows "S=" in INPUT_MAIL_FILTER: "local:/path", "inet:8890@127.0.0.1"
    timeouts  of a filter, in Sendmail's words: "C:5m;S:10s;R:10s;E:5m"
    deliver   "files": each message once per recipient, see delivered(); "queue": never
    settings  lines of its .mc that come after ours
    """

    def __init__(
        self,
        *,
        milters: Sequence[str] = (),
        timeouts: str = "C:30s;S:30s;R:60s;E:60s",
        deliver: Literal["files", "queue"] = "files",
        settings: Sequence[str] = (),
    ) -> None:
        need_root()
        if not (UNPACKED.parent / "ready").exists():
            pytest.fail(INSTALL.format("sendmail"))
        self.port = free_port()
        self.milters, self.timeouts, self.deliver = milters, timeouts, deliver
        self.settings = settings
        self._stack = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._stack as stack:
            self.folder = stack.enter_context(open_folder("sendmail-"))
            self.configuration = self.folder / "sendmail.cf"
            stack.callback(self.stop)
            self._write()
            self.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def _write(self) -> None:
        (self.folder / "queue").mkdir(mode=0o700)
        (self.folder / "log").mkdir()
        for name in ("mail", "mail/tmp", "mail/new"):
            (self.folder / name).mkdir()
            os.chown(self.folder / name, NOBODY, NOBODY)
        # No DNS: names of clients are those of /etc/hosts.
        (self.folder / "hosts").write_text(f"127.0.0.1 {HOSTNAME} localhost\n")
        (self.folder / "switch").write_text("hosts files\naliases files\n")
        (self.folder / "keep").write_text(KEEP.format(mail=self.folder / "mail"))
        filters = (
            f"INPUT_MAIL_FILTER(`filter{number}', `S={place}, F=T, T={self.timeouts}')dnl"
            for number, place in enumerate(self.milters)
        )
        text = CONFIGURATION.format(
            unpacked=UNPACKED,
            folder=self.folder,
            hostname=HOSTNAME,
            port=self.port,
            nobody=NOBODY,
            mode="background" if self.deliver == "files" else "queueonly",
            milters="\n".join(filters),
            settings="\n".join(self.settings),
        )
        source = self.folder / "sendmail.mc"
        source.write_text(text)
        with self.configuration.open("wb") as file:
            # Its errors are shown; its warning of open relays is not.
            command = [program("m4", "m4"), str(source)]
            done = subprocess.run(command, stdout=file, stderr=subprocess.PIPE, check=False)
        if done.returncode:
            pytest.fail(f"m4: {done.stderr.decode(errors='replace')}")

    def _command(self, *options: str) -> list[str]:
        sendmail = UNPACKED / "libexec" / "sendmail" / "sendmail"
        alone = ALONE.format(hostname=HOSTNAME, folder=self.folder)
        shell = ["unshare", "--uts", "--mount", "sh", "-c", alone, "sh"]
        return [*shell, str(sendmail), "-C", str(self.configuration), *options]

    def start(self) -> None:
        """Start it, and wait until it greets."""
        with (self.folder / "log" / "said").open("ab") as said:
            self._process = subprocess.Popen(
                self._command("-bD", "-q1s", "-X", str(self.folder / "log" / "sessions")),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        wait_for_greeting(self.port, self._process, self.log)

    def stop(self) -> None:
        """End it and every process of it. What is queued stays in its folder."""
        if self._process is not None:
            end_group(self._process)
            self._process = None

    @property
    def pid(self) -> int:
        """The process id of its daemon."""
        assert self._process is not None
        return self._process.pid

    # ---- what happened -----------------------------------------------------------------------

    def log(self) -> str:
        """All commands and replies of all sessions, and what it said itself.

        Its log goes to the system's alone.
        """
        files = sorted((self.folder / "log").iterdir())
        return "".join(file.read_text(errors="replace") for file in files)

    def delivered(self) -> list[Delivered]:
        """What has been delivered to files, in the order of delivery."""
        files = (self.folder / "mail" / "new").glob("*")
        found = []
        for file in sorted(files, key=lambda file: file.stat().st_mtime_ns):
            recipient, _, octets = file.read_bytes().partition(b"\n")
            found.append(Delivered(recipient.decode(), octets))
        return found

    def wait_delivered(self, count: int, seconds: float = 30.0) -> list[Delivered]:
        """At least so many deliveries, once nothing is left in the queue."""
        folder = self.folder / "mail" / "new"
        wait_for(
            lambda: len(list(folder.glob("*"))) >= count and not self.queue(),
            f"{count} delivered messages",
            seconds,
        )
        return self.delivered()

    def queue(self) -> list[str]:
        """The identifiers of the messages in its queue."""
        return sorted(file.name[2:] for file in (self.folder / "queue").glob("df*"))
