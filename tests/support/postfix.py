"""Postfix from Debian on a free port of the loopback address, with folders of its own.

What may live here: its configuration, and starting, asking and ending it. Nothing of /etc/postfix
is read or changed but the list of its files. Every domain is one of ours, so no mail ever leaves.

    with Postfix(milters=[f"unix:{folder}/milter"]) as server, Client(server.port) as client:
        client.xclient(ADDR="192.0.2.1", NAME="mail.example.com")
        reply = client.send("user@example.com", ["bob@example.org"], MESSAGE)
        (message,) = server.wait_delivered(1)
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, Self

from .faulty import free_port
from .mailservers import (
    NOBODY,
    Delivered,
    children,
    end_group,
    need_root,
    open_folder,
    program,
    wait_for,
    wait_for_greeting,
)

__all__ = ["HOSTNAME", "Postfix"]

HOSTNAME = "mx.example.org"
LIFETIME = 6 * 3600  # seconds after which it ends by itself, should whoever started it be killed

# No service is chrooted, as the folder holds no copy of what is needed there.
MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
proxymap  unix  -       -       n       -       -       proxymap
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
virtual   unix  -       n       n       -       -       virtual
anvil     unix  -       -       n       -       1       anvil
postlog   unix-dgram n  -       n       -       1       postlogd
"""


