"""A client of mail servers for tests: every reply is kept, nothing is refused on the way out.

What may live here: the client, on smtplib, and the programs swaks and smtp-source.
"""

from __future__ import annotations

import smtplib
import subprocess
import time
from collections.abc import Sequence
from typing import NamedTuple, Self

from .mailservers import program

__all__ = ["Client", "Load", "Reply", "Sent", "Swaks", "smtp_source", "swaks"]


class Reply(NamedTuple):
    """What the server said: the code, and its text with lines parted by line feeds."""

    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


class Sent(NamedTuple):
    """The replies to one message, as far as it went; None: that command was not sent."""

    mail: Reply
    recipients: list[Reply]
    data: Reply | None

    @property
    def last(self) -> Reply:
        return self.data or (self.recipients[-1] if self.recipients else self.mail)


class Client:
    """A session. It says EHLO when it is entered, QUIT at the end.

    source  the address of the loopback network that it comes from
    helo    the name that it gives itself; "" sends no greeting
    ehlo    False: HELO
    """

    def __init__(
        self,
        port: int,
        helo: str = "mail.example.com",
        *,
        source: str = "127.0.0.1",
        ehlo: bool = True,
        timeout: float = 60.0,
    ) -> None:
        self._smtp = smtplib.SMTP(
            "127.0.0.1", port, local_hostname=helo, timeout=timeout, source_address=(source, 0)
        )
        self._smtp.command_encoding = "utf-8"
        self.helo, self.ehlo = helo, ehlo
        self.greeted: Reply | None = None

    def __enter__(self) -> Self:
        if self.helo:
            self.greet()
        return self

    def __exit__(self, *exc_info: object) -> None:
        try:
            self._smtp.quit()
        except (smtplib.SMTPException, OSError):  # the server has ended it
            self._smtp.close()

    def command(self, line: str) -> Reply:
        """One line as it is, and the reply to it."""
        code, text = self._smtp.docmd(line)
        return Reply(code, text.decode("utf-8", "replace"))

    def greet(self) -> Reply:
        self.greeted = self.command(f"{'EHLO' if self.ehlo else 'HELO'} {self.helo}")
        return self.greeted

    def xclient(self, helo: str | None = None, **attributes: str) -> Reply:
        """Be another client, as Postfix's XCLIENT has it: ADDR, NAME, HELO, LOGIN, PROTO, PORT.

        The server begins anew, so the greeting is sent again, with ``helo`` if that is given.
        IPv6 addresses are written IPV6:2001:db8::1.
        """
        words = " ".join(f"{name}={value}" for name, value in attributes.items())
        reply = self.command(f"XCLIENT {words}")
        self.helo = self.helo if helo is None else helo
        if reply.code == 220 and self.helo:
            self.greet()
        return reply

    def mail(self, sender: str, *parameters: str) -> Reply:
        """MAIL FROM with parameters such as "SUBMITTER=bob@example.com" or "SMTPUTF8"."""
        return self.command(" ".join([f"MAIL FROM:<{sender}>", *parameters]))

    def rcpt(self, recipient: str) -> Reply:
        return self.command(f"RCPT TO:<{recipient}>")

    def data(self, message: bytes) -> Reply:
        """DATA and the message, whose line ends may be LF; the reply to its end."""
        if (reply := self.command("DATA")).code != 354:
            return reply
        lines = message.replace(b"\r\n", b"\n").removesuffix(b"\n").split(b"\n")
        stuffed = b"\r\n".join(b"." + line if line[:1] == b"." else line for line in lines)
        self._smtp.send(stuffed + b"\r\n.\r\n")
        code, text = self._smtp.getreply()
        return Reply(code, text.decode("utf-8", "replace"))

    def send(
        self, sender: str, recipients: Sequence[str], message: bytes, *parameters: str
    ) -> Sent:
        """A whole message; what comes after a refusal is not sent. The session can go on."""
        mail = self.mail(sender, *parameters)
        if mail.code != 250:
            return Sent(mail, [], None)
        replies = [self.rcpt(recipient) for recipient in recipients]
        if not any(reply.code == 250 for reply in replies):
            self.command("RSET")
            return Sent(mail, replies, None)
        return Sent(mail, replies, self.data(message))


class Swaks(NamedTuple):
    """What swaks ended with (0: the message was accepted), and the session that it printed."""

    status: int
    transcript: str


def swaks(port: int, sender: str, recipient: str, *options: str) -> Swaks:
    """One message; options are swaks's own: "--xclient-addr", "192.0.2.1", "--data", "@file" ..."""
    command = [program("swaks", "swaks"), "--server", "127.0.0.1", "--port", str(port)]
    command += ["--from", sender, "--to", recipient, *options]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    return Swaks(done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace"))


class Load(NamedTuple):
    """How smtp-source ended, and how long it took."""

    status: int
    messages: int
    seconds: float
    said: str

    @property
    def rate(self) -> float:
        return self.messages / self.seconds


def smtp_source(
    port: int, sender: str, recipient: str, messages: int, *options: str, sessions: int = 8
) -> Load:
    """So many messages in sessions side by side, each message with a connection of its own.

    Options are smtp-source's own: "-d" keeps connections, "-l", "10000" is the size in octets.
    """
    command = [program("smtp-source", "postfix"), "-s", str(sessions), "-m", str(messages)]
    command += ["-M", "mail.example.com", "-f", sender, "-t", recipient, *options]
    command.append(f"inet:127.0.0.1:{port}")
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600, check=False)
    seconds = time.perf_counter() - began
    return Load(done.returncode, messages, seconds, done.stdout + done.stderr)
