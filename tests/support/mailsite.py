"""A site: a DNS server with the zone, the service as it is started, Postfix, and who sends mail.

What may live here: putting these together, sending from many clients at once, and the question that
all tests of faults ask in the end: was each message delivered once, with the right stamp.
"""

from __future__ import annotations

import contextlib
import itertools
import signal
import smtplib
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from .mailservers import open_folder
from .mailzone import AUTHSERV_ID, CLIENT, HELO, RECIPIENT, Mail, ZoneServer, stamps, wrong_stamps
from .mailzone import zone_server as run_zone_server
from .postfix import Postfix
from .services import Service, eventually, running
from .smtp import Client, Reply

__all__ = ["Kind", "Sending", "Site", "site"]

Kind = Literal["milter", "policyd"]
SECONDS = 90.0  # that a message may take to be accepted, with whatever happens meanwhile

CONFIG = """\
[{kind}]
listen = "unix:{socket}"
[receiver]
authserv_id = "{name}"
own_names = "{authserv_id}"
internal = ""
seconds = 6
[dns]
servers = ["127.0.0.1:{dns}"]
try_seconds = {try_seconds}
tries = 2
[limits]
seconds = 3
[engine]
failure_ttl = 0
[process]
socket_mode = "0666"
grace_seconds = 10
{process}
[metrics]
listen = "unix:{folder}/metrics.sock"
{more}
"""


class Sending:
    """Clients that send messages until each is taken or refused.

    accepted  numbers of the messages that the server has taken
    refused   those that it will never take, with its last reply
    put_off   how often it said to try again
    """

    def __init__(self, port: int, numbers: Iterable[int], clients: int = 4) -> None:
        self.accepted: list[int] = []
        self.refused: dict[int, Reply] = {}
        self.put_off = 0
        self.failures: list[BaseException] = []
        self._port = port
        self._numbers = iter(numbers)
        self._lock = threading.Lock()
        self._enough = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def enough(self) -> None:
        """Begin no more messages."""
        self._enough.set()

    def join(self) -> None:
        """Wait until all are taken or refused."""
        for thread in self._threads:
            thread.join(SECONDS + 30)
        assert not self.failures, self.failures
        assert not any(thread.is_alive() for thread in self._threads)

    @property
    def done(self) -> int:
        return len(self.accepted) + len(self.refused)

    def wait_for(self, more: int) -> None:
        """Until so many more messages are done than now, or there are no more."""
        wanted = self.done + more
        eventually(
            lambda: (
                self.failures
                or self.done >= wanted
                or not any(thread.is_alive() for thread in self._threads)
            )
        )
        assert not self.failures, self.failures

    def _run(self) -> None:
        try:
            with ExitStack() as session:
                client: Client | None = None
                while not self._enough.is_set():
                    with self._lock:
                        number = next(self._numbers, None)
                    if number is None:
                        return
                    client = self._send(Mail(number), client, session)
        except BaseException as error:  # noqa: BLE001 - told by join
            self.failures.append(error)

    def _send(self, mail: Mail, client: Client | None, session: ExitStack) -> Client | None:
        """Send a message as a mail server does: again, until the answer is not "later"."""
        end = time.monotonic() + SECONDS
        while True:
            assert time.monotonic() < end, f"{mail} was never taken: {self.put_off}"
            reply = None
            with contextlib.suppress(OSError, EOFError, smtplib.SMTPException):
                if client is None:
                    client = session.enter_context(Client(self._port, HELO))
                    assert client.xclient(ADDR=CLIENT, NAME="[UNAVAILABLE]").code == 220
                reply = client.send(mail.mail_from, [RECIPIENT], mail.text).last
            if reply is not None and reply.code == 250:
                self.accepted.append(mail.number)
                return client
            if reply is not None and reply.code // 100 == 5:
                self.refused[mail.number] = reply
                return client
            self.put_off += 1
            session.close()
            client = None
            time.sleep(0.02)