class Postfix:
    """A server. Several can run side by side.

    milters       smtpd_milters, in Postfix's words: "unix:/path", "inet:127.0.0.1:8890"
    restrictions  smtpd_recipient_restrictions: "check_policy_service inet:127.0.0.1:9999"
    deliver       "files": each message once per recipient, see delivered(); "discard": nowhere
    settings      lines of main.cf that win over ours
    services      further lines of master.cf
    """

    def __init__(
        self,
        *,
        milters: Sequence[str] = (),
        restrictions: Sequence[str] = (),
        deliver: Literal["files", "discard"] = "files",
        settings: Mapping[str, str] | None = None,
        services: Sequence[str] = (),
    ) -> None:
        need_root()
        self._postconf = program("postconf", "postfix")
        self.port = free_port()
        self.milters, self.restrictions, self.deliver = milters, restrictions, deliver
        self.settings = dict(settings or {})
        self.services = services
        self._stack = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._stack as stack:
            self.folder = stack.enter_context(open_folder("postfix-"))
            self.configuration = self.folder / "etc"
            stack.callback(self.stop)
            self._write()
            self.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    # ---- settings ----------------------------------------------------------------------------

    def _default_settings(self) -> dict[str, str]:
        folder = self.folder
        return {
            "compatibility_level": "3.6",
            "queue_directory": f"{folder}/queue",
            "data_directory": f"{folder}/data",
            "maillog_file": f"{folder}/log/mail.log",
            "maillog_file_prefixes": f"{folder}/log",
            "myhostname": HOSTNAME,
            "inet_interfaces": "loopback-only",
            "mydestination": "",
            "mynetworks": "127.0.0.0/8, [::1]/128",
            "alias_maps": "",
            "alias_database": "",
            "local_recipient_maps": "",
            # Every domain is one of ours, so that nothing is relayed, bounces neither.
            "virtual_mailbox_domains": "static:all",
            "virtual_mailbox_maps": "static:inbox/",
            "virtual_mailbox_base": f"{folder}/mail",
            "virtual_uid_maps": f"static:{NOBODY}",
            "virtual_gid_maps": f"static:{NOBODY}",
            "virtual_mailbox_limit": "0",
            "virtual_transport": "virtual" if self.deliver == "files" else "discard",
            "default_transport": "error:5.1.2 no mail leaves a test",
            # Also the client that an XCLIENT has made of one may be another one next.
            "smtpd_authorized_xclient_hosts": "static:all",
            "smtpd_peername_lookup": "no",
            "smtpd_milters": ", ".join(self.milters),
            "smtpd_recipient_restrictions": ", ".join(self.restrictions),
            # Nothing waits on purpose.
            "smtpd_error_sleep_time": "0",
            "smtpd_client_connection_count_limit": "0",
            "in_flow_delay": "0",
            # Nothing is added to a message or rewritten in it.
            "local_header_rewrite_clients": "",
            "notify_classes": "",
            "minimal_backoff_time": "2s",
            "queue_run_delay": "2s",
            "smtp_dns_support_level": "disabled",
        } | self.settings

    def _write(self) -> None:
        for name in ("etc", "queue", "data", "log", "mail"):
            (self.folder / name).mkdir(mode=0o755)
        os.chown(self.folder / "mail", NOBODY, NOBODY)
        master = MASTER.format(port=self.port)
        master += "".join(f"{line}\n" for line in self.services)
        (self.configuration / "master.cf").write_text(master)
        self._write_main()
        # Who owns data_directory is its own affair; the other folders it makes by itself.
        owner = self.get("mail_owner")
        subprocess.run(["chown", owner, str(self.folder / "data")], check=True)
        check = [program("postfix", "postfix"), "-c", str(self.configuration), "check"]
        subprocess.run(check, check=True, capture_output=True, timeout=60)

    def _write_main(self) -> None:
        lines = (f"{name} = {value}\n" for name, value in self._default_settings().items())
        file = self.configuration / "main.cf"
        file.write_text("".join(lines))
        # Each of its programs waits until this file is two seconds old, lest it be half written.
        past = time.time() - 60
        os.utime(file, (past, past))

    def get(self, name: str) -> str:
        """The value of a setting, as Postfix has it."""
        command = [self._postconf, "-c", str(self.configuration), "-xh", name]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
        return done.stdout.strip()

    def configure(self, **settings: str) -> None:
        """Change lines of main.cf; they hold for every connection from now on."""
        self.settings |= settings
        self._write_main()
        if self._process is None:
            return
        seen, before = self.log().count("reload -- version"), children(self.pid)
        self._process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.log().count("reload -- version") > seen, "Postfix's reload")
        # Those that have a session end after it; the idle ones might still take one more.
        end = time.monotonic() + 5
        while before & children(self.pid) and time.monotonic() < end:
            time.sleep(0.02)

    # ---- start and end -----------------------------------------------------------------------

    def start(self) -> None:
        """Start it, and wait until it greets."""
        master = Path(self.get("daemon_directory")) / "master"
        # In the foreground, as the leader of a session: with that all its processes can be ended.
        self._process = subprocess.Popen(
            [str(master), "-c", str(self.configuration), "-s", "-e", str(LIFETIME)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
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
        """The process id of its master."""
        assert self._process is not None
        return self._process.pid

    # ---- what happened -----------------------------------------------------------------------

    def log(self) -> str:
        """What it has logged, from its start."""
        file = self.folder / "log" / "mail.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def delivered(self) -> list[Delivered]:
        """What has been delivered to files, in the order of delivery."""
        files = (self.folder / "mail" / "inbox" / "new").glob("*")
        found = []
        for file in sorted(files, key=lambda file: file.stat().st_mtime_ns):
            message = Delivered("", file.read_bytes())
            found.append(message._replace(recipient=message.all("Delivered-To")[0]))
        return found

    def wait_delivered(self, count: int, seconds: float = 30.0) -> list[Delivered]:
        """At least so many deliveries, once nothing is left to deliver."""
        folder = self.folder / "mail" / "inbox" / "new"
        wait_for(
            lambda: len(list(folder.glob("*"))) >= count and self.is_idle(),
            f"{count} delivered messages",
            seconds,
        )
        return self.delivered()

    def queue(self) -> list[dict[str, Any]]:
        """The messages that are in its queue: queue_name, queue_id, sender, recipients ..."""
        command = [program("postqueue", "postfix"), "-c", str(self.configuration), "-j"]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def is_idle(self) -> bool:
        """Nothing waits to be delivered now; deferred messages do not count."""
        names = ("maildrop", "incoming", "active")
        return not any(
            file.is_file() for name in names for file in (self.folder / "queue" / name).rglob("*")
        )

    def wait_idle(self, seconds: float = 60.0) -> None:
        wait_for(self.is_idle, "an empty queue", seconds)

    def flush(self) -> None:
        """Try again now what was deferred."""
        command = [program("postqueue", "postfix"), "-c", str(self.configuration), "-f"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