class Site:
    """What a test needs. ``configure`` before ``start``; later it takes effect with a reload."""

    def __init__(self, folder: Path, kind: Kind, service: Service, dns: ZoneServer) -> None:
        self.folder, self.kind, self.service, self.dns = folder, kind, service, dns
        self.socket = service.path
        self.postfix: Postfix
        self.command = [sys.executable, "-m", "senderid_fast", kind, "--config"]
        self._numbers = itertools.count()
        self.configure()

    def configure(
        self,
        name: str = AUTHSERV_ID,
        process: str = "",
        more: str = "",
        try_seconds: float = 0.3,
    ) -> None:
        self.service.config.write_text(
            CONFIG.format(
                kind=self.kind,
                socket=self.socket,
                folder=self.folder,
                dns=self.dns.port,
                name=name,
                authserv_id=AUTHSERV_ID,
                try_seconds=try_seconds,
                process=process,
                more=more,
            )
        )

    def start(self, **options: Any) -> None:
        self.service.start(command=self.command, **options)

    def reload(self) -> None:
        self.service.signal(signal.SIGHUP)
        self.service.wait_for("RELOADING=1")
        self.service.wait_for("READY=1")

    def numbers(self, count: int) -> Iterator[int]:
        """Of messages that were not sent yet."""
        return itertools.islice(self._numbers, count)

    def sending(self, count: int, clients: int = 4) -> Sending:
        return Sending(self.postfix.port, self.numbers(count), clients)

    def send(self, count: int) -> Sending:
        """Send so many, and wait until they are done."""
        sending = self.sending(count)
        sending.join()
        return sending

    def check(
        self,
        *sendings: Sending,
        troubled: Callable[[int], bool] = lambda _: False,
    ) -> int:
        """Each message that was accepted in all of the site's life was delivered once, and has the
        stamps that it should have. Of those that were ``troubled`` (by number) they may be
        temperror instead; returns how many are."""
        accepted = sorted(number for each in sendings for number in each.accepted)
        delivered = self.postfix.wait_delivered(len(accepted))
        assert self.postfix.queue() == []
        found = [stamps(message, self.kind) for message in delivered]
        assert sorted(mail.number for mail, _ in found) == accepted
        wrong, errors = [], 0
        for mail, results in found:
            for each in wrong_stamps(mail, results):
                if each[1] == "temperror" and troubled(mail.number):
                    errors += 1
                else:
                    wrong.append((mail, *each))
        assert not wrong, (len(wrong), [(*each, self._line(each[0])) for each in wrong[:3]])
        assert "Traceback" not in self.service.log
        assert "could not be checked" not in self.service.log
        return errors

    def _line(self, mail: Mail) -> str:
        """What the service's log says of a message."""
        lines = self.service.log.splitlines()
        return next((line for line in lines if mail.mail_from in line), "no line")

    def count(self, words: str) -> int:
        """How often the log of the service says so."""
        return Counter(words in line for line in self.service.log.splitlines())[True]


@contextlib.contextmanager
def site(kind: Kind, **settings: str) -> Iterator[Site]:
    """Everything but the service itself, which the test starts."""
    with ExitStack() as stack:
        folder = stack.enter_context(open_folder("site-"))
        dns = stack.enter_context(run_zone_server())
        service = stack.enter_context(contextlib.contextmanager(running)(folder))
        found = Site(folder, kind, service, dns)
        own = {"smtpd_peername_lookup": "no", **settings}
        if kind == "milter":
            own = {
                "milter_default_action": "tempfail",
                "milter_connect_timeout": "10s",
                "milter_command_timeout": "20s",
                "milter_content_timeout": "20s",
            } | own
            postfix = Postfix(milters=[f"unix:{found.socket}"], settings=own)
        else:
            own = {"smtpd_policy_service_timeout": "20s"} | own
            asked = f"check_policy_service unix:{found.socket}"
            postfix = Postfix(restrictions=[asked], settings=own)
        found.postfix = stack.enter_context(postfix)
        yield found
